"""Layer 6: ``GET /v1/files/ID``: a recording or its transcript, for its application alone (ncco.md 4.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from callflow.errors import ApiError
from callflow.server.parts import Parts
from callflow.server.v2.audio import send_file
from callflow.server.vonage.door import Guest, guarded
from callflow.state.records import RecordingRow, find_recording
from callflow.state.transcripts import DONE, find_transcript

DAY_S = 86_400.0

PATHS = ("/v1/files/{file_id}", "/v3/files/{file_id}")
"""The first is in events; the second is where the Node SDK looks for a file by its id."""

_ID = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_BYTES: Mapping[str, Any] = {"schema": {"type": "string", "format": "binary"}}

FILE: Mapping[str, Any] = {
    **dict.fromkeys(("audio/mpeg", "audio/wav", "audio/ogg"), _BYTES),
    "application/json": {"schema": {"type": "object"}},
}
"""The answer for OpenAPI."""


def routes(parts: Parts) -> list[web.RouteDef]:
    """``GET`` and ``HEAD``."""

    async def fetch(request: web.Request, guest: Guest) -> web.StreamResponse:
        id = request.match_info["file_id"]
        if not _ID.fullmatch(id):
            raise _gone()
        row = await parts.database.arun(lambda conn: find_recording(conn, id))
        if row is None:
            return await transcript(id, guest)
        if row.state != "READY" or not row.file:
            raise _gone()
        check(row, guest)
        return await send_file(request, row, below(row.file), inline=False)

    async def transcript(id: str, guest: Guest) -> web.StreamResponse:
        found = await parts.database.arun(lambda conn: find_transcript(conn, id))
        if found is None or found.state != DONE or not found.file:
            raise _gone()
        row = await parts.database.arun(lambda conn: find_recording(conn, found.recording_id))
        if row is None:
            raise _gone()
        check(row, guest)
        headers = {"Content-Type": "application/json", "Cache-Control": "private, no-cache"}
        return web.FileResponse(below(found.file), headers=headers)

    def check(row: RecordingRow, guest: Guest) -> None:
        if not readable(row, guest, parts.clock.wall()):
            raise _gone()

    def below(name: str) -> Path:
        root = parts.folder.root
        path = root / name
        if not path.is_file() or not path.resolve().is_relative_to(root.resolve()):
            raise _gone()
        return path

    return [web.get(path, guarded(parts, fetch), allow_head=True) for path in PATHS]


def readable(row: RecordingRow, guest: Guest, wall: float) -> bool:
    """Is the recording the guest's, and not too old?"""
    application = str(row.document.get("application_id") or "")
    if not application or not guest.owns(row.account_id, application):
        return False
    return wall < row.finished_wall + guest.application.recording_ttl_days * DAY_S


def _gone() -> ApiError:
    """Unknown, another's, too old, erased: who asks is told no more than that."""
    return ApiError(404, "there is no such file")
