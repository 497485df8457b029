"""What the load generator says, so that whoever hears it can tell whether all of it came, and from whom.

A stream says one tone (a multiple of 50 Hz, so that each 20 ms hold whole periods) whose loudness climbs a
ladder of eight steps, one a packet: 1 2 3 .. 8 1 2 .. A lost, repeated, concealed or misplaced packet breaks
the order, another party's sound is another tone. ``check_tone`` reads that back from a recording.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RATE = 8000
FRAME = 160
"""Samples of a packet: 20 ms."""
TONES = tuple(range(200, 950, 50))
"""Hz. Orthogonal to each other over a packet; low, so that a sample more or less hardly shows in them."""
LADDER = tuple(range(3000, 11000, 1000))
"""Peak amplitudes of successive packets."""
OWN = 0.7
"""So much of a frame's amplitude must be its tone's: sound in which a clock is followed changes its phase."""
MAY_BE_OFF = 450
"""Amplitude of a packet against its step: where a clock is followed, two moments are faded into one."""


def ulaw(samples: NDArray[np.int16]) -> NDArray[np.uint8]:
    """G.711 µ-law (ITU-T G.711 table 2a). Our own: it shares no fault with what is measured."""
    value = samples.astype(np.int32)
    sign = np.where(value < 0, 0x80, 0)
    size = np.minimum(np.abs(value), 32635) + 132
    exponent = np.floor(np.log2(size)).astype(np.int32) - 7
    mantissa = (size >> (exponent + 3)) & 0x0F
    code: NDArray[np.uint8] = (~(sign | (exponent << 4) | mantissa) & 0xFF).astype(np.uint8)
    return code


def ulaw_values() -> NDArray[np.int16]:
    """The 256 samples that µ-law bytes stand for."""
    code = ~np.arange(256, dtype=np.uint8)
    exponent, mantissa = (code >> 4 & 7).astype(np.int32), (code & 0x0F).astype(np.int32)
    size = (((mantissa << 3) + 132) << exponent) - 132
    values: NDArray[np.int16] = np.where(code & 0x80, -size, size).astype(np.int16)
    return values


def frames() -> NDArray[np.int16]:
    """``[tone, step, sample]``: every packet that may be said."""
    time = np.arange(FRAME) / RATE
    waves = np.sin(2 * np.pi * np.array(TONES)[:, None] * time)
    every: NDArray[np.int16] = np.rint(waves[:, None, :] * np.array(LADDER)[None, :, None]).astype(np.int16)
    return every


@dataclass(frozen=True, slots=True)
class ToneCheck:
    """What ``check_tone`` found in one channel. Seconds but for: ``frames`` of 20 ms from the first to the
    last one with the tone, of which ``wrong`` hold something else or nothing, and ``breaks`` times the ladder
    was not climbed by one step. ``slips``: samples that were left out or put in to follow a clock.
    ``foreign``: the part of the energy between that is not the tone. ``gaps``: silent ones of ``wrong``.
    """

    seconds: float
    head_s: float
    tail_s: float
    frames: int
    wrong: int
    breaks: int
    slips: int
    foreign: float
    gaps: int = 0

    @property
    def whole(self) -> bool:
        """The tone is there, and no packet of it is missing."""
        return self.frames > 0 and self.wrong == 0 and self.breaks == 0


def check_tone(samples: NDArray[np.int16], tone: int, rate: int = RATE) -> ToneCheck:
    """Look for the tone ``TONES[tone]`` and its ladder in one channel."""
    seconds = len(samples) / rate
    frame = rate // 50
    if len(samples) < frame:
        return ToneCheck(seconds, seconds, 0.0, 0, 0, 0, 0, 1.0)
    size, own = _loudness(samples, frame), _amplitude(samples, TONES[tone], rate, frame)
    there = np.flatnonzero(own > LADDER[0] / 2)
    if not len(there):
        return ToneCheck(seconds, seconds, 0.0, 0, 0, 0, 0, 1.0)
    starts, slips = _starts(size, _best_start(size, int(there[0]), frame), frame)
    steps = np.where(own[starts] > OWN * size[starts], _steps(size[starts]), -1)
    heard = np.flatnonzero(steps >= 0)
    if not len(heard):
        return ToneCheck(seconds, seconds, 0.0, 0, 0, 0, 0, 1.0)
    inside = steps[heard[0] : heard[-1] + 1]
    starts = starts[heard[0] : heard[-1] + 1]
    begins, ends = int(starts[0]), int(starts[-1]) + frame
    known = inside >= 0
    follows = (np.diff(inside) % len(LADDER) == 1) | ~known[1:] | ~known[:-1]
    part = samples[begins:ends].astype(np.float64)
    all_energy = float(np.mean(part**2)) or 1.0
    own_energy = float(np.mean(own[starts] ** 2)) / 2
    return ToneCheck(
        seconds=seconds,
        head_s=begins / rate,
        tail_s=max(0, len(samples) - ends) / rate,
        frames=len(inside),
        wrong=int(np.count_nonzero(~known)),
        breaks=int(np.count_nonzero(~follows)),
        slips=slips,
        foreign=max(0.0, 1 - own_energy / all_energy),
        gaps=int(np.count_nonzero(size[starts] < LADDER[0] / 2)),
    )


AT_A_TIME = len(LADDER)
"""Frames after which it is looked whether packets still begin where they did."""
REACH = 24
"""Samples either side that are tried then."""


def _starts(size: NDArray[np.float64], first: int, frame: int) -> tuple[NDArray[np.intp], int]:
    """The first sample of each frame, and how many samples they slipped from the even grid in all."""
    offsets = np.arange(-REACH, REACH + 1)
    found, at, slips = [], first, 0
    while at < len(size):
        grid = at + frame * np.arange(AT_A_TIME)
        grid = grid[grid < len(size)]
        tried = np.clip(grid[:, None] + offsets, 0, len(size) - 1)
        cost = np.mean(np.minimum(_off(size[tried]), 500), axis=0)
        best = int(offsets[np.argmin(cost + np.abs(offsets) * 1e-6)])
        if cost[REACH] - cost[REACH + best] > 20:  # noise is no reason to move
            slips += abs(best)
            grid = np.clip(grid + best, 0, len(size) - 1)
        found.append(grid)
        at = int(grid[-1]) + frame
    return np.concatenate(found), slips


def _off(size: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each amplitude is from the nearest step."""
    nearest = np.clip(np.rint(size / 1000), LADDER[0] // 1000, LADDER[-1] // 1000) * 1000
    off: NDArray[np.float64] = np.abs(size - nearest)
    return off


def _loudness(samples: NDArray[np.int16], frame: int) -> NDArray[np.float64]:
    """The amplitude of a tone that is as loud as the frame that begins at each sample."""
    sums = np.concatenate(([0.0], np.cumsum(samples.astype(np.float64) ** 2)))
    found: NDArray[np.float64] = np.sqrt((sums[frame:] - sums[:-frame]) * 2 / frame)
    return found


def _amplitude(samples: NDArray[np.int16], hertz: int, rate: int, frame: int) -> NDArray[np.float64]:
    """The amplitude of ``hertz`` in the frame that begins at each sample."""
    turn = np.exp(-2j * np.pi * hertz / rate * np.arange(len(samples)))
    sums = np.concatenate(([0], np.cumsum(samples * turn)))
    found: NDArray[np.float64] = np.abs(sums[frame:] - sums[:-frame]) * 2 / frame
    return found


def _best_start(size: NDArray[np.float64], first: int, frame: int) -> int:
    """Where packets begin, to the sample: there the amplitudes are those of the ladder."""
    part = size[first : first + 100 * frame]
    rows = len(part) // frame
    if rows == 0:
        return int(first)
    table = part[: rows * frame].reshape(rows, frame)
    best = int(np.argmin(np.mean(np.minimum(_off(table), 500), axis=0)))
    return max(0, int(first) + best - (frame if best > frame // 2 and first + best >= frame - 8 else 0))


def _steps(size: NDArray[np.float64]) -> NDArray[np.intp]:
    """The step of the ladder of each frame; -1: none of them."""
    off = np.abs(size[:, None] - np.array(LADDER))
    step = np.argmin(off, axis=1)
    return np.where(off[np.arange(len(step)), step] < MAY_BE_OFF, step, -1)
