"""Layer 4: a picture as lines of text, for terminals, diffs and mails."""

from __future__ import annotations

from collections.abc import Iterator

from callflow.drawing.layout import said
from callflow.drawing.picture import Box, Picture, Tree
from callflow.log import one_line

LONGEST = 4000
"""Characters of a line."""


def to_text(picture: Picture) -> str:
    """The whole picture. What runs on by ``_`` alone stands one below the other; branches are indented under
    their keys.
    """
    lines: list[str] = []
    for tree in picture.trees:
        lines += [*_tree(tree, walked=picture.walked), ""]
    lines += picture.footer
    return "\n".join(one_line(line, LONGEST) for line in lines).rstrip("\n") + "\n"


def _tree(tree: Tree, *, walked: bool) -> Iterator[str]:
    yield tree.title
    for mark in tree.marks:
        yield f"  ! {mark.level}: {said(mark)}"
    if tree.root is None:
        yield "  an empty flow: the call ends at once"
        return
    todo: list[tuple[Box, str, str]] = [(tree.root, "  ", "  ")]
    while todo:
        box, first, rest = todo.pop()
        yield from _box(box, first, rest, walked=walked)
        children = box.in_order()
        if len(children) == 1 and children[0].key == "_":
            todo.append((children[0], rest, rest))
            continue
        last = len(children) - 1
        below = [
            (
                child,
                f"{rest}{'└─' if at == last else '├─'} {child.key}: ",
                f"{rest}{'  ' if at == last else '│ '} ",
            )
            for at, child in enumerate(children)
        ]
        todo.extend(reversed(below))


def _box(box: Box, first: str, rest: str, *, walked: bool) -> Iterator[str]:
    sign = ("▶ " if box.visits else "· ") if walked else ""
    tape = "● " if box.recorded else ""
    facts = f"  {' · '.join(box.facts)}" if box.facts else ""
    yield f"{first}{sign}{tape}{box.module}{facts}"
    more = f"{rest}{'  ' if walked else ''}  "
    for visit in box.visits:
        done = f"{visit.did} → {visit.outcome}" if visit.did else visit.outcome
        yield f"{more}{visit.turn}. at {visit.at:.1f} s for {visit.seconds:.1f} s: {done}".rstrip(": ")
    for line in box.recordings:
        yield f"{more}● {line}"
    for mark in box.marks:
        yield f"{more}! {mark.level}: {said(mark)}"
