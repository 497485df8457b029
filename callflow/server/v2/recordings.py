"""Layer 6: ``/v2/accounts/ID/recordings``: find them, read one, play it, draw it, delete it (kazoo.md 1.12).

Whatever is looked up is looked up by the reader, beside the thread that writes for the calls.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from aiohttp import web

from callflow.errors import ApiError, BadFilter, NotErasable, RecordingHeld, UnknownRecording
from callflow.log import logger, one_line
from callflow.media.peaks import Peaks, read_peaks
from callflow.recording.document import media_type, proof_facts, recording_document, sealed
from callflow.recording.erasing import erase
from callflow.recording.peaks import MOST_BUCKETS, keep_peaks, kept_peaks
from callflow.recording.recorder import State
from callflow.server.auth import authorize
from callflow.server.envelope import invalid, ok
from callflow.server.parts import Parts
from callflow.server.v2.asking import Wish, choose, names_tag, wishes
from callflow.server.v2.audio import send_file
from callflow.server.v2.recordings_described import BUCKETS, PATHS, SCHEMAS
from callflow.state.erasing import Why
from callflow.state.filters import FILTERS, Filter, with_filter
from callflow.state.library import MOST_PAGE, PAGE, Key, deliveries_of, find_page, holds_among
from callflow.state.records import RecordingRow, get_recording

__all__ = ["PATHS", "SCHEMAS", "routes"]

READ, WRITE = "recordings:read", "recordings:write"
JSON = "application/json"
MOST_WAITING = 32
"""So many peaks are waited for at once; one after the other is made."""

_NO = ("false", "no", "0")
_ALSO = frozenset({"page_size", "start_key", "ascending", "paginate", "auth_token", "_"})
_KAZOO = {f"filter_{name}": name for name in ("owner_id", "call_id", "origin", "state")}
_KAZOO |= {"filter_callflow_id": "flow_id", "callflow_id": "flow_id", "user_id": "owner_id"}


def routes(parts: Parts) -> list[web.RouteDef]:
    """The list, one, its peaks, and its end."""
    all_of = "/v2/accounts/{account_id}/recordings"
    one = all_of + "/{recording_id}"
    drawing = _Drawing(parts)
    return [
        web.get(all_of, partial(_list, parts=parts)),
        web.get(one, partial(_read, parts=parts)),
        web.delete(one, partial(_delete, parts=parts)),
        web.get(f"{one}/peaks", drawing.answer),
    ]


# ---- the list -------------------------------------------------------------------------------


async def _list(request: web.Request, *, parts: Parts) -> web.Response:
    account_id = request.match_info["account_id"]
    await authorize(request, account_id, READ)
    return await list_page(request, parts, Filter(account_id=account_id))


async def list_page(
    request: web.Request, parts: Parts, wanted: Filter, *, owner_id: str = ""
) -> web.Response:
    """A page of what is ``wanted`` and asked for by the query. ``owner_id``: whatever the query says, only of
    this user. Raises ApiError 400.
    """
    wanted, query = _asked(request, wanted), request.query
    wanted = replace(wanted, owner_id=owner_id or wanted.owner_id)
    start = _start(query.get("start_key", ""))
    size = MOST_PAGE if query.get("paginate", "").lower() in _NO else page_size(request, PAGE, MOST_PAGE)
    ascending = is_yes(request, "ascending")

    def look(conn: sqlite3.Connection) -> tuple[list[dict[str, Any]], Key | None, Key | None]:
        page = find_page(conn, wanted, size=size, start=start, ascending=ascending)
        return documents_of(conn, page.rows), page.start, page.next

    documents, first, following = await parts.keeping.reader.arun(look)
    return ok(
        request,
        documents,
        page_size=len(documents),
        start_key=str(first) if first else None,
        next_start_key=str(following) if following else None,
    )


def _asked(request: web.Request, wanted: Filter) -> Filter:
    for given, value in request.query.items():
        name = _KAZOO.get(given, given)
        if name in _ALSO:
            continue
        if name not in FILTERS:
            raise invalid(given, "unknown", f"there is no filter {given!r}; there are {', '.join(FILTERS)}")
        try:
            wanted = with_filter(wanted, name, value)
        except BadFilter as error:
            raise unreadable(given, error) from error
    return wanted


def _start(text: str) -> Key | None:
    try:
        return Key.read(text) if text else None
    except BadFilter as error:
        raise unreadable("start_key", error) from error


def unreadable(name: str, error: BadFilter) -> ApiError:
    """A 400 for a parameter that cannot be understood."""
    return invalid(name, "invalid", f"{error.message}{f' ({error.hint})' if error.hint else ''}")


def is_yes(request: web.Request, name: str) -> bool:
    """Does the query say that?"""
    return request.query.get(name, "").lower() in ("true", "yes", "1")


def page_size(request: web.Request, usual: int, most: int) -> int:
    """``page_size`` of the query. Raises ApiError 400."""
    text = request.query.get("page_size", "") or str(usual)
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= most):
        raise invalid("page_size", "range", f"page_size is a number from 1 to {most}")
    return int(text)


# ---- one ------------------------------------------------------------------------------------


async def _read(request: web.Request, *, parts: Parts) -> web.StreamResponse:
    account_id = request.match_info["account_id"]
    asked = wishes(request.query.get("accept", "") or request.headers.get("Accept", ""))
    for_audio = not choose(asked, (JSON,)) or _prefers_audio(asked)
    await authorize(request, account_id, READ, query=for_audio)
    row, document = await parts.keeping.reader.arun(
        lambda conn: _one(conn, account_id, request.match_info["recording_id"])
    )
    available = document["media"]["available"]
    offers = (JSON, media_type(row)) if available else (JSON,)
    chosen = choose(asked, offers)
    if chosen == JSON:
        return ok(request, document, headers={"Vary": "Accept"})
    if chosen:
        path = parts.folder.root / row.file
        return await send_file(request, row, path, inline=is_yes(request, "inline"))
    if not available and any(wish.kind.startswith("audio/") for wish in asked):
        raise ApiError(404, no_file(row))
    raise ApiError(
        406, f"recording {row.id} is to be had as {' or '.join(offers)}", hint="Accept, or ?accept="
    )


def _prefers_audio(asked: list[Wish]) -> bool:
    return choose(asked, (JSON, "audio/mpeg", "audio/wav", "audio/ogg")) != JSON


def _one(conn: sqlite3.Connection, account_id: str, recording_id: str) -> tuple[RecordingRow, dict[str, Any]]:
    row = recording_of(conn, account_id, recording_id)
    return row, documents_of(conn, [row])[0]


def documents_of(conn: sqlite3.Connection, rows: Sequence[RecordingRow]) -> list[dict[str, Any]]:
    """Their documents, with their deliveries and holds."""
    ids = [row.id for row in rows]
    deliveries, holds = deliveries_of(conn, ids), holds_among(conn, ids)
    return [recording_document(row, deliveries.get(row.id, ()), holds.get(row.id)) for row in rows]


def recording_of(conn: sqlite3.Connection, account_id: str, recording_id: str) -> RecordingRow:
    """The recording, if it is the account's. Raises UnknownRecording, whether or not it is another's."""
    row = get_recording(conn, recording_id)
    if row.account_id != account_id:
        raise UnknownRecording(f"no recording {recording_id!r}", hint="callflow recordings list shows them")
    return row


def no_file(row: RecordingRow) -> str:
    """Why there is nothing to hear."""
    if row.state != State.READY:
        return f"recording {row.id} has no file: it is {row.state}"
    return f"recording {row.id} has no file here: it was delivered, and removed (delivery.keep_delivered)"


async def _delete(request: web.Request, *, parts: Parts) -> web.Response:
    account_id = request.match_info["account_id"]
    token = await authorize(request, account_id, WRITE)
    row = await parts.keeping.reader.arun(
        lambda conn: recording_of(conn, account_id, request.match_info["recording_id"])
    )
    by = f"token {token.id}{f' ({one_line(token.label, 60)})' if token.label else ''}"
    try:
        proof = await asyncio.to_thread(
            erase,
            parts.folder,
            parts.database,
            row.id,
            why=Why.API,
            by=by,
            wall=parts.clock.wall(),
            force=is_yes(request, "force"),
        )
    except RecordingHeld as error:
        raise ApiError(409, f"{error.code}  {error.message}", hint="release it: DELETE .../hold") from error
    except NotErasable as error:
        hint = "wait for its end and its delivery, cancel that, or ?force=true"
        raise ApiError(409, f"{error.code}  {error.message}", hint=hint) from error
    logger.info("HTTP: recording %s of account %s erased by %s", one_line(row.id), one_line(account_id), by)
    return ok(request, {**recording_document(row), "erased": proof_facts(proof)})


# ---- peaks ----------------------------------------------------------------------------------


class _Drawing:
    """Makes peaks, one recording after the other: a long one must not take all cores from the calls."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._one = asyncio.Semaphore(1)
        self._waiting = 0

    async def answer(self, request: web.Request) -> web.Response:
        """``.../peaks``. Raises ApiError: 404 without a file, 503 while too many wait."""
        account_id = request.match_info["account_id"]
        await authorize(request, account_id, READ)
        buckets = _buckets(request)
        recording_id = request.match_info["recording_id"]
        row, peaks = await self._look(account_id, recording_id)
        if not row.file or row.state != State.READY:
            raise ApiError(404, no_file(row))
        if sealed(row):
            raise ApiError(409, f"recording {row.id} is sealed: only who has its key can draw it")
        tag = f"{row.sha256[:32]}-{buckets}"
        if names_tag(request.headers.get("If-None-Match", ""), tag):
            return web.Response(status=304, headers={"ETag": f'"{tag}"'})
        if peaks is None:
            peaks = await self._make(account_id, row)
        shown = peaks.reduced(buckets)
        data = {
            "id": row.id,
            "channels": shown.channels,
            "buckets": shown.buckets,
            "seconds": row.seconds,
            "bits": 8,
            "peaks": [channel.reshape(-1).tolist() for channel in shown.pairs],
        }
        return ok(request, data, revision=tag, headers={"Cache-Control": "private, no-cache"})

    async def _look(self, account_id: str, recording_id: str) -> tuple[RecordingRow, Peaks | None]:
        def look(conn: sqlite3.Connection) -> tuple[RecordingRow, Peaks | None]:
            row = recording_of(conn, account_id, recording_id)
            return row, kept_peaks(conn, row.id, row.sha256)

        return await self._parts.keeping.reader.arun(look)

    async def _make(self, account_id: str, row: RecordingRow) -> Peaks:
        if self._waiting >= MOST_WAITING:
            raise ApiError(503, "too many peaks are being made", headers={"Retry-After": "5"})
        self._waiting += 1
        try:
            async with self._one:
                _, peaks = await self._look(account_id, row.id)  # somebody before us may have made them
                if peaks is None:
                    path = self._parts.folder.root / row.file
                    peaks = await asyncio.to_thread(read_peaks, path, MOST_BUCKETS)
                    made, wall = peaks, self._parts.clock.wall()
                    await self._parts.database.arun(
                        lambda conn: keep_peaks(conn, row.id, row.sha256, made, wall)
                    )
                return peaks
        finally:
            self._waiting -= 1


def _buckets(request: web.Request) -> int:
    text = request.query.get("buckets", "") or str(BUCKETS)
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MOST_BUCKETS):
        raise invalid("buckets", "range", f"buckets is a number from 1 to {MOST_BUCKETS}")
    return int(text)
