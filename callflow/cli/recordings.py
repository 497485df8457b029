"""Layer 6: ``callflow recordings``: what was recorded into a state folder, and what became of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from callflow.cli._figures import length, size, when
from callflow.cli._output import Output, OutputOption, show_facts, show_json, show_table, track
from callflow.cli._recordings_keeping import keeping_commands
from callflow.cli._recordings_sealing import sealing_commands
from callflow.cli._state_folder import DEFAULT_STATE, StateOption, opened_state
from callflow.clock import iso
from callflow.errors import BadFilter, RecordingError
from callflow.log import mask_url
from callflow.state.filters import Filter, with_filter
from callflow.state.folder import StateFolder
from callflow.state.library import find_recordings
from callflow.state.records import (
    DeliveryRow,
    RecordingRow,
    get_recording,
    list_deliveries,
)

main = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)

_CHUNK = 1024 * 1024


@main.command("list")
def list_command(
    state: StateOption = DEFAULT_STATE,
    output: OutputOption = Output.text,
    call_id: Annotated[str, typer.Option("--call-id", help="Only of this call.")] = "",
    only: Annotated[str, typer.Option("--only", help="Only in this state (READY, FAILED ...).")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many, the latest.")] = 100,
    account: Annotated[str, typer.Option("--account", help="Only of this account.")] = "",
    since: Annotated[str, typer.Option("--from", help="Begun then or later (2026-11-20T10:00, UTC).")] = "",
    until: Annotated[str, typer.Option("--to", help="Begun then or earlier; a day counts as a whole.")] = "",
    number: Annotated[
        str, typer.Option("--number", help="Of this number; *0123 ends, 4930* begins with it.")
    ] = "",
    user: Annotated[str, typer.Option("--user", help="Of this user's legs (owner_id).")] = "",
    flow: Annotated[str, typer.Option("--flow", help="By this callflow.")] = "",
    origin: Annotated[str, typer.Option("--origin", help="Started by this (voicemail ...).")] = "",
    min_seconds: Annotated[str, typer.Option("--min-seconds", help="At least so long.")] = "",
    max_seconds: Annotated[str, typer.Option("--max-seconds", help="At most so long.")] = "",
    text: Annotated[str, typer.Option("--text", help="With these words: names, numbers, label.")] = "",
) -> None:
    """List recordings, the latest first; all that is asked for has to fit."""
    asked = (
        ("--from", "created_from", since),
        ("--to", "created_to", until),
        ("--number", "number", number),
        ("--user", "owner_id", user),
        ("--flow", "flow_id", flow),
        ("--call-id", "call_id", call_id),
        ("--only", "state", only),
        ("--origin", "origin", origin),
        ("--min-seconds", "min_seconds", min_seconds),
        ("--max-seconds", "max_seconds", max_seconds),
        ("--text", "text", text),
    )
    with opened_state(state) as (folder, database):
        wanted = _wanted(account, asked)
        rows = database.run(lambda conn: find_recordings(conn, wanted, limit))
        if output is Output.json:
            show_json([_json(folder, row) for row in rows])
            return
        titles = ("id", "state", "reason", "started", "length", "file", "size", "where to")
        show_table(titles, (_line(row) for row in rows), nothing="no recordings")


def _wanted(account: str, asked: Iterable[tuple[str, str, str]]) -> Filter:
    """The filter of these options: their names here, in the library, and what was given. Raises BadFilter."""
    wanted = Filter(account_id=account)
    for option, name, value in asked:
        try:
            wanted = with_filter(wanted, name, value)
        except BadFilter as error:
            told = error.message.removeprefix(f"{name}: ")
            raise BadFilter(f"{option}: {told}", hint=error.hint) from error
    return wanted


@main.command("show")
def show_command(
    recording: Annotated[str, typer.Argument(metavar="ID")],
    state: StateOption = DEFAULT_STATE,
    output: OutputOption = Output.text,
) -> None:
    """Show one recording: its facts, its file, its deliveries."""
    with opened_state(state) as (folder, database):
        row = database.run(lambda c: get_recording(c, recording))
        deliveries = database.run(lambda c: list_deliveries(c, recording_id=recording))
        if output is Output.json:
            show_json({**_json(folder, row), "deliveries": [_delivery_json(each) for each in deliveries]})
            return
        show_facts(
            (
                ("id", row.id),
                ("call id", row.call_id),
                ("account", row.account_id),
                ("state", row.state + (" (recovered)" if row.recovered else "")),
                ("reason", row.reason),
                ("message", row.message),
                ("origin", row.origin),
                ("label", row.label),
                ("name", row.media_name),
                ("started", when(row.started_wall)),
                ("length", length(row.seconds)),
                ("audio", f"{row.format}, {row.channels} channels, {row.rate} Hz"),
                ("size", size(row.bytes) if row.bytes else ""),
                ("sha-256", row.sha256),
                ("file", str(folder.root / row.file) if row.file else ""),
                ("where to", _where(row)),
            )
        )
        for each in deliveries:
            show_facts(
                ((f"delivery {each.id}", f"{each.state}  attempts: {each.attempts}  {each.last_error}"),)
            )


@main.command("export")
def export_command(
    recording: Annotated[str, typer.Argument(metavar="ID")],
    to: Annotated[Path, typer.Argument(help="A file that is not there yet, or a folder.")],
    state: StateOption = DEFAULT_STATE,
    output: OutputOption = Output.text,
) -> None:
    """Copy a recording's file to a place of your own."""
    with opened_state(state) as (folder, database):
        row = database.run(lambda c: get_recording(c, recording))
        if not row.file:
            raise RecordingError(
                f"recording {row.id} has no file here ({row.state})",
                hint="delivered files are kept only with delivery.keep_delivered",
            )
        target = to / Path(row.file).name if to.is_dir() else to
        _copy(folder.root / row.file, target, row.bytes)
        if output is Output.json:
            show_json({"id": row.id, "file": str(target), "bytes": row.bytes, "sha256": row.sha256})
        else:
            print(f"{target}  {size(row.bytes)}")


keeping_commands(main)
sealing_commands(main)


def _copy(source: Path, target: Path, total: int) -> None:
    done = track(total, target.name)
    count = 0
    try:
        with source.open("rb") as reading, target.open("xb") as writing:
            while chunk := reading.read(_CHUNK):
                writing.write(chunk)
                count += len(chunk)
                done(count)
        shutil.copystat(source, target)
    except FileExistsError as error:
        raise RecordingError(f"{target} is there already", hint="nothing is overwritten") from error
    except OSError as error:
        raise RecordingError(
            f"{target} cannot be written: {error.strerror}", hint="is the folder there?"
        ) from error


def _where(row: RecordingRow) -> str:
    if row.target_kind == "local":
        return "local store"
    return f"{row.target_kind} {row.method.upper()} {mask_url(row.url)}"


def _line(row: RecordingRow) -> tuple[str, ...]:
    kept = row.file.rpartition("/")[2]
    bytes_text = size(row.bytes) if row.bytes else ""
    began = when(row.started_wall)
    return (row.id, row.state, row.reason, began, length(row.seconds), kept, bytes_text, _where(row))


def _json(folder: StateFolder, row: RecordingRow) -> dict[str, Any]:
    facts = asdict(row)
    del facts["started_wall"], facts["finished_wall"]
    facts["seconds"] = row.seconds
    facts["url"] = mask_url(row.url)
    facts["file"] = str(folder.root / row.file) if row.file else None
    facts["started"] = iso(row.started_wall) if row.started_wall else None
    facts["finished"] = iso(row.finished_wall) if row.finished_wall else None
    document = dict(row.document)
    if isinstance(document.get("url"), str):
        document["url"] = mask_url(document["url"])
    facts["document"] = document
    return facts


def _delivery_json(row: DeliveryRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "state": row.state,
        "url": mask_url(row.url),
        "attempts": row.attempts,
        "last_status": row.last_status,
        "last_error": row.last_error,
    }
