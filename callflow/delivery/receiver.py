"""Layer 2: the other side: a server that takes recordings, shows them, and misbehaves on demand.

``callflow receive``, the demo and the tests use it. It keeps a file only when all of it has come and its
digest is right, under a name of its own: nothing that comes later overwrites it, unless it is the same
recording once more (``Idempotency-Key``).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import aiofiles
from aiohttp import web

from callflow.clock import SystemClock, monotonic
from callflow.delivery.receiver_faults import Fault, Faults
from callflow.delivery.receiver_tus import TusUploads, done, refused
from callflow.delivery.standard_webhooks import Check, key_of
from callflow.errors import BadSignature
from callflow.log import logger

_RECORDING = re.compile(r"call_recording_[^/&=?]*")
_PIECE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Received:
    """One request. ``file``: where it was kept, None if it was not. ``digest_ok``: None if none was sent.

    ``body_bytes``: what came; ``seconds``: of audio, None if it is no audio file. ``status``: the answer
    (0: the connection was cut). ``took_s``: how long it took to come. ``unsigned``: what is wrong with its
    signature; empty: nothing, or nobody looked.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body_bytes: int
    sha256: str
    digest_ok: bool | None
    status: int
    file: Path | None
    seconds: float | None
    took_s: float
    peer: str
    unsigned: str = ""

    def header(self, name: str) -> str | None:
        """The first header of this name."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class Receiver:
    """Takes PUT and POST at any path into ``folder``. ``told`` is called for each request when it is over.
    ``secrets``: takes only what is signed with one of them (Standard Webhooks), and answers 401 otherwise.
    ``tus``: takes resumable uploads, too (``receiver_tus``): each PATCH is one of ``received``, with a fault.
    """

    def __init__(
        self,
        folder: Path,
        faults: Faults | None = None,
        *,
        told: Callable[[Received], None] = lambda received: None,
        secrets: Sequence[str] = (),
        tus: bool = False,
    ) -> None:
        self._tus = TusUploads(folder) if tus else None
        self._signatures = _Signatures(secrets)
        self.folder = folder
        self.received: list[Received] = []
        self._faults = faults or Faults()
        self._told = told
        self._clock = SystemClock()
        self._runner: web.AppRunner | None = None
        self._kept: dict[tuple[str, str], Path] = {}  # by key and digest
        self._arrived = asyncio.Condition()

    async def start(self, port: int = 0, host: str = "127.0.0.1") -> str:
        """Listen; gives the base url (``http://127.0.0.1:PORT``). Port 0: any free one."""
        await asyncio.to_thread(self.folder.mkdir, parents=True, exist_ok=True)
        app = web.Application(client_max_size=0)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        address = self._runner.addresses[0]
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{address[1]}"

    async def wait_for(self, count: int) -> list[Received]:
        """Wait until ``count`` requests were seen."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.received) >= count)
        return self.received

    async def close(self) -> None:
        """Stop listening and end what is open."""
        if self._tus is not None:
            self._tus.forget_all()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    # ---- one request --------------------------------------------------------------------------

    async def _handle_tus(self, request: web.Request, tus: TusUploads) -> web.StreamResponse:
        began, upload = monotonic(), tus.find(request)
        answer = tus.answer(request)
        if answer is not None or upload is None:
            return answer or refused(404)
        fault = self._faults.next()
        cut_at = fault.cut_at(request.content_length or 0)
        digest, before, kept = hashlib.sha256(), upload.offset, None
        sha256 = ""
        try:
            good = await tus.take(request, upload, cut_at=cut_at, told=digest.update)
            if fault.delay_s:
                await self._clock.sleep(fault.delay_s)
            answer = refused(fault.status) if fault.status else done(upload) if good else refused(413)
            status = 0 if cut_at is not None else answer.status
        except (ConnectionError, web.RequestPayloadError) as error:
            logger.info("a sender went away: %s", type(error).__name__)
            status = 0
        count = upload.offset - before
        if upload.whole and status == 204:
            sha256 = await asyncio.to_thread(_sha256, upload.part)
            if upload.metadata.get("sha256", sha256) == sha256:
                kept = await asyncio.to_thread(_free_name, self.folder, file_name(upload.target))
                await asyncio.to_thread(upload.part.replace, kept)
            else:
                answer, status = refused(400), 400
            tus.ended(upload, kept is not None)
        await self._note(request, count, sha256 or digest.hexdigest(), status, kept, monotonic() - began, "")
        if not status:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        return answer or refused(404)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if self._tus is not None and self._tus.speaks(request):
            return await self._handle_tus(request, self._tus)
        began = monotonic()
        fault = self._faults.next()
        part = self.folder / f".{len(self.received)}-{id(request):x}.part"
        digest = hashlib.sha256()
        count = 0
        cut_at = fault.cut_at(request.content_length or 0)
        signature = self._signatures.begin(request, self._clock.wall())
        try:
            async with aiofiles.open(part, "wb") as file:
                async for piece in request.content.iter_chunked(_PIECE):
                    await file.write(piece)
                    digest.update(piece)
                    signature.update(piece)
                    count += len(piece)
                    if cut_at is not None and count >= cut_at:
                        break
                    if fault.bytes_per_s:
                        await self._clock.sleep(len(piece) / fault.bytes_per_s)
            sha256 = digest.hexdigest()
            answer = await self._answer(request, fault, cut_at is not None, sha256, signature.end())
            status = 0 if answer is None else answer.status
            kept = await self._keep(part, request, sha256) if 200 <= status <= 299 else None
        except (ConnectionError, web.RequestPayloadError) as error:
            logger.info("a sender went away: %s", type(error).__name__)
            sha256, status, kept, answer = digest.hexdigest(), 0, None, None
        finally:
            part.unlink(missing_ok=True)
        await self._note(request, count, sha256, status, kept, monotonic() - began, signature.problem)
        if answer is None:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        return answer

    async def _answer(
        self, request: web.Request, fault: Fault, cut: bool, sha256: str, unsigned: str
    ) -> web.Response | None:
        """What to say; None: nothing, the connection is cut."""
        if fault.delay_s:
            await self._clock.sleep(fault.delay_s)
        if cut:
            return None
        headers = {"Retry-After": str(fault.retry_after)} if fault.retry_after is not None else {}
        if fault.location:
            headers["Location"] = fault.location
        if fault.status:
            return web.Response(status=fault.status, headers=headers, text=f"as asked: {fault.status}\n")
        if unsigned:
            return web.Response(status=401, text=f"{unsigned}\n")
        if request.method not in ("PUT", "POST"):
            return web.Response(status=405, headers={"Allow": "PUT, POST"}, text="send PUT or POST\n")
        if _digest_ok(request.headers.get("Content-Digest"), sha256) is False:
            return web.Response(status=400, text="the digest does not fit the body\n")
        return web.Response(status=201, text="thank you\n")

    async def _keep(self, part: Path, request: web.Request, sha256: str) -> Path:
        """Give the file its name: the recording's, made harmless, and free unless it is the same again. Two
        senders may have chosen one id for two recordings: only what is the same to the byte is.
        """
        key = request.headers.get("Idempotency-Key", "")
        path = self._kept.get((key, sha256)) if key else None
        if path is None:
            path = await asyncio.to_thread(_free_name, self.folder, file_name(request.raw_path))
        await asyncio.to_thread(part.replace, path)
        if key:
            self._kept[key, sha256] = path
        return path

    async def _note(
        self,
        request: web.Request,
        count: int,
        sha256: str,
        status: int,
        kept: Path | None,
        took_s: float,
        unsigned: str,
    ) -> None:
        received = Received(
            method=request.method,
            target=request.raw_path,
            headers=tuple((str(key), value) for key, value in request.headers.items()),
            body_bytes=count,
            sha256=sha256,
            digest_ok=_digest_ok(request.headers.get("Content-Digest"), sha256),
            status=status,
            file=kept,
            seconds=None if kept is None else await asyncio.to_thread(audio_seconds, kept),
            took_s=took_s,
            peer=str(request.remote or ""),
            unsigned=unsigned,
        )
        async with self._arrived:
            self.received.append(received)
            self._arrived.notify_all()
        self._told(received)


class _Signatures:
    """Looks at the signature of each request while it comes."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = secrets
        for secret in secrets:
            key_of(secret)

    def begin(self, request: web.Request, wall: float) -> _Signature:
        """One request's."""
        if not self._secrets:
            return _Signature(None, "")
        try:
            return _Signature(Check(dict(request.headers), self._secrets, wall), "")
        except BadSignature as error:
            return _Signature(None, error.message)


@dataclass(slots=True)
class _Signature:
    check: Check | None
    problem: str

    def update(self, piece: bytes) -> None:
        if self.check is not None:
            self.check.update(piece)

    def end(self) -> str:
        """What is wrong; empty: nothing."""
        try:
            if self.check is not None:
                self.check.end()
        except BadSignature as error:
            self.problem = error.message
        return self.problem


def file_name(target: str) -> str:
    """A harmless file name for a target: ``call_recording_...`` wherever it is in it, else the last step."""
    found = _RECORDING.findall(target)
    last = found[-1] if found else target.partition("?")[0].rstrip("/").rpartition("/")[2]
    name = re.sub(r"[^A-Za-z0-9._@+-]", "_", unquote(last)).lstrip(".")
    return name[-150:] or "recording"


def audio_seconds(path: Path) -> float | None:
    """How long the audio of a file is; None: it is no audio file."""
    from callflow.errors import CallflowError
    from callflow.media.files import duration

    try:
        return float(duration(path))
    except CallflowError:
        return None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest_ok(header: str | None, sha256: str) -> bool | None:
    match = re.search(r"sha-256=:([A-Za-z0-9+/=]+):", header or "")
    if match is None:
        return None
    return match[1] == base64.b64encode(bytes.fromhex(sha256)).decode("ascii")


def _free_name(folder: Path, name: str) -> Path:
    stem, dot, extension = name.rpartition(".")
    if not dot:
        stem, extension = name, ""
    number = 1
    while True:
        path = folder / (name if number == 1 else f"{stem}-{number}{dot}{extension}")
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            number += 1
            continue
        return path


def as_json(received: Received) -> dict[str, Any]:
    """The documented JSON form: one object a request."""
    return {
        "event": "received",
        "method": received.method,
        "target": received.target,
        "headers": dict(received.headers),
        "bytes": received.body_bytes,
        "sha256": received.sha256,
        "digest_ok": received.digest_ok,
        "unsigned": received.unsigned,
        "status": received.status,
        "file": None if received.file is None else str(received.file),
        "seconds": received.seconds,
        "took_s": round(received.took_s, 6),
        "peer": received.peer,
    }
