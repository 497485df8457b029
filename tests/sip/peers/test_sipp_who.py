"""Who may call a whole server, told by sipp: passwords, wrong ones, strangers; and how many may."""

from __future__ import annotations

import asyncio
import re
import signal
from pathlib import Path

import pytest

from tests.sip.peers import moments
from tests.sip.peers.house import (
    HOLD_S,
    PASSWORD,
    RECORDED,
    House,
    assert_silent,
    assert_spoken,
    house,
    node,
    record,
)
from tests.sip.peers.sipp import Sipp

pytestmark = pytest.mark.peer

ALICE, BOB, EVE, MALLORY = (f"127.0.0.{number}" for number in (2, 3, 4, 5))
ACK = "<send>{{refused %s}}</send>"
"""Of an INVITE's refusal; a REGISTER's has none."""


def as_user(name: str, password: str = PASSWORD, status: str = "200", **more: str) -> dict[str, str]:
    return {"me": name, "user": name, "password": password, "status": status, **more}


def test_phones_with_passwords_and_strangers(tmp_path: Path) -> None:
    rung = record(node("device", id="bob"), record_on_bridge=True)

    async def main() -> None:
        flows = {"100": RECORDED, "200": rung}
        few = {"failed_auth_per_minute": 5}
        async with house(tmp_path, flows, devices=("alice", "bob"), sip=few) as here:
            await _registered_and_rung(here)
            await _strangers(here)
            await _banned(here)
            assert len(here.server.having(" call.begin ")) == 1

    asyncio.run(main())


async def _registered_and_rung(here: House) -> None:
    """bob registers with his password, is called by alice with hers, and both are recorded."""
    register = here.sipp("register", BOB)
    await register.run("uac_register", at=here.at, number="bob", keys=as_user("bob"))
    bob = await here.sipp("bob", BOB, register.port).start("uas_media")
    caller = here.sipp("alice", ALICE)
    words = ("uac_password", "-d", "1000")
    await caller.run(*words, at=here.at, number="200", keys=as_user("alice"))
    await bob.finished()
    await here.spoken("alice-1", 0, "caller", least_s=0.6)
    await here.spoken("alice-1", 1, "callee", least_s=0.6)


async def _strangers(here: House) -> None:
    """A wrong password, a user that there is not, and nothing said: the same answer."""
    answers = set()
    for method in ("REGISTER", "INVITE"):
        for user in ("alice", "nobody"):
            run = here.sipp(f"{user}-{method}", EVE)
            acks = {f"ack{n}": ACK % n if method == "INVITE" else "" for n in (1, 2)}
            keys = as_user(user, "guessed", method=method, **acks)
            await run.run("uac_wrong", "-trace_logs", at=here.at, number=user, keys=keys)
            answers.add(_alike(run))
    assert len(answers) == 1, answers
    await here.sipp("says-nothing", EVE).run(
        "uac_refused", at=here.at, number="100", keys={"status": "401", "also": "algorithm=MD5"}
    )


def _alike(run: Sipp) -> str:
    """The answer, without what is the request's own."""
    (log,) = run.folder.glob("*_logs.log")
    own = re.compile(r"^(Via|From|To|Call-ID|CSeq):.*$", re.MULTILINE)
    text = own.sub("", log.read_text().replace("\r", ""))
    return re.sub(r'(nonce|opaque)="[^"]*"', "", text)


async def _banned(here: House) -> None:
    """Who guesses on and on gets no answer at all, whatever is asked; others do."""
    keys = as_user("alice", "guessed", method="REGISTER", ack1="", ack2="")
    guesses = here.sipp("guesses", MALLORY)
    await guesses.run("uac_wrong", "-r", "50", at=here.at, number="alice", calls=5, keys=keys)
    ask = ("uac_options", "-max_retrans", "2")
    banned, other = here.sipp("banned", MALLORY), here.sipp("other", EVE)
    await banned.start(*ask, at=here.at, number="100", keys={"status": "200"})
    await other.run(*ask, at=here.at, number="100", keys={"status": "200"})
    await banned.finished(code=1)
    assert here.server.having(f"{MALLORY} is ignored for 60 s: wrong passwords")


def test_too_many_calls_and_a_drain_under_load(tmp_path: Path) -> None:
    async def main() -> None:
        async with house(tmp_path, {"100": RECORDED}, sip={"max_calls": 12}) as here:
            load = here.sipp("load")
            words = ("uac_media", "-d", "2500", "-r", "100")
            await load.start(*words, at=here.at, number="100", calls=12)
            await here.server.until(" call.begin ", 12)
            refused = {"status": "503", "also": "Retry-After: [0-9]+"}
            await here.sipp("many").run("uac_refused", at=here.at, number="100", keys=refused, calls=3)
            here.server.signal(signal.SIGTERM)
            await here.server.until("waiting for 12 calls")
            await here.sipp("drained").run("uac_refused", at=here.at, number="100", keys=refused, calls=3)
            await here.sipp("asks").run("uac_options", at=here.at, keys={"status": "503"})
            await load.finished()
            assert await here.server.ended() == 0
            files = list((here.folder / "state" / "outbox").glob("*.wav"))
            assert len(files) == 12, "what is not delivered yet is there for the next one"
            for file in files:
                begin_s = moments.begin(here.server.lines, file.stem, 0, HOLD_S)
                assert_spoken(file, 0, "caller", least_s=2.0, begin_s=begin_s)
                assert_silent(file, 1)

    asyncio.run(main())
