"""Layer 2: the store of a place of a storage plan, its secrets revealed at this moment."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from callflow.delivery.stores.dav import DavStore
from callflow.delivery.stores.drives import DrivesStore
from callflow.delivery.stores.ftp import FtpStore
from callflow.delivery.stores.objects import ObjectsStore
from callflow.delivery.stores.sftp import SftpStore
from callflow.delivery.stores.store import Store, Ways
from callflow.delivery.stores.web import WebStore
from callflow.documents.secrets import reveal
from callflow.documents.storage import Place
from callflow.errors import MissingSecret, StoreRefused

_KINDS: Mapping[str, type[Any]] = {
    **dict.fromkeys(("s3", "azure", "google_storage"), ObjectsStore),
    **dict.fromkeys(("google_drive", "dropbox", "onedrive"), DrivesStore),
    **dict.fromkeys(("ftp", "ftps"), FtpStore),
    "http": WebStore,
    "sftp": SftpStore,
    "webdav": DavStore,
}


@asynccontextmanager
async def opened(place: Place, ways: Ways) -> AsyncIterator[Store]:
    """The store, closed at the end. Raises StoreRefused for a secret that is not there, a setting that is
    missing.
    """
    try:
        settings = _revealed(dict(place.settings))
    except MissingSecret as error:
        raise StoreRefused(f"{place.title}: {error.message}", hint=error.hint) from None
    kind = _KINDS.get(place.handler)
    if kind is None:
        raise StoreRefused(f"there is no handler {place.handler!r}", hint="correct storage.json")
    try:
        store: Store = kind(replace(place, settings=settings), ways)
    except (KeyError, ValueError) as error:
        raise StoreRefused(
            f"{place.title}: its settings cannot be used", hint="callflow check names each mistake"
        ) from error
    try:
        yield store
    finally:
        await store.close()


def _revealed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _revealed(item) for key, item in value.items()}
    return reveal(value) if isinstance(value, str) else value
