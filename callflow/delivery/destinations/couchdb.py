"""Layer 2: CouchDB (BigCouch): the recording's document with the file as its attachment (kazoo.md 1.12).

Every step may have happened before without our knowing (an answer that was lost, a kill). So the document
is read first, and whatever is there already with the right digest counts as done.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from callflow.delivery.destinations.destination import Answer, check_file
from callflow.delivery.destinations.http import upload_headers
from callflow.delivery.http import GuardedHttp, Response
from callflow.delivery.outbox import Parcel
from callflow.delivery.urls import parse_url

_ROUNDS = 3
"""How often a conflict is looked at anew within one attempt."""
_MISSING_DATABASE = ("no_db_file", "Database does not exist")
_JSON = {"Content-Type": "application/json", "Accept": "application/json"}


class CouchDestination:
    """``DeliveryRow.url`` is the base url, ``database`` the account's database; document id: recording id."""

    def __init__(self, client: GuardedHttp) -> None:
        self._client = client

    async def deliver(self, parcel: Parcel, path: Path) -> Answer:
        """Bring document and attachment there; the database is made if it is missing."""
        check_file(parcel, path)
        row = parcel.delivery
        database = f"{parse_url(row.url).whole.rstrip('/')}/{quote(row.database, safe='')}"
        document_url = f"{database}/{quote(row.recording_id, safe='')}"
        name = attachment_name(parcel)
        answer = Answer(409)
        for _ in range(_ROUNDS):
            there = await self._client.request("GET", document_url, headers=_JSON, account=parcel.account)
            if there.status == 404 and _is_missing_database(there):
                made = await self._client.request("PUT", database, headers=_JSON, account=parcel.account)
                if made.status not in (201, 202, 412):  # 412: somebody else was quicker
                    return _answer(made)
                continue
            if there.status not in (200, 404):
                return _answer(there)
            found = _object(there.body) if there.status == 200 else {}
            if await _holds(found, name, parcel, path):
                return _answer(there)
            answer = await self._store(parcel, path, document_url, name, found)
            if answer.status != 409:
                return answer
        return Answer(503, answer.body, answer.retry_after, answer.address)  # it may be won later

    async def _store(
        self, parcel: Parcel, path: Path, document_url: str, name: str, found: Mapping[str, Any]
    ) -> Answer:
        """The document if it is not there, then the attachment. 409: somebody changed it meanwhile."""
        revision = found.get("_rev")
        if revision is None:
            body = json.dumps(couch_document(parcel)).encode()
            made = await self._client.request(
                "PUT", document_url, body=body, headers=_JSON, account=parcel.account
            )
            if made.status not in (201, 202):
                return _answer(made)
            revision = _object(made.body).get("rev", "")
        row = parcel.delivery
        sent = await self._client.upload(
            "PUT",
            f"{document_url}/{quote(name, safe='')}?rev={quote(str(revision), safe='')}",
            path,
            upload_headers(row.content_type, row.sha256, row.recording_id),
            size=row.bytes,
            account=parcel.account,
        )
        return _answer(sent)


def attachment_name(parcel: Parcel) -> str:
    """The name that an upload to a url would have: ``call_recording_CALL_ID.EXT``."""
    sealed = ".age" if parcel.delivery.file.endswith(".age") else ""
    return f"call_recording_{parcel.recording.call_id}.{parcel.recording.format}{sealed}"


def couch_document(parcel: Parcel) -> dict[str, Any]:
    """The recording's document: what was written down for it, completed by what is known at the end.

    A field that begins with ``_`` belongs to CouchDB and is not taken from the document.
    """
    recording, row = parcel.recording, parcel.delivery
    known = {
        "pvt_type": "call_recording",
        "call_id": recording.call_id,
        "content_type": row.content_type,
        "media_type": recording.format,
        "media_source": "recorded",
        "origin": recording.origin,
        "duration": int(recording.seconds),
        "duration_ms": int(recording.seconds * 1000),
        "sha256": row.sha256,
    }
    own = {key: value for key, value in recording.document.items() if not key.startswith("_")}
    return {**known, **own, "_id": recording.id}


async def _holds(document: Mapping[str, Any], name: str, parcel: Parcel, path: Path) -> bool:
    """Whether the document has our very file already."""
    attachments = document.get("_attachments")
    stub = attachments.get(name) if isinstance(attachments, dict) else None
    if not isinstance(stub, dict) or stub.get("length", parcel.delivery.bytes) != parcel.delivery.bytes:
        return False
    return stub.get("digest") == await asyncio.to_thread(_md5, path)


def _md5(path: Path) -> str:
    """The digest in CouchDB's form: ``md5-`` and base64."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
    return "md5-" + base64.b64encode(digest.digest()).decode("ascii")


def _is_missing_database(response: Response) -> bool:
    return any(text in str(_object(response.body).get("reason", "")) for text in _MISSING_DATABASE)


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _answer(response: Response) -> Answer:
    return Answer(
        response.status, response.body[:2048], response.headers.get("Retry-After"), response.address
    )
