"""Layer 4: what each setting costs: speech that is cut off, silence that is kept; and the best one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from callflow.tuning.frames import Frames
from callflow.tuning.grid import Setting
from callflow.tuning.replay import Stop

FAINT = 50
"""A frame quieter than this (mean absolute sample) is no speech, whatever webrtcvad says of it."""
SHORTEST_S = 0.2
"""Speech is at least so long: single frames of noise do not count as words."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a setting does to one recording, in seconds. ``speech_cut``: speech after its end.
    ``silence_kept``: silence between the last speech that is kept and the end.
    """

    kept: float
    speech_cut: float
    silence_kept: float
    reason: str


@dataclass(frozen=True, slots=True)
class Result:
    """A setting over all recordings: ``costs`` in their order. ``hurt``: recordings that lose speech."""

    setting: Setting
    costs: tuple[Cost, ...]

    @property
    def speech_cut(self) -> float:
        return sum(cost.speech_cut for cost in self.costs)

    @property
    def silence_kept(self) -> float:
        return sum(cost.silence_kept for cost in self.costs)

    @property
    def hurt(self) -> int:
        return sum(cost.speech_cut > 0 for cost in self.costs)

    def count(self, reason: str) -> int:
        """How many recordings end for this reason."""
        return sum(cost.reason == reason for cost in self.costs)


def speech_of(frames: Frames) -> NDArray[np.bool_]:
    """Which frames hold speech of anybody: webrtcvad's word, where it is loud enough and long enough."""
    speech: NDArray[np.bool_] = np.logical_or.reduce(frames.speech & (frames.loudness >= FAINT), axis=0)
    if not speech.any():
        return speech
    edges = np.flatnonzero(np.diff(np.concatenate([[False], speech, [False]]).astype(np.int8)))
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        if (end - begin) * frames.frame_s < SHORTEST_S:
            speech[begin:end] = False
    return speech


def cost(frames: Frames, speech: NDArray[np.bool_], stop: Stop) -> Cost:
    """What ending there costs."""
    cut = int(speech[stop.frames :].sum()) * frames.frame_s
    said = np.flatnonzero(speech[: stop.frames])
    last = (int(said[-1]) + 1) * frames.frame_s if len(said) else 0.0
    return Cost(stop.seconds, cut, max(0.0, stop.seconds - last), stop.reason)


def distinct(results: Sequence[Result]) -> list[tuple[Result, int]]:
    """One of all results that cost the same, the first, and how many they are."""
    found: dict[tuple[tuple[float, str], ...], list[Result]] = {}
    for result in results:
        key = tuple((round(cost.kept, 1), cost.reason) for cost in result.costs)
        found.setdefault(key, []).append(result)
    return [(alike[0], len(alike)) for alike in found.values()]


def best(results: Sequence[Result]) -> Result:
    """The setting that cuts off no speech, or the least, and then keeps the least silence; of equals the most
    careful one: the longest timeout, the lowest threshold.
    """

    def order(result: Result) -> tuple[float, float, float, float, int]:
        setting = result.setting
        rounded = (round(result.speech_cut, 1), round(result.silence_kept, 1))
        return (*rounded, -setting.limit_s, -setting.final_s, setting.threshold)

    return min(results, key=order)
