"""Layer 3: where a recording goes (DESIGN 5, "storage"), decided before it starts. No input or output."""

from __future__ import annotations

import re
from dataclasses import dataclass

from callflow.clock import month
from callflow.delivery.urls import check_url
from callflow.documents.accounts import Account
from callflow.documents.placeholders import names
from callflow.documents.record_settings import RecordSettings, choose_storage
from callflow.documents.settings import Settings
from callflow.errors import BadUrl
from callflow.recording.messages import Target

_HEX32 = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Storage:
    """``target`` None: nothing is recorded. Its ``url``, for ``http``, is the base of the final one.

    ``code``, ``message``, ``hint``: what the author should hear (empty: nothing); ``level`` how bad it is.
    """

    target: Target | None
    level: str = ""
    code: str = ""
    message: str = ""
    hint: str = ""


def resolve_storage(record: RecordSettings, settings: Settings, account: Account, wall: float) -> Storage:
    """The target for a recording that begins at ``wall`` (seconds since 1970).

    A url that cannot be used (a placeholder that nothing resolves, a scheme or form that delivery refuses)
    costs no audio: the recording is kept in the local store, and ``message`` says so.
    """
    choice = choose_storage(record.url, settings)
    if choice.kind == "none":
        return Storage(
            None,
            "warning",
            "CF-RUN-NOT-STORED",
            f"nothing is recorded: {choice.reason}",
            "Give the node a url, or set media.store_recordings to true.",
        )
    if choice.kind == "local":
        return Storage(Target("local", reason=choice.reason))
    if choice.kind == "couchdb":
        database = account_database(account, wall)
        target = Target("couchdb", url=choice.url, database=database, reason=choice.reason)
    else:
        target = Target("http", url=choice.url, method=record.method, reason=choice.reason)
    return _unless_unusable(target)


def _unless_unusable(target: Target) -> Storage:
    """``target``, or the local store if nothing can be sent to its url."""
    missing = names(target.url) if target.kind == "http" else ()
    if missing:
        listed = ", ".join(f"{{{name}}}" for name in missing)
        return Storage(
            Target("local", reason=f"nothing resolves {listed} in the url"),
            "error",
            "CF-RUN-URL",
            f"the recording is kept in the local store: nothing resolves {listed} in its url",
            f"Give it: --var {missing[0]}=VALUE.",
        )
    try:
        check_url(target.url)
    except BadUrl as error:
        return Storage(
            Target("local", reason=f"{target.reason} cannot be delivered to"),
            "error",
            error.code,
            f"the recording is kept in the local store: {error} ({target.reason})",
            error.hint,
        )
    return Storage(target)


def account_database(account: Account, wall: float) -> str:
    """The account's database of the month, as Kazoo names it (``account/ab/cd/...-202611``); for an id that
    is not 32 hex digits, a name that CouchDB accepts.
    """
    if _HEX32.fullmatch(account.id):
        return f"account/{account.id[:2]}/{account.id[2:4]}/{account.id[4:]}-{month(wall)}"
    plain = re.sub(r"[^a-z0-9_-]+", "-", account.id.lower()).strip("-") or "account"
    return f"account-{plain}-{month(wall)}"
