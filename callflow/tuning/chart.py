"""Layer 4: an SVG of where each setting would have ended each recording."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from callflow.tuning.frames import Frames
from callflow.tuning.grid import Setting
from callflow.tuning.verdict import Result

WIDTH, LEFT, ROW, WAVE, GAP = 900, 250, 15, 60, 34
MOST_ROWS = 24
"""Settings of a chart: the best ones, when there are more."""

STYLE = """\
  svg { --paper: #fff; --ink: #1b1f24; --soft: #59636e; --wave: #8c959f; --speech: #1a7f37; --kept: #b7d3f2;
        --cut: #c21f5b; --best: #0a5c8c; background: var(--paper); font: 12px system-ui, sans-serif; }
  @media (prefers-color-scheme: dark) {
    svg { --paper: #0d1117; --ink: #e6edf3; --soft: #9da7b1; --wave: #6e7681; --speech: #56d364;
          --kept: #1f4b77; --cut: #ff7ab2; --best: #6cb6ff; } }
  text { fill: var(--ink); } .soft { fill: var(--soft); } .best { fill: var(--best); font-weight: 600; }
  .wave { fill: var(--wave); } .speech { fill: var(--speech); } .kept { fill: var(--kept); }
  .cut { fill: var(--cut); } .title { font-weight: 600; }
"""


def name_of(setting: Setting) -> str:
    """A setting in a few words."""
    initial = f", initial {setting.initial_s:g} s" if setting.initial_s else ""
    silence = f"{setting.detector} {setting.threshold}, final {setting.final_s:g} s{initial}"
    return f"{silence}, ≤ {setting.limit_s:g} s"


def chart(
    recordings: Sequence[tuple[Frames, NDArray[np.bool_]]], results: Sequence[Result], chosen: Result
) -> str:
    """The file, as text: for each recording its loudness with speech marked, and a bar a setting: what is
    kept, and the speech that is lost. ``results`` in the order to show; ``chosen`` is marked.
    """
    shown = list(results[:MOST_ROWS])
    body: list[str] = []
    y = 20
    for number, (frames, speech) in enumerate(recordings):
        body.append(
            f'<text class="title" x="10" y="{y}">{escape(frames.name)} ({frames.seconds:.1f} s)</text>'
        )
        y += 8
        body += _wave(frames, speech, y)
        y += WAVE + 6
        for result in shown:
            body += _row(frames, speech, result, number, y, result is chosen)
            y += ROW
        y += GAP
    width = LEFT + WIDTH + 20
    size = f'width="{width}" height="{y}" viewBox="0 0 {width} {y}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size}>'
    legend = (
        f'<text class="soft" x="10" y="{y - 12}">green: speech · blue: kept · red: speech that is cut off · '
        f"bold: the suggested setting</text>"
    )
    return "\n".join([head, f"<style>\n{STYLE}</style>", *body, legend, "</svg>", ""])


def _x(frames: Frames, seconds: float) -> float:
    return LEFT + WIDTH * seconds / max(frames.seconds, 0.001)


def _wave(frames: Frames, speech: NDArray[np.bool_], y: int) -> list[str]:
    """How loud it is, a column for each of some hundred moments; those with speech in another colour."""
    count = frames.loudness.shape[1]
    if not count:
        return []
    columns = min(WIDTH // 2, count)
    loud = frames.loudness.max(axis=0)
    edges = np.linspace(0, count, columns + 1).astype(int)
    paths: dict[str, list[str]] = {"wave": [], "speech": []}
    for number in range(columns):
        begin, end = int(edges[number]), max(int(edges[number]) + 1, int(edges[number + 1]))
        high = max(1, round(WAVE * min(1.0, float(loud[begin:end].max()) / 6000)))
        kind = "speech" if speech[begin:end].any() else "wave"
        x = LEFT + WIDTH * number / columns
        paths[kind].append(f"M{x:.1f},{y + WAVE - high}h{WIDTH / columns:.1f}v{high}h-{WIDTH / columns:.1f}z")
    return [f'<path class="{kind}" d="{"".join(parts)}"/>' for kind, parts in paths.items() if parts]


def _row(
    frames: Frames, speech: NDArray[np.bool_], result: Result, number: int, y: int, chosen: bool
) -> list[str]:
    cost = result.costs[number]
    end = _x(frames, cost.kept)
    look = ' class="best"' if chosen else ' class="soft"'
    found = [
        f'<text{look} x="10" y="{y + 10}">{escape(name_of(result.setting))}</text>',
        f'<rect class="kept" x="{LEFT}" y="{y + 2}" width="{end - LEFT:.1f}" height="{ROW - 5}"/>',
    ]
    lost = speech.copy()
    lost[: round(cost.kept / frames.frame_s)] = False
    edges = np.flatnonzero(np.diff(np.concatenate([[False], lost, [False]]).astype(np.int8)))
    parts = []
    for begin, stop in zip(edges[::2], edges[1::2], strict=True):
        left, right = _x(frames, begin * frames.frame_s), _x(frames, stop * frames.frame_s)
        parts.append(f"M{left:.1f},{y + 2}H{max(right, left + 0.5):.1f}v{ROW - 5}H{left:.1f}z")
    if parts:
        found.append(f'<path class="cut" d="{"".join(parts)}"/>')
    return found
