"""What the media tests share: a tap that keeps everything, known sounds, and ways to find them again."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from callflow.media.clips import ClipLoader
from callflow.media.messages import AddLeg, PcmClip, PretendSource, Side, TapPoint
from callflow.media.pump import Pump
from callflow.media.taps import Samples

RATE = 8000


class KeepingTap:
    """Keeps all it gets. ``every``: says something each so many samples (an event of the exact time)."""

    def __init__(self, *points: TapPoint, rate: int = RATE, every: int = 0) -> None:
        self.points = points
        self.rate = rate
        self.wants_audio = True
        self.blocks: list[Samples] = []
        self.starts: list[float] = []
        self.samples = 0
        self._every = every

    def horizon(self, block: Samples) -> int:
        n: int = block.shape[1]
        return min(n, self._every - self.samples % self._every) if self._every else n

    def commit(self, block: Samples, time: float) -> list[object]:
        self.blocks.append(block.copy())
        self.starts.append(time)
        before, self.samples = self.samples, self.samples + block.shape[1]
        if not self._every:
            return []
        marks = range(before // self._every + 1, self.samples // self._every + 1)
        return [("mark", mark * self._every) for mark in marks]

    @property
    def sound(self) -> Samples:
        """All of it: ``[channels, n]``."""
        if not self.blocks:
            return np.zeros((len(self.points), 0), np.int16)
        return np.concatenate(self.blocks, axis=1)


def stereo(leg: str, **more: int) -> KeepingTap:
    """A tap on both sides of a leg."""
    return KeepingTap(TapPoint(leg, Side.READ), TapPoint(leg, Side.WRITE), **more)


def pump_with(*legs: str, rate: int = RATE, source: PretendSource | None = None) -> Pump:
    """A pump that has ``legs``."""
    pump = Pump(ClipLoader())
    for leg in legs:
        pump.command(AddLeg(leg, rate, source or PretendSource()))
    return pump


def run_to(pump: Pump, until: float, step: float = 0.5) -> list[object]:
    """Advance to ``until`` in blocks of at most ``step``; all events."""
    events: list[object] = []
    while pump.now < until - 1e-9:
        reached, more = pump.advance(until, step)
        assert reached == pump.now or reached == until
        events += more
        if reached == until != pump.now:
            break
    return events


def noise(n: int, seed: int = 1) -> Samples:
    """``n`` samples that are like nothing else, none of them 0."""
    random = np.random.default_rng(seed)
    pcm: Samples = (random.integers(1, 9000, n) * random.choice((-1, 1), n)).astype(np.int16)
    return pcm


def clip(pcm: Samples, rate: int = RATE) -> PcmClip:
    """Samples as a clip."""
    return PcmClip(pcm.astype("<i2").tobytes(), rate)


def level(pcm: Samples, hertz: float, rate: int = RATE) -> float:
    """The amplitude of one frequency in ``pcm``."""
    turns = np.exp(-2j * np.pi * hertz * np.arange(len(pcm)) / rate)
    return float(2 * abs(np.dot(pcm.astype(np.float64), turns)) / max(1, len(pcm)))


def offset_of(needle: Samples, hay: Samples) -> tuple[int, float]:
    """Where ``needle`` fits best in ``hay`` and how well (1: perfectly), by cross-correlation."""
    size = 1 << int(len(needle) + len(hay) - 1).bit_length()
    a, b = needle.astype(np.float64), hay.astype(np.float64)
    cross = np.fft.irfft(np.fft.rfft(b, size) * np.conj(np.fft.rfft(a, size)), size)[: len(hay)]
    at = int(np.argmax(cross))
    found = b[at : at + len(a)]
    scale = float(np.linalg.norm(a[: len(found)]) * np.linalg.norm(found))
    return at, float(cross[at]) / scale if scale else 0.0


def names(events: Iterable[object]) -> list[str]:
    """The types of ``events``."""
    return [type(event).__name__ for event in events]
