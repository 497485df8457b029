"""Layer 2: object stores: S3 and what speaks like it, Google Cloud Storage, Azure Blob Storage, by obstore.

Up to ``PART_BYTES`` a file is one request that fails if the name is taken. A larger one goes up in parts,
each read when it is its turn; if reading ends in an error the library takes back the parts that are there. So
an attempt is ended by letting the next read fail, never by dropping the request.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from callflow.delivery.stores.faults import broken, refused
from callflow.delivery.stores.gate import Gate, gate
from callflow.delivery.stores.store import CLEANING_S, Upload, Ways, allowed_addresses
from callflow.documents.storage import Place
from callflow.errors import DeliveryError, StoreRefused, UnsendableFile

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore

PART_BYTES = 8 * 1024 * 1024
PARALLEL_PARTS = 2
"""At most ``PARALLEL_PARTS + 1`` parts of a file are in memory."""
REQUEST_S = 300.0
"""A request carries one part: one that takes longer than this stands still."""
_CODE = re.compile(r"<Code>\s*(\w+)\s*</Code>")
_STATUS = re.compile(r"status code: (\d{3})")
_EXTRA = 'pip install "callflow-engine[storage]"'
_T = TypeVar("_T")


class ObjectsStore:
    """``place``: one of the handlers s3, google_storage, azure, its secrets revealed."""

    def __init__(self, place: Place, ways: Ways) -> None:
        self._place = place
        self._ways = ways
        self._name = place.base
        self._opened: ObjectStore | None = None
        self._gate: Gate | None = None
        self._life = AsyncExitStack()

    async def size(self, path: str) -> int | None:
        """One HEAD."""
        store = await self._store()
        try:
            return (await self._do(store.head_async(path))).get("size")
        except FileNotFoundError:
            return None

    async def put(self, upload: Upload) -> bool:
        """One request, or parts."""
        store = await self._store()
        attributes: Any = {"Content-Type": upload.content_type, "sha256": upload.sha256}
        if upload.size <= PART_BYTES:
            body = await asyncio.to_thread(_whole, upload.file, upload.size)
            return await self._taken(store.put_async(upload.path, body, attributes=attributes, mode="create"))
        if await self.size(upload.path) is not None:
            return False
        source = _Parts(upload.file, upload.size)
        sending = asyncio.ensure_future(
            self._taken(
                store.put_async(
                    upload.path,
                    source,
                    attributes=attributes,
                    use_multipart=True,
                    chunk_size=PART_BYTES,
                    max_concurrency=PARALLEL_PARTS,
                )
            )
        )
        try:
            return await asyncio.shield(sending)
        except asyncio.CancelledError:
            source.stopped = True
            await asyncio.wait([sending], timeout=CLEANING_S)
            raise
        finally:
            source.close()
            if sending.done() and not sending.cancelled():
                sending.exception()  # it was seen, or does not matter any more

    async def read(self, path: str) -> AsyncIterator[bytes]:
        """One GET, as it comes."""
        store = await self._store()
        try:
            found = await self._do(store.get_async(path))
            async for piece in found.stream():
                yield bytes(piece)
        except FileNotFoundError:
            raise refused(self._name, f"has nothing under {path}") from None
        except DeliveryError:
            raise
        except Exception as error:
            raise self._fault(error) from None

    async def delete(self, path: str) -> None:
        """One DELETE."""
        store = await self._store()
        try:
            await self._do(store.delete_async(path))
        except FileNotFoundError:
            return

    async def close(self) -> None:
        """End what the library keeps for reuse."""
        self._opened = None
        await self._life.aclose()

    # ---- inside -------------------------------------------------------------------------------

    async def _store(self) -> ObjectStore:
        """The library's store, which reaches the network through a gate only. The host's addresses are looked
        at before, so that what is refused is said at once.
        """
        if self._opened is None:
            await allowed_addresses(self._ways, *host_of(self._place))
            if self._gate is None:
                self._gate = await self._life.enter_async_context(gate(self._ways))
            try:
                self._opened = _open(self._place, self._ways, self._gate.url)
            except ImportError:
                raise StoreRefused(
                    f"{self._place.handler} needs a library that is not installed (obstore)", hint=_EXTRA
                ) from None
            except Exception as error:
                text = str(error).partition("\n")[0]
                what = text if "key" not in text.lower() else "its key cannot be read"
                raise refused(self._name, f"cannot be used with these settings: {what}") from None
        return self._opened

    async def _taken(self, work: Awaitable[object]) -> bool:
        from obstore.exceptions import AlreadyExistsError

        try:
            await work
        except AlreadyExistsError:
            return False
        except DeliveryError:
            raise
        except Exception as error:
            raise self._fault(error) from None
        return True

    async def _do(self, work: Awaitable[_T]) -> _T:
        try:
            return await work
        except FileNotFoundError as error:
            if _code(error) in ("NoSuchBucket", "ContainerNotFound"):
                raise self._fault(error) from None
            raise
        except Exception as error:
            raise self._fault(error) from None

    def _fault(self, error: Exception) -> DeliveryError:
        """The library's texts hold whole answers and addresses: only the code and the status are used."""
        from obstore.exceptions import PermissionDeniedError, UnauthenticatedError

        if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
            return UnsendableFile(f"the file cannot be read: {error.strerror or error}")
        if self._gate is not None and self._gate.problem is not None:
            problem, self._gate.problem = self._gate.problem, None
            return problem
        text, code = str(error), _code(error)
        status = _STATUS.search(text)
        number = int(status.group(1)) if status else 0
        said = " ".join(part for part in (str(number) if number else "", code) if part)
        wrong = isinstance(error, PermissionDeniedError | UnauthenticatedError | FileNotFoundError)
        if wrong or (300 <= number <= 499 and number not in (408, 425, 429)):
            return refused(self._name, f"refused ({said or type(error).__name__})", code)
        if said:
            return broken(self._name, f"answered {said}")
        for words, what in _WORDS.items():
            if words in text:
                return broken(self._name, what)
        return broken(self._name, "broke the connection or did not answer")


_WORDS = {
    "kind: Connect,": "cannot be connected to",
    "kind: Timeout,": "did not answer in time",
    "invalid peer certificate": "has a TLS certificate that is not trusted",
}


class _Parts(Iterator[bytes]):
    """A file's parts, read when the library asks for the next; it asks in a thread of its own."""

    def __init__(self, path: Path, size: int) -> None:
        self._file = path.open("rb", buffering=0)
        self._left = size
        self.stopped = False

    def __next__(self) -> bytes:
        if self.stopped:
            raise OSError("the upload was ended")
        if not self._left:
            raise StopIteration
        piece = self._file.read(min(PART_BYTES, self._left))
        if not piece:
            raise OSError("the file is shorter than it was")
        self._left -= len(piece)
        return piece

    def close(self) -> None:
        """The file is not needed any more."""
        self._file.close()


def host_of(place: Place) -> tuple[str, int]:
    """The host and port that are connected to. For S3 in the virtual-host style, that of the bucket."""
    netloc = place.base.partition("://")[2].partition("/")[0]
    host, colon, port = netloc.rpartition(":") if not netloc.endswith("]") else (netloc, "", "")
    scheme = place.settings.get("scheme", "https")
    name = (host if colon else netloc).strip("[]")
    return (
        f"{place.settings['bucket']}.{name}" if _virtual(place) else name,
        int(port or (443 if scheme == "https" else 80)),
    )


def _virtual(place: Place) -> bool:
    """Whether the bucket's name is a part of the host's."""
    wanted = place.settings.get("bucket_access_method", "auto")
    return place.handler == "s3" and (
        wanted in ("vhost", "host") or (wanted == "auto" and not place.settings.get("host"))
    )


def _endpoint(place: Place) -> str:
    netloc = place.base.partition("://")[2].partition("/")[0]
    return f"{place.settings.get('scheme', 'https')}://{netloc}"


def _open(place: Place, ways: Ways, proxy_url: str) -> ObjectStore:
    from obstore.store import AzureStore, GCSStore, S3Store

    settings: Mapping[str, Any] = place.settings
    client: ClientConfig = {
        "allow_http": settings.get("scheme") == "http",
        "connect_timeout": timedelta(seconds=ways.connect_timeout_s),
        "timeout": timedelta(seconds=REQUEST_S),
        "proxy_url": proxy_url,
    }
    retry: Any = {"max_retries": 1, "retry_timeout": timedelta(seconds=30)}
    if place.handler == "s3":
        virtual = _virtual(place)
        endpoint = _endpoint(place)
        if virtual:
            endpoint = endpoint.replace("://", f"://{settings['bucket']}.", 1)
        return S3Store(
            str(settings["bucket"]),
            endpoint=endpoint,
            region=str(settings["region"]),
            access_key_id=str(settings["key"]),
            secret_access_key=str(settings["secret"]),
            virtual_hosted_style_request=virtual,
            client_options=client,
            retry_config=retry,
        )
    if place.handler == "azure":
        own = {"endpoint": f"{_endpoint(place)}/{settings['account']}"} if settings.get("host") else {}
        return AzureStore(
            str(settings["container"]),
            account_name=str(settings["account"]),
            account_key=str(settings["key"]),
            config=own,  # type: ignore[arg-type]
            client_options=client,
            retry_config=retry,
        )
    config: Any = {"service_account_key": str(settings["credential"])} if settings.get("credential") else {}
    return GCSStore(str(settings["bucket"]), config=config, client_options=client, retry_config=retry)


def _whole(path: Path, size: int) -> bytes:
    with path.open("rb", buffering=0) as file:
        data = file.read(size)
    if len(data) != size:
        raise UnsendableFile(f"the file {path.name} is shorter than it was", hint="the file was changed")
    return data


def _code(error: BaseException) -> str:
    found = _CODE.search(str(error))
    return found.group(1) if found else ""
