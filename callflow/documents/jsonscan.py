"""Layer 1: goes through a JSON text token by token, without recursion: all mistakes, and where each value is.

It goes on after a mistake wherever the meaning is still clear (a comment, a trailing comma, a key twice), so
that one run shows them all; where it is not, it stops.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from callflow.documents.jsonplaces import Entry, Lines, Position, end_of, entry_at, place
from callflow.errors import JsonSyntaxError


class Fault(NamedTuple):
    """A mistake in the text; ``code`` is a row of ``documents/codes.py``."""

    code: str
    message: str
    hint: str
    position: Position


@dataclass(slots=True)
class Scan:
    """The outcome: ``value`` is meaningful if ``readable``."""

    text: str
    value: Any = None
    readable: bool = False
    faults: list[Fault] = field(default_factory=list)
    top: Entry = field(default_factory=lambda: Entry(0, 0, {}))
    closed: dict[int, int] = field(default_factory=dict)
    _lines: Lines | None = None

    def position(self, pointer: str, *, of_key: bool) -> Position:
        """Where a JSON pointer's value (or its key) is; a pointer that goes too far ends at what is there."""
        entry, _ = entry_at(self.top, pointer)
        if self._lines is None:
            self._lines = Lines(self.text)
        return self._lines.place(entry.key if of_key else entry.start)

    def span(self, pointer: str, *, of_key: bool) -> tuple[int, int] | None:
        """From where to where the text of that value (or of its key) goes; None: it is not there."""
        entry, there = entry_at(self.top, pointer)
        start = entry.key if of_key else entry.start
        return (start, end_of(self.text, start, self.closed)) if there else None


_SPACE = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_STRING = re.compile(r'"[^"\\\x00-\x1f]*(?:\\.[^"\\\x00-\x1f]*)*"', re.DOTALL)
_LOOSE_STRING = re.compile(r'"(?:[^"\\\n]|\\[^\n])*"')
_WORD = re.compile(r"[A-Za-z_$+.\-][\w$+.\-]*")
_COMMENT = re.compile(r"//[^\n]*|/\*.*?(?:\*/|\Z)|#[^\n]*", re.DOTALL)
_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}|(.|\Z))', re.DOTALL)
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_CONSTANTS = {"true": True, "false": False, "null": None}
_NOT_NUMBERS = {"NaN": 0, "Infinity": 0, "-Infinity": 0, "nan": 0, "inf": 0, "-inf": 0}
_OTHER_WORDS = {"True": True, "False": False, "None": None, "undefined": None, "TRUE": True, "FALSE": False}
_COMMA_HINT = "JSON has no comma after the last item"


@dataclass(slots=True)
class _Level:
    """An array or object that is still open."""

    value: Any  # list or dict
    entry: Entry
    opened: int


class _Scanner:
    """One pass over one text."""

    def __init__(self, text: str, max_depth: int, max_integer: int) -> None:
        self.text = text
        self.max_depth = max_depth
        self.max_integer = max_integer
        self.offset = 0
        self.found: list[tuple[int, str, str, str]] = []
        self.levels: list[_Level] = []
        self.closed: dict[int, int] = {}

    # ---- faults

    def fault(self, offset: int, code: str, message: str, hint: str = "") -> None:
        self.found.append((offset, code, message, hint))

    def stop(self, offset: int, code: str, message: str, hint: str = "") -> JsonSyntaxError:
        self.fault(offset, code, message, hint)
        return JsonSyntaxError(message, hint=hint)

    def faults(self) -> list[Fault]:
        lines = Lines(self.text)
        return [Fault(code, message, hint, lines.place(offset)) for offset, code, message, hint in self.found]

    # ---- the text between values

    def peek(self) -> str:
        """The next character that means something ('' at the end); comments on the way are faults."""
        while True:
            match = _SPACE.match(self.text, self.offset)
            self.offset = match.end() if match else self.offset
            here = self.text[self.offset : self.offset + 1]
            if here in ("/", "#") and here:
                comment = _COMMENT.match(self.text, self.offset)
                if comment:
                    self.fault(self.offset, "CF-CHK-015", "is a comment", "JSON has no comments: take it out")
                    self.offset = comment.end()
                    continue
            if here and here not in "\ufeff\u00a0\u200b":
                return here
            if not here:
                return ""
            self.fault(
                self.offset, "CF-CHK-010", f"holds the invisible character U+{ord(here):04X}", "delete it"
            )
            self.offset += 1

    def ended(self) -> JsonSyntaxError:
        """The text is over too early."""
        level = self.levels[-1] if self.levels else None
        if level is None:
            return self.stop(len(self.text), "CF-CHK-012", "ends where a value should be")
        opened = place(self.text, level.opened)
        bracket = self.text[level.opened]
        closing = "}" if bracket == "{" else "]"
        where = f"the {bracket} of line {opened.line}, column {opened.column}"
        return self.stop(
            len(self.text),
            "CF-CHK-012",
            f"is cut off: {where} is not closed",
            f"the file ends before its {closing}",
        )

    # ---- values

    def document(self) -> tuple[Any, Entry]:
        if not self.text.strip(" \t\r\n"):
            raise self.stop(0, "CF-CHK-011", "is empty", "write a callflow document: {...}")
        root: list[Any] = []
        top = Entry(0, 0, {})
        self.value(root, None, top, -1)
        while self.levels:
            self.step()
        rest = self.peek()
        if rest:
            raise self.stop(
                self.offset,
                "CF-CHK-010",
                f"goes on after its end, with {rest}",
                "one file holds one JSON value",
            )
        return root[0], top.inner["0"]

    def value(self, into: Any, key: str | None, entry: Entry, key_offset: int) -> None:
        """Read one value (of an array or object: its opening) and put it into ``into``."""
        here = self.peek()
        start = self.offset
        name = str(len(into)) if key is None else key
        below = Entry(start if key_offset < 0 else key_offset, start, {})
        entry.inner[name] = below
        made: Any
        if here in ("{", "["):
            made = {} if here == "{" else []
            if len(self.levels) >= self.max_depth:
                raise self.stop(
                    start,
                    "CF-CHK-020",
                    f"is nested deeper than {self.max_depth} levels",
                    "split the flow and join the parts with the module callflow",
                )
            self.offset += 1
            self.levels.append(_Level(made, below, start))
        else:
            made = self.scalar(here)
        if key is None:
            into.append(made)
        else:
            into[key] = made

    def scalar(self, here: str) -> Any:
        if here == '"':
            return self.string()
        number = _NUMBER.match(self.text, self.offset) if here and here in "-0123456789" else None
        if number and not re.match(r"[\w.+]", self.text[number.end() : number.end() + 1]):
            return self.number(number)
        word = _WORD.match(self.text, self.offset)
        if word and word[0] in _CONSTANTS:
            self.offset = word.end()
            return _CONSTANTS[word[0]]
        return self.strange(here, word[0] if word else "")

    def number(self, match: re.Match[str]) -> int | float:
        text = match[0]
        self.offset = match.end()
        whole = match[1] is None and match[2] is None
        if whole and (len(text) > 20 or abs(int(text)) > self.max_integer):
            self.fault(
                match.start(), "CF-CHK-018", f"{_short(text)} is too big a number", "keep it under 2^63"
            )
            return 0
        if whole:
            return int(text)
        value = float(text)
        if math.isinf(value):
            self.fault(
                match.start(), "CF-CHK-018", f"{_short(text)} is too big a number", "keep it under 1e308"
            )
            return 0
        return value

    def string(self) -> str:
        start = self.offset
        match = _STRING.match(self.text, start)
        if match is None:
            match = _LOOSE_STRING.match(self.text, start)
            if match is None:
                raise self.stop(start, "CF-CHK-012", "is a text without its closing quote", 'end it with "')
            self.fault(start, "CF-CHK-021", "holds a control character", r"write it as \n, \t or \u....")
        self.offset = match.end()
        raw = match[0]
        if "\\" not in raw:
            return raw[1:-1]
        for escape in _ESCAPE.finditer(raw):
            if escape[1] is not None:
                wrong = f"has an escape that JSON does not know: {escape[0]}"
                hint = r'write \\ for a backslash, as in "^\\*98$"'
                self.fault(start + escape.start(), "CF-CHK-021", wrong, hint)
                return raw[1:-1]
        text: str = json.loads(raw, strict=False)
        half = _SURROGATE.search(text)
        if half:
            self.fault(
                start, "CF-CHK-021", f"holds half of a character: \\u{ord(half[0]):04x}", "write both halves"
            )
            return _SURROGATE.sub("\ufffd", text)
        return text

    def strange(self, here: str, word: str) -> Any:
        """Something that is no JSON value: go on where it is clear what was meant."""
        start = self.offset
        if not here:
            raise self.ended()
        if word in _NOT_NUMBERS:
            self.offset += len(word)
            self.fault(start, "CF-CHK-017", f"is not a number: {word}", "JSON has only finite numbers")
            return _NOT_NUMBERS[word]
        if word in _OTHER_WORDS:
            self.offset += len(word)
            self.fault(
                start, "CF-CHK-010", f"has {word} where a value should be", "write true, false or null"
            )
            return _OTHER_WORDS[word]
        raise self.stop(
            start, "CF-CHK-010", f"has {_short(word or here)} where a value should be", _hint(here, word)
        )

    # ---- arrays and objects

    def step(self) -> None:
        """Read the next item of the innermost open array or object, or its end."""
        level = self.levels[-1]
        here = self.peek()
        closing = "}" if isinstance(level.value, dict) else "]"
        if not here:
            raise self.ended()
        if here == closing:
            self.close()
            return
        if level.value:
            here = self.comma(here, closing)
            if here == closing:
                self.close()
                return
        if isinstance(level.value, list):
            self.value(level.value, None, level.entry, -1)
            return
        start = self.offset
        key = self.key(here)
        if key in level.value:
            self.fault(
                start, "CF-CHK-013", f'has the key "{_short(key)}" twice', "only the last one would count"
            )
        if self.peek() != ":":
            raise (
                self.ended()
                if not self.peek()
                else self.stop(
                    self.offset,
                    "CF-CHK-010",
                    f"has no colon after the key {_short(key)}",
                    "write a : between key and value",
                )
            )
        self.offset += 1
        self.value(level.value, key, level.entry, start)

    def comma(self, here: str, closing: str) -> str:
        """Past the comma before the next item; gives the character after it."""
        if here != ",":
            if here in "}]":
                opened = place(self.text, self.levels[-1].opened)
                raise self.stop(
                    self.offset, "CF-CHK-010",
                    f"has {here} where {closing} should close line {opened.line}, column {opened.column}",
                )  # fmt: skip
            said, hint = f"has no comma before {_short(here)}", "write a comma between items"
            if here not in '"{[-0123456789tfn':
                raise self.stop(self.offset, "CF-CHK-010", said, hint)
            self.fault(self.offset, "CF-CHK-010", said, hint)
            return here
        start = self.offset
        self.offset += 1
        here = self.peek()
        if not here:
            raise self.ended()
        if here == closing:
            self.fault(start, "CF-CHK-016", "has a comma before the closing bracket", _COMMA_HINT)
        elif here == ",":
            raise self.stop(self.offset, "CF-CHK-010", "has two commas in a row", "delete one")
        return here

    def key(self, here: str) -> str:
        if here == '"':
            return self.string()
        word = _WORD.match(self.text, self.offset)
        raise self.stop(
            self.offset, "CF-CHK-010", f"has {_short(word[0] if word else here)} where a key should be",
            _hint(here, word[0] if word else ""),
        )  # fmt: skip

    def close(self) -> None:
        self.offset += 1
        self.closed[self.levels.pop().opened] = self.offset


def scan(text: str, max_depth: int, max_integer: int) -> Scan:
    """Go through ``text``; never raises, whatever it is."""
    scanner = _Scanner(text, max_depth, max_integer)
    outcome = Scan(text)
    try:
        outcome.value, outcome.top = scanner.document()
        outcome.readable = True
    except JsonSyntaxError:
        pass  # the scanner has noted it among its faults, and what it read until then is of no use
    outcome.faults, outcome.closed = scanner.faults(), scanner.closed
    return outcome


def _hint(here: str, word: str) -> str:
    if word.startswith("..") or here == "…":
        return "something was left out here: JSON cannot be shortened with dots"
    if here in "'`\u201c\u201d\u2018\u2019":
        return 'JSON texts stand in straight double quotes: "..."'
    if word:
        return f'texts and keys stand in double quotes: "{_short(word)}"'
    if here in "<$":
        return "this looks like another language's template: fill it in first"
    return ""


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."
