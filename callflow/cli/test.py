"""Layer 6, ``callflow test``: scenario files played and held against what they expect."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from callflow.cli._output import fail, problems_told, shown, terminal

if TYPE_CHECKING:
    from callflow.testing.scenarios import Judged

MOST_JOBS = 64


def main(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Scenario files, or folders of them.")
    ],
    keyword: Annotated[
        str, typer.Option("-k", metavar="WORD", help="Only those whose name or path has this word.")
    ] = "",
    jobs: Annotated[
        int, typer.Option("-j", metavar="N", min=0, max=MOST_JOBS, help="So many at once; 0: one a core.")
    ] = 1,
    tap: Annotated[bool, typer.Option("--tap", help="Print TAP (Test Anything Protocol, 13).")] = False,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write JUnit XML there as well.")] = None,
    draw: Annotated[bool, typer.Option("--draw", help="Show the way of calls that passed, too.")] = False,
) -> None:
    """Play each scenario in virtual time; in folders, each JSON file that has `expect`.

    Exit code 0: all came as expected; 1: something did not; 2: nothing to play, or no scenario.
    """
    from callflow.testing.reports import to_junit, to_tap
    from callflow.testing.scenarios import find, play_all

    with problems_told():
        files = find(paths, keyword)
    if not files:
        fail("there is no scenario", "in folders, a scenario is a JSON file that has `expect`")
    results = []
    for result in play_all(files, jobs or os.cpu_count() or 1):
        results.append(result)
        if not tap:
            _show(result, draw)
    if tap:
        print(to_tap(results), end="")
    else:
        _sum_up(results)
    if junit is not None:
        _write(junit, to_junit(results))
    raise typer.Exit(0 if all(one.passed for one in results) else 1)


def _show(result: Judged, draw: bool) -> None:
    from rich.text import Text

    from callflow.testing.reports import why

    console = terminal()
    word, style = ("ok    ", "green") if result.passed else ("FAILED", "bold red")
    line = Text(f"{word}  ", style).append(shown(result.name), "default")
    line.append(f"  {result.path}", "dim")
    console.print(line, soft_wrap=True)
    if not result.passed:
        console.print(Text(_below(why(result))), soft_wrap=True)
    elif draw:
        console.print(Text(_below("\n".join(result.pictures))), soft_wrap=True)


def _below(text: str) -> str:
    lines = (shown(line) for line in text.rstrip("\n").splitlines())
    return "\n".join(f"        {line}".rstrip() for line in lines) + "\n"


def _sum_up(results: list[Judged]) -> None:
    passed = sum(one.passed for one in results)
    failed = len(results) - passed
    seconds = sum(one.seconds for one in results)
    words = f"{passed} passed" + (f", {failed} failed" if failed else "")
    terminal().print(f"{words} in {seconds:.2f} s", style="bold", soft_wrap=True)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        fail(f"{path} cannot be written: {error.strerror}")
