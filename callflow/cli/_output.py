"""Layer 6: how commands print: text for people, JSON for programs. ``NO_COLOR`` is honoured by rich."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from callflow.errors import CallflowError
from callflow.log import one_line

if TYPE_CHECKING:
    from rich.console import Console


class Output(StrEnum):
    """The values of ``-o``."""

    text = "text"
    json = "json"


OutputOption = Annotated[Output, typer.Option("-o", "--output", help="Text, or JSON for programs.")]


def terminal(*, stderr: bool = False) -> Console:
    """A console on stdout (or stderr): colours and tables on a terminal, plain text in a pipe."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


def fail(message: str, hint: str = "") -> NoReturn:
    """End with exit code 2: the command cannot do what was asked for."""
    terminal(stderr=True).print(
        f"callflow: {message}" + (f" ({hint})" if hint else ""), markup=False, soft_wrap=True
    )
    raise typer.Exit(2)


@contextmanager
def problems_told() -> Iterator[None]:
    """Turn an error of ours into a message, its hint and exit code 2."""
    try:
        yield
    except CallflowError as error:
        fail(f"{error.code}  {error.message}", error.hint)


def shown(text: str) -> str:
    """``text`` as a terminal may get it: what others have sent (numbers, answers of receivers) does not move
    the cursor, change colours or begin lines of its own.
    """
    return text if text.isprintable() else one_line(text, len(text))


def show_json(value: object) -> None:
    """One JSON value on standard output, indented on a terminal."""
    print(json.dumps(value, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None))


def show_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Name and value, a line each; empty values are left out."""
    pairs = [(name, value) for name, value in facts if value]
    width = max((len(name) for name, _ in pairs), default=0)
    for name, value in pairs:
        print(f"{name:<{width}}  {shown(value)}")


def show_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str = "", nothing: str = ""
) -> None:
    """A table on a terminal; in a pipe the same as plain lines that are never broken. ``nothing``: what is
    said instead of a table without rows.

    The first column is never wrapped, the last one takes the room that is left.
    """
    console = terminal()
    body = [tuple(map(shown, row)) for row in rows]
    if nothing and not body:
        console.print(nothing, markup=False, soft_wrap=True)
        return
    if title:
        console.print(title, style="bold", markup=False, soft_wrap=True)
    if not console.is_terminal:
        _plain(columns, body)
        return
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(columns):
        last = index == len(columns) - 1
        widest = None if index == 0 or last or len(columns) < 4 else 14
        table.add_column(
            column, no_wrap=index == 0, overflow="fold", max_width=widest, ratio=1 if last else None
        )
    for row in body:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


def _plain(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    everything = [tuple(columns), *rows]
    widths = [max(len(row[index]) for row in everything) for index in range(len(columns))]
    for row in everything:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def track(total: int, text: str) -> Callable[[int], None]:
    """A progress bar on a terminal: call the result with what is done; elsewhere it does nothing."""
    if not sys.stderr.isatty():
        return lambda done: None
    from rich.progress import Progress

    bar = Progress(console=terminal(stderr=True), transient=True)
    task = bar.add_task(text, total=total)
    bar.start()

    def done(count: int) -> None:
        bar.update(task, completed=count)
        if count >= total:
            bar.stop()

    return done
