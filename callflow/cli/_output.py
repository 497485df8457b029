"""Layer 6: how commands print: text for people, JSON for programs. ``NO_COLOR`` is honoured by rich."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, NoReturn

import typer

if TYPE_CHECKING:
    from rich.console import Console


class Output(StrEnum):
    """The values of ``-o``."""

    text = "text"
    json = "json"


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


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str = "") -> None:
    """A table on a terminal; in a pipe the same as plain lines that are never broken.

    The first column is never wrapped, the last one takes the room that is left.
    """
    console = terminal()
    body = [tuple(row) for row in rows]
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
