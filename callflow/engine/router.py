"""Layer 3: media events find their call. One subscription for the whole engine, however many calls."""

from __future__ import annotations

from collections.abc import Callable

from callflow.media.messages import Digit, PlaybackDone
from callflow.media.port import MediaPort
from callflow.recording.messages import RecordingEvent

LegHandler = Callable[[Digit | PlaybackDone], None]
RecordingHandler = Callable[[RecordingEvent], None]


class MediaRouter:
    """Hands the pump's events to the one that asked for them, by leg or by recording.

    Events of legs and recordings that nobody watches are dropped: a leg's last events may come after
    its call has forgotten it.
    """

    def __init__(self, media: MediaPort) -> None:
        self._legs: dict[str, LegHandler] = {}
        self._recordings: dict[str, RecordingHandler] = {}
        self.close = media.subscribe(self._on_event)

    def watch_leg(self, leg: str, handler: LegHandler) -> None:
        """``handler`` gets the leg's digits and playbacks from now on (one handler a leg)."""
        self._legs[leg] = handler

    def forget_leg(self, leg: str) -> None:
        """Nobody cares for the leg any more."""
        self._legs.pop(leg, None)

    def watch_recording(self, recording_id: str, handler: RecordingHandler) -> None:
        """``handler`` gets the recording's events from now on."""
        self._recordings[recording_id] = handler

    def forget_recording(self, recording_id: str) -> None:
        """Nobody cares for the recording any more."""
        self._recordings.pop(recording_id, None)

    def _on_event(self, event: object) -> None:
        if isinstance(event, Digit | PlaybackDone):
            leg = self._legs.get(event.leg)
            if leg is not None:
                leg(event)
        elif isinstance(event, RecordingEvent):
            recording = self._recordings.get(event.id)
            if recording is not None:
                recording(event)
