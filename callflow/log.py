"""Layer 0: the log, and how to keep secrets out of it.

The engine logs through the standard ``logging`` module under the name ``callflow``.
"""

from __future__ import annotations

import logging
import re
from urllib.parse import urlsplit, urlunsplit

logger = logging.getLogger("callflow")

_MASK = "***"


def mask_url(url: str) -> str:
    """``url`` as it may be shown: no user, no password, no value of a query parameter, no fragment."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return _MASK
    netloc = f"{_MASK}@{host}" if "@" in parts.netloc else host
    query = re.sub(r"=[^&;]*", f"={_MASK}", parts.query)
    if parts.query and "=" not in parts.query:
        query = _MASK
    return urlunsplit((parts.scheme, netloc, parts.path, query, ""))


def one_line(text: object, limit: int = 500) -> str:
    """``text`` without line breaks or control characters and at most ``limit`` characters long."""
    flat = "".join(c if c.isprintable() else " " for c in str(text))
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"
