"""Layer 1: a strict JSON reader that knows where everything is.

Two ways to the same answer. The standard library's parser reads what is in order; only when it is not, or
when somebody asks for a position, the slower scanner (``jsonscan.py``) goes through the text token by token.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from callflow.documents.jsonplaces import Position, place
from callflow.documents.jsonscan import Fault, Scan, scan
from callflow.errors import DocumentError, JsonSyntaxError, MissingDocument

__all__ = ["MAX_DEPTH", "MAX_INTEGER", "Fault", "Parsed", "Position", "examine", "parse", "read"]

MAX_DEPTH = 4096
"""Levels of arrays and objects: a flow of 1,000 nodes needs two for each, and its data some more."""
MAX_INTEGER = 2**63 - 1

_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


@dataclass(slots=True)
class Parsed:
    """A JSON text that was read.

    ``value`` is meaningful if ``readable``; ``faults`` are all mistakes that were found, in order.
    """

    file: str
    text: str
    value: Any
    readable: bool = True
    faults: Sequence[Fault] = ()
    _scan: Scan | None = field(default=None, repr=False)

    def position(self, pointer: str) -> Position:
        """Line and column (from 1) of the value that the JSON pointer names, or of what holds it."""
        return self._scanned().position(pointer, of_key=False)

    def key_position(self, pointer: str) -> Position:
        """Line and column of the key under which that value stands (the value itself in an array)."""
        return self._scanned().position(pointer, of_key=True)

    def span(self, pointer: str, *, of_key: bool = False) -> tuple[int, int] | None:
        """From where to where (offsets in ``text``) that value, or its key, is written; None: it is not."""
        return self._scanned().span(pointer, of_key=of_key)

    def _scanned(self) -> Scan:
        if self._scan is None:
            self._scan = scan(self.text, MAX_DEPTH, MAX_INTEGER)
        return self._scan


def read(path: Path) -> Parsed:
    """Read a file that must be in order.

    Raises JsonSyntaxError (with ``line`` and ``column``), MissingDocument, or DocumentError (no permission).
    """
    return _strict(examine(_bytes(path), str(path)))


def parse(text: str | bytes, file: str = "") -> Parsed:
    """Read a text that must be in order. Raises JsonSyntaxError."""
    return _strict(examine(text, file))


def examine(text: str | bytes, file: str = "") -> Parsed:
    """Read a text and collect its mistakes; never raises."""
    faults: list[Fault] = []
    if isinstance(text, bytes):
        text = _decode(text, faults)
    if text.startswith("\ufeff"):
        faults.append(_bom("a byte order mark"))
        text = text[1:]
    if not faults:
        try:
            return Parsed(file, text, _plain(text))
        except (ValueError, RecursionError):
            pass  # the slow scanner below says what is wrong, and where
    scanned = scan(text, MAX_DEPTH, MAX_INTEGER)
    return Parsed(file, text, scanned.value, scanned.readable, (*faults, *scanned.faults), scanned)


def _strict(parsed: Parsed) -> Parsed:
    if parsed.faults:
        first = parsed.faults[0]
        where = f"{parsed.file or 'JSON'}:{first.position.line}:{first.position.column}"
        error = JsonSyntaxError(f"{where}: {first.message}", hint=first.hint)
        error.line, error.column = first.position
        raise error
    return parsed


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise MissingDocument(f"there is no file {path}") from None
    except OSError as error:
        raise DocumentError(f"{path} cannot be read: {error.strerror}") from error


def _bom(what: str) -> Fault:
    return Fault("CF-CHK-014", f"starts with {what}", "save the file as UTF-8 without BOM", Position(1, 1))


def _decode(raw: bytes, faults: list[Fault]) -> str:
    """The text of ``raw``; what is not UTF-8 becomes a fault and is read as well as can be."""
    for mark, encoding in _BOMS:
        if raw.startswith(mark):
            faults.append(_bom(f"a byte order mark ({encoding.upper()})"))
            return raw[len(mark) :].decode("utf-8", "replace") if encoding == "utf-8" else _utf16(raw)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8", "replace")
        faults.append(
            Fault(
                "CF-CHK-019",
                f"is not UTF-8: byte 0x{raw[error.start]:02x} cannot stand here",
                "save the file as UTF-8",
                place(before, len(before)),
            )
        )
        return raw.decode("utf-8", "replace")


def _utf16(raw: bytes) -> str:
    return raw.decode("utf-16", "replace")


def _plain(text: str) -> Any:
    if "\\u" in text and ("\\ud" in text or "\\uD" in text):
        raise ValueError("perhaps half of a surrogate pair: json lets it pass")
    return _DECODER.decode(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("needs the scanner")
    return made


def _integer(text: str) -> int:
    if len(text) > 20:
        raise ValueError("needs the scanner")
    value = int(text)
    if abs(value) > MAX_INTEGER:
        raise ValueError("needs the scanner")
    return value


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("needs the scanner")
    return value


def _constant(text: str) -> Any:
    raise ValueError("needs the scanner")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
)
