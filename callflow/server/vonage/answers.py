"""Layer 6: errors as Vonage's APIs tell them. The bodies are always the same: they say nothing of our inside.

Calls and files have ``{"type", "error_title"}``, conversations ``{"code", "description"}``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from aiohttp import web

from callflow.errors import ApiError
from callflow.server.envelope import request_id


class Form(StrEnum):
    """Of errors."""

    VOICE = "voice"
    CONVERSATION = "conversation"


_TITLES: Mapping[int, tuple[str, str]] = {
    400: ("VALIDATION", "Bad Request"),
    401: ("UNAUTHORIZED", "Unauthorized"),
    403: ("FORBIDDEN", "Forbidden"),
    404: ("NOT_FOUND", "Not Found"),
    409: ("CONFLICT", "Conflict"),
    413: ("PAYLOAD_TOO_LARGE", "Payload Too Large"),
    415: ("UNSUPPORTED_MEDIA_TYPE", "Unsupported Media Type"),
    416: ("RANGE_NOT_SATISFIABLE", "Range Not Satisfiable"),
    429: ("TOO_MANY_REQUESTS", "Too Many Requests"),
    503: ("SERVICE_UNAVAILABLE", "Service Unavailable"),
}
_OTHER = ("INTERNAL_SERVER_ERROR", "Internal Server Error")

_CODES: Mapping[int, tuple[str, str]] = {
    400: ("http:error:validation-fail", "Input validation failure."),
    401: ("system:error:invalid-token", "You did not provide a valid token. Please provide a valid token."),
    404: ("conversation:error:not-found", "Conversation does not exist, or you do not have access."),
    429: ("system:error:rate-limit", "Too many requests."),
}
_OTHER_CODE = ("system:error:internal", "Something went wrong.")


def refusal(request: web.Request, error: ApiError, form: Form) -> web.Response:
    """``error`` in the form of that API."""
    return reply(request, _body(error, form), error.status, dict(error.headers))


def _body(error: ApiError, form: Form) -> dict[str, Any]:
    wrong = {field: _reason(rules) for field, rules in error.data.items()}
    if form is Form.CONVERSATION:
        code, description = _CODES.get(error.status, _OTHER_CODE)
        body: dict[str, Any] = {"code": code, "description": description}
        if wrong:
            body["error"] = [{field: reason} for field, reason in wrong.items()]
        return body
    type_, title = _TITLES.get(error.status, _OTHER)
    body = {"type": type_, "error_title": title}
    if wrong:
        body["invalid_parameters"] = wrong
    return body


def _reason(rules: object) -> str:
    if isinstance(rules, Mapping):
        for rule in rules.values():
            if isinstance(rule, Mapping):
                return str(rule.get("message", ""))
    return str(rules)


def reply(
    request: web.Request, value: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """A JSON answer."""
    sent = {"Cache-Control": "no-store", **(headers or {}), "X-Request-ID": request_id(request)}
    body = json.dumps(value, allow_nan=False).encode()
    return web.Response(body=body, status=status, content_type="application/json", headers=sent)


def nothing(request: web.Request) -> web.Response:
    """204."""
    return web.Response(status=204, headers={"X-Request-ID": request_id(request)})
