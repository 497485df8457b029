"""Layer 5: what the endpoint and the media need of a phone that takes every call and keeps no recordings."""

from __future__ import annotations

from callflow.channels.channel import Party
from callflow.channels.sip.admission import Admission, Admitted, Verdict
from callflow.channels.sip.message import Request
from callflow.channels.sip.transport import Hop
from callflow.recording.messages import RecordingCommand, RecordingEvent


class OpenDoor(Admission):
    """Whoever calls the phone may."""

    def judge(self, request: Request, source: Hop) -> Verdict:
        said, called = request.from_, request.uri
        party = Party(said.uri.user, called.user, said.display, said.uri.host, called.host)
        return Admitted("", party, called.host)


class NoRecordings:
    """What ``InlineMedia`` has for a recorder (``Recorders``)."""

    busy = False

    def command(self, command: RecordingCommand) -> list[RecordingEvent]:
        raise AssertionError("a phone has no recorder")

    def settle(self) -> list[RecordingEvent]:
        return []

    def end_all(self, reason: str) -> list[RecordingEvent]:
        return []
