"""A thousand calls that end at moments drawn by chance, in every module where calls wait, meet, ring or ask:
nothing of them is left, in no table, task, leg, recording or file.
"""

from __future__ import annotations

import asyncio
import gc
import random
import weakref
from typing import Any

import pytest

from callflow.app import Engine, EngineOptions
from callflow.channels.sim.scenario import (
    Answers,
    Callee,
    HangUp,
    NeverAnswers,
    Party,
    PressDigits,
    PutOnHold,
    Rejects,
    Scenario,
    Timed,
    TransferTo,
)
from callflow.clock import VirtualClock, run_virtual
from callflow.documents.moduledata import prepare_document
from callflow.engine.call import Call
from callflow.errors import CallflowError
from callflow.events import Event, Noticed
from callflow.recording.inline import InlineMedia
from callflow.state.records import list_recordings
from tests.modules.stage import WALL, Stage, node

CALLS = 1000
OVER_S = 160.0
"""All calls come within so many seconds."""

PHONES = ("alice-desk", "bob-desk", "carol-desk")
RECORD = {"action": "start", "format": "wav"}
KEYS = ("1", "*", "#", "2468#", "1357#", "*1", "*2", "*3", "12#", "7", "0", "9*1#")


def _trees() -> dict[str, dict[str, Any]]:
    users = [{"id": name, "endpoint_type": "user"} for name in ("alice", "bob")]
    return {
        "1": node("park", {"action": "auto", "slot": "101", "default_ringback_timeout": 4000}),
        "2": node("park", {"action": "direct_park"}),
        "3": node("park", {"action": "retrieve", "slot": "101"}),
        "4": node("acdc_member", {"id": "support"}),
        "5": node("conference", {"id": "team"}),
        "6": node("page_group", {"endpoints": users, "timeout": 5}),
        "7": node("group_pickup", {"user_id": "alice"}),
        "8": node("intercept", {"user_id": "bob"}),
        "9": node("voicemail", {"action": "check", "id": "box"}),
        "10": node("voicemail", {"id": "box"}),
        "11": node("ring_group", {"endpoints": users, "timeout": 6, "strategy": "simultaneous"}),
        "12": node("user", {"id": "bob", "timeout": 5}),
        "13": node("eavesdrop", {"user_id": "bob", "approved_device_id": "carol-desk"}),
        "14": node("move", {}),
        "15": node("menu", {"id": "main"}, then=node("directory", {"id": "all"})),
        "16": node("disa", {"pin": "2468"}, then=node("dead_air", {})),
        "17": node(
            "hotdesk", {"action": "toggle", "id": "carol"}, then=node("call_forward", {"action": "menu"})
        ),
        "18": node("record_call", RECORD, then=node("device", {"id": "alice-desk", "timeout": 4})),
        "19": node("record_caller", {"time_limit": 5}, then=node("transfer", {"target": "12"})),
        "20": node("resources", {"to_did": "15550100"}),
    }


@pytest.fixture
def office(stage: Stage) -> Stage:
    keys = {
        "binding_digit": "*",
        "numbers": {"1": {"module": "hold"}, "2": {"module": "record_call", "data": {"action": "toggle"}}},
        "patterns": {"^3$": {"module": "transfer", "data": {"target": "1"}}},
        "digit_timeout": 500,
    }
    for name in ("alice", "bob", "carol"):
        stage.has("user", name, {"first_name": name, "directories": {"all": "n12"}, "metaflows": keys})
        stage.has("device", f"{name}-desk", {"owner_id": name})
    box = {"mailbox": "1", "pin": "2468", "is_setup": True, "owner_id": "carol", "skip_greeting": True}
    stage.has("vmbox", "box", {**box, "media_extension": "wav", "skip_instructions": True})
    stage.has("conference", "team", {"member": {"pins": []}, "play_welcome": False})
    directory = {"min_dtmf": 1, "max_dtmf": 3, "confirm_match": True}
    queue = {"agents": ["alice", "bob"], "agent_ring_timeout": 3, "connection_timeout": 20}
    stage.has("directory", "all", dict(prepare_document("directory", directory).data))
    stage.has("queue", "support", dict(prepare_document("queue", queue).data))
    stage.has("menu", "main", dict(prepare_document("menu", {"hunt": True, "timeout": 3000}).data))
    stage.has("resource", "carrier", {"rules": ["^[0-9]+$"], "gateways": [{"server": "carrier.example"}]})
    stage.flows = {f"n{number}": {"numbers": [number], "flow": tree} for number, tree in _trees().items()}
    return stage


def drawn(chance: random.Random) -> Scenario:
    """One call: whom it calls, from where, what it does, and when it dies."""

    def act() -> Any:
        kind = chance.choice(("blind", "attended"))
        transfer = TransferTo(chance.choice(list(_trees())), kind, consult_s=chance.choice((0.0, 1.0)))
        return chance.choice((PutOnHold(True), transfer, PressDigits(chance.choice(KEYS))))

    def script(since: str, most: float) -> tuple[Timed, ...]:
        acts = [Timed(chance.uniform(0, most), act(), since) for _ in range(chance.randrange(3))]
        return (*acts, Timed(chance.choice((0.0, 0.02, chance.uniform(0, most), most)), HangUp(), since))

    def callee() -> Callee:
        reply = chance.choice((Answers(chance.uniform(0, 3)), Answers(0.0), NeverAnswers(), Rejects()))
        return Callee(reply, Party(script=script("answer", 8.0)))

    keys = tuple(Timed(chance.uniform(0, 6), PressDigits(chance.choice(KEYS)), "start") for _ in range(2))
    return Scenario(
        to_number=chance.choice(list(_trees())),
        device_id=chance.choice((*PHONES, "")),
        caller=Party(script=(*keys, *script("start", 12.0))),
        callee=callee(),
        endpoints={name: callee() for name in PHONES},
        max_duration_s=60.0,
    )


async def _storm(stage: Stage, clock: VirtualClock, seed: int) -> list[str]:
    """Run it; what is left, in words."""
    chance = random.Random(seed)
    options = EngineOptions(
        state=stage.state,
        settings=stage.settings,
        account=stage.account,
        flows=stage.flows,
        seed=seed,
        deliver=False,
    )
    faults: list[str] = []

    def hear(event: Event) -> None:
        if isinstance(event, Noticed) and event.code in ("CF-RUN-MODULE", "CF-RUN-BACKGROUND"):
            faults.append(event.message)

    async with Engine(options, clock) as engine:
        engine.bus.subscribe(hear)
        before = len(asyncio.all_tasks())

        async def one() -> None:
            await clock.sleep(chance.uniform(0, OVER_S))
            try:
                await engine.place_call(drawn(chance))
            except CallflowError as error:
                faults.append(str(error))

        await asyncio.gather(*(one() for _ in range(CALLS)))
        await clock.sleep(120.0)
        left = _left(engine)
        if (tasks := len(asyncio.all_tasks()) - before) > 0:
            left.append(f"{tasks} tasks")
        with clock.external():
            rows = await engine.database.arun(list_recordings)
        left += [
            f"recording {row.id} {row.state}"
            for row in rows
            if row.state not in ("READY", "DISCARDED", "CANCELLED")
        ]
        left += [f"spool {path.name}" for path in stage.state.joinpath("spool").iterdir()]
        assert len(rows) > 20
    return [*faults, *left]


def _left(engine: Engine) -> list[str]:
    """What the engine still has of calls."""
    services, media = engine._services, engine.media
    assert isinstance(media, InlineMedia)
    calls, router, pump = services.calls, services.router, media._pump
    tables: dict[str, Any] = {
        "calls": calls._by_leg,
        "slots": calls.parking._slots,
        "waiting": [one for room in calls.queues._rooms.values() for one in room._waiting],
        "busy agents": [name for name, agent in calls.queues.agents._agents.items() if agent.busy],
        "rooms": services.rooms._rooms,
        "listeners": services.rooms.ears,
        "legs watched": router._legs,
        "recordings watched": router._recordings,
        "subscribers": engine.bus._by_call,
        "legs": pump._legs,
        "wires": pump._wires,
        "legs of media": media._legs,
        "visitors": engine._visitors,
    }
    return [f"{name}: {list(table)[:3]}" for name, table in tables.items() if len(table)]


@pytest.mark.parametrize("seed", [1])
def test_nothing_is_left_of_a_thousand_calls(
    office: Stage, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: weakref.WeakSet[Call] = weakref.WeakSet()
    begin = Call.start

    def start(call: Call) -> None:
        made.add(call)
        begin(call)

    monkeypatch.setattr(Call, "start", start)
    clock = VirtualClock(WALL)
    assert run_virtual(_storm(office, clock, seed), clock) == []
    gc.collect()
    assert len(made) == 0, "calls that somebody still holds"
