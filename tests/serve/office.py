"""An office on a real server, and what is heard in its recordings.

One server, and a phone for each who is named; all scenes play at the same time. Who speaks says a tone
of its own, so that one hears in a recording who is in it, and when.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from callflow.caller import Caller, CallPlan, CallResult
from tests.app.harness import chain, node, tone
from tests.serve.accounts import PASSWORD, write
from tests.serve.server import Server, phone

LOUD = 6000
"""The amplitude from which a tone is there: phones say it with some 10,000, prompts have less of it."""
NAMES = ("alice", "bob", "carol", "dora", "erin")
BOB, DORA, ERIN = 1000, 1200, 1300
"""What these say, in Hz, to everybody."""
PLAYED = 1700
"""What flows play."""
RECORD = node("record_call", action="start", format="wav")
RING_BOB = node("user", id="bob", timeout=10)


def flow_documents(pivot_url: str) -> dict[str, dict[str, Any]]:
    """The callflows by id."""
    played = node("play", id=tone(PLAYED, 60))
    metaflows = {
        "binding_digit": "*",
        "digit_timeout": 700,  # between the two digits, also of a phone that is held up
        "numbers": {
            "1": {"module": "record_call", "data": {"action": "mask"}},
            "2": {"module": "record_call", "data": {"action": "unmask"}},
            "3": {"module": "record_call", "data": {"action": "pause"}},
            "4": {"module": "record_call", "data": {"action": "resume"}},
        },
    }
    box = {"id": "alice-box"}
    closed = {**node("temporal_route", rules=["never", "always"]), "children": {
        "never": node("hangup"), "always": played, "_": node("hangup")}}  # fmt: skip
    numbers = {
        "room": (
            "1000",
            chain(
                RECORD, node("conference", id="team", welcome_prompt={"play": False}, play_entry_tone=False)
            ),
        ),
        "bob": ("2002", RING_BOB),
        "recorded-bob": ("2102", chain(RECORD, RING_BOB)),
        "dora": ("2004", chain(RECORD, node("user", id="dora", timeout=10))),
        "carol": ("2003", chain(RECORD, node("user", id="carol", timeout=10))),
        "leave": ("3001", node("voicemail", action="compose", **box)),
        "check": ("3002", chain(RECORD, node("voicemail", action="check", **box))),
        "hours": ("4000", chain(RECORD, closed)),
        "queue": ("5000", chain(RECORD, node("acdc_member", id="support"))),
        "pivot": ("6000", node("pivot", voice_url=f"{pivot_url}/voice")),
    }
    patterns = {
        "park": (r"^\*3([0-9]+)$", node("park", action="park")),
        "retrieve": (r"^\*4([0-9]+)$", node("park", action="retrieve")),
        "forward": (r"^\*72([0-9]+)$", node("call_forward", action="activate")),
    }
    found = {id: {"numbers": [number], "flow": flow} for id, (number, flow) in numbers.items()}
    found |= {id: {"patterns": [pattern], "flow": flow} for id, (pattern, flow) in patterns.items()}
    found["recorded-bob"]["metaflows"] = metaflows
    return found


def pivoted() -> dict[str, Any]:
    """What the server that ``pivot`` asks says: record, and play a tone."""
    return chain(RECORD, node("play", id=tone(PLAYED, 60)))


def write_office(folder: Path, pivot_url: str) -> None:
    """The accounts and settings below ``folder``."""
    here = folder / "accounts" / "office"
    box = {"name": "Alice's box", "mailbox": "2001", "owner_id": "alice", "pin": "2468", "is_setup": True}
    short = {"skip_greeting": True, "skip_instructions": True, "skip_envelope": True,
             "media_extension": "wav"}  # fmt: skip
    daily: dict[str, Any] = {"cycle": "daily", "start_date": 63_000_000_000}
    documents: dict[str, Mapping[str, Any]] = {
        "account": {"realm": "office.example.com", "timezone": "Etc/UTC"},
        "conferences/team": {"play_exit_tone": False, "member": {"join_muted": False}},
        "queues/support": {"name": "Support", "agents": ["erin"], "agent_ring_timeout": 10},
        "temporal_rules/always": {**daily, "name": "always"},
        "temporal_rules/never": {**daily, "name": "never", "enabled": False},
        "vmboxes/alice-box": {**box, **short},
    }
    for name in NAMES:
        documents[f"users/{name}"] = {"first_name": name}
        documents[f"devices/{name}-desk"] = {
            "owner_id": name,
            "sip": {"username": f"{name}-desk", "password": PASSWORD},
        }
    documents["users/carol"] = {"first_name": "carol", "call_forward": {"require_keypress": False}}
    documents |= {f"callflows/{id}": document for id, document in flow_documents(pivot_url).items()}
    for path, document in documents.items():
        write(here / f"{path}.json", document)
    write(folder / "system_config" / "delivery.json", {"allow_networks": ["127.0.0.0/8"]})
    # A machine that is busy with other tests is no network: nothing is to be late.
    write(folder / "system_config" / "sip.json", {"jitter_ms": 200})


@dataclass
class Office:
    """The server and its phones. ``alice`` and ``carol`` make calls."""

    folder: Path
    server: Server
    alice: Caller
    carol: Caller

    async def call(
        self, number: str, talk_s: float, hertz: int, *digits: tuple[str, float], of: Caller | None = None
    ) -> CallResult:
        """Call a number and say a tone for so long."""
        plan = CallPlan(
            f"sip:{number.replace('*', '%2A')}@{self.server.at}",
            audio=(tone(hertz, 60),),
            digits=digits,
            hangup_after_s=talk_s,
            keep_s=0,
        )
        result = await (of or self.alice).call(plan)
        assert result.answered, (result.status, result.message)
        return result

    def changes(self, result: CallResult) -> dict[str, Change]:
        """What happened to the recording of a call, by what it was."""
        told = [json.loads(line) for line in self.server.having('"event": "recording"')]
        return {
            each["change"]: Change(each["at"], each["seconds"], each.get("file", ""))
            for each in told
            if each["call_id"] == result.call_id
        }

    async def recording(self, result: CallResult) -> Recording:
        """The stored recording of a call."""
        ready = f'"message": "recording.ready", "event": "recording", "call_id": "{result.call_id}"'
        await self.server.until(ready)
        return Recording.read(self.folder / "state" / self.changes(result)["ready"].file)


@dataclass(frozen=True)
class Change:
    """A recording's: when it was (the server's seconds), at which second of its sound, and its file."""

    at: float
    seconds: float
    file: str


@asynccontextmanager
async def in_office(folder: Path) -> AsyncIterator[Office]:
    """The server of ``write_office``; bob, dora and erin take calls, dora transfers hers to a slot."""
    words = ("--system-config", str(folder / "system_config"), "--verbose", "--log-json")
    server = await Server.start(folder / "accounts", folder / "state", *words, part='"uris"')
    async with AsyncExitStack() as life:
        life.push_async_callback(server.close)
        phones = {name: await life.enter_async_context(phone(f"{name}-desk")) for name in NAMES}
        plans = {
            "bob": CallPlan("", audio=(tone(BOB, 60),), keep_s=0),
            "dora": CallPlan("", audio=(tone(DORA, 60),), refer=(f"sip:*3101@{server.at}", 1.0), keep_s=0),
            "erin": CallPlan("", audio=(tone(ERIN, 60),), keep_s=0),
        }
        taking = []
        for name, plan in plans.items():
            await phones[name].register(f"sip:{name}-desk@{server.at}")
            taking.append(asyncio.ensure_future(phones[name].answers(plan, 99, after_s=0.4)))
        yield Office(folder, server, phones["alice"], phones["carol"])
        await asyncio.gather(*(phones[name].hang_up() for name in plans))
        await asyncio.gather(*taking)


@dataclass(frozen=True)
class Recording:
    """A recording in stereo at 8000 Hz."""

    samples: NDArray[np.float64]

    @classmethod
    def read(cls, file: Path) -> Recording:
        samples, rate = soundfile.read(file, dtype="int16", always_2d=True)
        assert rate == 8000 and samples.shape[1] == 2
        return cls(samples.astype(np.float64))

    @property
    def seconds(self) -> float:
        return len(self.samples) / 8000

    def amplitudes(self, side: int, hertz: int) -> NDArray[np.float64]:
        """How loud a tone is on a side (0 left: the caller; 1 right: what it hears), every 20 ms."""
        frames = self.samples[: len(self.samples) // 160 * 160, side].reshape(-1, 160)
        turns = np.exp(-2j * np.pi * hertz * np.arange(160) / 8000)
        found: NDArray[np.float64] = 2 * np.abs(frames @ turns) / 160
        return found

    def lasts(self, side: int, hertz: int) -> float:
        """For how many seconds in all a tone is there."""
        return int((self.amplitudes(side, hertz) > LOUD).sum()) / 50

    def begins(self, side: int, hertz: int) -> float:
        """When a tone is there first."""
        return int(np.argmax(self.amplitudes(side, hertz) > LOUD)) / 50
