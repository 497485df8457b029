"""Layer 4: a picture as one SVG file: light and dark, no script, no font and no image from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax import saxutils

from callflow.drawing.hiding import printable
from callflow.drawing.layout import ACROSS, HEAD, LINE, WIDTH, Layout, Placed, cut, lay_out, said, wrapped
from callflow.drawing.picture import Box, Picture, Tree

MARGIN = 20
TITLE = 30
"""Room for a tree's title."""

STYLE = """\
  svg { --paper: #ffffff; --ink: #1b1f24; --soft: #59636e; --line: #8c959f; --box: #f6f8fa; --key: #e1e6eb;
        --error: #b3261e; --warning: #8a5a00; --note: #0a5c8c; --walked: #1a7f37; --record: #c21f5b;
        background: var(--paper); font-family: system-ui, 'Segoe UI', Roboto, sans-serif; }
  @media (prefers-color-scheme: dark) {
    svg { --paper: #0d1117; --ink: #e6edf3; --soft: #9da7b1; --line: #6e7681; --box: #161b22; --key: #262d35;
          --error: #ff8f86; --warning: #e0ac3f; --note: #6cb6ff; --walked: #56d364; --record: #ff7ab2; }
  }
  text { fill: var(--ink); white-space: pre; }
  .title { font-size: 15px; font-weight: 600; }
  .module { font-size: 13px; font-weight: 600; }
  .small { font: 11px ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace; }
  .fact { fill: var(--soft); }
  .turn { font-size: 11px; font-weight: 600; fill: var(--walked); }
  .did { fill: var(--walked); }
  .recording { fill: var(--record); }
  .error { fill: var(--error); }
  .warning { fill: var(--warning); }
  .note { fill: var(--note); }
  .box { fill: var(--box); stroke: var(--line); }
  .key { fill: var(--key); }
  .edge { fill: none; stroke: var(--line); stroke-width: 1.2; }
  .has-error { stroke: var(--error); stroke-width: 1.8; }
  .has-warning { stroke: var(--warning); stroke-width: 1.8; }
  .walked { stroke: var(--walked); stroke-width: 2.4; }
  .bar { fill: var(--record); }
  .arrow { fill: var(--line); }
"""
NOW = """\
  .now { fill: #dafbe1; stroke-width: 3.6; }
  @media (prefers-color-scheme: dark) { .now { fill: #12361f; } }
"""
"""Where a call is at this moment: only in pictures of live calls."""


def to_svg(picture: Picture) -> str:
    """The whole file, as text."""
    body: list[str] = []
    y, width = MARGIN, 0
    for tree in picture.trees:
        layout = lay_out(tree)
        body += _tree(tree, layout, y)
        y += _above(tree) + layout.height + MARGIN * 2
        width = max(width, layout.width, 8 * len(tree.title), 7 * _longest(tree))
    for line in picture.footer:
        body.append(f'<text class="small" x="{MARGIN}" y="{y}">{escape(line)}</text>')
        y += LINE
        width = max(width, 7 * len(line))
    style = STYLE + NOW if any(box.now for tree in picture.trees for box in tree.boxes()) else STYLE
    names = escape(", ".join(tree.title for tree in picture.trees))
    width, height = width + 2 * MARGIN, y + MARGIN // 2
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label={quoteattr("Callflow " + names)} '
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
    )
    return "\n".join([head, f"<title>{names}</title>", f"<style>\n{style}</style>", *body, "</svg>", ""])


def _longest(tree: Tree) -> int:
    return max((len(line) for mark in tree.marks for line in wrapped(said(mark), 90)), default=0)


def _above(tree: Tree) -> int:
    """The height of what stands above a tree: its title and the problems of its document."""
    return TITLE + LINE * sum(len(wrapped(said(mark), 90)) for mark in tree.marks)


def _tree(tree: Tree, layout: Layout, top: int) -> Iterator[str]:
    yield f'<text class="title" x="{MARGIN}" y="{top + 14}">{escape(tree.title)}</text>'
    y = top + TITLE
    for mark in tree.marks:
        for line in wrapped(said(mark), 90):
            yield f'<text class="small {mark.level}" x="{MARGIN}" y="{y}">{escape(line)}</text>'
            y += LINE
    if not layout.placed:
        yield f'<text class="small" x="{MARGIN}" y="{y}">an empty flow: the call ends at once</text>'
        return
    yield f'<g transform="translate({MARGIN},{y})">'
    for placed in layout.placed:
        if placed.parent >= 0:
            yield _edge(layout.placed[placed.parent], placed)
    for placed in layout.placed:
        yield from _box(placed)
    yield "</g>"


def _edge(parent: Placed, child: Placed) -> str:
    """A line with its arrow: straight down to ``_``, else out to the right and to the child's side."""
    walked = " walked" if child.box.visits else ""
    if child.box.key == "_":
        x, start, end = parent.x + 24, parent.y + parent.height, child.y
        tip = f"M{x - 4},{end - 6} L{x},{end} L{x + 4},{end - 6}"
        return f'<path class="edge{walked}" d="M{x},{start} L{x},{end} {tip}"/>'
    x, y = parent.x + WIDTH, parent.y + _middle(parent)
    turn, end, at = x + ACROSS - 14 - 8 * parent.lane, child.x, child.y + _middle(child)
    tip = f"M{end - 6},{at - 4} L{end},{at} L{end - 6},{at + 4}"
    return f'<path class="edge{walked}" d="M{x},{y} L{turn},{y} L{turn},{at} L{end},{at} {tip}"/>'


def _middle(placed: Placed) -> int:
    return _strip(placed.box) + HEAD // 2


def _strip(box: Box) -> int:
    """The height of the strip that shows the branch key."""
    return LINE if box.key not in ("", "_") else 0


def _box(placed: Placed) -> Iterator[str]:
    box, x, y = placed.box, placed.x, placed.y
    yield f'<g class="node" data-path={quoteattr(box.path)}><title>{escape(_whole(box))}</title>'
    yield f'<rect class="{_look(box)}" x="{x}" y="{y}" width="{WIDTH}" height="{placed.height}" rx="5"/>'
    if _strip(box):
        yield f'<rect class="key" x="{x + 1}" y="{y + 1}" width="{WIDTH - 2}" height="{LINE - 1}" rx="4"/>'
        yield f'<text class="small" x="{x + 10}" y="{y + 11}">{escape(cut(box.key, 36))}</text>'
        y += LINE
    if box.recorded:
        high = placed.height - _strip(box) - 6
        yield f'<rect class="bar" x="{x + 2}" y="{y + 3}" width="4" height="{high}"/>'
    yield f'<text class="module" x="{x + 12}" y="{y + 16}">{escape(cut(box.module, 26))}</text>'
    if box.visits:
        turns = cut(", ".join(f"{visit.turn}" for visit in box.visits), 12)
        yield f'<text class="turn" x="{x + WIDTH - 10}" y="{y + 15}" text-anchor="end">{escape(turns)}</text>'
    for number, line in enumerate(placed.lines):
        at = y + HEAD + LINE * number + 9
        yield f'<text class="small {line.kind}" x="{x + 12}" y="{at}">{escape(line.text)}</text>'
    yield "</g>"


def _look(box: Box) -> str:
    """The classes of a box: the worst problem, and whether the call was here (which counts more)."""
    if box.visits:
        return "box walked now" if box.now else "box walked"
    for level in ("error", "warning"):
        if any(mark.level == level for mark in box.marks):
            return f"box has-{level}"
    return "box"


def _whole(box: Box) -> str:
    """All that a box says, uncut: what is shown when the pointer rests on it."""
    facts = [f"{box.key} → {box.module}" if box.key else box.module, *box.facts]
    facts += [
        f"{visit.turn}. at {visit.at:.2f} s for {visit.seconds:.2f} s: {visit.did} → {visit.outcome}"
        for visit in box.visits
    ]
    return "\n".join([*facts, *box.recordings, *(said(mark) for mark in box.marks)])


def escape(text: str) -> str:
    """A text in XML; what XML cannot hold is a blank."""
    return saxutils.escape(printable(text))


def quoteattr(text: str) -> str:
    """The same for an attribute, with its quotes."""
    return saxutils.quoteattr(printable(text))
