"""Layer 6: a recording's file over HTTP: whole or a part of it, and not again if the client has it."""

from __future__ import annotations

import asyncio
from io import BufferedReader
from pathlib import Path
from urllib.parse import quote

from aiohttp import web

from callflow.errors import ApiError
from callflow.recording.document import media_type, sealed
from callflow.recording.messages import SEALED
from callflow.server.envelope import request_id
from callflow.server.v2.asking import Span, asked_span, may_go_on, names_tag
from callflow.state.folder import safe_name
from callflow.state.records import RecordingRow

CHUNK_BYTES = 256 * 1024


def file_name(row: RecordingRow) -> str:
    """What the file is called where it is saved: made of the recording's id, harmless everywhere."""
    more = SEALED if sealed(row) else ""
    return f"{safe_name(row.id)}.{row.format if row.format.isalnum() else 'bin'}{more}"


async def send_file(
    request: web.Request, row: RecordingRow, path: Path, *, inline: bool
) -> web.StreamResponse:
    """Answer with the recording's file. ``inline``: to be played where it is, not saved.

    Raises ApiError: 404 if it is gone, 416 for a part that it has not.
    """
    tag = row.sha256
    fixed = {
        "ETag": f'"{tag}"',
        "Cache-Control": "private, no-cache",
        "X-Request-ID": request_id(request),
    }
    if tag and names_tag(request.headers.get("If-None-Match", ""), tag):
        return web.Response(status=304, headers=fixed)
    try:
        file = await asyncio.to_thread(path.open, "rb")
    except OSError as error:
        raise ApiError(404, f"the file of recording {row.id} is not here any more") from error
    with file:
        size = await asyncio.to_thread(_size, file)
        wanted = request.headers.get("Range", "") if request.method == "GET" else ""
        span = None
        if wanted and may_go_on(request.headers.get("If-Range", ""), tag):
            span = asked_span(wanted, size)
        return await _send(request, file, size, span, {**fixed, **_headers(row, inline)})


def _headers(row: RecordingRow, inline: bool) -> dict[str, str]:
    name = file_name(row)
    how = "inline" if inline else "attachment"
    return {
        "Content-Type": media_type(row),
        "Content-Disposition": f"{how}; filename=\"{name}\"; filename*=UTF-8''{quote(name)}",
        "Accept-Ranges": "bytes",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; media-src 'self'; sandbox",
    }


async def _send(
    request: web.Request, file: BufferedReader, size: int, span: Span | None, headers: dict[str, str]
) -> web.StreamResponse:
    part = span or Span(0, size - 1)
    if span is not None:
        headers["Content-Range"] = f"bytes {span.first}-{span.last}/{size}"
    response = web.StreamResponse(status=200 if span is None else 206, headers=headers)
    response.content_length = part.length
    await response.prepare(request)
    try:
        if request.method != "HEAD":
            await _copy(file, part, response)
        await response.write_eof()
    except ConnectionError:  # players break off whenever somebody skips
        response.force_close()
    return response


async def _copy(file: BufferedReader, part: Span, response: web.StreamResponse) -> None:
    left = part.length
    await asyncio.to_thread(file.seek, part.first)
    while left > 0:
        chunk = await asyncio.to_thread(file.read, min(left, CHUNK_BYTES))
        if not chunk:
            response.force_close()  # it was cut meanwhile: the client shall see that it has not got all
            return
        left -= len(chunk)
        await response.write(chunk)


def _size(file: BufferedReader) -> int:
    return file.seek(0, 2)
