"""Layer 6: bodies and queries of Vonage's API, key by key: read, or what is wrong.

Numbers and one url may be texts and a bare text, as some SDKs send them; an ApiError 400 names the key.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from aiohttp import web

from callflow.errors import ApiError, InvalidDocument
from callflow.ncco.application import Webhook
from callflow.ncco.script import Script
from callflow.server.envelope import invalid, read_json

MOST_TEXT = 4000
METHODS = ("GET", "POST")


def wrong(key: str, message: str) -> ApiError:
    """The 400 for one key."""
    return invalid(key, "invalid", message)


async def read_object(request: web.Request) -> dict[str, Any]:
    """The body, an object. Raises ApiError 400, 413."""
    body = await read_json(request)
    if not isinstance(body, dict):
        raise wrong("body", "must be a JSON object")
    return body


def text(body: Mapping[str, Any], key: str, *, most: int = MOST_TEXT, of: Collection[str] = ()) -> str:
    """A text; empty: it is not there. ``of``: the words that it may be."""
    value = body.get(key)
    if value is None or value == "":
        return ""
    if not isinstance(value, str) or len(value) > most:
        raise wrong(key, f"must be a text of at most {most} characters")
    if of and value not in of:
        raise wrong(key, f"must be one of {', '.join(of)}")
    return value


def number(body: Mapping[str, Any], key: str, default: float, low: float, high: float) -> float:
    """A number within bounds, perhaps written as a text."""
    value = body.get(key)
    if value is None:
        return default
    try:
        found = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
    except (ValueError, OverflowError):
        found = None
    if found is None or not low <= found <= high:
        raise wrong(key, f"must be a number from {low:g} to {high:g}")
    return found


def whole(body: Mapping[str, Any], key: str, default: int, low: int, high: int) -> int:
    """A whole number within bounds."""
    found = number(body, key, default, low, high)
    if found != int(found):
        raise wrong(key, "must be a whole number")
    return int(found)


def url(body: Mapping[str, Any], key: str) -> str:
    """A url, in a list of one or bare; empty: it is not there."""
    value = body.get(key)
    if isinstance(value, list):
        if len(value) != 1:
            raise wrong(key, "must be a list with one url")
        value = value[0]
    elif value is None:
        return ""
    if not isinstance(value, str) or not value.lower().startswith(("http://", "https://")):
        raise wrong(key, "must be a list with one http or https url")
    if len(value) > MOST_TEXT:
        raise wrong(key, "is too long")
    return value


def webhook(body: Mapping[str, Any], name: str, method: str = "POST") -> Webhook | None:
    """``NAME_url`` and ``NAME_method``; None: it is not there."""
    found = url(body, f"{name}_url")
    said = text(body, f"{name}_method", most=10).upper()
    if said and said not in METHODS:
        raise wrong(f"{name}_method", "must be GET or POST")
    return Webhook(found, said or method) if found else None


def script(value: object, key: str, name: str) -> Script:
    """An NCCO."""
    try:
        found = Script.parse(value, name=name)
    except InvalidDocument as error:
        raise wrong(key, error.message) from error
    if not found.actions:
        raise wrong(key, "the NCCO has no action")
    return found
