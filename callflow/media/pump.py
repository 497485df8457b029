"""Layer 1: the pump: all sound of a media worker, tick by tick."""

from __future__ import annotations

from callflow.media.clips import ClipLoader
from callflow.media.messages import LegCommand
from callflow.media.taps import LegWatcher, Tap

TICK_S = 0.01
BLOCK_S = 0.5


class Pump:
    """Carries the sound of all legs. Not thread-safe: one thread commands and advances it.

    Works on whole ticks (10 ms): ``now`` is always on the tick grid. Rates are multiples of 100 Hz.
    """

    def __init__(self, load: ClipLoader) -> None:
        raise NotImplementedError

    @property
    def now(self) -> float:
        """Engine seconds up to which sound has happened."""
        raise NotImplementedError

    @property
    def idle(self) -> bool:
        """Nothing sounds, nothing is due, no tap wants audio: time may jump."""
        raise NotImplementedError

    def command(self, command: LegCommand) -> list[object]:
        """Do it at ``now``. Returns what happened at once. A leg that is gone is no fault (``Play`` answers
        ``leg_gone``, the others do nothing). Raises MediaError for what never can be (two rates bridged,
        a leg added twice, a rate that is not a multiple of 100).
        """
        raise NotImplementedError

    def attach(self, tap: Tap) -> None:
        """From ``now`` on ``tap`` gets its points' sound."""
        raise NotImplementedError

    def detach(self, tap: Tap) -> None:
        """No more calls to ``tap``. Unknown taps are ignored."""
        raise NotImplementedError

    def watch(self, watcher: LegWatcher) -> None:
        """Tell ``watcher`` of digits and removed legs, on the sample; its events are passed on."""
        raise NotImplementedError

    def advance(self, until: float, max_s: float = BLOCK_S) -> tuple[float, list[object]]:
        """Run one block to at most ``min(until, now + max_s)``; shorter if something happens inside.
        Returns (time reached, events). Less than a tick to go: (until, []).
        """
        raise NotImplementedError
