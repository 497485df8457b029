"""Layer 6: a document that a client has sent: where it stands in the body, and what is wrong with it.

Documents are judged by the code of ``callflow check``; lines and columns are those of the body as it came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web

from callflow.documents import jsontext
from callflow.documents.jsonplaces import Position, place
from callflow.documents.jsontext import Parsed
from callflow.documents.problems import Problem
from callflow.errors import ApiError
from callflow.server.envelope import read_body
from callflow.server.v2.bounds import MOST_TOLD

DATA = "/data"
_RULES = {
    "CF-CHK-070": "type",
    "CF-CHK-071": "enum",
    "CF-CHK-072": "range",
    "CF-CHK-073": "required",
    "CF-CHK-100": "not_found",
    "CF-CHK-102": "unique",
}
"""Kazoo's names of rules; the others go by their code."""


@dataclass(frozen=True, slots=True)
class Sent:
    """``text``: the document alone; ``start``: where it begins in the body, at the JSON pointer ``at``."""

    body: Parsed
    text: str
    start: Position
    at: str

    @property
    def value(self) -> Any:
        """The document, read; meaningful if ``readable``."""
        return self.body.value["data"] if self.at else self.body.value

    @property
    def readable(self) -> bool:
        """Whether it is JSON without a mistake."""
        return self.body.readable and not self.body.faults

    def placed(self, problems: Iterable[Problem]) -> list[Problem]:
        """Problems of ``text``, with their places in the body."""
        return [
            replace(
                each,
                line=each.line + self.start.line - 1,
                column=each.column + (self.start.column - 1 if each.line == 1 else 0),
            )
            for each in problems
        ]

    def pointed(self, problems: Iterable[Problem]) -> list[Problem]:
        """Problems of a document that this one was merged into, placed by what they point at: at the nearest
        that was sent.
        """
        found = []
        for each in problems:
            position = self.body.position(self.at + each.pointer)
            found.append(replace(each, line=position.line, column=position.column))
        return found


async def read_sent(request: web.Request) -> Sent:
    """The document of a request: ``{"data": DOCUMENT}``, or as ``text/plain`` the document itself.

    Raises ApiError: 413, 400 for a body that is not JSON (its first mistake, with line and column).
    """
    raw = await read_body(request)
    return await asyncio.to_thread(_read, raw, request.content_type == "text/plain")


def _read(raw: bytes, bare: bool) -> Sent:
    body = jsontext.examine(raw)
    if bare:
        return Sent(body, body.text, Position(1, 1), "")
    if body.faults or not body.readable:
        raise refusal([_fault(body)])
    span = body.span(DATA) if isinstance(body.value, dict) and "data" in body.value else None
    if span is None:
        said = 'the body must be {"data": {...}}'
        raise ApiError(400, said, {"data": {"required": {"message": said}}})
    return Sent(body, body.text[slice(*span)], place(body.text, span[0]), DATA)


def _fault(body: Parsed) -> Problem:
    if not body.faults:
        return Problem("", 1, 1, "CF-CHK-010", "error", "this is not JSON", "", "")
    first = body.faults[0]
    return Problem(
        "", first.position.line, first.position.column, first.code, "error", first.message, "", first.hint
    )


def as_dict(problem: Problem) -> dict[str, Any]:
    """A problem as the API tells it; ``pointer`` (JSON pointer) begins at the document."""
    return {
        "level": problem.level,
        "code": problem.code,
        "message": problem.message,
        "hint": problem.hint,
        "pointer": problem.pointer,
        "line": problem.line,
        "column": problem.column,
    }


def warnings_of(problems: Iterable[Problem]) -> list[dict[str, Any]] | None:
    """What is doubtful about a document that was taken; None: nothing."""
    return [as_dict(problem) for problem in problems if not problem.is_error][:MOST_TOLD] or None


def refusal(problems: Sequence[Problem]) -> ApiError:
    """The 400 that tells every error in Kazoo's shape: ``{FIELD: {RULE: {"message": ...}}}``; a field is the
    way to it with dots, ``data`` the document as a whole.
    """
    data: dict[str, dict[str, Mapping[str, Any]]] = {}
    for problem in [each for each in problems if each.is_error][:MOST_TOLD]:
        field = ".".join(_token(part) for part in problem.pointer.split("/")[1:]) or "data"
        rules = data.setdefault(field, {})
        rule = _RULES.get(problem.code, problem.code)
        rules[_free(rule, rules)] = as_dict(problem)
    return ApiError(400, "the document is refused", data)


def _token(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")


def _free(rule: str, taken: Mapping[str, object]) -> str:
    name, number = rule, 2
    while name in taken:
        name, number = f"{rule}_{number}", number + 1
    return name
