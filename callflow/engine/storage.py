"""Layer 3: where a recording goes (DESIGN 5, "storage"), decided before it starts."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace

from callflow.delivery.urls import check_url
from callflow.documents.accounts import Account
from callflow.documents.placeholders import names
from callflow.documents.record_settings import RecordSettings, choose_storage
from callflow.documents.settings import Settings
from callflow.documents.storage import Facts, Place, database_of, locator, paths
from callflow.errors import BadUrl
from callflow.recording.messages import RecordingSpec, Target
from callflow.state import records


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
    choice = choose_storage(record.url, settings, account.storage)
    if choice.kind == "none":
        return Storage(
            None,
            "warning",
            "CF-RUN-NOT-STORED",
            f"nothing is recorded: {choice.reason}",
            "Give the node a url, or set media.store_recordings to true.",
        )
    if choice.problem:
        return Storage(
            Target("local", reason=choice.problem),
            "error",
            "CF-RUN-PLAN",
            f"the recording is kept in the local store: {choice.problem}",
            "Correct storage.json of the account: callflow check names the place.",
        )
    if choice.kind == "local":
        return Storage(Target("local", reason=choice.reason))
    if choice.place is not None:
        return Storage(Target("storage", reason=choice.reason, plan=choice.place.to_json()))
    if choice.kind == "couchdb":
        database = database_of(account.id, wall)
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


def at_places(spec: RecordingSpec, named_by: str, wall: float) -> Iterator[tuple[str, str]]:
    """Where a recording whose target is a place of a plan may be: url and path, best first. ``named_by``: the
    call id in the file's name.
    """
    place = Place.from_json(spec.target.plan)
    assert place is not None  # it was written a moment ago
    facts = Facts(
        spec.account_id,
        spec.id,
        f"call_recording_{named_by}.{spec.extension}",
        named_by,
        database_of(spec.account_id, wall),
        spec.document,
    )
    for path in paths(place, facts):
        yield locator(place, path), path


def take_place(conn: sqlite3.Connection, spec: RecordingSpec, named_by: str) -> RecordingSpec:
    """``spec`` with the first path of its place that is nobody else's; within a transaction. Where the plan
    gives every recording the same url (``field_list: []``), the server makes the names.
    """
    tried: dict[str, str] = {}

    def urls() -> Iterator[str]:
        for url, path in at_places(spec, named_by, spec.requested_wall):
            if url in tried:  # field_list [] of http: the url as it is, for all of them
                return
            tried[url] = path
            yield url

    try:
        url = records.reserve_url(conn, urls(), spec.id)
    except BadUrl:
        url = next(iter(tried))
    path = tried.get(url, spec.target.database)
    return replace(spec, target=replace(spec.target, url=url, database=path))
