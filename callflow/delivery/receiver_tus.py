"""Layer 2: resumable uploads to the receiver: tus 1.0.0 (tus.io), its core and the extension ``creation``.

What has come of an upload stays while its connection is cut: HEAD says how much, PATCH goes on. Uploads live
as long as the process, their bytes as hidden files of the receiver's folder until they are whole.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiofiles
from aiohttp import web

VERSION = "1.0.0"
MOST_UPLOADS = 1000
"""So many may be open; then the oldest is forgotten."""
MOST_BYTES = 1 << 40
_PIECE = 64 * 1024
_TYPE = "application/offset+octet-stream"


@dataclass(slots=True)
class Upload:
    """One upload. ``target``: where it was made, with the file's name; ``headers``: of its creation."""

    id: str
    length: int
    part: Path
    target: str
    metadata: dict[str, str] = field(default_factory=dict)
    offset: int = 0
    busy: bool = False

    @property
    def whole(self) -> bool:
        """All of it has come."""
        return self.offset == self.length


class TusUploads:
    """The uploads of one receiver, whose ``folder`` is there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._uploads: dict[str, Upload] = {}

    def speaks(self, request: web.Request) -> bool:
        """Is that tus?"""
        return "Tus-Resumable" in request.headers or request.method == "OPTIONS"

    def find(self, request: web.Request) -> Upload | None:
        """The upload that the request names."""
        return self._uploads.get(request.path.rstrip("/").rpartition("/")[2])

    def answer(self, request: web.Request) -> web.Response | None:
        """All but a PATCH that fits, which is None: take it with ``take``."""
        if request.method == "OPTIONS":
            return _said(204, {"Tus-Version": VERSION, "Tus-Extension": "creation"})
        if request.headers.get("Tus-Resumable") != VERSION:
            return _said(412, {"Tus-Version": VERSION})
        if request.method == "POST":
            return self._create(request)
        upload = self.find(request)
        if upload is None:
            return _said(404)
        if request.method == "HEAD":
            sizes = {"Upload-Offset": str(upload.offset), "Upload-Length": str(upload.length)}
            return _said(200, {**sizes, "Cache-Control": "no-store"})
        if request.method != "PATCH":
            return _said(405, {"Allow": "OPTIONS, POST, HEAD, PATCH"})
        if request.content_type != _TYPE:
            return _said(415)
        if upload.busy:
            return _said(423)
        return None if _number(request.headers.get("Upload-Offset")) == upload.offset else _said(409)

    def _create(self, request: web.Request) -> web.Response:
        length = _number(request.headers.get("Upload-Length"))
        if length is None:
            return _said(400)
        if length > MOST_BYTES:
            return _said(413)
        while len(self._uploads) >= MOST_UPLOADS:
            self.forget(self._uploads[next(iter(self._uploads))])
        id = secrets.token_hex(12)
        metadata = _metadata(request.headers.get("Upload-Metadata", ""))
        folder = request.path.rstrip("/")
        part = self._folder / f".tus-{id}.part"
        part.touch()
        target = f"{folder}/{metadata.get('filename') or id}"
        self._uploads[id] = Upload(id, length, part, target, metadata)
        return _said(201, {"Location": f"{folder}/{id}"})

    def ended(self, upload: Upload, kept: bool) -> None:
        """All of it has come. If it was ``kept``, who asks again hears that all is there."""
        if not kept:
            self.forget(upload)

    def forget(self, upload: Upload) -> None:
        """It is done with; its bytes go, unless they were renamed."""
        self._uploads.pop(upload.id, None)
        upload.part.unlink(missing_ok=True)

    def forget_all(self) -> None:
        """The receiver ends."""
        for upload in tuple(self._uploads.values()):
            self.forget(upload)

    async def take(
        self, request: web.Request, upload: Upload, *, cut_at: int | None, told: Callable[[bytes], None]
    ) -> bool:
        """What the PATCH brings, no more than is missing; what has come stays, whatever happens. ``cut_at``:
        so many bytes are taken. False: it brought too much.
        """
        count, upload.busy = 0, True
        try:
            async with aiofiles.open(upload.part, "r+b") as file:
                await file.seek(upload.offset)
                async for piece in request.content.iter_chunked(_PIECE):
                    if len(piece) > upload.length - upload.offset:
                        return False
                    await file.write(piece)
                    told(piece)
                    upload.offset += len(piece)
                    count += len(piece)
                    if cut_at is not None and count >= cut_at:
                        break
        finally:
            upload.busy = False
        return True


def done(upload: Upload) -> web.Response:
    """The answer to a PATCH that was taken."""
    return _said(204, {"Upload-Offset": str(upload.offset)})


def refused(status: int) -> web.Response:
    """Another answer."""
    return _said(status)


def _said(status: int, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, headers={"Tus-Resumable": VERSION, **(headers or {})})


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 16 else None


def _metadata(text: str) -> dict[str, str]:
    """Keys and values, base64; what cannot be read is left out."""
    found = {}
    for pair in text[:8000].split(","):
        key, _, value = pair.strip().partition(" ")
        try:
            found[key] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError, ValueError):
            continue
    return found
