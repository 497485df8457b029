"""Layer 6: Kazoo's envelope: what every answer of the API is wrapped in, and every error.

{"data": ..., "status": "success", "request_id": ..., "revision": ..., "page_size": ...}
{"data": {field: {rule: {"message": ...}}}, "status": "error", "error": "404", "message": "not_found", ...}
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from callflow.documents.jsontext import parse
from callflow.errors import (
    ApiError,
    CallflowError,
    DocumentError,
    JsonSyntaxError,
    MissingDocument,
    StateError,
    StorageError,
    UnknownDelivery,
    UnknownRecording,
    UnknownToken,
)
from callflow.ids import Ids
from callflow.log import logger, one_line

MOST_BODY_BYTES = 1024 * 1024
"""The largest body of a request."""
BODY_S = 60.0
"""So long a body may take to come."""
REQUEST_ID = web.RequestKey("callflow_request_id", str)

_IDS = Ids()
_PLAIN_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_STATUS: tuple[tuple[type[CallflowError], int], ...] = (
    (UnknownRecording, 404),
    (UnknownDelivery, 404),
    (UnknownToken, 404),
    (MissingDocument, 404),
    (DocumentError, 400),
    (StateError, 409),
    (StorageError, 503),
)
_MESSAGES = {
    400: "bad_request",
    401: "invalid_credentials",
    403: "forbidden",
    404: "not_found",
    405: "bad_method",
    406: "not_acceptable",
    408: "request_timeout",
    409: "conflict",
    412: "precondition_failed",
    413: "request_too_large",
    415: "unsupported_media_type",
    416: "range_not_satisfiable",
    421: "misdirected_request",
    429: "too_many_requests",
    503: "service_unavailable",
}


def ok(
    request: web.Request,
    data: object,
    *,
    status: int = 200,
    page_size: int | None = None,
    start_key: str | None = None,
    next_start_key: str | None = None,
    revision: str | None = None,
    warnings: Sequence[Mapping[str, Any]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """An answer with ``data`` (any JSON). ``page_size``: how many of a list are in it; ``next_start_key``:
    where the next page begins (None: this is the last). ``revision`` becomes the ETag, too. ``warnings``:
    what is doubtful about a document that was taken.
    """
    envelope: dict[str, Any] = {"data": data, "status": "success", "request_id": request_id(request)}
    more = {
        "page_size": page_size,
        "start_key": start_key,
        "next_start_key": next_start_key,
        "revision": revision,
        "warnings": warnings,
    }
    envelope.update((name, value) for name, value in more.items() if value is not None)
    sent = dict(headers or {})
    if revision is not None:
        sent.setdefault("ETag", f'"{revision}"')
    return _json(request, envelope, status, sent)


def failed(request: web.Request, error: ApiError) -> web.Response:
    """The answer that says ``error``."""
    data = dict(error.data) if error.data else {"message": error.message}
    if error.hint and not error.data:
        data["cause"] = error.hint
    envelope = {
        "data": data,
        "status": "error",
        "error": str(error.status),
        "message": _MESSAGES.get(error.status, "error"),
        "request_id": request_id(request),
    }
    return _json(request, envelope, error.status, dict(error.headers))


def invalid(field: str, rule: str, message: str, *, cause: object = None) -> ApiError:
    """A 400 that says in Kazoo's way what is wrong with one field of a body or query. ``cause``: of it."""
    said: dict[str, Any] = {"message": message}
    if cause is not None:
        said["cause"] = cause
    return ApiError(400, message, {field: {rule: said}})


async def read_data(request: web.Request, *, most_bytes: int = MOST_BODY_BYTES) -> dict[str, Any]:
    """The ``data`` of the request's body, an object. Raises ApiError: 413 for a body that is too long, 400
    for one that is not JSON, or not ``{"data": {...}}``.
    """
    body = await read_json(request, most_bytes=most_bytes)
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, dict):
        raise invalid("data", "type", 'the body must be {"data": {...}}')
    return data


async def read_json(request: web.Request, *, most_bytes: int = MOST_BODY_BYTES) -> Any:
    """The request's body, as JSON. Raises ApiError as ``read_data`` does."""
    raw = await read_body(request, most_bytes)
    try:
        return parse(raw).value
    except JsonSyntaxError as error:
        raise ApiError(400, error.message, hint=error.hint) from error


async def read_body(request: web.Request, most_bytes: int = MOST_BODY_BYTES) -> bytes:
    """The request's body. Raises ApiError: 413 as soon as it is longer than that, 408 if it takes too long
    to come.
    """
    parts, length = [], 0
    if request.content_length is not None and request.content_length > most_bytes:
        raise ApiError(413, f"a body has at most {most_bytes} bytes")
    try:
        async with asyncio.timeout(BODY_S):
            async for part in request.content.iter_any():
                length += len(part)
                if length > most_bytes:
                    raise ApiError(413, f"a body has at most {most_bytes} bytes")
                parts.append(part)
    except TimeoutError:
        raise ApiError(408, f"the body was not there within {BODY_S:g} s") from None
    return b"".join(parts)


def request_id(request: web.Request) -> str:
    """What names this request in its answer and in the log: the client's ``X-Request-ID``, or our own."""
    if REQUEST_ID not in request:
        given = request.headers.get("X-Request-ID", "")
        request[REQUEST_ID] = given if _PLAIN_ID.fullmatch(given) else _IDS.hex32()
    return request[REQUEST_ID]


def as_api_error(error: Exception) -> ApiError:
    """What a client is told of whatever went wrong; nothing of our inside."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, web.HTTPException):
        return ApiError(error.status, _told(error), headers=_kept(error))
    if isinstance(error, CallflowError):
        for kind, status in _STATUS:
            if isinstance(error, kind):
                return ApiError(status, f"{error.code}  {error.message}", hint=error.hint)
        return ApiError(500, f"{error.code}  {error.message}", hint=error.hint)
    return ApiError(500, "a fault of the server: its log says more")


@web.middleware
async def errors(request: web.Request, handler: Any) -> web.StreamResponse:
    """Turns everything that a handler raises into an answer; a fault of our own is logged, with its trace."""
    try:
        response: web.StreamResponse = await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return failed(request, as_api_error(error))
    except Exception as error:
        told = as_api_error(error)
        if told.status >= 500:
            where = f"{request.method} {one_line(request.path, 200)} ({request_id(request)})"
            logger.error(
                "HTTP: %s failed: %s", where, one_line(error), exc_info=not isinstance(error, CallflowError)
            )
        return failed(request, told)
    return response


def _told(error: web.HTTPException) -> str:
    if isinstance(error, web.HTTPMethodNotAllowed):
        return f"{error.method} is not for this path, which takes {', '.join(sorted(error.allowed_methods))}"
    if isinstance(error, web.HTTPNotFound):
        return "there is nothing at this path; /v2/openapi.json describes all there are"
    return error.reason or ""


def _kept(error: web.HTTPException) -> dict[str, str]:
    """Headers of an error that belong to its meaning."""
    return {
        name: error.headers[name] for name in ("Allow", "Retry-After", "Location") if name in error.headers
    }


def _json(request: web.Request, value: object, status: int, headers: dict[str, str]) -> web.Response:
    body = json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
    headers.setdefault("Cache-Control", "no-store")
    headers["X-Content-Type-Options"] = "nosniff"
    headers["X-Request-ID"] = request_id(request)
    return web.Response(body=body, status=status, content_type="application/json", headers=headers)
