"""Layer 2: a place of the account's storage plan (kazoo.md 1.10).

The plan that counts is the account's own of this moment, if this engine knows it, so that a corrected one
mends what waits; else the one that the recording began with. A name that is taken is never written over: what
is there is read and compared, and either it is our file (an answer was lost) or the next name is taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from callflow.delivery.destinations.destination import Answer, check_file
from callflow.delivery.outbox import Parcel
from callflow.delivery.stores.opened import opened
from callflow.delivery.stores.store import Store, Upload, Ways, digest_of
from callflow.delivery.stores.web import WebStore
from callflow.documents.storage import Place, locator, make_place, numbered
from callflow.errors import StoreRefused, UnsendableFile

MOST_NAMES = 50
"""So many names are tried within one attempt."""

PlanOf = Callable[[str], Awaitable[Mapping[str, Any]]]
"""An account's storage plan as it is now; empty: not known."""


class StorageDestination:
    """``DeliveryRow.message`` is the place as JSON, ``database`` the path there, ``url`` both for people."""

    def __init__(self, ways: Ways, plan_of: PlanOf) -> None:
        self._ways = ways
        self._plan_of = plan_of
        self._names: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def deliver(self, parcel: Parcel, path: Path) -> Answer:
        """Put the file there. Raises StoreRefused, UnsendableFile, BlockedAddress, FetchError."""
        check_file(parcel, path)
        row = parcel.delivery
        began_with = Place.from_json(row.message)
        if began_with is None:
            raise UnsendableFile("the delivery does not say where to", hint="its row is damaged")
        place = await self._now(began_with, parcel.recording.account_id)
        async with opened(place, replace(self._ways, account=parcel.account)) as store:
            if isinstance(store, WebStore):
                return await _sent(store, _upload(parcel, path, row.database))
            for number in range(1, MOST_NAMES + 1):
                name = row.database if number == 1 or not row.database else numbered(row.database, number)
                upload = _upload(parcel, path, name)
                where = locator(place, name)
                async with self._names.setdefault(where, asyncio.Lock()):  # not every place sees to it itself
                    kept = await store.put(upload)
                if kept or await _is_ours(store, upload):
                    return Answer(200, f"kept as {where}".encode())
        raise StoreRefused(
            f"{place.title}: {MOST_NAMES} names are taken by other files", hint="use another field_list"
        )

    async def _now(self, place: Place, account_id: str) -> Place:
        """``place`` with what the account's plan says today: settings only, the path is settled."""
        storage = await self._plan_of(account_id)
        body = storage.get("attachments", {}).get(place.id) if isinstance(storage, Mapping) else None
        found = make_place(place.id, body) if isinstance(body, Mapping) else None
        if found is None or found.handler != place.handler:
            return place
        return found


def _upload(parcel: Parcel, file: Path, name: str) -> Upload:
    row = parcel.delivery
    document = dict(parcel.recording.document)
    return Upload(name, file, row.bytes, row.content_type, row.sha256, document)


async def _sent(store: WebStore, upload: Upload) -> Answer:
    """A web server's own answer decides, as for a node's url: 410, ``Retry-After`` ..."""
    answer = await store.send(upload)
    return Answer(answer.status, answer.body, answer.headers.get("Retry-After"), answer.address)


async def _is_ours(store: Store, upload: Upload) -> bool:
    """Whether what is there is the very file."""
    if await store.size(upload.path) not in (upload.size, -1):
        return False
    return await digest_of(store, upload.path) == upload.sha256
