"""Layer 3: what came of a call, gathered from its events."""

from __future__ import annotations

from dataclasses import dataclass, field

from callflow.events import CallEnded, DeliveryChanged, Event, Noticed, RecordingChanged, StepEnded


@dataclass(frozen=True, slots=True)
class CallReport:
    """A call that is over. ``recordings``: the last change of each, by id, in the order of their starts.
    ``messages``: deliveries of what web servers are told of it.
    """

    call_id: str
    cause: str
    ended_by: str
    seconds: float
    steps: tuple[StepEnded, ...]
    recordings: dict[str, RecordingChanged]
    notices: tuple[Noticed, ...]
    messages: tuple[str, ...] = ()

    @property
    def errors(self) -> tuple[Noticed, ...]:
        """What went wrong, as it was told."""
        return tuple(notice for notice in self.notices if notice.level == "error")


@dataclass(slots=True)
class ReportWriter:
    """Hears the events of one call."""

    call_id: str
    _steps: list[StepEnded] = field(default_factory=list)
    _notices: list[Noticed] = field(default_factory=list)
    _recordings: dict[str, RecordingChanged] = field(default_factory=dict)
    _messages: list[str] = field(default_factory=list)
    _ended: CallEnded | None = None

    def __call__(self, event: Event) -> None:
        if event.call_id != self.call_id:
            return
        match event:
            case StepEnded():
                self._steps.append(event)
            case Noticed():
                self._notices.append(event)
            case CallEnded():
                self._ended = event
            case RecordingChanged():
                self._recordings[event.recording_id] = event
            case DeliveryChanged(change="queued", recording_id=""):
                self._messages.append(event.delivery_id)

    @property
    def recording_ids(self) -> tuple[str, ...]:
        """The recordings so far, in the order of their starts."""
        return tuple(self._recordings)

    def report(self) -> CallReport:
        """What was heard so far."""
        ended = self._ended
        return CallReport(
            call_id=self.call_id,
            cause=ended.cause if ended else "",
            ended_by=ended.by if ended else "",
            seconds=ended.duration if ended else 0.0,
            steps=tuple(self._steps),
            recordings=dict(self._recordings),
            notices=tuple(self._notices),
            messages=tuple(self._messages),
        )
