"""Layer 4: where the boxes of a picture stand.

The way that a flow takes when nothing else is said (``_``) runs straight down, a chain; what is gone to for a
reason (a digit, a cause) begins a chain in the next column, not above its node and below the chains of nodes
before it. So the picture is as high as its fullest column, and boxes never meet.
"""

from __future__ import annotations

from dataclasses import dataclass

from callflow.drawing.picture import Box, Mark, Tree

WIDTH = 260
"""Of a box, in pixels."""
COLUMNS = 36
"""Characters of a line in a box, in the small monospaced font."""
ACROSS = 44
"""Between columns."""
LANES = 4
"""Lines that may run down side by side between two columns."""
BETWEEN = 14
"""Between boxes that stand one below the other."""

HEAD, LINE, PAD = 22, 15, 6
"""Heights: a box's title, its lines, and the room at its end."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line in a box. ``kind``: ``fact``, ``did``, ``recording``, ``error``, ``warning`` or ``note``."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Placed:
    """A box and where its upper left corner is; ``lines`` are what it shows below its title."""

    box: Box
    x: int
    y: int
    height: int
    lines: tuple[Line, ...]
    parent: int = -1
    """Index of the placed box above; -1: the root."""
    lane: int = 0
    """Where the lines to its branches turn: 0 next to them, the next ones further left."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A tree whose boxes have places, each after its parent."""

    placed: tuple[Placed, ...]
    width: int
    height: int


def lines_of(box: Box) -> tuple[Line, ...]:
    """What a box shows below its title."""
    lines = [Line("fact", cut(fact)) for fact in box.facts]
    lines += [Line("did", cut(f"{visit.at:.1f} s: {visit.did or visit.outcome}")) for visit in box.visits]
    lines += [Line("recording", cut(text)) for text in box.recordings]
    for mark in box.marks:
        lines += [Line(mark.level, text) for text in wrapped(said(mark))]
    return tuple(lines)


def said(mark: Mark) -> str:
    """A problem as one text."""
    return f"{mark.code} {mark.message}"


def cut(text: str, columns: int = COLUMNS) -> str:
    """``text``, with its end replaced by … where it is too long."""
    return text if len(text) <= columns else f"{text[: columns - 1]}…"


def wrapped(text: str, columns: int = COLUMNS, lines: int = 4) -> list[str]:
    """``text`` in lines, at most so many; words that are too long are cut."""
    found = [""]
    for word in text.split():
        longer = f"{found[-1]} {word}".strip()
        if len(longer) <= columns:
            found[-1] = longer
        else:
            found.append(cut(word, columns))
    found = [line for line in found if line]
    return found if len(found) <= lines else [*found[: lines - 1], cut(f"{found[lines - 1]} …", columns)]


def lay_out(tree: Tree) -> Layout:
    """Give every box of ``tree`` its place, without recursion: a flow may be a thousand nodes deep."""
    if tree.root is None:
        return Layout((), 0, 0)
    packing = _Packing()
    todo = [(tree.root, -1)]
    while todo:
        begin, parent = todo.pop()
        chain = packing.place(begin, parent)
        todo.extend((child, at) for at, box in reversed(chain) for child in reversed(box.aside()))
    return packing.layout()


class _Packing:
    """Columns that are filled from the top, chain after chain."""

    def __init__(self) -> None:
        self._boxes: list[tuple[Box, int, int, int, tuple[Line, ...], int]] = []
        self._bottoms: list[int] = []
        self._columns: list[int] = []
        self._last_child: dict[int, int] = {}

    def place(self, begin: Box, parent: int) -> list[tuple[int, Box]]:
        """Put a chain into the column right of its parent's; give back its boxes and their indexes."""
        column, y = 0, 0
        if parent >= 0:
            column, y = self._columns[parent] + 1, self._boxes[parent][2]
        if column == len(self._bottoms):
            self._bottoms.append(-BETWEEN)
        y = max(y, self._bottoms[column] + BETWEEN)
        found: list[tuple[int, Box]] = []
        box: Box | None = begin
        while box is not None:
            lines = lines_of(box)
            height = _height(box, lines)
            at = len(self._boxes)
            self._boxes.append((box, column * (WIDTH + ACROSS), y, height, lines, parent))
            self._columns.append(column)
            self._bottoms[column] = y + height
            if box is begin and parent >= 0:
                self._last_child[parent] = y
            found.append((at, box))
            y += height + BETWEEN
            parent, box = at, box.down()
        return found

    def layout(self) -> Layout:
        """What has been placed."""
        lanes = self._lanes()
        placed = tuple(
            Placed(box, x, y, height, lines, parent, lanes.get(at, 0))
            for at, (box, x, y, height, lines, parent) in enumerate(self._boxes)
        )
        width = len(self._bottoms) * (WIDTH + ACROSS) - ACROSS
        return Layout(placed, width, max(self._bottoms))

    def _lanes(self) -> dict[int, int]:
        """Lines of a lower node turn further left than those that still run down beside it: none cross."""
        lanes: dict[int, int] = {}
        open_lines: dict[int, list[int]] = {}
        for parent in sorted(self._last_child, key=lambda at: self._boxes[at][2]):
            y, column = self._boxes[parent][2], self._columns[parent]
            beside = [end for end in open_lines.get(column, []) if end > y]
            lanes[parent] = min(len(beside), LANES - 1)
            open_lines[column] = [*beside, self._last_child[parent]]
        return lanes


def _height(box: Box, lines: tuple[Line, ...]) -> int:
    key = LINE if box.key not in ("", "_") else 0
    return key + HEAD + LINE * len(lines) + (PAD if lines else 0)
