"""Layer 6: ``callflow changes``: what calls have changed in account documents, and taking it back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from callflow.cli._figures import when
from callflow.cli._output import Output, OutputOption, show_facts, show_json, show_table
from callflow.cli._state_folder import DEFAULT_STATE, StateOption, opened_state
from callflow.clock import iso
from callflow.errors import MissingDocument
from callflow.state.changes import ChangeRow, forget_change, list_changes
from callflow.state.database import Database

main = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)

SECRET = frozenset({"pin", "pins", "password"})
"""Keys whose values are never shown, however deep they are."""

AccountOption = Annotated[str, typer.Option("--account", help="Only of this account (its id).")]
KindArgument = Annotated[str, typer.Argument(metavar="KIND", help="user, device, vmbox, callflow ...")]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The document's id.")]


@main.command("list")
def list_command(
    state: StateOption = DEFAULT_STATE, output: OutputOption = Output.text, account: AccountOption = ""
) -> None:
    """List the documents that calls have changed."""
    with opened_state(state) as (_, database):
        rows = _rows(database, account)
        if output is Output.json:
            show_json([_json(row) for row in rows])
            return
        titles = ("kind", "id", "account", "changed", "what")
        show_table(titles, (_line(row) for row in rows), nothing="calls have changed nothing")


@main.command("show")
def show_command(
    kind: KindArgument,
    id: IdArgument,
    state: StateOption = DEFAULT_STATE,
    output: OutputOption = Output.text,
    account: AccountOption = "",
) -> None:
    """Show what is laid over one document (PINs as ***)."""
    with opened_state(state) as (_, database):
        row = _one(database, account, kind, id)
        if output is Output.json:
            show_json(_json(row))
            return
        facts = [("document", f"{row.kind} {row.document_id}"), ("account", row.account_id)]
        show_facts([*facts, ("changed", when(row.changed_wall)), ("times", str(row.revision))])
        show_facts(_leaves(_masked(row.patch)))


@main.command("forget")
def forget_command(
    kind: KindArgument,
    id: IdArgument,
    state: StateOption = DEFAULT_STATE,
    output: OutputOption = Output.text,
    account: AccountOption = "",
) -> None:
    """Let a document be again as it is on disk. A server that runs follows when it is started anew."""
    with opened_state(state) as (_, database):
        row = _one(database, account, kind, id)
        done = database.run(lambda conn: forget_change(conn, row.account_id, row.kind, row.document_id))
        if output is Output.json:
            show_json({"account_id": row.account_id, "kind": kind, "document_id": id, "forgotten": done})
        else:
            print(f"{kind} {id}  is as on disk again")


def _rows(database: Database, account: str) -> list[ChangeRow]:
    return [row for row in database.run(lambda c: list_changes(c, account_id=account)) if row.patch]


def _one(database: Database, account: str, kind: str, id: str) -> ChangeRow:
    """The row that is meant. Raises ``MissingDocument``."""
    found = [row for row in _rows(database, account) if (row.kind, row.document_id) == (kind, id)]
    if len(found) == 1:
        return found[0]
    if found:
        accounts = ", ".join(row.account_id for row in found)
        raise MissingDocument(
            f"{kind} {id!r} is changed in more than one account", hint=f"--account: one of {accounts}"
        )
    raise MissingDocument(
        f"calls have changed nothing in {kind} {id!r}", hint="callflow changes list shows what they have"
    )


def _masked(patch: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _shown(key, value) for key, value in patch.items()}


def _shown(key: str, value: Any) -> Any:
    if key in SECRET and value is not None:
        return "***"
    return _masked(value) if isinstance(value, Mapping) else value


def _leaves(patch: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Every changed key with its way, and its value as JSON; a key that was taken away is ``removed``."""
    for key, value in patch.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", "removed" if value is None else json.dumps(value, ensure_ascii=False)


def _line(row: ChangeRow) -> tuple[str, ...]:
    what = ", ".join(f"{name}={value}" for name, value in _leaves(_masked(row.patch)))
    return (row.kind, row.document_id, row.account_id, when(row.changed_wall), what)


def _json(row: ChangeRow) -> dict[str, Any]:
    return {
        "account_id": row.account_id,
        "kind": row.kind,
        "document_id": row.document_id,
        "patch": _masked(row.patch),
        "times": row.revision,
        "changed": iso(row.changed_wall),
    }
