"""Layer 4: the way that a call took, from its events to marks on the picture of its flows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from callflow.drawing.picture import Box, Picture, Tree, Visit
from callflow.events import CallEnded, CallStarted, Event, RecordingChanged, StepEnded, StepStarted

_BEGINS = frozenset({"started"})
_ENDS = frozenset({"finishing", "cancelled", "discarded", "failed"})
_OUTCOMES = frozenset({"cancelled", "discarded", "failed", "ready"})


_RECORDERS = frozenset({"record_call", "record_caller", "voicemail", "record"})
_TICK = 0.03
"""Seconds within which a step and what the media tells of it may differ."""


@dataclass(slots=True)
class _Step:
    """A step while it is told: ``end`` None until it ended."""

    flow_id: str
    path: str
    module: str
    turn: int
    at: float
    end: float | None = None
    did: str = ""
    outcome: str = ""
    recordings: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Tape:
    """A recording: its number in the call, from when to when it ran (seconds of the call)."""

    number: int
    begin: float | None = None
    end: float | None = None
    last: RecordingChanged | None = None

    def covers(self, at: float, end: float) -> bool:
        """Something was recorded between two moments, for more than a tick if they are further apart."""
        if self.begin is None:
            return False
        shared = min(end, self.end if self.end is not None else end) - max(at, self.begin)
        return shared >= min(_TICK, end - at)


class Journey:
    """Hears the events of one call (``call_id`` empty: of the first that starts), as a bus gives them."""

    def __init__(self, call_id: str = "") -> None:
        self._call_id = call_id
        self._start: float | None = None
        self._ended: CallEnded | None = None
        self._steps: list[_Step] = []
        self._tapes: dict[str, _Tape] = {}
        self._told: list[tuple[float, str]] = []
        self._now = 0.0

    def __call__(self, event: Event) -> None:
        if isinstance(event, CallStarted) and not self._call_id:
            self._call_id = event.call_id
        if event.call_id != self._call_id or not self._call_id:
            return
        if self._start is None:
            self._start = event.time
        at = event.time - self._start
        match event:
            case StepStarted():
                self._steps.append(_Step(event.flow_id, event.path, event.module, len(self._steps) + 1, at))
            case StepEnded():
                self._end_step(event, at)
            case RecordingChanged():
                self._on_recording(event, at)
            case CallEnded():
                self._ended = event

    def _end_step(self, event: StepEnded, at: float) -> None:
        for step in reversed(self._steps):
            if step.path == event.path and step.end is None:
                step.end, step.did, step.outcome = at, event.did, event.outcome
                return

    def _on_recording(self, event: RecordingChanged, at: float) -> None:
        tape = self._tapes.setdefault(event.recording_id, _Tape(len(self._tapes) + 1))
        tape.last = event if event.change in _OUTCOMES or tape.last is None else tape.last
        if event.change in _BEGINS:
            tape.begin = at
        elif event.change in _ENDS and tape.end is None:
            tape.end = at
        if event.change != "ready":
            change = "ended" if event.change == "finishing" else event.change
            why = f" ({event.reason})" if event.reason else ""
            self._told.append((at, f"recording {tape.number} {change} at {at:.1f} s{why}"))

    # ---- onto the picture ------------------------------------------------------------------------

    def flow_ids(self) -> list[str]:
        """The flows that the call walked, in their order."""
        return list(dict.fromkeys(step.flow_id for step in self._steps))

    def draw_on(self, make: Callable[[str], Tree | None], now: float | None = None) -> Picture:
        """The picture of the walked flows: ``make(flow_id)`` gives each (None: it is not known, and its steps
        are shown as a chain). ``now``: the clock's time, for a call that is still up.
        """
        if now is not None and self._start is not None and self._ended is None:
            self._now = max(0.0, now - self._start)
        for at, text in self._told:
            step = self._step_of(at)
            if step is not None:
                step.recordings.append(text)
        found: list[Tree] = []
        for flow_id in self.flow_ids():
            tree = make(flow_id)
            steps = [step for step in self._steps if step.flow_id == flow_id]
            boxes = {box.path: box for box in tree.boxes()} if tree is not None else {}
            if tree is None or any(step.path not in boxes for step in steps):
                tree = _chain(flow_id, steps)
                boxes = {box.path: box for box in tree.boxes()}
            for step in steps:
                self._mark(boxes[step.path], step)
            found.append(tree)
        return Picture(found, walked=True, footer=tuple(self._footer()))

    def _step_of(self, at: float) -> _Step | None:
        """The step in which something happened to a recording: of those that touch the moment (many take no
        time) one that is about recordings, else the last.
        """
        touching = [
            step
            for step in self._steps
            if step.at <= at + _TICK and (step.end is None or step.end >= at - _TICK)
        ]
        recorders = [step for step in touching if step.module in _RECORDERS]
        last = [step for step in self._steps if step.at <= at + _TICK]
        return next(iter((*recorders, *reversed(touching), *reversed(last))), None)

    def _mark(self, box: Box, step: _Step) -> None:
        end = step.end if step.end is not None else self._length(step.at)
        box.visits.append(Visit(step.turn, step.at, end - step.at, step.did, step.outcome))
        box.now = box.now or (step.end is None and self._ended is None and step is self._steps[-1])
        box.recordings += step.recordings
        box.recorded = box.recorded or any(tape.covers(step.at, end) for tape in self._tapes.values())

    def _length(self, at_least: float) -> float:
        return max(at_least, self._ended.duration if self._ended else self._now)

    def _footer(self) -> list[str]:
        lines = []
        if self._ended is not None:
            ended = self._ended
            lines.append(f"The call took {ended.duration:.1f} s and ended with {ended.cause} ({ended.by}).")
        for tape in self._tapes.values():
            last = tape.last
            if last is not None:
                file = f": {last.file}" if last.file else ""
                origin = f" ({last.origin})" if last.origin else ""
                lines.append(f"Recording {tape.number}{origin}: {last.seconds:.1f} s, {last.state}{file}")
        return lines


def _chain(flow_id: str, steps: list[_Step]) -> Tree:
    """A flow whose document is not at hand (an answer of a pivot server): its steps, one below the other."""
    root: Box | None = None
    above: Box | None = None
    for path, module in dict.fromkeys((step.path, step.module) for step in steps):
        box = Box(path, "_" if above else "", module)
        if above is None:
            root = box
        else:
            above.children.append(box)
        above = box
    return Tree(flow_id or "a flow from elsewhere", root, flow_id)
