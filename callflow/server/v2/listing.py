"""Layer 6: lists of documents: Kazoo's filters and paging by ``start_key``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from aiohttp import web

from callflow.server.envelope import invalid, ok

T = TypeVar("T")
PAGE = 50
MOST = 200
"""Documents in a page: the usual number, and the most."""
LONGEST = 500
_NO = ("false", "no", "0")


def page_of(request: web.Request, rows: Sequence[tuple[str, T]], show: Callable[[T], object]) -> web.Response:
    """A page of ``rows`` (their keys, in order, and themselves): ``page_size``, ``start_key``, and
    ``paginate=false`` for all of it. Raises ApiError 400.
    """
    start = request.query.get("start_key", "")
    begin = next((at for at, (key, _) in enumerate(rows) if key >= start), len(rows))
    size = len(rows) if request.query.get("paginate", "").lower() in _NO else _size(request)
    page, rest = rows[begin : begin + size], rows[begin + size :]
    return ok(
        request,
        [show(row) for _, row in page],
        page_size=len(page),
        start_key=start or None,
        next_start_key=rest[0][0] if rest else None,
    )


def _size(request: web.Request) -> int:
    text = request.query.get("page_size", str(PAGE))
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MOST):
        raise invalid("page_size", "range", f"page_size is a number from 1 to {MOST}")
    return int(text)


def fits(query: Iterable[tuple[str, str]], document: Mapping[str, Any]) -> bool:
    """Kazoo's filters: ``filter_KEY=VALUE`` (equal, or in the list), ``has_key``, ``key_missing``; a key may
    have dots.
    """
    for name, wanted in query:
        if name.startswith("filter_") and not _holds(_at(document, name.removeprefix("filter_")), wanted):
            return False
        if name in ("has_key", "key_missing"):
            there = _at(document, wanted) not in (None, [], {}, "")  # what is empty may be a default
            if there is (name == "key_missing"):
                return False
    return True


def _at(document: Mapping[str, Any], dotted: str) -> Any:
    value: Any = document
    for part in dotted[:LONGEST].split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _holds(value: Any, wanted: str) -> bool:
    if isinstance(value, list):
        return any(_said(item) == wanted for item in value)
    return _said(value) == wanted


def _said(value: Any) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
