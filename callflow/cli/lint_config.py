"""Layer 6, ``callflow lint-config``: system_config and accounts held against each other."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from callflow.cli._output import Output, problems_told, show_table

if TYPE_CHECKING:
    from callflow.documents.check_config import Effective, Linted

HIDDEN = ("password", "secret", "username")


def main(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="Holds system_config/ and accounts/, or is one of them."),
    ],
    system_config: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Your system_config, if it is elsewhere.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as problems too.")] = False,
    all_settings: Annotated[
        bool, typer.Option("--all", help="Show all effective settings, not only those that somebody chose.")
    ] = False,
    output: Annotated[Output, typer.Option("-o", "--output", help="How to print.")] = Output.text,
) -> None:
    """Exit code 0: no errors; 1: errors (with --strict also warnings); 2: nothing to check."""
    from callflow.cli import check
    from callflow.documents.check_config import lint_config
    from callflow.documents.config_layout import layout_of

    with problems_told():
        linted = lint_config(layout_of(folder, system_config), check.around, folder)
    if output is Output.json:
        print(json.dumps(_as_json(linted), ensure_ascii=False, indent=2))
    else:
        _show(linted, all_settings)
    check.leave(list(linted.problems), strict, unread=False)


def _as_json(linted: Linted) -> dict[str, Any]:
    return {
        "problems": [
            {**dataclasses.asdict(problem), "mend": problem.mend and problem.mend.effect}
            for problem in linted.problems
        ],
        "settings": [_row(each) for each in linted.settings],
        "accounts": {name: [_row(each) for each in own] for name, own in linted.accounts.items()},
    }


def _row(each: Effective) -> dict[str, Any]:
    value = "***" if each.value and each.name.endswith(HIDDEN) else each.value
    return {"name": each.name, "value": value, "source": each.source, "file": each.file}


def _show(linted: Linted, all_settings: bool) -> None:
    from callflow.cli import check

    rows = [each for each in linted.settings if all_settings or each.source not in ("default", "shipped")]
    _table("system", rows)
    for name, own in linted.accounts.items():
        _table(f"account {name}", own)
    check.show_problems(linted.problems)
    levels = [
        (level, sum(p.level == level for p in linted.problems)) for level in ("error", "warning", "note")
    ]
    said = ", ".join(f"{number} {level}{'s' * (number != 1)}" for level, number in levels if number)
    accounts = len(linted.accounts)
    print(f"{accounts} account{'s' * (accounts != 1)}: {said or 'no problems'}")


def _table(title: str, own: Iterable[Effective]) -> None:
    rows = [(row["name"], json.dumps(row["value"]), row["source"], row["file"]) for row in map(_row, own)]
    if rows:
        show_table(("setting", "value", "from", "file"), rows, title=title)
