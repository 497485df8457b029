"""Layer 4: a picture as a Mermaid flowchart, for Markdown pages that draw it (GitHub, GitLab, wikis)."""

from __future__ import annotations

from collections.abc import Iterator

from callflow.drawing.layout import cut, lines_of
from callflow.drawing.picture import Box, Picture, Tree

_CLASSES = (
    "classDef error stroke:#b3261e,stroke-width:2px",
    "classDef warning stroke:#8a5a00,stroke-width:2px",
    "classDef walked stroke:#1a7f37,stroke-width:3px",
)


def to_mermaid(picture: Picture) -> str:
    """The whole chart, as text."""
    lines = ["flowchart TD"]
    number = 0
    for count, tree in enumerate(picture.trees):
        lines.append(f'  subgraph t{count}["{_text(tree.title)}"]')
        boxes = list(tree.boxes())
        names = {id(box): f"n{number + at}" for at, box in enumerate(boxes)}
        number += len(boxes)
        lines += [f"    {line}" for line in _tree(tree, boxes, names)]
        lines.append("  end")
    lines += [f"  {line}" for line in _CLASSES]
    lines += [f"  %% {line}" for line in picture.footer]
    return "\n".join([*lines, ""])


def _tree(tree: Tree, boxes: list[Box], names: dict[int, str]) -> Iterator[str]:
    if not boxes:
        yield 'empty["an empty flow: the call ends at once"]'
    for box in boxes:
        turns = ", ".join(str(visit.turn) for visit in box.visits)
        head = f"<b>{_text(box.module)}</b>" + (f" ({turns})" if turns else "")
        rest = [_text(line.text) for line in lines_of(box)]
        yield f'{names[id(box)]}["{"<br/>".join([head, *rest])}"]{_class(box)}'
    for box in boxes:
        for child in box.children:
            arrow = "==>" if child.visits else "-->"
            label = f'|"{_text(cut(child.key, 40))}"|' if child.key != "_" else ""
            yield f"{names[id(box)]} {arrow}{label} {names[id(child)]}"


def _class(box: Box) -> str:
    if box.visits:
        return ":::walked"
    worst = [level for level in ("error", "warning") if any(mark.level == level for mark in box.marks)]
    return f":::{worst[0]}" if worst else ""


def _text(text: str) -> str:
    """Nothing of it is read as Mermaid's grammar or as HTML."""
    return "".join(char if char.isalnum() or char in " .,:/-_+=()…→" else f"#{ord(char)};" for char in text)
