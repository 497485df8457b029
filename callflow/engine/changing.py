"""Layer 3: a call changes a document of its account, for good."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from callflow.documents.accounts import FOLDERS
from callflow.documents.changes import combine
from callflow.engine.services import Services
from callflow.errors import MissingDocument
from callflow.events import DocumentChanged
from callflow.state.changes import keep_change


async def change_document(
    services: Services, call_id: str, kind: str, id: str, patch: Mapping[str, Any]
) -> None:
    """Lay ``patch`` (RFC 7396) over the document; see ``Call.change``."""
    account = services.account
    document: Mapping[str, Any] | None = account.documents.get(kind, {}).get(id)
    if document is None and kind in FOLDERS:
        raise MissingDocument(
            f"no {kind} {id!r} in account {account.id!r}",
            hint=f"Put its JSON document into the account's {FOLDERS[kind]} folder, and run with --account.",
        )
    after = partial(combine, then=patch, document=document or {})
    row = await services.clock.outside(
        services.database.submit(
            lambda conn: keep_change(conn, account.id, kind, id, after, services.clock.wall())
        )
    )
    account.changes.put(kind, id, row.patch, row.revision)
    services.bus.publish(
        DocumentChanged(
            time=services.clock.now(),
            call_id=call_id,
            account_id=account.id,
            kind=kind,
            document_id=id,
            keys=tuple(sorted(patch)),
        )
    )
