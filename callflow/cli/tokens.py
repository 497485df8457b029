"""Layer 6: ``callflow tokens``: who may use the HTTP API, and for what."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from callflow.cli._figures import when
from callflow.cli._output import Output, OutputOption, problems_told, show_json, show_table
from callflow.cli._state_folder import DEFAULT_STATE, StateOption, opened_state
from callflow.clock import SystemClock, iso
from callflow.state.tokens import ALL_ACCOUNTS, TokenRow, add_token, list_tokens, revoke_token

main = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)

_UNITS_S = {"h": 3600.0, "d": 86_400.0, "w": 604_800.0}
LONGEST_LABEL = 200


@main.command("create")
def create_command(
    account: Annotated[
        str, typer.Option("--account", metavar="ID", help="Whose things it opens; * all accounts'.")
    ],
    scope: Annotated[
        list[str], typer.Option("--scope", help="What it may: recordings:read ..., * all. May be repeated.")
    ],
    label: Annotated[str, typer.Option("--label", help="What it is for, for who lists tokens.")] = "",
    expires: Annotated[
        str, typer.Option("--expires", metavar="WHEN", help="12h, 30d, 4w, or an instant (UTC).")
    ] = "",
    state: StateOption = DEFAULT_STATE,
    output: OutputOption = Output.text,
) -> None:
    """Make a token and print it. It is shown this once: only its SHA-256 is kept."""
    from callflow.server.tokens import make_token, read_scopes

    wall = SystemClock().wall()
    with problems_told():
        scopes = read_scopes(scope)
    until = _expiry(expires, wall) if expires else None
    secret, row = make_token(account, scopes, label[:LONGEST_LABEL], wall, until)
    with opened_state(state, make=True) as (_, database):
        database.run(lambda conn: add_token(conn, row))
    if output is Output.json:
        show_json({**_json(row, wall), "token": secret})
        return
    print("callflow: this token is shown once, here:", file=sys.stderr, flush=True)
    print(secret)


@main.command("list")
def list_command(
    state: StateOption = DEFAULT_STATE,
    output: OutputOption = Output.text,
    account: Annotated[str, typer.Option("--account", metavar="ID", help="Only this account's.")] = "",
) -> None:
    """List tokens: whose they are, what they may, when they were last used."""
    wall = SystemClock().wall()
    with opened_state(state) as (_, database):
        rows = database.run(lambda conn: list_tokens(conn, account_id=account))
    if output is Output.json:
        show_json([_json(row, wall) for row in rows])
        return
    titles = ("id", "account", "state", "scopes", "created", "expires", "last used", "label")
    show_table(titles, (_line(row, wall) for row in rows), nothing="no tokens")


@main.command("revoke")
def revoke_command(
    tokens: Annotated[list[str], typer.Argument(metavar="ID...")],
    state: StateOption = DEFAULT_STATE,
    output: OutputOption = Output.text,
) -> None:
    """Let these open nothing any more. A server that runs heeds it within 5 seconds."""
    wall = SystemClock().wall()
    with opened_state(state) as (_, database):
        rows = database.run(lambda conn: [revoke_token(conn, each, wall) for each in tokens])
    if output is Output.json:
        show_json([_json(row, wall) for row in rows])
        return
    for row in rows:
        print(f"{row.id}  {_state(row, wall)}")


def _expiry(text: str, wall: float) -> float:
    span = re.fullmatch(r"(\d{1,6})([hdw])", text)
    if span is not None:
        return wall + int(span[1]) * _UNITS_S[span[2]]
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is neither 30d nor an instant such as 2027-01-31") from error
    until = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if until <= wall:
        raise typer.BadParameter(f"{text} is over")
    return until


def _state(row: TokenRow, wall: float) -> str:
    if row.revoked_wall is not None:
        return "revoked"
    return "good" if row.usable(wall) else "expired"


def _line(row: TokenRow, wall: float) -> tuple[str, ...]:
    return (
        row.id,
        "all" if row.account_id == ALL_ACCOUNTS else row.account_id,
        _state(row, wall),
        " ".join(row.scopes),
        when(row.created_wall),
        "never" if row.expires_wall is None else when(row.expires_wall),
        "never" if row.used_wall is None else when(row.used_wall),
        row.label,
    )


def _json(row: TokenRow, wall: float) -> dict[str, Any]:
    walls = {
        "created": row.created_wall,
        "expires": row.expires_wall,
        "last_used": row.used_wall,
        "revoked": row.revoked_wall,
    }
    return {
        "id": row.id,
        "account_id": row.account_id,
        "state": _state(row, wall),
        "scopes": list(row.scopes),
        "label": row.label,
        **{name: None if at is None else iso(at) for name, at in walls.items()},
    }
