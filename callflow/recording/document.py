"""Layer 2: a recording's document as it is told: Kazoo's fields (kazoo.md 1.12), and ours. Values only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from callflow.clock import GREGORIAN_OFFSET_S, iso
from callflow.log import mask_text, mask_url
from callflow.recording.messages import SEALED_TYPE, content_type
from callflow.recording.recorder import State
from callflow.recording.sealing import is_sealed
from callflow.state.erasing import Hold, Proof
from callflow.state.events import KIND as EVENT
from callflow.state.records import DeliveryRow, RecordingRow

_TYPES = {"mp3": "audio/mpeg", "wav": "audio/wav", "ogg": "audio/ogg"}
_URLS = ("url", "media_url")


def media_type(row: RecordingRow) -> str:
    """The content type of the recording's file; of one without a file, what it was."""
    if sealed(row):
        return SEALED_TYPE
    return content_type(row.format) if row.format in _TYPES else "application/octet-stream"


def sealed(row: RecordingRow) -> bool:
    """Whether its file can be opened only with the account's key."""
    return bool(row.document.get("sealed")) or is_sealed(row.file)


def recording_document(
    row: RecordingRow, deliveries: Sequence[DeliveryRow] = (), hold: Hold | None = None
) -> dict[str, Any]:
    """The document of ``row`` with its ``deliveries`` (of files and of events) and its ``hold``.

    Kazoo's fields come first, as they were written when it ended (``start`` and ``duration`` of one under way
    are what is known so far). Ours say what became of it. No url shows a secret, and none a path.
    """
    facts: dict[str, Any] = {
        "id": row.id,
        "call_id": row.call_id,
        "account_id": row.account_id,
        "name": row.media_name,
        "media_type": row.format,
        "content_type": media_type(row),
        "media_source": "recorded",
        "origin": row.origin,
        "start": int(row.started_wall) + GREGORIAN_OFFSET_S,
        "duration": int(row.seconds),
        "duration_ms": int(row.seconds * 1000),
        **_shown(row.document),
        **_ours(row),
    }
    facts["held"] = None if hold is None else hold_facts(hold)
    files = [each for each in deliveries if each.kind != EVENT]
    facts["attempts"] = sum(each.attempts for each in files)
    facts["deliveries"] = [delivery_facts(each) for each in _first_first(files)]
    facts["events"] = [delivery_facts(each) for each in _first_first(deliveries) if each.kind == EVENT]
    return facts


def delivery_facts(row: DeliveryRow) -> dict[str, Any]:
    """A delivery in short."""
    return {
        "id": row.id,
        "kind": row.kind,
        "state": row.state,
        "method": row.method,
        "url": mask_url(row.url),
        "attempts": row.attempts,
        "last_status": row.last_status,
        "last_error": row.last_error,
        "created": iso(row.created_wall),
        "next": iso(row.next_wall) if row.state == "WAITING" else None,
        "finished": iso(row.finished_wall) if row.finished_wall else None,
    }


def proof_facts(proof: Proof) -> dict[str, Any]:
    """That a recording was erased, as it is told: what, when and by whom."""
    return {
        "n": proof.n,
        "id": proof.recording_id,
        "why": proof.why,
        "by": proof.by_whom,
        "erased": iso(proof.wall),
        "digests": {"sha-256": proof.sha256} if proof.sha256 else {},
        "bytes": proof.bytes,
        "copies": list(proof.copies),
    }


def proof_document(proof: Proof) -> dict[str, Any]:
    """The whole proof as JSON has it, but for the names that its files had."""
    return {
        **proof_facts(proof),
        "call_id": proof.call_id,
        "account_id": proof.account_id,
        "state": proof.state,
        "seconds": proof.seconds,
        "started": iso(proof.started_wall) if proof.started_wall else None,
        "files_gone": iso(proof.done_wall) if proof.done_wall else None,
    }


def hold_facts(held: Hold) -> dict[str, Any]:
    """That a recording is held (why, by whom, since when); of one that has ended, when and by whom, too."""
    facts: dict[str, Any] = {"reason": held.reason, "by": held.by_whom, "at": iso(held.wall)}
    if held.released_wall:
        facts |= {"released": iso(held.released_wall), "released_by": held.released_by}
    return facts


def _ours(row: RecordingRow) -> dict[str, Any]:
    return {
        "state": row.state,
        "reason": row.reason,
        "message": row.message,
        "label": row.label,
        "recovered": row.recovered,
        "channels": row.channels,
        "sample_rate": row.rate,
        "samples": row.samples,
        "bytes": row.bytes,
        "digests": {"sha-256": row.sha256} if row.sha256 else {},
        "stored": row.target_kind,
        "url": mask_url(row.url) if row.url else None,
        "started": iso(row.started_wall) if row.started_wall else None,
        "finished": iso(row.finished_wall) if row.finished_wall else None,
        "media": {
            "available": row.state == State.READY and bool(row.file),
            "content_type": media_type(row) if row.file else None,
            "sealed": sealed(row),
        },
    }


def _shown(document: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: mask_text(value) if name in _URLS and isinstance(value, str) else value
        for name, value in document.items()
        if not name.startswith("pvt_")
    }


def _first_first(rows: Iterable[DeliveryRow]) -> list[DeliveryRow]:
    return sorted(rows, key=lambda row: (row.created_wall, row.id))
