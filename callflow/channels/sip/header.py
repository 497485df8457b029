"""Layer 2: the headers of a SIP message: case-insensitive, several values by line, compact forms; the
pieces their values are made of (parameters, lists, CSeq).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from sipmessage.grammar import C_TOKEN
from sipmessage.message import COMPACT_FORMS

from callflow.errors import MalformedMessage

_KNOWN = (
    *COMPACT_FORMS.values(),
    *("Accept", "Allow", "Authorization", "CSeq", "Date", "Expires", "Max-Forwards", "Min-Expires", "Min-SE"),
    *("P-Asserted-Identity", "Path", "Privacy", "Proxy-Authenticate", "Proxy-Authorization", "RAck", "RSeq"),
    *("Reason", "Record-Route", "Replaces", "Require", "Route", "Server", "Subscription-State"),
    *("Unsupported", "User-Agent", "WWW-Authenticate", "Warning", "Allow-Events"),
)
_NAMES = {name.lower(): name for name in _KNOWN}
_KEYS = {
    **{spelt: name.lower() for name in _KNOWN for spelt in (name, name.lower())},
    **{spelt: name.lower() for short, name in COMPACT_FORMS.items() for spelt in (short, short.upper())},
}
_TOKEN = re.compile(f"[{re.escape(C_TOKEN)}]+")
_CSEQ = re.compile(rf"([0-9]{{1,10}})\s+([{re.escape(C_TOKEN)}]+)")
_PARAM = re.compile(
    rf'\s*+;\s*+([{re.escape(C_TOKEN)}]+)\s*+(?:=\s*+("(?:[^"\\]|\\.)*+"|[^\s;",<>=]++)\s*+)?', re.DOTALL
)
_LISTED = re.compile(r'((?:[^",<]++|"(?:[^"\\]|\\.)*+"|<[^<>]*+>)*+)(,|\Z)', re.DOTALL)
_PARAM_PLAIN = re.compile(f"[{re.escape(C_TOKEN)}\\[\\]:]+")
_BREAKS = re.compile(r"[\r\n]")
MOST_CSEQ = 2**31 - 1
"""RFC 3261 8.1.1.5."""


def is_token(text: str) -> bool:
    """A token of RFC 3261 25.1: a method, an option tag, a header's name."""
    return _TOKEN.fullmatch(text) is not None


def unquoted(text: str) -> str:
    """The inside of a quoted string without its backslashes."""
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL) if "\\" in text else text


def read_params(text: str) -> dict[str, str]:
    """``;name=value;flag``: names in lower case, values without quotes, "" for a flag.
    Raises MalformedMessage.
    """
    params: dict[str, str] = {}
    at = 0
    while at < len(text):
        found = _PARAM.match(text, at)
        if found is None:
            raise MalformedMessage("parameters that cannot be read")
        value = found[2] or ""
        params[found[1].lower()] = unquoted(value[1:-1]) if value.startswith('"') else value
        at = found.end()
    return params


def join_params(params: Mapping[str, str]) -> str:
    """The reverse of ``read_params``."""
    return "".join(f";{name}={_param(value)}" if value else f";{name}" for name, value in params.items())


def _param(value: str) -> str:
    if _PARAM_PLAIN.fullmatch(value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def split_commas(text: str) -> list[str]:
    """Values of a comma-separated list; commas in quotes or <> do not part. Raises MalformedMessage."""
    if "," not in text:
        return [text]
    values = []
    at = 0
    while True:
        found = _LISTED.match(text, at)
        if found is None:
            raise MalformedMessage("a list whose quotes or brackets do not end")
        values.append(found[1].strip())
        at = found.end()
        if not found[2]:
            break
    if not all(values):
        raise MalformedMessage("a list with an empty value")
    return values


class CSeq(NamedTuple):
    """``CSeq: 314159 INVITE``."""

    number: int
    method: str

    @staticmethod
    def parse(text: str) -> CSeq:
        """Raises MalformedMessage; a number of 2**31 or more is malformed."""
        found = _CSEQ.fullmatch(text)
        if found is None or (number := int(found[1])) > MOST_CSEQ:
            raise MalformedMessage("a CSeq that cannot be read")
        return CSeq(number, found[2])

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


class Headers:
    """Headers in order. A name may be given in any case and in its compact form; values are text without the
    line break. Values with CR or LF are refused (ValueError): no header can be smuggled in.
    """

    __slots__ = ("_names", "_values")

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self._values: dict[str, list[str]] = {}
        self._names: dict[str, str] = {}
        for name, value in items:
            self.add(name, value)

    @staticmethod
    def read(lines: Iterable[str]) -> Headers:
        """From the unfolded lines of a message. Raises MalformedMessage."""
        headers = Headers()
        values = headers._values
        for line in lines:
            name, colon, value = line.partition(":")
            key = _KEYS.get(name) or headers._odd_key(name, colon)
            known = values.get(key)
            if known is None:
                values[key] = [value.strip()]
            else:
                known.append(value.strip())
        return headers

    def _odd_key(self, name: str, colon: str) -> str:
        """The key of a name that is not spelt as usual."""
        name = name.rstrip()
        if not colon or not is_token(name):
            raise MalformedMessage("a header line without a name and a colon")
        key = _key(name)
        if key not in _NAMES:
            self._names[key] = name
        return key

    def get(self, name: str, default: str = "") -> str:
        """The first value of that name."""
        values = self._values.get(_KEYS.get(name) or _key(name))
        return values[0] if values else default

    def all(self, name: str) -> list[str]:
        """Every value of that name, a line each (commas within are not looked at)."""
        return list(self._values.get(_KEYS.get(name) or _key(name), ()))

    def lines(self) -> Mapping[str, Sequence[str]]:
        """Every header's lines, by its name in lower case."""
        return self._values

    def count(self, name: str) -> int:
        """How many lines of that name there are."""
        return len(self._values.get(_KEYS.get(name) or _key(name), ()))

    def listed(self, name: str) -> list[str]:
        """Every value of that name, by line and by comma (commas in quotes or <> do not part).
        Raises MalformedMessage.
        """
        lines = self._values.get(_KEYS.get(name) or _key(name), ())
        return [value for line in lines if line for value in split_commas(line)]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (_KEYS.get(name) or _key(name)) in self._values

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """(name, value) in order; lines of one name stand together."""
        for key, values in self._values.items():
            name = _NAMES.get(key) or self._names[key]
            for value in values:
                yield name, value

    def add(self, name: str, value: str) -> None:
        """One more line at the end."""
        self._values.setdefault(self._checked(name, value), []).append(value)

    def insert(self, name: str, value: str) -> None:
        """One more line at the top: a Via."""
        key = self._checked(name, value)
        if key in self._values:
            self._values[key].insert(0, value)
        else:
            self._values = {key: [value], **self._values}

    def set(self, name: str, value: str) -> None:
        """The only value of that name."""
        self._values[self._checked(name, value)] = [value]

    def set_all(self, name: str, values: Iterable[str]) -> None:
        """These lines and no others of that name; none: no such header."""
        lines = list(values)
        for value in lines:
            self._checked(name, value)
        if lines:
            self._values[_key(name)] = lines
        else:
            self.remove(name)

    def remove(self, name: str) -> None:
        """No value of that name."""
        self._values.pop(_key(name), None)

    def taken(self, names: Iterable[str]) -> Headers:
        """Another one with these headers, as far as they are here."""
        other = Headers()
        for name in names:
            key = _KEYS.get(name) or _key(name)
            values = self._values.get(key)
            if values:
                other._values[key] = list(values)
                if key in self._names:
                    other._names[key] = self._names[key]
        return other

    def copy(self) -> Headers:
        """One of its own."""
        other = Headers()
        other._values = {key: list(values) for key, values in self._values.items()}
        other._names = dict(self._names)
        return other

    def _checked(self, name: str, value: str) -> str:
        key = _KEYS.get(name)
        if key is None:
            if not is_token(name):
                raise ValueError("a header's name must be a token")
            key = _key(name)
            if key not in _NAMES:
                self._names[key] = name
        if ("\r" in value or "\n" in value) or not isinstance(value, str):
            raise ValueError(f"a line break in the value of {name}")
        return key


def _key(name: str) -> str:
    key = name.lower()
    return _KEYS.get(key, key)
