"""Layer 6: what calls have done, as it was told: of those that are up, for a while of those that are over."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from callflow.clock import Clock
from callflow.events import (
    CallAnswered,
    CallBridged,
    CallEnded,
    CallRinging,
    CallStarted,
    CallUnbridged,
    Event,
    EventBus,
    MetaflowDone,
    Noticed,
    RecordingChanged,
    StepEnded,
    StepStarted,
)

MOST_EVENTS = 1000
"""Of one call; of a longer one the latest are kept."""
MOST_OVER, MOST_OVER_EVENTS = 500, 50_000
"""So many calls that are over are kept, with so many events all together; the latest."""
KEPT_S = 3600.0
_KEPT = (
    CallAnswered, CallBridged, CallEnded, CallRinging, CallStarted, CallUnbridged, MetaflowDone, Noticed,
    RecordingChanged, StepEnded, StepStarted,
)  # fmt: skip


@dataclass(slots=True)
class Trace:
    """One call. ``started_wall``: seconds since 1970; ``left_out``: events that were too many."""

    started: CallStarted
    started_wall: float
    events: deque[Event] = field(default_factory=deque)
    ended: CallEnded | None = None
    left_out: int = 0

    @property
    def call_id(self) -> str:
        """Of its A-leg."""
        return self.started.call_id

    def at(self, time: float) -> float:
        """A time of the engine's clock as seconds since the call came in."""
        return round(time - self.started.time, 3)

    def steps(self) -> list[dict[str, Any]]:
        """The nodes that the call was at: ``seconds`` and ``outcome`` None at the one where it is now;
        ``next``: the key of the child that it went on to.
        """
        found: list[dict[str, Any]] = []
        for event in self.events:
            if isinstance(event, StepStarted):
                found.append(
                    {
                        "turn": len(found) + 1,
                        "flow_id": event.flow_id,
                        "path": event.path,
                        "module": event.module,
                        "at": self.at(event.time),
                        "seconds": None,
                        "outcome": None,
                        "did": None,
                        "next": None,
                    }
                )
            elif isinstance(event, StepEnded):
                _end_step(found, event)
        return found

    def recordings(self) -> dict[str, list[RecordingChanged]]:
        """What became of each recording, by id, the first first."""
        found: dict[str, list[RecordingChanged]] = {}
        for event in self.events:
            if isinstance(event, RecordingChanged):
                found.setdefault(event.recording_id, []).append(event)
        return found

    def notices(self) -> Iterator[Noticed]:
        """What was said of it."""
        return (event for event in self.events if isinstance(event, Noticed))

    def add(self, event: Event) -> int:
        """Keep it; gives how many more are kept now."""
        self.events.append(event)
        if len(self.events) <= MOST_EVENTS:
            return 1
        self.events.popleft()
        self.left_out += 1
        return 0


def _end_step(steps: list[dict[str, Any]], event: StepEnded) -> None:
    for step in reversed(steps):
        if step["path"] == event.path and step["seconds"] is None:
            move, _, key = event.outcome.partition(" ")
            step["seconds"] = round(event.seconds, 3)
            step["outcome"], step["did"] = event.outcome, event.did
            step["next"] = key if move in ("continue", "attempt") else None
            return


class Traces:
    """Hears the bus. Each account's calls by call id; a call id that comes again is the later call."""

    def __init__(self, bus: EventBus, clock: Clock) -> None:
        self._clock = clock
        self._up: dict[str, Trace] = {}
        self._over: OrderedDict[str, Trace] = OrderedDict()
        self._over_events = 0
        bus.subscribe(self._on_event)

    def find(self, account_id: str, call_id: str) -> Trace | None:
        """The call, up or over, if it is this account's."""
        trace = self._up.get(call_id) or self._over.get(call_id)
        return trace if trace is not None and trace.started.account_id == account_id else None

    def over(self, account_id: str) -> list[Trace]:
        """The account's calls that are over, the latest first."""
        self._forget()
        return [each for each in reversed(self._over.values()) if each.started.account_id == account_id]

    def _on_event(self, event: Event) -> None:
        if not event.call_id or not isinstance(event, _KEPT):
            return
        if isinstance(event, CallStarted):
            self._drop(event.call_id)
            self._up[event.call_id] = Trace(event, self._clock.wall())
        trace = self._up.get(event.call_id)
        if trace is None:
            late = self._over.get(event.call_id)
            self._over_events += late.add(event) if late is not None else 0
            return
        trace.add(event)
        if isinstance(event, CallEnded):
            trace.ended = event
            del self._up[event.call_id]
            self._over[event.call_id] = trace
            self._over_events += len(trace.events)
            self._forget()

    def _forget(self) -> None:
        oldest = self._clock.now() - KEPT_S
        while self._over:
            call_id, first = next(iter(self._over.items()))
            gone = first.ended is not None and first.ended.time < oldest
            if not gone and len(self._over) <= MOST_OVER and self._over_events <= MOST_OVER_EVENTS:
                return
            self._drop(call_id)

    def _drop(self, call_id: str) -> None:
        former = self._over.pop(call_id, None)
        self._over_events -= len(former.events) if former is not None else 0


def facts(trace: Trace) -> Mapping[str, Any]:
    """What is known of the call itself."""
    ended = trace.ended
    return {
        "id": trace.call_id,
        "account_id": trace.started.account_id,
        "from": trace.started.from_number,
        "to": trace.started.to_number,
        "flow_id": trace.started.flow_id,
        "flow_name": trace.started.flow_name,
        "started": trace.started_wall,
        "state": "up" if ended is None else "over",
        "seconds": round(ended.duration, 3) if ended is not None else None,
        "cause": ended.cause if ended is not None else None,
        "ended_by": ended.by if ended is not None else None,
    }
