"""Layer 6: ``callflow deliveries``: what is on its way, how each attempt went, and sending it again."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from callflow.cli._figures import size, when
from callflow.cli._output import Output, OutputOption, show_facts, show_json, show_table
from callflow.cli._state_folder import DEFAULT_STATE, StateOption, opened_state
from callflow.clock import SystemClock, iso
from callflow.delivery import outbox
from callflow.documents.storage import KIND as STORAGE
from callflow.log import mask_url, one_line
from callflow.state.events import KIND as EVENT
from callflow.state.events import body_bytes, read_message
from callflow.state.records import (
    AttemptRow,
    DeliveryRow,
    get_delivery,
    list_attempts,
    list_deliveries,
)

main = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@main.command("list")
def list_command(
    state: StateOption = DEFAULT_STATE,
    output: OutputOption = Output.text,
    only: Annotated[str, typer.Option("--only", help="Only in this state (WAITING, DEAD ...).")] = "",
    host: Annotated[str, typer.Option("--host", help="Only to this host (host or host:port).")] = "",
    limit: Annotated[int, typer.Option("--limit", help="At most so many, the latest.")] = 100,
) -> None:
    """List deliveries, the latest first."""
    with opened_state(state) as (_, database):
        rows = database.run(lambda c: list_deliveries(c, state=only.upper(), host=host.lower(), limit=limit))
        if output is Output.json:
            show_json([_json(row) for row in rows])
            return
        titles = ("id", "recording", "state", "attempts", "last", "next", "where to")
        show_table(titles, (_line(row) for row in rows), nothing="no deliveries")


@main.command("show")
def show_command(
    delivery: Annotated[str, typer.Argument(metavar="ID")],
    state: StateOption = DEFAULT_STATE,
    output: OutputOption = Output.text,
) -> None:
    """Show one delivery with all its attempts and what was answered."""
    with opened_state(state) as (_, database):
        row = database.run(lambda c: get_delivery(c, delivery))
        attempts = database.run(lambda c: list_attempts(c, delivery))
        if output is Output.json:
            show_json({**_json(row), "history": [_attempt_json(each) for each in attempts]})
            return
        show_facts(
            (
                ("id", row.id),
                ("recording", row.recording_id),
                ("state", row.state),
                ("where to", _where(row)),
                ("message", body_bytes(read_message(row)[0].body).decode() if row.kind == EVENT else ""),
                ("file", "" if row.kind == EVENT else _file(row)),
                ("made", when(row.created_wall)),
                ("next attempt", when(row.next_wall) if row.state == "WAITING" else ""),
                ("finished", when(row.finished_wall)),
                ("last error", row.last_error),
            )
        )
        for each in attempts:
            text = one_line(each.answer.decode("utf-8", "replace"), 200)
            status = "" if each.status is None else f"{each.status}  "
            print(
                f"  {each.number}. {when(each.started_wall)}  {each.seconds:.2f} s  {each.outcome}  "
                f"{status}{each.address}  {each.error}{'  answer: ' + text if text else ''}"
            )


@main.command("retry")
def retry_command(
    deliveries: Annotated[list[str] | None, typer.Argument(metavar="[ID...]")] = None,
    state: StateOption = DEFAULT_STATE,
    output: OutputOption = Output.text,
    host: Annotated[str, typer.Option("--host", help="All to this host (host or host:port).")] = "",
    since: Annotated[str, typer.Option("--since", help="All made since then (2026-11-20T10:00, UTC).")] = "",
    until: Annotated[str, typer.Option("--until", help="All made until then (2026-11-20T12:00, UTC).")] = "",
    every: Annotated[bool, typer.Option("--all", help="All that is dead, blocked or waiting.")] = False,
) -> None:
    """Send again: by id, or all that is dead, blocked or waiting by host or time. They are due at once.

    A running engine takes them up within seconds; otherwise ``callflow deliveries run``.
    """
    chosen = bool(host or since or until or every)
    if chosen == bool(deliveries):
        raise typer.BadParameter("give ids, or --host, --since, --until, --all")
    first = _instant(since) if since else 0.0
    last = _instant(until) if until else None
    now = SystemClock().wall()
    with opened_state(state) as (_, database):
        if chosen:
            rows = database.run(
                lambda c: outbox.retry_many(c, now, host=host.lower(), since=first, until=last)
            )
        else:
            rows = database.run(lambda c: [outbox.retry(c, each, now) for each in deliveries or []])
        _tell(rows, output)


@main.command("cancel")
def cancel_command(
    deliveries: Annotated[list[str], typer.Argument(metavar="ID...")],
    state: StateOption = DEFAULT_STATE,
    output: OutputOption = Output.text,
) -> None:
    """Don't send these any more. The files are kept, and ``retry`` takes it back."""
    now = SystemClock().wall()
    with opened_state(state) as (_, database):
        _tell(database.run(lambda c: [outbox.cancel(c, each, now) for each in deliveries]), output)


@main.command("run")
def run_command(
    state: StateOption = DEFAULT_STATE,
    output: OutputOption = Output.text,
    until_empty: Annotated[bool, typer.Option("--until-empty", help="End once nothing is left.")] = False,
    allow_loopback: Annotated[
        bool, typer.Option("--allow-loopback", help="Receivers on this machine may be sent to.")
    ] = False,
    system_config: Annotated[Path | None, typer.Option("--system-config", help="Your system_config.")] = None,
) -> None:
    """Recover what a dead process left, and deliver: for ever, or until nothing is left."""
    from callflow.cli._delivering import deliver

    with opened_state(state) as (folder, database):
        asyncio.run(deliver(folder, database, output, until_empty, allow_loopback, system_config))


def _instant(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not an instant such as 2026-11-20T10:00") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _tell(rows: list[DeliveryRow], output: Output) -> None:
    if output is Output.json:
        show_json([_json(row) for row in rows])
        return
    for row in rows:
        print(f"{row.id}  {row.state}")
    if not rows:
        print("nothing to do")


def _file(row: DeliveryRow) -> str:
    return f"{row.file or 'removed'}  {size(row.bytes)}  {row.content_type}"


def _where(row: DeliveryRow) -> str:
    if row.kind == STORAGE:
        return f"{row.kind} {mask_url(row.url)}"
    database = f" database {row.database}" if row.database else ""
    return f"{row.kind} {row.method.upper()} {mask_url(row.url)}{database}"


def _line(row: DeliveryRow) -> tuple[str, ...]:
    last = row.last_error or ("" if row.last_status is None else str(row.last_status))
    due = when(row.next_wall) if row.state == "WAITING" else ""
    return (row.id, row.recording_id, row.state, str(row.attempts), last, due, _where(row))


def _json(row: DeliveryRow) -> dict[str, Any]:
    walls = ("created_wall", "since_wall", "next_wall", "finished_wall", "lease_until", "lease_owner")
    facts = {name: value for name, value in asdict(row).items() if name not in walls}
    facts["url"] = mask_url(row.url)
    facts["message"] = dict(read_message(row)[0].body) if row.kind == EVENT else None
    facts["file"] = row.file or None
    facts["created"] = iso(row.created_wall)
    facts["next"] = iso(row.next_wall) if row.state == "WAITING" else None
    facts["finished"] = iso(row.finished_wall) if row.finished_wall else None
    return facts


def _attempt_json(row: AttemptRow) -> dict[str, Any]:
    facts = asdict(row)
    del facts["delivery_id"], facts["started_wall"]
    facts["started"] = iso(row.started_wall)
    facts["answer"] = row.answer.decode("utf-8", "replace")
    return facts
