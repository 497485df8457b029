"""Layer 2: what becomes of a spool that nobody writes any more, and the rows that say so. Values only."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from callflow.clock import GREGORIAN_OFFSET_S, iso, month
from callflow.events import RecordingChanged
from callflow.log import mask_url
from callflow.recording.encode import Encoded
from callflow.recording.messages import RecordingSpec, StartOn, content_type
from callflow.recording.recorder import State, too_short
from callflow.recording.spool import Spool
from callflow.state.events import Message, message_row
from callflow.state.folder import StateFolder, safe_name
from callflow.state.records import DeliveryRow, RecordingRow
from callflow.state.transcripts import is_clip

FINAL = frozenset({State.READY, State.DISCARDED, State.CANCELLED})
"""States that nothing follows. (``FAILED`` keeps its spool and may still become ``READY``.)"""


DONE = frozenset({State.READY, State.DISCARDED})
"""States that only a finished spool leads to: what is left of it may go."""


HEARD = frozenset({"silence", "max_duration", "time_limit"})
"""Reasons after which a clip of speech, kept only until it is understood, is listened to. With any other
nobody wants it any more.
"""


@dataclass(frozen=True, slots=True)
class Finished:
    """How a recording ended. ``change``: ``ready``, ``discarded``, ``cancelled`` or ``failed``; the other
    fields are those of ``callflow.events.RecordingChanged``, ``url`` as it may be shown. ``delivery_id``: its
    place in the outbox, if it has one; ``event_id``: that of the message that tells of it;
    ``to_transcribe``: its transcript is wanted.
    """

    id: str
    call_id: str
    change: str
    state: str
    reason: str
    seconds: float
    samples: int
    recovered: bool
    origin: str
    format: str
    bytes: int | None = None
    sha256: str | None = None
    file: str | None = None
    url: str | None = None
    delivery_id: str | None = None
    event_id: str | None = None
    to_transcribe: bool = False
    method: str = ""
    message: str = ""

    def event(self, time: float) -> RecordingChanged:
        """It as an event at ``time``."""
        return RecordingChanged(
            time=time,
            call_id=self.call_id,
            recording_id=self.id,
            change=self.change,
            state=self.state,
            reason=self.reason,
            seconds=self.seconds,
            origin=self.origin,
            format=self.format,
            bytes=self.bytes,
            sha256=self.sha256,
            file=self.file,
            url=self.url,
            message=self.message,
        )


class Verdict(NamedTuple):
    """``recovered``: its writer died; such a one, and one that failed, is exempt from the minimum length."""

    state: State
    reason: str
    message: str = ""
    recovered: bool = False


def verdict(spool: Spool, reason: str, message: str) -> Verdict:
    """What the recording is to become, if it can be encoded. ``reason``, ``message``: why it could
    not be written to its end (empty: it could, as far as is known).
    """
    ended, failed = spool.ended, spool.failed
    if failed is not None and not reason:
        reason, message = str(failed.get("reason", "")), str(failed.get("message", ""))
    if ended is not None and ended["what"] == "cancelled":
        return Verdict(State.CANCELLED, str(ended.get("reason", "")))
    if reason:
        return Verdict(State.READY if spool.samples else State.FAILED, reason, message)
    if spool.began is None and not spool.samples:
        return Verdict(State.CANCELLED, "recovered", recovered=True)
    if ended is None and is_clip(spool.spec.document):
        return Verdict(State.DISCARDED, "recovered", recovered=True)
    if ended is None:
        return Verdict(State.READY, "recovered", _gaps(spool), recovered=True)
    if is_clip(spool.spec.document) and ended.get("reason") not in HEARD:
        return Verdict(State.DISCARDED, str(ended.get("reason", "")))
    if too_short(spool.spec, max(spool.samples, int(ended.get("samples", 0)))):
        return Verdict(State.DISCARDED, "too_short")
    return Verdict(State.READY, str(ended.get("reason", "")), _gaps(spool))


def _gaps(spool: Spool) -> str:
    """What could not be written in time, in words."""
    lost = sum(int(line["length"]) for line in spool.journal if line.get("what") == "gap")
    if not lost:
        return ""
    return f"{lost / spool.spec.rate:.1f} s could not be written in time: they are silence in the file"


def file_of(folder: StateFolder, spool: Spool) -> Path:
    """The name of the finished file: made of its id only, so that finishing it again gives the same one."""
    spec = spool.spec
    name = f"{safe_name(spec.id)}.{spec.extension}"
    if spec.target.kind == "local":
        return folder.media / month(spec.requested_wall) / name
    return folder.outbox / name


def listed_row(spec: RecordingSpec) -> RecordingRow:
    """The recording as it is listed from its start on."""
    return RecordingRow(
        id=spec.id,
        call_id=spec.call_id,
        account_id=spec.account_id,
        state="RECORDING" if spec.start is StartOn.NOW else "WAITING",
        origin=spec.origin,
        label=spec.label,
        media_name=spec.media_name,
        format=spec.format.name,
        channels=len(spec.taps),
        rate=spec.rate,
        target_kind=spec.target.kind,
        url=spec.target.url,
        method=spec.target.method,
        started_wall=spec.requested_wall,
        document=spec.document,
    )


def recording_row(folder: StateFolder, spool: Spool, found: Verdict, encoded: Encoded | None) -> RecordingRow:
    """The row of a recording that has come to its end."""
    spec = spool.spec
    started, finished = _walls(spool)
    return replace(
        listed_row(spec),
        state=str(found.state),
        reason=found.reason,
        message=found.message,
        samples=spool.samples,
        bytes=encoded.bytes if encoded else 0,
        sha256=encoded.sha256 if encoded else "",
        file=folder.relative(encoded.path) if encoded else "",
        recovered=found.recovered,
        started_wall=started,
        finished_wall=finished,
        document=_document(spool, started),
    )


def delivery_row(row: RecordingRow, spool: Spool, wall: float) -> DeliveryRow | None:
    """Its place in the outbox; None: it stays in the local store. The id follows from the recording's."""
    target = spool.spec.target
    if target.kind == "local":
        return None
    return DeliveryRow(
        id=hashlib.sha256(f"delivery {row.id}".encode()).hexdigest()[:12],
        recording_id=row.id,
        kind=target.kind,
        url=target.url,
        method=target.method,
        database=target.database,
        file=row.file,
        content_type=content_type(row.format, sealed=spool.spec.seal_to is not None),
        sha256=row.sha256,
        bytes=row.bytes,
        created_wall=wall,
        message=target.plan,
    )


def event_row(row: RecordingRow, spool: Spool, wall: float) -> DeliveryRow | None:
    """The place in the outbox of the event that tells of it; None: nobody wants one, or there is no file."""
    wanted = spool.spec.event
    if wanted is None or row.state != State.READY:
        return None
    said = replace(wanted, body={**wanted.body, **_told(row, wanted)})
    id = hashlib.sha256(f"event {row.id}".encode()).hexdigest()[:12]
    return message_row(said, id=id, call_id=row.call_id, recording_id=row.id, wall=wall)


def _told(row: RecordingRow, wanted: Message) -> dict[str, Any]:
    """What is known now, for those of the event's keys that are still null."""
    facts = {
        "start_time": _second(row.started_wall),
        "end_time": _second(row.finished_wall),
        "size": row.bytes,
        "timestamp": iso(row.finished_wall),
    }
    return {key: facts[key] for key, value in wanted.body.items() if value is None and key in facts}


def _second(wall: float) -> str:
    """``2026-11-21T07:00:00Z``."""
    return f"{iso(wall)[:19]}Z"


def finished(row: RecordingRow, delivery: DeliveryRow | None, event: DeliveryRow | None = None) -> Finished:
    """A row as news."""
    return Finished(
        id=row.id,
        call_id=row.call_id,
        change=row.state.lower(),
        state=row.state,
        reason=row.reason,
        seconds=row.seconds,
        samples=row.samples,
        recovered=row.recovered,
        origin=row.origin,
        format=row.format,
        bytes=row.bytes or None,
        sha256=row.sha256 or None,
        file=row.file or None,
        url=mask_url(row.url) if row.url else None,
        method=row.method.upper(),
        delivery_id=delivery.id if delivery else None,
        event_id=event.id if event else None,
        message=row.message,
    )


def _walls(spool: Spool) -> tuple[float, float]:
    """When it began and ended, in seconds since 1970."""
    began, ended = spool.began, spool.ended
    started = spool.wall(float(began["time"])) if began else spool.spec.requested_wall
    if ended is not None:
        return started, spool.wall(float(ended["time"]))
    return started, started + spool.samples / spool.spec.rate


def _document(spool: Spool, started: float) -> dict[str, Any]:
    """The facts of kazoo.md 1.12: those known at the start, and those known now."""
    ms = 1000 * spool.samples // spool.spec.rate
    facts = {
        **spool.spec.document,
        "start": int(started) + GREGORIAN_OFFSET_S,
        "duration": ms // 1000,
        "duration_ms": ms,
    }
    if spool.spec.seal_to is not None:
        facts["sealed"] = "age"
    if spool.spec.target.url:
        facts["url"] = mask_url(spool.spec.target.url)
    return facts
