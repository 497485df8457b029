"""Writes docs/codes.md from the three tables of codes, and from what was told once of each (examples).

``python -m tests.house.codes`` writes it anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from callflow.documents.codes import CODES
from callflow.errors import CallflowError
from callflow.notices import NOTICES, Code

PAGE = Path(__file__).resolve().parents[2] / "docs" / "codes.md"

EXAMPLES: dict[str, dict[str, str]] = json.loads(
    Path(__file__).with_name("code_examples.json").read_text(encoding="utf-8")
)
"""Code → a message as it was told, and its hint."""

HEAD = """\
# Codes

Every problem that callflow tells has a code that stays the same from version to version. Where you meet them:

- `CF-CHK-...` from `callflow check`; those about a node's values also as notices of a running call,
- `CF-RUN-...` as notices of a running call,
- all others are errors: as a notice of a call when a module fails, or as the last line of a command.

A notice is an event of the call (`notice` in [events.md](events.md)); `callflow run` prints it among the
steps. This page is written from the code by `make docs`.
"""

CHECKING = """
## What check finds

An error makes the exit code 1. A warning will surprise you at run time; a note tells how a value is read.
"""

NOTICED = """
## What a running call tells

An error means that something the flow asks for was not done. The call goes on, but for the last two.
"""

FAILED = """
## Errors

They are the exceptions of `callflow.errors`. Each holds a message, a hint for its case and `retryable`.
"""


def errors(kind: type[CallflowError] = CallflowError) -> Iterator[type[CallflowError]]:
    """The tree that ``callflow/errors.py`` draws, each branch before its leaves."""
    yield kind
    for child in kind.__subclasses__():
        if child.__module__.startswith("callflow.errors"):
            yield from errors(child)


def meaning(kind: type[CallflowError]) -> str:
    """The first line of an error's docstring, for a page."""
    if kind is CallflowError:
        return "The root of the tree: any error of callflow."
    return (kind.__doc__ or "").strip().splitlines()[0].replace("``", "`")


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(_cell(text) for text in row)} |\n" for row in lines)


def _cell(text: str) -> str:
    return text.replace("\\", r"\\").replace("|", r"\|")


def _codes(codes: Mapping[str, Code]) -> str:
    rows = (
        (name, code.level, code.title, code.cause, code.fix, example(name)) for name, code in codes.items()
    )
    return _table(("code", "level", "what", "why it comes", "what helps", "for example"), rows)


def example(code: str) -> str:
    """Something that was told under this code; empty for a branch of the tree that is never told itself."""
    told = EXAMPLES.get(code)
    if told is None:
        return ""
    return f"`{told['message']}`" + (f" ({told['hint']})" if told["hint"] else "")


def render() -> str:
    """The page as it should be."""
    rows = (
        (
            kind.code,
            f"`{kind.__name__}`",
            meaning(kind),
            kind.fix,
            "yes" if kind.retryable else "",
            example(kind.code),
        )
        for kind in errors()
    )
    head = ("code", "exception", "what", "what helps", "trying again can help", "for example")
    failed = _table(head, rows)
    return "\n".join((HEAD + CHECKING, _codes(CODES) + NOTICED, _codes(NOTICES) + FAILED, failed))


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
