"""Layer 6: counts what happens in the process, from its events, for ``/metrics``."""

from __future__ import annotations

from collections import Counter

from callflow import events as ev
from callflow.media.messages import RtpReport

MOST_VALUES = 100
"""So many values of a label are told apart; what comes beyond them is ``other``."""
RECORDING_CHANGES = ("started", "masked", "paused", "ready", "discarded", "cancelled", "failed")
TRANSCRIPT_CHANGES = ("transcribed", "failed")
DELIVERY_CHANGES = ("queued", "delivered", "waiting", "dead", "blocked", "cancelled")


class Meter:
    """Everything here only grows. ``on_event`` and ``on_media`` are subscribed to the bus and the media."""

    def __init__(self) -> None:
        self.calls_started = 0
        self.calls_ended: Counter[str] = Counter()
        self.call_seconds = 0.0
        self.recordings: Counter[str] = Counter(dict.fromkeys(RECORDING_CHANGES, 0))
        self.recorded_seconds = 0.0
        self.transcripts: Counter[str] = Counter(dict.fromkeys(TRANSCRIPT_CHANGES, 0))
        self.deliveries: Counter[str] = Counter(dict.fromkeys(DELIVERY_CHANGES, 0))
        self.notices: Counter[str] = Counter({"info": 0, "warning": 0, "error": 0})
        self.requests: Counter[tuple[str, str]] = Counter()
        self.rtp: Counter[str] = Counter(dict.fromkeys(("sent", "received", "lost", "late", "strangers"), 0))

    def on_event(self, event: ev.Event) -> None:
        """Count one event."""
        match event:
            case ev.CallStarted():
                self.calls_started += 1
            case ev.CallEnded():
                self._few(self.calls_ended, event.cause)
                self.call_seconds += event.duration
            case ev.RecordingChanged():
                if event.change in RECORDING_CHANGES:
                    self.recordings[event.change] += 1
                if event.change == "ready":
                    self.recorded_seconds += event.seconds
            case ev.TranscriptChanged():
                if event.change in TRANSCRIPT_CHANGES:
                    self.transcripts[event.change] += 1
            case ev.DeliveryChanged():
                if event.change in DELIVERY_CHANGES:
                    self.deliveries[event.change] += 1
            case ev.Noticed():
                self._few(self.notices, event.level)

    def on_media(self, event: object) -> None:
        """Count the packets of a leg that has ended."""
        if isinstance(event, RtpReport):
            self.rtp["sent"] += event.sent
            self.rtp["received"] += event.received
            self.rtp["lost"] += event.lost
            self.rtp["late"] += event.late
            self.rtp["strangers"] += event.strangers

    def on_request(self, method: str, status: int) -> None:
        """Count an answered HTTP request."""
        known = method if method in {"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"} else "OTHER"
        self.requests[known, str(status)] += 1

    def _few(self, counter: Counter[str], value: str) -> None:
        counter[value if value in counter or len(counter) < MOST_VALUES else "other"] += 1
