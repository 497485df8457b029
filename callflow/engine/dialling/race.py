"""Layer 3: who answers first. No input or output: times and events go in, what is to be done comes out.

Each attempt (one ringing target) is a small state machine; the race is over when one has answered, when
none is left, or when a rejection counts for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from callflow.errors import StateError

TIMED_OUT = "NO_ANSWER"
REJECTED = "CALL_REJECTED"


class AttemptState(StrEnum):
    """What has become of one target."""

    DUE = "due"  # not rung yet: its delay runs
    RINGING = "ringing"
    ANSWERED = "answered"
    FAILED = "failed"
    LOST = "lost"  # another one answered, or a rejection ended it for all


class AttemptEvent(StrEnum):
    """What happens to one target."""

    RING = "ring"
    ANSWER = "answer"
    END = "end"
    GIVE_UP = "give_up"


ALLOWED: dict[AttemptState, dict[AttemptEvent, AttemptState]] = {
    AttemptState.DUE: {
        AttemptEvent.RING: AttemptState.RINGING,
        AttemptEvent.GIVE_UP: AttemptState.LOST,
    },
    AttemptState.RINGING: {
        AttemptEvent.ANSWER: AttemptState.ANSWERED,
        AttemptEvent.END: AttemptState.FAILED,
        AttemptEvent.GIVE_UP: AttemptState.LOST,
    },
    AttemptState.ANSWERED: {},
    AttemptState.FAILED: {},
    AttemptState.LOST: {},
}
"""State → event → next state; anything else is a ``StateError``."""

# Somebody or their phone said no, or let it ring: that tells the caller more than a phone that is off.
_REACHED = frozenset({"USER_BUSY", REJECTED, TIMED_OUT, "NO_USER_RESPONSE"})


class Race:
    """``delays``: seconds from ``start`` until each target is rung; each then rings for ``timeout_s``, or its
    own time in ``timeouts`` (0: none).
    """

    def __init__(
        self,
        delays: Sequence[float],
        *,
        start: float,
        timeout_s: float,
        fail_on_single_reject: bool = False,
        timeouts: Sequence[float] = (),
    ) -> None:
        self.states = [AttemptState.DUE for _ in delays]
        self.winner: int | None = None
        self._rings_at = [start + max(0.0, delay) for delay in delays]
        own = timeouts or [0.0] * len(delays)
        self._ends_at = [ring + (mine or timeout_s) for ring, mine in zip(self._rings_at, own, strict=True)]
        self._single_reject = fail_on_single_reject
        self._failures: list[tuple[str, int]] = []

    @property
    def over(self) -> bool:
        """Nothing more will come of it."""
        return not any(state in (AttemptState.DUE, AttemptState.RINGING) for state in self.states)

    @property
    def failure(self) -> tuple[str, int]:
        """Why nobody answered: cause and SIP status (0: none was given). Of several failures the latest, but
        one of a target that was reached (busy, rejected, no answer) counts before those that were not.
        """
        reached = [failure for failure in self._failures if failure[0] in _REACHED]
        return (reached or self._failures or [("", 0)])[-1]

    def add(self, at: float, timeout_s: float) -> int:
        """One more target, rung from ``at`` on for ``timeout_s``; gives its index."""
        self.states.append(AttemptState.DUE)
        self._rings_at.append(at)
        self._ends_at.append(at + timeout_s)
        return len(self.states) - 1

    def extend(self, index: int, until: float) -> None:
        """A target has at least until then (it has answered, and is being asked something)."""
        self._ends_at[index] = max(self._ends_at[index], until)

    def due(self, now: float) -> list[int]:
        """The targets that are to be rung now; they count as ringing from here on."""
        indexes = [
            index
            for index, at in enumerate(self._rings_at)
            if self.states[index] is AttemptState.DUE and at <= now
        ]
        for index in indexes:
            self._apply(index, AttemptEvent.RING)
        return indexes

    def expired(self, now: float) -> list[int]:
        """The targets that have rung long enough; they have failed with ``NO_ANSWER``."""
        indexes = [
            index
            for index, at in enumerate(self._ends_at)
            if self.states[index] is AttemptState.RINGING and at <= now
        ]
        for index in indexes:
            self._apply(index, AttemptEvent.END)
            self._failures.append((TIMED_OUT, 0))
        return indexes

    def next_at(self) -> float:
        """When ``due`` or ``expired`` next have something (only while it is not ``over``)."""
        times = {AttemptState.DUE: self._rings_at, AttemptState.RINGING: self._ends_at}
        return min(times[state][index] for index, state in enumerate(self.states) if state in times)

    def answered(self, index: int) -> list[int]:
        """A target has answered: it has won; the others that ring have lost and are given back."""
        self._apply(index, AttemptEvent.ANSWER)
        self.winner = index
        return self.give_up()

    def ended(self, index: int, cause: str, code: int) -> list[int]:
        """A target has ended without an answer; gives back those that are to be hung up because of it."""
        self._apply(index, AttemptEvent.END)
        self._failures.append((cause, code))
        return self.give_up() if self._single_reject and cause == REJECTED else []

    def give_up(self) -> list[int]:
        """The race is ended; those that still ring are given back."""
        ringing = [index for index, state in enumerate(self.states) if state is AttemptState.RINGING]
        for index, state in enumerate(self.states):
            if state in (AttemptState.DUE, AttemptState.RINGING):
                self._apply(index, AttemptEvent.GIVE_UP)
        return ringing

    def _apply(self, index: int, event: AttemptEvent) -> None:
        state = self.states[index]
        if event not in ALLOWED[state]:
            raise StateError(
                f"attempt {index}: {state} cannot {event}", hint="This is a fault of the engine."
            )
        self.states[index] = ALLOWED[state][event]
