"""Layer 0: the log, and how to keep secrets out of it.

The engine logs through the standard ``logging`` module under the name ``callflow``.
"""

from __future__ import annotations

import logging
import re
from urllib.parse import urlsplit, urlunsplit

logger = logging.getLogger("callflow")

_MASK = "***"
_AUTHORITY = re.compile(r"(\[[^\]]*\]|[^:\\]*)(:([0-9]*|\{\w+\}))?")  # a placeholder may stand for the port


def mask_url(url: str) -> str:
    """``url`` as it may be shown: no user, no password, no value of a query parameter, no fragment; nothing
    at all of what stands where a host should and cannot be one (a password with a ``/`` in it, say).
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return _MASK
    host, netloc, path = parts.netloc.rpartition("@")[2], parts.netloc, parts.path
    if netloc and not _AUTHORITY.fullmatch(host):
        return f"{parts.scheme}://{_MASK}" if parts.scheme else _MASK
    if "@" in netloc:
        netloc = f"{_MASK}@{host}"
    if not netloc and "@" in path and (parts.scheme or not path.startswith("/")):
        return _MASK  # user:password@host/... without http://
    query = "&".join(_mask_parameter(part) for part in parts.query.split("&"))
    return urlunsplit((parts.scheme, netloc, path, query, ""))


def mask_text(text: str) -> str:
    """The same for a text that may be a url, in whatever key it stands."""
    return mask_url(text) if "://" in text else text


def _mask_parameter(part: str) -> str:
    """An empty value is no secret: Kazoo puts the file's name there. A bare word may be one."""
    name, equals, value = part.partition("=")
    if equals:
        return f"{name}={_MASK if value else ''}"
    return _MASK if part else ""


def one_line(text: object, limit: int = 500) -> str:
    """``text`` without line breaks or control characters and at most ``limit`` characters long."""
    flat = "".join(c if c.isprintable() else " " for c in str(text))
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"
