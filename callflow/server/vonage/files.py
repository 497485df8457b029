"""Layer 6: ``GET /v1/files/ID``: a recording, for the application that made it (ncco.md 4.1)."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from callflow.errors import ApiError
from callflow.server.parts import Parts
from callflow.server.vonage.door import Guest, guarded
from callflow.state.records import RecordingRow, find_recording

DAY_S = 86_400.0
TYPES = {"mp3": "audio/mpeg", "wav": "audio/wav", "ogg": "audio/ogg"}

_ID = re.compile(r"[A-Za-z0-9_.-]{1,128}")


def routes(parts: Parts) -> list[web.RouteDef]:
    """``GET`` and ``HEAD``."""

    async def fetch(request: web.Request, guest: Guest) -> web.StreamResponse:
        id = request.match_info["file_id"]
        row = await parts.database.arun(lambda conn: find_recording(conn, id)) if _ID.fullmatch(id) else None
        if row is None or not readable(row, guest, parts.clock.wall()):
            raise gone()
        path = file_of(parts.folder.root, row)
        headers = {"Cache-Control": "private, no-store", "Content-Type": content_type(row)}
        return web.FileResponse(path, headers=headers)

    return [web.get("/v1/files/{file_id}", guarded(parts, fetch), allow_head=True)]


def readable(row: RecordingRow, guest: Guest, wall: float) -> bool:
    """Is it the guest's, there, and not too old?"""
    application = str(row.document.get("application_id") or "")
    if row.state != "READY" or not row.file or not guest.owns(row.account_id, application):
        return False
    return wall < row.finished_wall + guest.application.recording_ttl_days * DAY_S


def file_of(root: Path, row: RecordingRow) -> Path:
    """Where it is. Raises ApiError 404 if it is no file below ``root``."""
    path = root / row.file
    if not path.is_file() or not path.resolve().is_relative_to(root.resolve()):
        raise gone()
    return path


def content_type(row: RecordingRow) -> str:
    """Of the file; one that was sealed (encrypted) is no sound."""
    kind = Path(row.file).suffix.removeprefix(".")
    return TYPES.get(kind) or mimetypes.guess_type(row.file)[0] or "application/octet-stream"


def gone() -> ApiError:
    """Unknown, another's, too old, deleted: who asks is told no more than that."""
    return ApiError(404, "there is no such file")


SOUND: Mapping[str, Any] = {
    kind: {"schema": {"type": "string", "format": "binary"}} for kind in TYPES.values()
}
