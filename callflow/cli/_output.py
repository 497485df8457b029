"""Layer 6: how commands print: text for people, JSON for programs. ``NO_COLOR`` is honoured by rich."""

from __future__ import annotations

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
