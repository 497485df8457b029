"""Layer 2: a web server that takes files by PUT or POST, as Kazoo's handler ``http`` sends them: the file's
bytes, or two parts (the recording's document as JSON, and the file), and the file as Base64 if
that is asked for.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from callflow.delivery.destinations.http import upload_headers
from callflow.delivery.http import Response
from callflow.delivery.stores.faults import of_status
from callflow.delivery.stores.store import BLOCK, Upload, Ways
from callflow.documents.storage import Place, locator
from callflow.errors import DeliveryError

_MOST_READ = 1 << 40
_SHORTEST = 2
_LINE = 57 * 1024
"""Bytes encoded at a time: a multiple of three, so that the pieces are one Base64 text."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A file as it goes out."""

    file: Path
    size: int
    content_type: str


class WebStore:
    """``place``: handler http, its secrets revealed. The server decides what it does with a name that it has:
    names are never given twice by this engine.
    """

    def __init__(self, place: Place, ways: Ways) -> None:
        self._place = place
        self._http, self._account = ways.http, ways.account
        self._headers = {str(k): str(v) for k, v in dict(place.settings.get("headers") or {}).items()}

    async def size(self, path: str) -> int | None:
        """Not asked: many servers that take files give none back."""
        return None

    async def put(self, upload: Upload) -> bool:
        """One request, and a yes to it."""
        answer = await self.send(upload)
        if not 200 <= answer.status <= 299:
            raise of_status(self._name, answer.status, "the file")
        return True

    async def send(self, upload: Upload) -> Response:
        """One request, whatever is answered; redirects are followed with the same verb. What the answer
        repeats of the plan's headers is hidden.
        """
        with tempfile.TemporaryDirectory(prefix="callflow-", dir=upload.file.parent) as folder:
            sent = await asyncio.to_thread(self._made, upload, Path(folder) / "body")
            answer = await self._http.upload(
                str(self._place.settings.get("verb", "put")).upper(),
                locator(self._place, upload.path),
                sent.file,
                {
                    **upload_headers(sent.content_type, upload.sha256, upload.sha256[:32]),
                    **self._headers,
                    "Content-Type": sent.content_type,
                },
                size=sent.size,
                account=self._account,
            )
        body = answer.body
        for value in self._headers.values():
            if len(value) > _SHORTEST:
                body = body.replace(value.encode(), b"***")
        return replace(answer, body=body)

    async def read(self, path: str) -> AsyncIterator[bytes]:
        """By GET, through a temporary file."""
        with tempfile.TemporaryDirectory(prefix="callflow-") as folder:
            into = Path(folder) / "file"
            await self._http.fetch_file(locator(self._place, path), into, _MOST_READ)
            with into.open("rb") as file:
                while piece := file.read(BLOCK):
                    yield piece

    async def delete(self, path: str) -> None:
        """By DELETE."""
        answer = await self._http.request(
            "DELETE", locator(self._place, path), headers=self._headers, account=self._account
        )
        if answer.status != 404 and not 200 <= answer.status <= 299:
            raise of_status(self._name, answer.status, "DELETE")

    async def close(self) -> None:
        """The client belongs to others."""

    @property
    def _name(self) -> str:
        from callflow.delivery.urls import parse_url

        return parse_url(str(self._place.settings["url"])).name

    def _made(self, upload: Upload, into: Path) -> Sent:
        """The body, written to ``into`` unless it is the file itself."""
        encoded = bool(self._place.settings.get("base64_encode_data"))
        if not encoded and not self._place.settings.get("send_multipart"):
            return Sent(upload.file, upload.size, upload.content_type)
        try:
            with into.open("wb") as out:
                if self._place.settings.get("send_multipart"):
                    kind = _write_parts(out, upload, encoded)
                else:
                    kind = f"{upload.content_type};base64"
                    _copy(upload.file, out, encoded)
        except OSError as error:
            raise DeliveryError(
                f"the body cannot be written: {error.strerror}", hint="is there space in the state folder?"
            ) from error
        return Sent(into, into.stat().st_size, kind)


def _write_parts(out: BinaryIO, upload: Upload, encoded: bool) -> str:
    """Two parts (RFC 2046 5.1); gives the content type."""
    boundary = f"callflow-{secrets.token_hex(16)}"
    metadata = json.dumps(upload.document, ensure_ascii=False).encode()
    out.write(f"--{boundary}\r\ncontent-type: application/json\r\n\r\n".encode())
    out.write(metadata)
    extra = "content-transfer-encoding: base64\r\n" if encoded else ""
    name = upload.path.rpartition("/")[2].replace('"', "")
    out.write(
        f"\r\n--{boundary}\r\ncontent-type: {upload.content_type}\r\n"
        f'content-disposition: form-data; name="file"; filename="{name}"\r\n{extra}\r\n'.encode()
    )
    _copy(upload.file, out, encoded)
    out.write(f"\r\n--{boundary}--\r\n".encode())
    return f"multipart/mixed; boundary={boundary}"


def _copy(path: Path, out: BinaryIO, encoded: bool) -> None:
    with path.open("rb") as file:
        while piece := file.read(_LINE):
            out.write(base64.b64encode(piece) if encoded else piece)
