"""Layer 2: FTP (RFC 959) and FTPS (RFC 4217, explicit), by the standard library in a thread.

A connection goes to an address that the guard allowed, and its data connections to the same one, whatever the
server says in its answer to PASV. The file goes up as ``NAME.part`` and is renamed once it is whole.
"""

from __future__ import annotations

import asyncio
import ftplib
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from callflow.delivery.stores.faults import broken, refused
from callflow.delivery.stores.store import BLOCK, CLEANING_S, PART, Upload, Ways, allowed_addresses
from callflow.documents.storage import Place
from callflow.errors import DeliveryError

_LATER = frozenset({"421", "425", "426", "450", "451", "452"})
"""Answers that mean: not now (RFC 959 4.2.1)."""
_T = TypeVar("_T")


class FtpStore:
    """``place``: handler ftp or ftps, its secrets revealed. ``trust``: for TLS, if not the system's."""

    def __init__(self, place: Place, ways: Ways, trust: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(str(place.settings["url"]))
        self._tls = parts.scheme == "ftps" or place.handler == "ftps"
        self._host = parts.hostname or ""
        self._port = parts.port or 21
        self._folder = unquote(parts.path).strip("/")
        self._user = str(place.settings.get("username") or unquote(parts.username or "") or "anonymous")
        self._password = str(place.settings.get("password") or unquote(parts.password or ""))
        self._ways = ways
        self._trust = trust
        self._name = f"{self._host}:{self._port}"
        self._stopped = threading.Event()
        self._addresses: list[str] = []

    async def size(self, path: str) -> int | None:
        """By SIZE (RFC 3659 4); a server without it is asked for the list of names."""
        return await self._run(lambda ftp: _size(ftp, self._at(path)))

    async def put(self, upload: Upload) -> bool:
        """STOR and RNTO."""
        return await self._run(lambda ftp: self._put(ftp, upload))

    async def read(self, path: str) -> AsyncIterator[bytes]:
        """By RETR, at most a few pieces ahead of who reads."""
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[bytes | None] = asyncio.Queue(8)

        def give(piece: bytes | None) -> None:
            asyncio.run_coroutine_threadsafe(pieces.put(piece), loop).result(self._ways.progress_timeout_s)

        def take(ftp: ftplib.FTP) -> None:
            ftp.retrbinary(f"RETR {self._at(path)}", give, BLOCK)

        running = asyncio.ensure_future(self._run(take))
        running.add_done_callback(lambda _: asyncio.ensure_future(pieces.put(None)))
        try:
            while (piece := await pieces.get()) is not None:
                yield piece
            await running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def delete(self, path: str) -> None:
        """By DELE."""
        await self._run(lambda ftp: _delete(ftp, self._at(path)))

    async def close(self) -> None:
        """Each operation has its own connection."""

    # ---- inside -------------------------------------------------------------------------------

    async def _run(self, work: Callable[[ftplib.FTP], _T]) -> _T:
        """``work`` in a thread, on a connection of its own; ended with us."""
        self._addresses = await allowed_addresses(self._ways, self._host, self._port)
        self._stopped.clear()
        running = asyncio.ensure_future(asyncio.to_thread(self._work, work))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            self._stopped.set()
            await asyncio.wait([running], timeout=CLEANING_S)
            raise
        finally:
            if running.done() and not running.cancelled():
                running.exception()

    def _work(self, work: Callable[[ftplib.FTP], _T]) -> _T:
        try:
            ftp = self._connect(self._addresses)
            try:
                found = work(ftp)
                _quit(ftp)
            finally:
                ftp.close()
            return found
        except DeliveryError:
            raise
        except ftplib.error_perm as error:
            said = str(error)
            hint = ": the user or password is wrong" if said.startswith("530") else ""
            raise refused(self._name, f"answered {said}{hint}") from None
        except ssl.SSLCertVerificationError as error:
            raise broken(self._name, f"has a TLS certificate that is not trusted: {error.reason}") from None
        except ftplib.all_errors as error:
            said = str(error)
            if said[:3].isdigit() and said[:3] not in _LATER:
                raise refused(self._name, f"answered {said}") from None
            raise broken(self._name, f"broke the exchange: {said or type(error).__name__}") from None

    def _connect(self, addresses: list[str]) -> ftplib.FTP:
        seconds = self._ways.progress_timeout_s
        ftp: ftplib.FTP
        if self._tls:
            ftp = _Secured(context=self._trust or ssl.create_default_context(), timeout=seconds)
        else:
            ftp = ftplib.FTP(timeout=seconds)
        ftp.encoding = "utf-8"
        problem: OSError | None = None
        for address in addresses:
            try:
                ftp.connect(address, self._port, timeout=self._ways.connect_timeout_s)
                break
            except OSError as error:
                problem = error
        else:
            why = problem.strerror if problem is not None else "no address"
            raise broken(self._name, f"cannot be connected to: {why or 'it took too long'}")
        ftp.host = self._host  # the name that a certificate is for; connections go to the address
        if ftp.sock is not None:
            ftp.sock.settimeout(seconds)
        try:
            ftp.login(self._user, self._password)
            if isinstance(ftp, ftplib.FTP_TLS):
                ftp.prot_p()
        except BaseException:
            ftp.close()
            raise
        return ftp

    def _put(self, ftp: ftplib.FTP, upload: Upload) -> bool:
        whole = self._at(upload.path)
        if _size(ftp, whole) is not None:
            return False
        _make_folders(ftp, whole)
        part = whole + PART
        try:
            with _Source(upload.file, self._stopped) as source:
                ftp.storbinary(f"STOR {part}", source, BLOCK)
            if _size(ftp, whole) is not None:  # taken while we were sending
                _delete(ftp, part)
                return False
            ftp.rename(part, whole)
        except BaseException:
            self._forget(part)
            raise
        return True

    def _forget(self, part: str) -> None:
        """On a new connection: what the old one still has to say is not known."""
        try:
            with self._connect(self._addresses) as ftp:
                _delete(ftp, part)
        except DeliveryError:
            return  # the next attempt writes over it
        except ftplib.all_errors:
            return

    def _at(self, path: str) -> str:
        return f"{self._folder}/{path}" if self._folder else path


class _Secured(ftplib.FTP_TLS):
    """Data connections resume the session of the first one, as many servers demand."""

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[Any, int | None]:
        conn, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        if self._prot_p and isinstance(self.sock, ssl.SSLSocket):  # type: ignore[attr-defined]
            conn = self.context.wrap_socket(conn, server_hostname=self.host, session=self.sock.session)
        return conn, size


class _Source:
    """A file that stops giving when it is told to."""

    def __init__(self, path: Path, stopped: threading.Event) -> None:
        self._file = path.open("rb")
        self._stopped = stopped

    def __enter__(self) -> _Source:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, count: int = BLOCK, /) -> bytes:
        """The next bytes."""
        if self._stopped.is_set():
            raise OSError("the upload was ended")
        return self._file.read(count)


def _size(ftp: ftplib.FTP, path: str) -> int | None:
    ftp.voidcmd("TYPE I")
    try:
        return ftp.size(path)
    except ftplib.error_perm as error:
        if str(error).startswith(("550", "553")):
            return None
        raise


def _make_folders(ftp: ftplib.FTP, path: str) -> None:
    parts = path.split("/")[:-1]
    for count in range(1, len(parts) + 1):
        try:
            ftp.mkd("/".join(parts[:count]))
        except ftplib.error_perm:
            continue  # it is there; if it is not, STOR says so


def _delete(ftp: ftplib.FTP, path: str) -> None:
    try:
        ftp.delete(path)
    except ftplib.error_perm as error:
        if not str(error).startswith("550"):
            raise


def _quit(ftp: ftplib.FTP) -> None:
    try:
        ftp.quit()
    except ftplib.all_errors:
        return
