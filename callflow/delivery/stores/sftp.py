"""Layer 2: SFTP by asyncssh, over a socket that the guard allowed. The file goes up as ``NAME.part`` and is
renamed once it is whole; a server refuses to rename onto a name that is taken (SFTP version 3).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from callflow.delivery.stores.faults import broken, refused
from callflow.delivery.stores.store import BLOCK, CLEANING_S, PART, Upload, Ways, connected
from callflow.documents.storage import Place
from callflow.errors import DeliveryError, StoreRefused

if TYPE_CHECKING:
    from asyncssh import SFTPClient


class SftpStore:
    """``place``: handler sftp, its secrets revealed. One connection for as long as it is open."""

    def __init__(self, place: Place, ways: Ways) -> None:
        self._settings = place.settings
        self._host = str(place.settings["host"])
        self._port = int(place.settings.get("port") or 22)
        self._ways = ways
        self._name = f"{self._host}:{self._port}"
        self._life = AsyncExitStack()
        self._client: SFTPClient | None = None

    async def size(self, path: str) -> int | None:
        """By STAT."""
        try:
            return (await (await self._open()).stat(path)).size
        except Exception as error:
            if _is_missing(error):
                return None
            raise self._fault(error) from None

    async def put(self, upload: Upload) -> bool:
        """WRITE and RENAME."""
        if await self.size(upload.path) is not None:
            return False
        sftp = await self._open()
        part = upload.path + PART
        try:
            if "/" in part:
                await sftp.makedirs(part.rpartition("/")[0], exist_ok=True)
            await self._write(sftp, upload, part)
            await sftp.rename(part, upload.path)
        except BaseException as error:
            await self._forget(part)
            if not isinstance(error, Exception):
                raise
            if await self._taken(upload.path):
                return False
            raise self._fault(error) from None
        return True

    async def read(self, path: str) -> AsyncIterator[bytes]:
        """In pieces."""
        try:
            async with (await self._open()).open(path, "rb") as file:
                while piece := await file.read(BLOCK):
                    yield bytes(piece) if not isinstance(piece, str) else piece.encode()
        except Exception as error:
            raise self._fault(error) from None

    async def delete(self, path: str) -> None:
        """By REMOVE."""
        try:
            await (await self._open()).remove(path)
        except Exception as error:
            if not _is_missing(error):
                raise self._fault(error) from None

    async def close(self) -> None:
        """End the connection."""
        self._client = None
        await self._life.aclose()

    # ---- inside -------------------------------------------------------------------------------

    async def _write(self, sftp: SFTPClient, upload: Upload, part: str) -> None:
        with upload.file.open("rb", buffering=0) as source:
            async with sftp.open(part, "wb") as file:
                while piece := await asyncio.to_thread(source.read, BLOCK):
                    async with asyncio.timeout(self._ways.progress_timeout_s):
                        await file.write(piece)

    async def _forget(self, part: str) -> None:
        if self._client is None:
            return
        removing = asyncio.ensure_future(self._client.remove(part))
        await asyncio.wait([removing], timeout=CLEANING_S)
        if not removing.done():
            removing.cancel()
        await asyncio.gather(removing, return_exceptions=True)

    async def _taken(self, path: str) -> bool:
        try:
            return await self.size(path) is not None
        except DeliveryError:
            return False

    async def _open(self) -> SFTPClient:
        if self._client is not None:
            return self._client
        try:
            import asyncssh
        except ImportError:
            raise StoreRefused(
                "sftp needs a library that is not installed (asyncssh)",
                hint='pip install "callflow-engine[storage]"',
            ) from None
        settings = self._settings
        options: dict[str, Any] = {"config": None, "agent_path": None, "client_keys": None}
        if settings.get("private_key"):
            try:
                options["client_keys"] = [asyncssh.import_private_key(str(settings["private_key"]))]
            except (asyncssh.KeyImportError, ValueError):
                raise refused(self._name, "cannot be logged in to: private_key cannot be read") from None
        if settings.get("host_key"):
            line = f"[{self._host}]:{self._port},{self._host} {settings['host_key']}"
            options["known_hosts"] = asyncssh.import_known_hosts(line)
        sock = await connected(self._ways, self._host, self._port)
        try:
            connection = await asyncssh.connect(
                self._host,
                self._port,
                sock=sock,
                username=str(settings["username"]),
                password=settings.get("password") or None,
                login_timeout=self._ways.progress_timeout_s,
                keepalive_interval=self._ways.progress_timeout_s,
                **options,
            )
        except BaseException as error:
            sock.close()
            if not isinstance(error, Exception):
                raise
            raise self._fault(error) from None
        self._life.push_async_callback(connection.wait_closed)
        self._life.callback(connection.close)
        self._client = await self._life.enter_async_context(connection.start_sftp_client())
        return self._client

    def _fault(self, error: Exception) -> DeliveryError:
        import asyncssh

        match error:
            case DeliveryError():
                return error
            case asyncssh.HostKeyNotVerifiable():
                return refused(self._name, "has a host key that is not known: give host_key in storage.json")
            case asyncssh.PermissionDenied():
                return refused(self._name, "refused the login: user, password or key is wrong")
            case asyncssh.SFTPPermissionDenied() | asyncssh.SFTPNoSuchFile() | asyncssh.SFTPNoSuchPath():
                return refused(self._name, f"refused: {error.reason}")
            case asyncssh.SFTPError() if isinstance(error, asyncssh.SFTPConnectionLost):
                return broken(self._name, "broke the connection")
            case asyncssh.SFTPError():
                return broken(self._name, f"answered: {error.reason}")
            case TimeoutError():
                return broken(self._name, "stood still for too long")
            case _:
                return broken(self._name, f"broke the exchange ({type(error).__name__})")


def _is_missing(error: Exception) -> bool:
    import asyncssh

    return isinstance(error, asyncssh.SFTPNoSuchFile | asyncssh.SFTPNoSuchPath)
