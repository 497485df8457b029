"""Layer 2: tries a place of a storage plan: write, read back, compare, delete; says at which step it ends."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from callflow.delivery.stores.opened import opened
from callflow.delivery.stores.store import Store, Upload, Ways, digest_of
from callflow.documents.storage import Facts, Place, database_of, locator, paths
from callflow.errors import CallflowError

_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Step:
    """One step. ``passed`` None: it was passed over, ``message`` says why."""

    name: str
    passed: bool | None
    message: str
    hint: str = ""


async def trial(place: Place, ways: Ways, account_id: str, wall: float, size: int) -> AsyncIterator[Step]:
    """Try ``place`` with a file of ``size`` bytes that recordings never have the name of; what was written is
    deleted also if a later step fails. The last step is the one that failed, if one did.
    """
    token = secrets.token_hex(8)
    facts = Facts(
        account_id,
        f"storage-test-{token}",
        f"storage_test_{token}.bin",
        f"storage-test-{token}",
        database_of(account_id, wall),
        {},
    )
    path = next(paths(place, facts))
    with tempfile.TemporaryDirectory(prefix="callflow-") as folder:
        file = Path(folder) / "file.bin"
        digest = await asyncio.to_thread(_fill, file, size)
        upload = Upload(path, file, size, "application/octet-stream", digest, {"storage_test": True})
        try:
            async with opened(place, ways) as store:
                async for step in _steps(store, place, upload):
                    yield step
        except CallflowError as error:
            yield Step("open", False, error.message, error.hint)


async def _steps(store: Store, place: Place, upload: Upload) -> AsyncIterator[Step]:
    where = locator(place, upload.path)
    try:
        if not await store.put(upload):
            yield Step("write", False, f"{where} is there already", "try again: the name is made by chance")
            return
    except CallflowError as error:
        yield Step("write", False, error.message, error.hint)
        return
    yield Step("write", True, f"{upload.size} bytes to {where}")
    good = True
    try:
        found = await digest_of(store, upload.path)
    except CallflowError as error:
        if place.handler == "http":
            yield Step("read back", None, "the server gives no files back, which it need not")
        else:
            good = False
            yield Step("read back", False, error.message, error.hint)
    else:
        yield Step("read back", True, f"SHA-256 {found[:16]}...")
        good = found == upload.sha256
        said = "the same bytes" if good else "other bytes came back than were written"
        hint = "" if good else "something on the way changes files: a proxy, a scanner, an ASCII mode"
        yield Step("compare", good, said, hint)
    try:
        await store.delete(upload.path)
    except CallflowError as error:
        if place.handler == "http":
            yield Step("delete", None, f"the server does not delete: remove {where} by hand")
        else:
            hint = f"{error.hint}; remove {where} by hand"
            yield Step("delete", False, f"it was kept: {error.message}", hint)
        return
    yield Step("delete", True, "nothing is left")


def _fill(path: Path, size: int) -> str:
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for begin in range(0, size, _CHUNK):
            piece = secrets.token_bytes(min(_CHUNK, size - begin))
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()
