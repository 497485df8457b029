"""Layer 1: ``{ACCOUNT_ID}`` and the like in any string of a node's data (DESIGN 5, "placeholders")."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

URL_KEYS = ("url", "uri", "voice_url")
_URLS = ("http://", "https://")

# Not ``\p{L}`` and its kin: in a regular expression those braces mean something else.
_NAME = re.compile(r"(?<!\\[pPxkgNo])\{([A-Za-z_][A-Za-z0-9_]*)\}")
_MEANT = re.compile(r"[A-Z][A-Z0-9_]*")


@dataclass(frozen=True, slots=True)
class Filled:
    """``value``: a copy with known names replaced; ``missing``: names that nothing resolves, in order."""

    value: Any
    missing: tuple[str, ...] = ()


def fill(value: Any, lookup: Mapping[str, str], *, url_keys: Sequence[str] = URL_KEYS) -> Filled:
    """Replace ``{NAME}`` by ``lookup[NAME]`` in every string of a JSON value (keys stay as they are).

    Below a key of ``url_keys``, and in a text that begins as a url, values are percent-encoded, so that one
    cannot add a path or a query to a url; only a name at the very beginning may bring ``http://host``. Only
    names in capitals count as missing: other words in braces are left alone as text.
    """
    missing: dict[str, None] = {}

    def replace(text: str, in_url: bool) -> str:
        in_url = in_url or text.lower().startswith(_URLS)

        def one(match: re.Match[str]) -> str:
            name = match[1]
            if name not in lookup:
                if _MEANT.fullmatch(name):
                    missing[name] = None
                return match[0]
            found = lookup[name]
            whole = match.start() == 0 and found.startswith(_URLS)
            return quote(found, safe="") if in_url and not whole else found

        return _NAME.sub(one, text) if "{" in text else text

    filled = _copy(value, frozenset(url_keys), replace)
    return Filled(filled, tuple(missing))


def names(value: Any) -> tuple[str, ...]:
    """All names in braces in the strings of a JSON value, each once, in order of appearance."""
    found: dict[str, None] = {}
    for text in _strings(value):
        for match in _NAME.finditer(text):
            found[match[1]] = None
    return tuple(found)


def in_authority(url: str) -> bool:
    """Whether only the call knows where ``url`` leads: a name in braces in its scheme, host or port."""
    scheme, _, rest = url.partition("://")
    return bool(_NAME.search(scheme) or _NAME.search(re.split(r"[/?#]", rest, maxsplit=1)[0]))


def _strings(value: Any) -> Iterator[str]:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, Mapping):
            stack.extend(reversed(list(item.values())))
        elif isinstance(item, list | tuple):
            stack.extend(reversed(item))


def _copy(value: Any, url_keys: frozenset[str], replace: Callable[[str, bool], str]) -> Any:
    """A copy with ``replace(text, in_url)`` on every string; iterative, since documents may be deep."""
    top: list[Any] = [None]
    stack: list[tuple[Any, Any, Any, bool]] = [(top, 0, value, False)]
    while stack:
        into, key, item, in_url = stack.pop()
        if isinstance(item, str):
            into[key] = replace(item, in_url)
        elif isinstance(item, Mapping):
            fresh: dict[str, Any] = dict.fromkeys(item)
            into[key] = fresh
            stack.extend((fresh, k, v, in_url or k in url_keys) for k, v in reversed(list(item.items())))
        elif isinstance(item, list | tuple):
            row: list[Any] = [None] * len(item)
            into[key] = row
            stack.extend((row, i, v, in_url) for i, v in reversed(list(enumerate(item))))
        else:
            into[key] = item
    return top[0]
