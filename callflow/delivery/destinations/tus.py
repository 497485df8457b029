"""Layer 2: uploads that go on where they were cut: tus 1.0.0 (tus.io), with its extension ``creation``.

The upload is made by POST at the folder of the recording's url, with its name as metadata; what the server
gives as its url is kept beside the outbox, so that a later attempt, also of another process, asks how much is
there (HEAD) and sends the rest (PATCH).
"""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin

from callflow.delivery.destinations.destination import Answer
from callflow.delivery.http import GuardedHttp, Response
from callflow.delivery.outbox import Parcel
from callflow.delivery.urls import parse_url
from callflow.errors import BadUrl, FetchError
from callflow.log import logger
from callflow.state.database import Database

VERSION = "1.0.0"
_PROTOCOL = {"Tus-Resumable": VERSION}
_NOT_THERE = frozenset({403, 404, 410})
"""Answers to HEAD that say: no such upload (tus 1.0.0, HEAD); then a new one is made."""

_BUSY = frozenset({409, 423})
"""The offset is another one by now, or the server still holds on to the attempt that was cut."""


class Uploads:
    """Where each delivery's upload is: urls that outlive the process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, delivery_id: str) -> str:
        """The url, or an empty string."""

        def find(conn: sqlite3.Connection) -> str:
            row = conn.execute("SELECT url FROM uploads WHERE delivery_id = ?", (delivery_id,)).fetchone()
            return str(row[0]) if row else ""

        return await self._database.arun(find)

    async def keep(self, delivery_id: str, url: str) -> None:
        """On disk when it returns."""
        await self._database.arun(
            lambda conn: conn.execute("INSERT OR REPLACE INTO uploads VALUES (?, ?)", (delivery_id, url))
        )

    async def forget(self, delivery_id: str) -> None:
        """It is done, or gone."""
        await self._database.arun(
            lambda conn: conn.execute("DELETE FROM uploads WHERE delivery_id = ?", (delivery_id,))
        )


class Tus:
    """Uploads one file over as many attempts as it takes."""

    def __init__(self, client: GuardedHttp, uploads: Uploads, halfway: Callable[[], None]) -> None:
        self._client = client
        self._uploads = uploads
        self._halfway = halfway

    async def deliver(self, parcel: Parcel, path: Path, url: str, headers: Mapping[str, str]) -> Answer:
        """Go on with the upload, or begin it. ``headers``: of a whole upload; they go with the creation."""
        row = parcel.delivery
        at, offset = await self._uploads.find(row.id), 0
        if at:
            account = _account(parcel, url, at)
            asked = await self._client.request("HEAD", at, headers=_PROTOCOL, account=account)
            there = _offset(asked)
            if asked.status in _NOT_THERE or (_good(asked) and not 0 <= there <= row.bytes):
                logger.info("delivery %s: its upload is gone, and begins anew", row.id)
                await self._uploads.forget(row.id)
                at = ""
            elif not _good(asked):
                return _answer(asked, again=asked.status in _BUSY)
            offset = max(there, 0)
        if not at:
            made = await self._create(parcel, url, headers)
            if made.status != 201:
                return _answer(made)
            at, offset = _location(made, url), 0
            await self._uploads.keep(row.id, at)
        return await self._send(parcel, path, at, offset, _account(parcel, url, at))

    async def _create(self, parcel: Parcel, url: str, headers: Mapping[str, str]) -> Response:
        row, whole = parcel.delivery, parse_url(url).whole
        base, question, query = whole.partition("?")
        folder, _, name = base.rpartition("/")
        metadata = {
            "filename": unquote(name),
            "filetype": row.content_type,
            "sha256": row.sha256,
            "recording_id": row.recording_id,
            "call_id": parcel.recording.call_id,
        }
        said = {
            **headers,
            **_PROTOCOL,
            "Upload-Length": str(row.bytes),
            "Upload-Metadata": ",".join(f"{key} {_base64(value)}" for key, value in metadata.items()),
        }
        del said["Content-Type"]
        said["Repr-Digest"] = said.pop("Content-Digest")  # of the whole, not of this request (RFC 9530 3)
        return await self._client.request(
            "POST", f"{folder}/{question}{query}", body=b"", headers=said, account=parcel.account
        )

    async def _send(
        self, parcel: Parcel, path: Path, at: str, offset: int, account: Mapping[str, Any] | None
    ) -> Answer:
        row = parcel.delivery
        sent: Response | None = None
        while offset < row.bytes:
            headers = {
                **_PROTOCOL,
                "Content-Type": "application/offset+octet-stream",
                "Upload-Offset": str(offset),
            }
            sent = await self._client.upload(
                "PATCH",
                at,
                path,
                headers,
                size=row.bytes,
                begin=offset,
                halfway=self._halfway,
                account=account,
            )
            now = _offset(sent)
            if not _good(sent) or not offset < now <= row.bytes:
                break
            offset = now
        if offset < row.bytes and sent is not None:
            if _good(sent):
                raise FetchError(
                    f"the tus server says that it has {_offset(sent)} bytes of {row.bytes}, and was sent all",
                    hint="is it a tus 1.0.0 server?",
                )
            return _answer(sent, again=sent.status in _BUSY | _NOT_THERE)
        return Answer(200) if sent is None else _answer(sent)


def _account(parcel: Parcel, url: str, at: str) -> Mapping[str, Any] | None:
    """Credentials are for the server that the flow names, and not for another that it names."""
    return parcel.account if parse_url(url).origin == parse_url(at).origin else None


def _location(made: Response, asked: str) -> str:
    """The upload's url, with user and password of the url that was ``asked`` if it is of the same server.
    Raises FetchError, BadUrl; a server may not lead us to another scheme.
    """
    said = made.headers.get("Location", "").strip()
    if not said:
        raise FetchError("the tus server made an upload and gave no Location", hint="is it a tus server?")
    url = urljoin(made.url, said)
    if made.url.startswith("https:") and not url.startswith("https:"):
        raise BadUrl("the tus server leads from https to http", hint="does it know the name it is called by?")
    found, first = parse_url(url), parse_url(asked)
    if found.origin == first.origin and not found.userinfo:
        found = replace(found, userinfo=first.userinfo)
    return found.whole


def _good(response: Response) -> bool:
    return 200 <= response.status <= 299


def _offset(response: Response) -> int:
    said = response.headers.get("Upload-Offset", "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 16 else -1


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")


def _answer(response: Response, *, again: bool = False) -> Answer:
    """``again``: the next attempt asks where it stands, so that this is no refusal of the file."""
    status = 503 if again else response.status
    retry_after = response.headers.get("Retry-After")
    return Answer(status, response.body[:2048], retry_after, response.address)
