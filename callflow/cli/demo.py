"""Layer 6, ``callflow demo``: the whole way once, on this machine: a call, its recording, a receiver."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from callflow.cli._output import fail, terminal
from callflow.errors import CallflowError

if TYPE_CHECKING:
    from rich.console import Console

    from callflow.cli._demo_real import Shown


def main(
    folder: Annotated[
        Path, typer.Option(metavar="DIR", help="Where recordings and what is received are kept.")
    ] = Path("callflow-demo"),
    pretend: Annotated[
        bool, typer.Option("--pretend", help="A pretend call instead: no network, half a minute in a moment.")
    ] = False,
    realtime: Annotated[
        bool, typer.Option("--realtime", help="With --pretend: as slow as a real call.")
    ] = False,
) -> None:
    """Make a real SIP call on this machine: a server, two phones with real speech, and a real receiver that
    gets the recording.

    Exit code 0: it has arrived; 1: it has not.
    """
    try:
        arrived = _pretend(folder, realtime) if pretend else _real(folder)
    except CallflowError as error:
        fail(f"{error.code}  {error.message}", error.hint)
    if not arrived:
        raise typer.Exit(1)


def _pretend(folder: Path, realtime: bool) -> bool:
    from callflow.cli import _demo_pretend

    return _demo_pretend.pretend(folder, realtime)


def _real(folder: Path) -> bool:
    from callflow.cli._demo_real import show

    console = terminal()
    say = partial(console.print, soft_wrap=True, markup=False)
    return _tell(console, asyncio.run(show(folder, say)))


def _tell(console: Console, shown: Shown) -> bool:
    """Say what has arrived; True if it has."""
    console.print()
    if not shown.call.answered:
        console.print(f"the call was not answered: {shown.call.message}", style="bold red", soft_wrap=True)
        return False
    arrived = [one for one in shown.received if one.file is not None]
    if not arrived:
        console.print("nothing has arrived at the receiver", style="bold red")
        return False
    console.print("The recording has arrived", style="bold green")
    for one in arrived:
        digest = {True: "right", False: "WRONG", None: "none"}[one.digest_ok]
        for name, value in (
            ("sent to", f"{one.method} {one.target}"),
            ("digest", digest),
            ("duration", f"{one.seconds:.0f} s" if one.seconds is not None else "unknown"),
            ("format", "mp3, stereo: left is what Bob says, right what he hears"),
            ("packets", f"{_about(shown.call.sent)} sent, {shown.call.lost} lost on the way to Bob's phone"),
            ("listen", str(one.file)),
        ):
            console.print(f"  {name:<9} {value}", soft_wrap=True, markup=False)
    console.print(
        "\nNext: callflow serve, callflow call, callflow run, callflow check (each has --help)",
        soft_wrap=True,
    )
    return True


def _about(count: int) -> str:
    """To the nearest hundred."""
    return f"about {round(count, -2)}"
