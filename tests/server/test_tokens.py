"""Tokens: whose they are, what they may, when they end; the command that makes them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from typer.testing import CliRunner, Result

import callflow.cli
from callflow.cli._server import Manner, _facts
from callflow.clock import SystemClock
from callflow.errors import ApiError, UnknownToken
from callflow.server import auth
from callflow.server.tokens import FAILURES, FAILURES_S, KEPT_S, TOUCH_S, Token, Tokens, make_token
from callflow.state.database import Database
from callflow.state.tokens import TokenRow, add_token, find_token, list_tokens, revoke_token
from tests.server.stage import Answer, Stage, on_stage

START = 1_700_000_000.0


class Hands(SystemClock):
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.passed = 0.0

    def now(self) -> float:
        return self.passed

    def wall(self) -> float:
        return START + self.passed


def with_tokens(folder: Path, use: Callable[[Tokens, Database, Hands], Awaitable[None]]) -> None:
    async def main() -> None:
        clock, database = Hands(), Database.open(folder / "callflow.db")
        try:
            await use(Tokens(database, clock), database, clock)
        finally:
            database.close()

    asyncio.run(main())


def added(
    database: Database, expires_in_s: float | None = None, account: str = "acme"
) -> tuple[str, TokenRow]:
    until = None if expires_in_s is None else START + expires_in_s
    secret, row = make_token("acme", ["recordings:read"], "a label", START, until)
    database.run(lambda conn: add_token(conn, row))
    return secret, row


async def refused(tokens: Tokens, secret: str, address: str = "192.0.2.1") -> ApiError:
    with pytest.raises(ApiError) as told:
        await tokens.check(secret, address)
    return told.value


def test_a_token_is_known_and_its_secret_is_nowhere(tmp_path: Path) -> None:
    async def main(tokens: Tokens, database: Database, clock: Hands) -> None:
        secret, row = added(database)
        assert await tokens.check(secret, "192.0.2.1") == Token(
            row.id, "acme", frozenset({"recordings:read"}), "a label"
        )
        other = make_token("acme", ["*"], "", START)[0]
        near = (secret[:-1], secret + "x", f"cf_{row.id}_{other[16:]}")
        for wrong in ("", "x", "cf_", *near, other, "\udcff" * 60):
            assert (await refused(tokens, wrong, wrong)).status == 401, wrong
        made.append((secret, row))

    made: list[tuple[str, TokenRow]] = []
    with_tokens(tmp_path, main)
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for secret, row in made:
        assert row.digest.encode() in kept and secret[16:].encode() not in kept


def test_it_ends_when_it_expires_or_is_revoked(tmp_path: Path) -> None:
    async def main(tokens: Tokens, database: Database, clock: Hands) -> None:
        brief, _ = added(database, expires_in_s=3.0)
        lasting, row = added(database)
        for each in (brief, lasting):
            await tokens.check(each, "192.0.2.1")
        clock.passed = 3.0  # known still, and yet over
        assert (await refused(tokens, brief)).status == 401
        database.run(lambda conn: revoke_token(conn, row.id, clock.wall()))
        clock.passed += KEPT_S + 0.1
        assert (await refused(tokens, lasting)).status == 401
        again = database.run(lambda conn: revoke_token(conn, row.id, clock.wall()))
        assert again.revoked_wall == START + 3.0, "the first time counts"
        with pytest.raises(UnknownToken):
            database.run(lambda conn: revoke_token(conn, "abc", 0.0))

    with_tokens(tmp_path, main)


def test_its_last_use_is_written_now_and_then(tmp_path: Path) -> None:
    async def main(tokens: Tokens, database: Database, clock: Hands) -> None:
        secret, row = added(database)

        async def used() -> float | None:
            await tokens.check(secret, "192.0.2.1")
            found = await database.arun(lambda conn: find_token(conn, row.id))
            return found.used_wall if found else None

        assert await used() == START
        clock.passed = TOUCH_S - 1
        assert await used() == START
        clock.passed = TOUCH_S
        assert await used() == START + TOUCH_S
        assert [each.id for each in database.run(lambda conn: list_tokens(conn, account_id="acme"))] == [
            row.id
        ]
        assert database.run(lambda conn: list_tokens(conn, account_id="other")) == []

    with_tokens(tmp_path, main)


def test_who_guesses_is_slowed_and_nobody_else(tmp_path: Path) -> None:
    async def main(tokens: Tokens, database: Database, clock: Hands) -> None:
        good, _ = added(database)
        late, _ = added(database)
        await tokens.check(good, "192.0.2.1")
        for _ in range(FAILURES):
            assert (await refused(tokens, make_token("acme", ["*"], "", START)[0])).status == 401
        clock.passed = 2.0
        told = await refused(tokens, late)
        assert (told.status, told.headers["Retry-After"]) == (429, str(int(FAILURES_S - 2) + 1))
        await tokens.check(good, "192.0.2.1")  # known: its owner sits at the same address
        clock.passed = KEPT_S + 3.0
        await tokens.check(good, "192.0.2.1")  # looked up anew, and good still
        assert (await refused(tokens, late)).status == 429
        await tokens.check(late, "192.0.2.2")
        clock.passed = FAILURES_S
        await tokens.check(late, "192.0.2.1")

    with_tokens(tmp_path, main)


def test_strangers_cannot_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callflow.server.tokens.MOST_KEPT", 5)

    async def main(tokens: Tokens, database: Database, clock: Hands) -> None:
        for number in range(8):
            await refused(tokens, "wrong", f"192.0.2.{number}")
            await tokens.check(tokens.issue("own"), "192.0.2.99")
        assert len(tokens._failures) == len(tokens._kept) == 5

    with_tokens(tmp_path, main)


# ---- requests ------------------------------------------------------------------------------------


def probe(parts: Any) -> list[web.RouteDef]:
    async def mine(request: web.Request) -> web.Response:
        token = await auth.authorize(request, request.match_info["account"], "recordings:read", query=True)
        return web.Response(text=token.id)

    async def everyones(request: web.Request) -> web.Response:
        await auth.authorize(request, None, "system_config:read")
        return web.Response()

    return [web.get("/probe", everyones), web.get("/probe/{account}", mine)]


def test_who_may_do_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callflow.server.health.routes", probe)

    async def main(stage: Stage) -> None:
        async def status(path: str, token: str, **headers: str) -> int:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            return (await stage.get(path, token=token, headers=sent)).status

        acme = stage.token_for("acme", "recordings:read")
        assert await status("/probe/acme", acme) == 200
        assert await status("/probe/acme", "", Authorization=f"Bearer {acme}") == 200
        assert await status("/probe/acme", "", Authorization=f"bearer  {acme}") == 200
        assert await status(f"/probe/acme?auth_token={acme}", "") == 200
        assert await status(f"/probe?auth_token={stage.token}", "") == 401, "only where a player asks"
        assert await status("/probe/acme", "", Authorization=f"Basic {acme}") == 401
        assert await status("/probe", acme) == 403, "all accounts are meant"
        assert await status("/probe", stage.token) == 200
        assert await status("/probe/acme", stage.token_for("acme", "recordings:write")) == 403
        assert await status("/probe/acme", stage.token_for("*", "recordings:read")) == 200

    on_stage(tmp_path, main)


def test_another_account_is_like_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callflow.server.health.routes", probe)

    async def main(stage: Stage) -> None:
        acme = stage.token_for("acme")

        def without_id(answer: Answer) -> Any:
            return answer.status, {**answer.json, "request_id": ""}

        other, nobody = await stage.get("/probe/other", token=acme), await stage.get("/probe/no", token=acme)
        assert without_id(other) == without_id(nobody)
        assert other.status == 404
        assert without_id(await stage.get("/probe/no"))[0] == 404, "for all accounts is not for unknown ones"
        assert (await stage.get("/probe/no", token="")).status == 401

    on_stage(tmp_path, main)


# ---- the command ---------------------------------------------------------------------------------


def command(*words: str) -> Result:
    return CliRunner().invoke(callflow.cli.app_for("tokens"), ["tokens", *words])


def answer(*words: str) -> Any:
    result = command(*words, "-o", "json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_command_makes_lists_and_revokes(tmp_path: Path) -> None:
    state = ("--state", str(tmp_path / "state"))
    made = answer(
        "create", "--account", "acme", "--scope", "recordings:read", "--scope", "recordings:read",
        "--expires", "2w", "--label", "the archive", *state,
    )  # fmt: skip
    assert (made["scopes"], made["state"]) == (["recordings:read"], "good")
    plain = command("create", "--account", "*", "--scope", "*", *state)
    secret = plain.stdout.strip()
    assert secret.startswith("cf_") and "once" in plain.stderr
    listed = answer("list", *state)
    assert [each["account_id"] for each in listed] == ["acme", "*"]
    assert not any("token" in each for each in listed)
    text = command("list", *state).stdout
    assert "the archive" in text and "never" in text and secret[16:] not in text
    assert answer("revoke", made["id"], *state)[0]["state"] == "revoked"
    assert [each["state"] for each in answer("list", "--account", "acme", *state)] == ["revoked"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("create", "--account", "a", "--scope", "recordings"), "recordings:read"),
        (("create", "--account", "a", "--scope", "*", "--expires", "soon"), "neither"),
        (("create", "--account", "a", "--scope", "*", "--expires", "2020-01-01"), "is over"),
        (("revoke", "abc"), "no state folder"),
    ],
)
def test_it_says_what_is_wrong(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    result = command(*words, "--state", str(tmp_path / "state"))
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_journal_is_told_no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(stage: Stage) -> None:
        monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
        assert "#token=cf_" in _facts(stage.exchange, stage.web, Manner())["console"]
        assert "token" not in _facts(stage.exchange, stage.web, Manner(log_json=True))
        monkeypatch.setenv("NOTIFY_SOCKET", "/run/notify")
        assert not {"token", "console"} & _facts(stage.exchange, stage.web, Manner()).keys()

    on_stage(tmp_path, main)
