"""Layer 6, ``callflow check``: every mistake in flows, accounts and system_config, with its place."""

from __future__ import annotations

import dataclasses
import ipaddress
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from callflow.cli._output import Output, fail, terminal

if TYPE_CHECKING:
    from callflow.documents.check import Problem, Surroundings, UrlVerdict
    from callflow.documents.check_fix import Fixed
    from callflow.documents.settings import Settings

LONGEST_POINTER = 200


def main(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Files, or folders of *.json files.")
    ],
    account: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Account whose document ids flows may name.")
    ] = None,
    system_config: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Your system_config; it is checked as well.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as problems too.")] = False,
    fix: Annotated[
        bool, typer.Option("--fix", help="Mend what is safe to mend, in the files; says each change.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --fix: say and show the changes, write nothing.")
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="With --fix: print a unified diff and nothing else; write nothing.")
    ] = False,
    output: Annotated[Output, typer.Option("-o", "--output", help="How to print.")] = Output.text,
) -> None:
    """Exit code 0: no errors; 1: errors (with --strict also warnings); 2: a path that cannot be read.

    --fix looks again afterwards and tells what is left; with --dry-run or --diff: what there is now.
    """
    from callflow.cli import _check_fix
    from callflow.documents.check import Checker, check_paths, files_in

    for folder in (account, system_config):
        if folder is not None and not folder.is_dir():
            fail(f"{folder} is not a folder")
    if (dry_run or diff) and not fix:
        fail("--dry-run and --diff go with --fix")
    judged_in = surroundings(system_config)
    wanted = [*paths, system_config] if system_config else paths
    files = files_in(wanted)
    mended: list[Fixed] = []
    failed: list[str] = []
    if fix:
        checker, write = Checker(judged_in, account, system_config), not (dry_run or diff)
        there = [path for path in files if path.is_file()]
        mended, failed = _check_fix.fix_all(there, checker, write=write)
    problems = check_paths(wanted, judged_in, account=account, settings_folder=system_config)
    if output is Output.json:
        body = _as_json(problems, len(files))
        print(json.dumps({**body, "fixed": _check_fix.as_json(mended)} if fix else body, indent=2))
    elif diff:
        _check_fix.show_diff(mended)
    else:
        _check_fix.tell(mended, failed, written=not dry_run)
        _print(problems, len(files), sum(len(fixed.changes) for fixed in mended) if fix else None)
    leave(problems, strict, unread=bool(failed))


def leave(problems: list[Problem], strict: bool, *, unread: bool) -> None:
    """End with the exit code that the problems ask for."""
    if unread or any(problem.code == "CF-CHK-001" for problem in problems):
        raise typer.Exit(2)
    counted = ("error", "warning") if strict else ("error",)
    if any(problem.level in counted for problem in problems):
        raise typer.Exit(1)


def surroundings(system_config: Path | None) -> Surroundings:
    """What documents are judged in: the settings, and what delivery and media refuse or know."""
    return around(_settings(system_config))


def around(settings: Settings) -> Surroundings:
    """The same for settings that are known."""
    from callflow.documents.check import Surroundings

    return Surroundings(settings, None, url_judge(settings), _prompts())


def url_judge(settings: Settings) -> Callable[[str], UrlVerdict | None]:
    """Judges a url as delivery would, without asking the network."""
    from callflow.delivery.guard import Guard
    from callflow.delivery.urls import parse_url
    from callflow.documents.check import UrlVerdict
    from callflow.errors import BadUrl, SettingsError

    try:
        guard = Guard(settings.delivery.allow_networks)
    except SettingsError:
        guard = Guard()  # the setting itself is reported where it stands

    def judge(url: str) -> UrlVerdict | None:
        try:
            host = parse_url(url).host
        except BadUrl as error:
            return UrlVerdict("CF-CHK-090", str(error), error.hint)
        try:
            ipaddress.ip_address(host)
        except ValueError:
            local = host == "localhost" or host.endswith(".localhost")
            why = guard.refusal("127.0.0.1") if local else None
        else:
            why = guard.refusal(host)
        if why is None:
            return None
        hint = "run and demo may reach this machine; else add the network to delivery.allow_networks"
        return UrlVerdict("CF-CHK-091", f"{host} is refused when it is used: {why}", hint)

    return judge


def _settings(folder: Path | None) -> Settings:
    """The user's settings; where they are broken the shipped ones (checking says what is wrong)."""
    from callflow.documents.settings import load_settings
    from callflow.documents.shipped import system_config_dir
    from callflow.errors import SettingsError

    try:
        return load_settings(folder)
    except SettingsError as error:
        said = f"callflow check: {error}: the shipped settings are used"
        terminal(stderr=True).print(said, style="yellow", markup=False, soft_wrap=True)
        return load_settings(system_config_dir())


def _prompts() -> Callable[[str], bool]:
    from callflow.media.prompts import prompt_path

    return lambda name: prompt_path(name) is not None


def _as_json(problems: list[Problem], files: int) -> dict[str, object]:
    levels = {level: sum(p.level == level for p in problems) for level in ("error", "warning", "note")}
    return {
        "files": files,
        "errors": levels["error"],
        "warnings": levels["warning"],
        "notes": levels["note"],
        "problems": [
            {**dataclasses.asdict(problem), "mend": problem.mend and problem.mend.effect}
            for problem in problems
        ],
    }


def _print(problems: list[Problem], files: int, mended: int | None = None) -> None:
    show_problems(problems)
    console = terminal()
    counts = [(level, sum(p.level == level for p in problems)) for level in ("error", "warning", "note")]
    said = ", ".join(f"{number} {level}{'s' * (number != 1)}" for level, number in counts if number)
    changes = "" if mended is None else f"{mended} change{'s' * (mended != 1)}; "
    console.print(
        f"{files} file{'s' * (files != 1)}: {changes}{said or 'no problems'}", soft_wrap=True, highlight=False
    )


def show_problems(problems: Iterable[Problem]) -> None:
    """One line a problem; where hints are, they follow on the same line, so that grep and editors see all."""
    from rich.text import Text

    console = terminal()
    colours = {"error": "red", "warning": "yellow", "note": "cyan"}
    for problem in problems:
        line = Text(f"{problem.file}:{problem.line}:{problem.column}", style="bold")
        line.append("  ").append(problem.code, style=colours[problem.level])
        line.append(f"  {problem.level}: {problem.message}", style="not bold")
        if problem.pointer:
            line.append(f" ({_short(problem.pointer)})", style="not bold dim")
        if problem.hint:
            line.append(f"; {problem.hint}", style="not bold green")
        console.print(line, soft_wrap=True)


def _short(pointer: str) -> str:
    """A pointer as a line of text can hold it: line and column say the place, ``-o json`` has it whole."""
    return pointer if len(pointer) <= LONGEST_POINTER else f"{pointer[:60]} … {pointer[-60:]}"
