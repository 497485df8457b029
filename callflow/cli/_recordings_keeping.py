"""Layer 6: the commands of ``callflow recordings`` that erase, hold and sweep."""

from __future__ import annotations

import getpass
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from callflow.cli._figures import length, size, when
from callflow.cli._output import Output, OutputOption, show_json, show_table
from callflow.cli._state_folder import DEFAULT_STATE, StateOption, opened_state
from callflow.clock import SystemClock, iso
from callflow.errors import ClockDoubtful
from callflow.state.erasing import Hold, Proof, Why, hold, list_holds, list_proofs, release_hold

if TYPE_CHECKING:
    from callflow.recording.orphans import Orphan

ByOption = Annotated[
    str, typer.Option("--by", help="Who wants it: kept in the proof. Default: the user of this machine.")
]
_Id = Annotated[str, typer.Argument(metavar="ID")]


def keeping_commands(main: typer.Typer) -> None:
    """Add them."""
    main.command("delete")(delete_command)
    main.command("hold")(hold_command)
    main.command("release")(release_command)
    main.command("holds")(holds_command)
    main.command("proof")(proof_command)
    main.command("sweep")(sweep_command)


def delete_command(
    recordings: Annotated[list[str], typer.Argument(metavar="ID...")],
    state: StateOption = DEFAULT_STATE,
    output: OutputOption = Output.text,
    force: Annotated[bool, typer.Option("--force", help="Even if it is not delivered yet.")] = False,
    by: ByOption = "",
) -> None:
    """Erase recordings: files, facts and deliveries; that it was done stays as proof."""
    from callflow.recording.document import proof_facts
    from callflow.recording.erasing import erase

    with opened_state(state) as (folder, database):
        for recording in recordings:
            wall = SystemClock().wall()
            proof = erase(folder, database, recording, why=Why.CLI, by=by or _user(), wall=wall, force=force)
            if output is Output.json:
                show_json({**proof_facts(proof), "deleted": True, "files": list(proof.files)})
            else:
                print(f"{recording}  deleted")
                for url in proof.copies:
                    print(f"  a copy was delivered to {url}: that one is not erased")


def hold_command(
    recording: _Id,
    reason: Annotated[str, typer.Option("--reason", help="Why it must not be erased.")],
    state: StateOption = DEFAULT_STATE,
    output: OutputOption = Output.text,
    by: ByOption = "",
) -> None:
    """Keep a recording from being erased, whoever asks, until it is released."""
    wall = SystemClock().wall()
    with opened_state(state) as (_, database):
        held = database.run(partial(hold, recording_id=recording, reason=reason, by=by or _user(), wall=wall))
        _show_hold(held, output)


def release_command(
    recording: _Id, state: StateOption = DEFAULT_STATE, output: OutputOption = Output.text, by: ByOption = ""
) -> None:
    """End a hold; that it was there stays known."""
    wall = SystemClock().wall()
    with opened_state(state) as (_, database):
        held = database.run(partial(release_hold, recording_id=recording, by=by or _user(), wall=wall))
        _show_hold(held, output)


def holds_command(
    state: StateOption = DEFAULT_STATE,
    output: OutputOption = Output.text,
    released: Annotated[bool, typer.Option("--all", help="Also those that were released.")] = False,
) -> None:
    """List holds, the latest first."""
    with opened_state(state) as (_, database):
        found = database.run(partial(list_holds, also_released=released))
    if output is Output.json:
        show_json([_hold_json(each) for each in found])
        return
    titles = ("recording", "since", "by", "reason", "released")
    lines = (
        (
            *(each.recording_id, when(each.wall), each.by_whom, each.reason),
            f"{when(each.released_wall)} by {each.released_by}" if each.released_wall else "",
        )
        for each in found
    )
    show_table(titles, lines, nothing="no holds")


def proof_command(
    recording: Annotated[str, typer.Argument(metavar="[ID]")] = "",
    state: StateOption = DEFAULT_STATE,
    output: OutputOption = Output.text,
    account: Annotated[str, typer.Option("--account", help="Only of this account.")] = "",
    before: Annotated[
        int | None, typer.Option("--before", help="Only those before this number: the next page.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most so many.")] = 100,
) -> None:
    """List proofs that recordings were erased, the latest first."""
    asked = partial(list_proofs, account_id=account, recording_id=recording, before=before, limit=limit + 1)
    with opened_state(state) as (_, database):
        rows = database.run(asked)
    found, more = rows[:limit], len(rows) > limit
    if output is Output.json:
        show_json({"proofs": [_proof_json(each) for each in found], "next": found[-1].n if more else None})
        return
    titles = ("no", "recording", "erased", "why", "by", "length", "size", "sha-256", "files")
    show_table(titles, (_proof_line(each) for each in found), nothing="no recording was erased")
    if more:
        print(f"more: --before {found[-1].n}")


def sweep_command(
    state: StateOption = DEFAULT_STATE,
    output: OutputOption = Output.text,
    remove: Annotated[bool, typer.Option("--remove", help="Remove orphans older than a day.")] = False,
    expired: Annotated[
        bool, typer.Option("--expired", help="Also erase what has had its time or is over a quota, now.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="--expired also if this machine's clock looks wrong.")
    ] = False,
) -> None:
    """Look for files that belong to no recording, and recordings whose file is gone."""
    from callflow.recording.expiry import doubt, tidy
    from callflow.recording.orphans import sweep

    wall = SystemClock().wall()
    with opened_state(state) as (folder, database):
        why = database.run(lambda conn: doubt(conn, wall)) if expired and not force else ""
        if why:
            raise ClockDoubtful(f"nothing was erased: {why}")
        tidied = tidy(folder, database, wall) if expired else None
        swept = sweep(folder, database, wall, remove=remove)
    if output is Output.json:
        facts: dict[str, Any] = {"orphans": [asdict(each) for each in swept.orphans]}
        facts["missing"] = [{"id": id, "file": file} for id, file in swept.missing]
        if tidied is not None:
            facts["erased"] = [_proof_json(each) for each in tidied.erased]
            facts["full"] = list(tidied.full)
        show_json(facts)
        return
    show_table(
        ("orphan", "kind", "size", "age", ""),
        (_orphan_line(each) for each in swept.orphans),
        nothing="no orphans",
    )
    for id, file in swept.missing:
        print(f"missing: {file} of recording {id}")
    if tidied is not None:
        print(f"{len(tidied.erased)} recordings were erased")
        for words in tidied.full:
            print(words)


# ---- words ----------------------------------------------------------------------------------


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a process without a user's name
        return "cli"


def _show_hold(held: Hold, output: Output) -> None:
    if output is Output.json:
        show_json(_hold_json(held))
    elif held.released_wall:
        print(f"{held.recording_id}  released by {held.released_by}")
    else:
        print(f"{held.recording_id}  held by {held.by_whom}: {held.reason}")


def _hold_json(held: Hold) -> dict[str, Any]:
    return {
        "id": held.recording_id,
        "reason": held.reason,
        "by": held.by_whom,
        "held": iso(held.wall),
        "released": iso(held.released_wall) if held.released_wall else None,
        "released_by": held.released_by or None,
    }


def _proof_json(proof: Proof) -> dict[str, Any]:
    from callflow.recording.document import proof_document

    return {**proof_document(proof), "files": list(proof.files)}


def _proof_line(proof: Proof) -> tuple[str, ...]:
    gone = "gone" if proof.done_wall else "still to go"
    return (
        *(str(proof.n), proof.recording_id, when(proof.wall), proof.why, proof.by_whom),
        *(length(proof.seconds), size(proof.bytes), proof.sha256[:16], gone),
    )


def _orphan_line(orphan: Orphan) -> tuple[str, ...]:
    from callflow.recording.orphans import OLD_S

    if orphan.removed:
        became = "removed"
    else:
        became = "" if orphan.age_s > OLD_S else "younger than a day: stays"
    age = f"{orphan.age_s / 3600:.0f} h"
    return (orphan.path, orphan.kind, size(orphan.bytes), age, became)
