"""Layer 2: Google Drive, Dropbox and OneDrive, by OpenDAL. Their hosts are the library's, not a document's.

The library takes a file for them in one piece: one at a time is in memory, and none over ``MOST_BYTES``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import TYPE_CHECKING, Any, TypeVar

from callflow.delivery.stores.faults import broken, refused
from callflow.delivery.stores.store import Upload, Ways
from callflow.documents.storage import Place
from callflow.errors import DeliveryError, StoreRefused, UnsendableFile

if TYPE_CHECKING:
    from opendal import AsyncOperator

MOST_BYTES = 512 * 1024 * 1024
REQUEST_S = 600.0
_SCHEMES = {"google_drive": "gdrive", "dropbox": "dropbox", "onedrive": "onedrive"}
_KEYS = ("access_token", "refresh_token", "client_id", "client_secret")
_T = TypeVar("_T")
_one_at_a_time = asyncio.Semaphore(1)


class DrivesStore:
    """``place``: one of those handlers, its secrets revealed. ``operator``: in place of the library's own."""

    def __init__(self, place: Place, ways: Ways, operator: AsyncOperator | None = None) -> None:
        self._place = place
        self._name = place.base
        self._operator = operator

    async def size(self, path: str) -> int | None:
        """What the service knows of it."""
        try:
            return (await self._do(self._opened().stat(path))).content_length
        except FileNotFoundError:
            return None

    async def put(self, upload: Upload) -> bool:
        """In one piece."""
        if upload.size > MOST_BYTES:
            raise UnsendableFile(
                f"{upload.size} bytes are more than {self._place.handler} is sent ({MOST_BYTES})",
                hint="record mp3, or use another place for long recordings",
            )
        if await self.size(upload.path) is not None:
            return False
        async with _one_at_a_time:
            data = await asyncio.to_thread(upload.file.read_bytes)
            await self._do(self._opened().write(upload.path, data))
        return True

    async def read(self, path: str) -> AsyncIterator[bytes]:
        """In one piece too."""
        try:
            yield bytes(await self._do(self._opened().read(path)))
        except FileNotFoundError:
            raise refused(self._name, f"has nothing under {path}") from None

    async def delete(self, path: str) -> None:
        """Remove it."""
        await self._do(self._opened().delete(path))

    async def close(self) -> None:
        """Nothing is open between requests."""

    def _opened(self) -> AsyncOperator:
        if self._operator is None:
            try:
                import opendal
            except ImportError:
                raise StoreRefused(
                    f"{self._place.handler} needs a library that is not installed (opendal)",
                    hint='pip install "callflow-engine[storage]"',
                ) from None
            given: dict[str, Any] = {key: str(v) for key in _KEYS if (v := self._place.settings.get(key))}
            try:
                operator = opendal.AsyncOperator(_SCHEMES[self._place.handler], **given)
            except Exception:
                raise refused(
                    self._name, "cannot be used: give refresh_token, client_id and client_secret"
                ) from None
            limit = opendal.layers.TimeoutLayer(timeout=60.0, io_timeout=REQUEST_S)
            self._operator = operator.layer(limit)
        return self._operator

    async def _do(self, work: Awaitable[_T]) -> _T:
        from opendal import exceptions

        try:
            return await work
        except exceptions.NotFound:
            raise FileNotFoundError from None
        except (exceptions.PermissionDenied, exceptions.ConfigInvalid, exceptions.Unsupported) as error:
            raise refused(self._name, f"refused ({_kind(error)})") from None
        except DeliveryError:
            raise
        except Exception as error:  # its text may hold a request with a token
            lasting = "(permanent)" in str(error).partition("=>")[0] and "status: 4" in str(error)
            make = refused if lasting else broken
            raise make(self._name, f"did not take it ({_kind(error)})") from None


def _kind(error: Exception) -> str:
    return type(error).__name__
