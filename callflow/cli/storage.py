"""Layer 6: ``callflow storage``: where an account's recordings go, and whether that works."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from callflow.cli._output import Output, OutputOption, fail, problems_told, show_json

main = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)

MOST_BYTES = 1024 * 1024 * 1024


@main.callback()
def _group() -> None:
    """Where recordings go by the storage plan of an account (``storage.json``)."""


@main.command("test")
def test_command(
    plan: Annotated[
        Path, typer.Argument(metavar="PLAN|ACCOUNT_DIR", help="storage.json, or the account's folder.")
    ],
    place: Annotated[
        str, typer.Option("--place", metavar="ID", help="Another place than the one that recordings go to.")
    ] = "",
    every: Annotated[bool, typer.Option("--all", help="Every place of the plan.")] = False,
    size: Annotated[
        int, typer.Option("--bytes", min=1, max=MOST_BYTES, help="How long the file is; over 8 MiB: parts.")
    ] = 4096,
    allow_loopback: Annotated[
        bool, typer.Option("--allow-loopback", help="Places on this machine may be reached.")
    ] = False,
    system_config: Annotated[Path | None, typer.Option("--system-config", help="Your system_config.")] = None,
    output: OutputOption = Output.text,
) -> None:
    """Write a file, read it back, compare, delete; say which step fails, why, and what to write instead.

    Exit code 0: all is well; 1: a step failed; 2: the plan cannot be read.
    """
    with problems_told():
        account_id, storage = _read(plan)
        chosen = _chosen(storage, place, every)
        told = asyncio.run(_try(chosen, account_id, size, allow_loopback, system_config, output))
    if output is Output.json:
        show_json(told)
    if any(step["passed"] is False for each in told for step in each["steps"]):
        raise typer.Exit(1)


def _read(path: Path) -> tuple[str, Mapping[str, Any]]:
    """The account's id and its plan. Raises MissingDocument, DocumentError."""
    from callflow.documents import jsontext
    from callflow.documents.accounts import STORAGE_FILE, Account

    if path.is_dir():
        account = Account.load(path)
        if not account.storage:
            for error in account.broken:
                raise error
            fail(f"{path} has no {STORAGE_FILE}", "docs/storage.md has one to copy for each service")
        return account.id, account.storage
    value = jsontext.read(path).value
    if not isinstance(value, dict):
        fail(f"{path} is no storage plan: it is no JSON object", "callflow schema storage")
    return str(value.get("id") or "account"), value


def _chosen(storage: Mapping[str, Any], id: str, every: bool) -> list[Any]:
    from callflow.documents.storage import places, planned

    known = places(storage)
    if every:
        return known
    if id:
        found = [each for each in known if each.id == id]
        if not found:
            fail(f"the plan has no place {id!r}", f"it has: {', '.join(each.id for each in known) or 'none'}")
        return found
    decided = planned(storage)
    if decided is None or decided.couchdb:
        fail("the plan sends recordings to none of its places", "give --place ID or --all")
    if decided.place is None:
        fail(decided.problem, "callflow check names the line")
    return [decided.place]


async def _try(
    chosen: list[Any],
    account_id: str,
    size: int,
    allow_loopback: bool,
    system_config: Path | None,
    output: Output,
) -> list[dict[str, Any]]:
    from callflow.clock import SystemClock
    from callflow.delivery.guard import Guard
    from callflow.delivery.http import GuardedHttp
    from callflow.delivery.stores.store import Ways
    from callflow.delivery.stores.trial import trial
    from callflow.documents.settings import load_settings

    settings = load_settings(system_config).delivery
    guard = Guard(settings.allow_networks, allow_loopback=allow_loopback)
    http = GuardedHttp(
        guard,
        connect_timeout_s=settings.connect_timeout_s,
        progress_timeout_s=settings.progress_timeout_s,
        hosts=settings.hosts,
    )
    ways = Ways(http, guard, settings.connect_timeout_s, settings.progress_timeout_s)
    told: list[dict[str, Any]] = []
    try:
        for place in chosen:
            steps: list[dict[str, Any]] = []
            if output is Output.text:
                print(place.title)
            async for step in trial(place, ways, account_id, SystemClock().wall(), size):
                steps.append(asdict(step))
                if output is Output.text:
                    word = {True: "ok", False: "FAILED", None: "passed over"}[step.passed]
                    print(f"  {step.name}: {word}: {step.message}")
                    if step.hint:
                        print(f"    {step.hint}")
                    if "(loopback)" in step.message:
                        print("    or, for this test only: --allow-loopback")
            told.append({"place": place.id, "handler": place.handler, "steps": steps})
    finally:
        await http.close()
    return told
