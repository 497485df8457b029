"""Layer 4: bodies of webhooks (ncco.md 3): pure functions, with the keys and types that receivers expect.

Times are ISO 8601 in UTC with milliseconds; numbers such as ``duration`` are texts, as Vonage sends them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Body = dict[str, Any]

BUSY, TIMEOUT, UNANSWERED, REJECTED = "busy", "timeout", "unanswered", "rejected"
FAILED, CANCELLED, COMPLETED = "failed", "cancelled", "completed"


def timestamp(wall: float) -> str:
    """Seconds since 1970 as ``2026-01-01T12:00:00.000Z``."""
    moment = datetime.fromtimestamp(wall, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


@dataclass(frozen=True, slots=True)
class Party:
    """What every event of a leg says of it."""

    uuid: str
    conversation_uuid: str
    from_number: str
    to_number: str
    direction: str = "inbound"

    def body(self) -> Body:
        """The keys that all of them have."""
        return {
            "from": self.from_number,
            "to": self.to_number,
            "uuid": self.uuid,
            "conversation_uuid": self.conversation_uuid,
        }


def call_state(party: Party, status: str, wall: float, more: Mapping[str, object] | None = None) -> Body:
    """``started``, ``ringing``, ``answered`` ... (ncco.md 3.2). ``more``: the keys of that state."""
    return {
        **party.body(),
        "status": status,
        "direction": party.direction,
        "timestamp": timestamp(wall),
        **(more or {}),
    }


def answered(party: Party, wall: float) -> Body:
    """The leg was answered."""
    return call_state(party, "answered", wall, {"start_time": None, "rate": None, "network": None})


def completed(
    party: Party, wall: float, *, start: float | None, end: float, by_platform: bool, sip_code: int
) -> Body:
    """The leg, once answered at ``start``, has ended. Nothing is charged here: ``price`` is 0."""
    seconds = 0 if start is None else round(end - start)
    facts = {
        "start_time": None if start is None else timestamp(start),
        "end_time": timestamp(end),
        "duration": str(seconds),
        "rate": "0.00",
        "price": "0",
        "network": None,
        "disconnected_by": "platform" if by_platform else "user",
        "sip_code": sip_code,
    }
    return call_state(party, COMPLETED, wall, facts)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a leg was not answered: its state and, for some, a ``detail``."""

    status: str
    detail: str = ""


_FAILURES: Mapping[str, Failure] = {
    "USER_BUSY": Failure(BUSY),
    "NO_ANSWER": Failure(TIMEOUT),
    "NO_USER_RESPONSE": Failure(UNANSWERED, "timeout"),
    "USER_NOT_REGISTERED": Failure(UNANSWERED, "unavailable"),
    "SUBSCRIBER_ABSENT": Failure(UNANSWERED, "unavailable"),
    "CALL_REJECTED": Failure(REJECTED, "declined"),
    "INVALID_NUMBER_FORMAT": Failure(REJECTED, "invalid_number"),
    "UNALLOCATED_NUMBER": Failure(FAILED, "number_out_of_service"),
    "NO_ROUTE_DESTINATION": Failure(FAILED, "cannot_route"),
    "INCOMPATIBLE_DESTINATION": Failure(FAILED, "cannot_route"),
    "ORIGINATOR_CANCEL": Failure(CANCELLED),
}


def failure_of(cause: str) -> Failure:
    """The state that stands for a Q.850 cause."""
    return _FAILURES.get(cause, Failure(FAILED, "internal_error"))


def not_answered(party: Party, cause: str, code: int, wall: float) -> Body:
    """The leg was not answered. ``code``: the SIP status, 0 if there was none."""
    failure = failure_of(cause)
    more: dict[str, object] = {}
    if failure.detail:
        more["detail"] = failure.detail
    if code and failure.status not in (CANCELLED, TIMEOUT):
        more["sip_code"] = code
    return call_state(party, failure.status, wall, more)


def input_result(
    party: Party,
    wall: float,
    *,
    dtmf: Mapping[str, object] | None,
    speech: Mapping[str, object] | None,
) -> Body:
    """What ``input`` has heard (ncco.md 3.5); a kind that was not asked for is left out."""
    body: Body = {**party.body(), "timestamp": timestamp(wall)}
    if dtmf is not None:
        body["dtmf"] = dict(dtmf)
    if speech is not None:
        body["speech"] = dict(speech)
    return body


def legacy_input_result(party: Party, wall: float, digits: str, timed_out: bool) -> Body:
    """The same for an ``input`` without ``type``."""
    return {**party.body(), "dtmf": digits, "timed_out": timed_out, "timestamp": timestamp(wall)}


def notification(conversation_uuid: str, payload: Mapping[str, object], wall: float) -> Body:
    """What ``notify`` sends."""
    return {
        "payload": dict(payload),
        "conversation_uuid": conversation_uuid,
        "timestamp": timestamp(wall),
    }


def transferred(uuid: str, from_conversation: str, to_conversation: str, wall: float) -> Body:
    """A leg has gone to another conversation."""
    return {
        "conversation_uuid_from": from_conversation,
        "conversation_uuid_to": to_conversation,
        "uuid": uuid,
        "timestamp": timestamp(wall),
    }


def error(reason: str, conversation_uuid: str, wall: float) -> Body:
    """Something in the script could not be done."""
    return {"reason": reason, "conversation_uuid": conversation_uuid, "timestamp": timestamp(wall)}


def payment(party: Party, wall: float) -> Body:
    """``pay`` is not carried out here."""
    return {**party.body(), "type": "payment", "status": "failure", "timestamp": timestamp(wall)}


def disconnected(party: Party, headers: Mapping[str, object], wall: float) -> Body:
    """A websocket leg was dropped by its server."""
    return {
        **party.body(),
        "status": "disconnected",
        "timestamp": timestamp(wall),
        "headers": dict(headers),
    }


# ---- recordings ----------------------------------------------------------------------------------


def recording(recording_uuid: str, conversation_uuid: str, url: str) -> Body:
    """A recording's file is there (ncco.md 3.3). What is null is known when it is, and filled in then
    (``RecordingSpec.event``): ``start_time`` and ``end_time`` to the second, ``size`` in bytes.
    """
    return {
        "start_time": None,
        "recording_url": url,
        "size": None,
        "recording_uuid": recording_uuid,
        "end_time": None,
        "conversation_uuid": conversation_uuid,
        "timestamp": None,
    }


def transcribed(recording_uuid: str, conversation_uuid: str, url: str) -> Body:
    """A recording's transcript is there (ncco.md 3.4)."""
    return {
        "conversation_uuid": conversation_uuid,
        "type": "record",
        "recording_uuid": recording_uuid,
        "status": "transcribed",
        "transcription_url": url,
    }


def transcription_failed(recording_uuid: str, conversation_uuid: str, why: str) -> Body:
    """There will be no transcript of it."""
    return {
        "conversation_uuid": conversation_uuid,
        "type": "record",
        "recording_uuid": recording_uuid,
        "status": "transcription_failed",
        "error": why,
    }
