"""Transfers during a bridge: blind and attended, by either party, with recordings that follow or end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from callflow.channels.channel import DialTarget, Direction, Ended, Party, TransferRequested
from callflow.clock import run_virtual
from callflow.documents.accounts import Account
from callflow.engine.call import Call
from callflow.engine.flow import Flow
from callflow.engine.outcome import Continue, HandOver, Outcome
from callflow.engine.session import CallRun, run_call
from callflow.engine.walker import WalkEnd
from callflow.events import CallBridged, CallTransferred, CallUnbridged, Noticed
from callflow.media.messages import Bridge, Side, TapPoint
from callflow.recording.messages import MoveTaps
from tests.engine.fakes import FakeChannel, Plan
from tests.engine.harness import HANGS_UP, World, record, world

CALLER = "leg-call-1"


async def talk(data: Mapping[str, Any], call: Call) -> Outcome:
    """Record (as the data says) and ring device d2."""
    if data.get("record", True):
        settings = record(call.settings, should_follow_transfer=data.get("follow", True))
        await call.record(settings, origin="test", taps=data.get("taps"))
    result = await call.bridge([DialTarget("device", "d2")], timeout_s=20)
    return HandOver() if result.transferred else Continue()


async def visit(data: Mapping[str, Any], call: Call) -> Outcome:
    await call.sleep(2)
    return Continue()


MODULES = {"talk": talk, "visit": visit}


def leg(here: World, target: str) -> str:
    return here.dialer.channels[target].leg


def test_the_caller_transfers_the_callee_blind(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.dialer.plans["d2"] = Plan(answer_s=3)
        here.dialer.plans["3000"] = Plan(answer_s=4, end=(20, "NORMAL_CLEARING", 200))
        here.caller_does(10, TransferRequested("3000", "blind"))
        run = here.run({"module": "talk"}, MODULES)
        callee, third = leg(here, "d2"), leg(here, "3000")
        assert here.caller.ended == Ended("BLIND_TRANSFER", 0, by="engine")
        assert [(e.time, e.leg, e.kept, e.target, e.kind) for e in here.of(CallTransferred)] == [
            (10, CALLER, callee, "3000", "blind")
        ]
        assert [(e.time, e.leg, e.peer) for e in here.of(CallBridged)] == [
            (3, CALLER, callee),
            (14, callee, third),
        ]
        assert (14, Bridge(callee, third)) in here.media.sent
        assert (run.cause, run.duration) == ("NORMAL_CLEARING", 30)
        assert here.dialer.channels["d2"].ended is not None
        assert {event.call_id for event in here.events} == {"call-1"}


def test_recordings_that_follow_keep_each_party_on_its_channel(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.dialer.plans["d2"] = Plan(answer_s=3)
        here.dialer.plans["3000"] = Plan(answer_s=4, end=(20, "NORMAL_CLEARING", 200))
        here.caller_does(10, TransferRequested("3000", "blind"))
        here.run({"module": "talk"}, MODULES)
        callee = leg(here, "d2")
        [spec] = here.specs
        assert spec.taps == (TapPoint(CALLER, Side.READ), TapPoint(CALLER, Side.WRITE))
        [(at, moved)] = [(at, c) for at, c in here.media.sent if isinstance(c, MoveTaps)]
        assert at == 10
        assert moved == MoveTaps(spec.id, (TapPoint(callee, Side.WRITE), TapPoint(callee, Side.READ)))
        # moved before the caller's leg is removed, else the removal would end it
        assert here.changes == [("started", ""), ("moved", ""), ("finishing", "hangup")]
        assert spec.call_id == "call-1"


def test_recordings_that_do_not_follow_end_with_the_transfer(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.dialer.plans["d2"] = Plan(answer_s=3)
        here.dialer.plans["3000"] = Plan(answer_s=4, end=(20, "NORMAL_CLEARING", 200))
        here.caller_does(10, TransferRequested("3000", "blind"))
        here.run({"module": "talk", "data": {"follow": False}}, MODULES)
        assert here.changes == [("started", ""), ("finishing", "transfer")]


@pytest.mark.parametrize(("follow", "end"), [(True, "hangup"), (False, "transfer")])
def test_the_callee_transfers_the_caller_blind(tmp_path: Path, follow: bool, end: str) -> None:
    with world(tmp_path) as here:
        here.dialer.plans["d2"] = Plan(answer_s=3, then=((10, TransferRequested("3000", "blind")),))
        here.dialer.plans["3000"] = Plan(answer_s=4)
        here.caller_does(40, HANGS_UP)
        run = here.run({"module": "talk", "data": {"follow": follow}}, MODULES)
        callee, third = leg(here, "d2"), leg(here, "3000")
        assert here.dialer.channels["d2"].ended == Ended("BLIND_TRANSFER", 0, by="engine")
        assert [(e.leg, e.kept) for e in here.of(CallTransferred)] == [(callee, CALLER)]
        assert [(e.leg, e.peer) for e in here.of(CallBridged)] == [(CALLER, callee), (CALLER, third)]
        assert here.changes == [("started", ""), ("finishing", end)]
        assert here.media.commands(MoveTaps) == []  # the caller's leg hears it all anyhow
        assert (run.walk, run.duration) == (WalkEnd.GONE, 40)
        assert here.dialer.channels["3000"].ended is not None


def test_a_recording_of_the_callees_leg_follows_to_the_callers(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.dialer.plans["d2"] = Plan(answer_s=3, then=((10, TransferRequested("3000", "blind")),))
        here.dialer.plans["3000"] = Plan(answer_s=4)
        here.caller_does(40, HANGS_UP)

        async def tap_callee(call: Call) -> None:
            await call.services.clock.sleep(5)
            taps = (TapPoint(leg(here, "d2"), Side.READ), TapPoint(leg(here, "d2"), Side.MIX))
            await call.record(record(call.settings), origin="callee", taps=taps)

        async def both(data: Mapping[str, Any], call: Call) -> Outcome:
            call.spawn(tap_callee(call))
            return await talk({"record": False}, call)

        here.run({"module": "both"}, {"both": both})
        [moved] = here.media.commands(MoveTaps)
        assert isinstance(moved, MoveTaps)
        assert moved.taps == (TapPoint(CALLER, Side.WRITE), TapPoint(CALLER, Side.MIX))


@pytest.mark.parametrize("by_caller", [True, False])
def test_a_target_that_does_not_answer_ends_the_call_with_its_cause(tmp_path: Path, by_caller: bool) -> None:
    with world(tmp_path) as here:
        request = (10.0, TransferRequested("3000", "blind"))
        here.dialer.plans["d2"] = Plan(answer_s=3, then=() if by_caller else (request,))
        here.dialer.plans["3000"] = Plan(end=(2, "USER_BUSY", 486))
        if by_caller:
            here.caller_does(*request)
        run = here.run({"module": "talk"}, MODULES)
        assert (run.cause, run.duration) == ("USER_BUSY", 12)
        for channel in (here.caller, *here.dialer.channels.values()):
            assert channel.ended is not None


def test_a_number_of_the_account_is_walked_with_the_one_who_remains(tmp_path: Path) -> None:
    flow = {"numbers": ["3000"], "flow": {"module": "visit", "children": {"_": {"module": "visit"}}}}
    account = Account(id="acc", documents={"callflow": {"sales": flow}})
    with world(tmp_path, account=account) as here:
        here.dialer.plans["d2"] = Plan(answer_s=3)
        here.caller_does(10, TransferRequested("3000", "blind"))
        run = here.run({"module": "talk", "children": {"_": {"module": "visit"}}}, MODULES, flow_id="main")
        assert [(step[0], step[1]) for step in here.steps] == [
            ("", "talk"),
            ("", "visit"),
            ("/children/_", "visit"),
        ]
        assert run.duration == 14
        assert here.dialer.channels["d2"].ended is not None  # it walked the flow, and was hung up at its end
        assert here.changes[-1] == ("finishing", "hangup")


def test_a_transferred_party_can_be_transferred_again(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.dialer.plans["d2"] = Plan(answer_s=3)
        here.dialer.plans["3000"] = Plan(answer_s=4, then=((10, TransferRequested("4000", "blind")),))
        here.dialer.plans["4000"] = Plan(answer_s=1, end=(9, "NORMAL_CLEARING", 200))
        here.caller_does(10, TransferRequested("3000", "blind"))
        run = here.run({"module": "talk"}, MODULES)
        callee = leg(here, "d2")
        assert [(e.leg, e.peer) for e in here.of(CallBridged)] == [
            (CALLER, callee),
            (callee, leg(here, "3000")),
            (callee, leg(here, "4000")),
        ]
        assert run.duration == 29


def test_transfers_without_end_are_refused_at_the_limit(tmp_path: Path) -> None:
    account = Account(
        id="acc", documents={"callflow": {"loop": {"numbers": ["3000"], "flow": {"module": "talk"}}}}
    )
    with world(tmp_path, account=account, overrides={"callflow.max_branch_count": 5}) as here:
        here.dialer.plans["d2"] = Plan(
            answer_s=0, then=((0, TransferRequested("3000", "blind")),), end=(3, "NORMAL_CLEARING", 200)
        )
        run = here.run({"module": "talk"}, MODULES)
        assert len(here.of(CallTransferred)) == 5
        assert ("error", "CF-ENG-002") in here.notices
        assert run.cause == "NORMAL_CLEARING"


def test_an_attended_transfer_whose_talk_we_do_not_see_rings_the_target(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.dialer.plans["d2"] = Plan(answer_s=3)
        here.dialer.plans["3000"] = Plan(answer_s=1, end=(9, "NORMAL_CLEARING", 200))
        here.caller_does(10, TransferRequested("3000", "attended"))
        here.run({"module": "talk"}, MODULES)
        assert here.caller.ended == Ended("ATTENDED_TRANSFER", 0, by="engine")
        assert here.of(CallBridged)[-1].peer == leg(here, "3000")


@pytest.mark.parametrize("consult_leg", ["caller", "callee"])
@pytest.mark.parametrize("transferor", ["caller", "callee"])
def test_an_attended_transfer_takes_over_the_party_of_the_other_call(
    tmp_path: Path, transferor: str, consult_leg: str
) -> None:
    """Call 1 is A with d2, call 2 is A2 with d3. One of call 1 talks in call 2 too: joined."""
    with world(tmp_path) as here:
        other = FakeChannel(here.media, "call-2", Direction.INBOUND, Party("1001", "3000"))
        here.dialer.plans["d2"] = Plan(answer_s=3)
        here.dialer.plans["d3"] = Plan(answer_s=2)

        async def second(data: Mapping[str, Any], call: Call) -> Outcome:
            await call.record(record(call.settings), origin="second")
            await call.bridge([DialTarget("device", "d3")], timeout_s=20)
            return Continue()

        async def main() -> None:
            first_call, second_call = Call(here.services, here.caller), Call(here.services, other)
            runs = [
                asyncio.ensure_future(run_call(first_call, Flow.parse({"module": "talk"}), MODULES)),
                asyncio.ensure_future(
                    run_call(second_call, Flow.parse({"module": "second"}), {"second": second})
                ),
            ]
            await asyncio.sleep(10)
            consult = other if consult_leg == "caller" else here.dialer.channels["d3"]
            third = here.dialer.channels["d3"] if consult_leg == "caller" else other
            leaver = here.caller if transferor == "caller" else here.dialer.channels["d2"]
            stayer = here.dialer.channels["d2"] if transferor == "caller" else here.caller
            leaver.happen(TransferRequested("3000", "attended", consult=consult.call_id))
            await asyncio.sleep(5)
            assert here.of(CallBridged)[-1].leg == stayer.leg
            assert here.of(CallBridged)[-1].peer == third.leg
            assert leaver.ended is not None
            assert consult.ended is not None
            assert stayer.ended is None
            assert third.ended is None
            third.happen(HANGS_UP)
            await asyncio.gather(*runs)
            assert stayer.ended is not None

        run_virtual(asyncio.wait_for(main(), 1000), here.clock)
        assert [notice for notice in here.of(Noticed) if notice.level == "error"] == []
        assert len(here.of(CallUnbridged)) == 3
        assert here.changes[-1][0] == "finishing"
        assert [change for change, _ in here.changes].count("finishing") == 2
        assert here.services.calls.find("call-1") is None
        assert here.services.calls.find("call-2") is None


def test_an_attended_transfer_while_the_target_still_rings(tmp_path: Path) -> None:
    """Who is transferred takes the transferor's place in the consultation call: the phone rings on."""
    with world(tmp_path) as here:
        other = FakeChannel(here.media, "call-2", Direction.INBOUND, Party("1001", "3000"))
        here.dialer.plans["d2"] = Plan(answer_s=3)
        here.dialer.plans["slow"] = Plan(answer_s=14, end=(23, "NORMAL_CLEARING", 200))
        runs: list[asyncio.Task[CallRun]] = []

        async def second(data: Mapping[str, Any], call: Call) -> Outcome:
            await call.bridge([DialTarget("device", "slow")], timeout_s=60)
            return Continue()

        async def main() -> None:
            calls = (Call(here.services, here.caller), Call(here.services, other))
            flows = ({"module": "talk"}, {"module": "second"})
            modules = {**MODULES, "second": second}
            runs.extend(
                asyncio.ensure_future(run_call(call, Flow.parse(flow), modules))
                for call, flow in zip(calls, flows, strict=True)
            )
            await asyncio.sleep(10)
            here.caller.happen(TransferRequested("3000", "attended", consult="call-2"))
            await asyncio.gather(*runs)

        run_virtual(asyncio.wait_for(main(), 1000), here.clock)
        callee, slow = leg(here, "d2"), leg(here, "slow")
        assert other.ended == here.caller.ended == Ended("ATTENDED_TRANSFER", 0, by="engine")
        assert sorted(name for _, name in here.dialer.dialled) == ["d2", "slow"]  # rung once
        assert [(e.time, e.call_id, e.leg, e.peer) for e in here.of(CallBridged)][1:] == [
            (14, "call-2", callee, slow),
            (14, "call-1", callee, slow),
        ]
        assert [(run.result().duration, run.result().cause) for run in runs] == [
            (23, "NORMAL_CLEARING"),
            (23, "NORMAL_CLEARING"),
        ]
        assert here.changes == [("started", ""), ("moved", ""), ("finishing", "hangup")]
        assert here.services.calls.all() == []


def test_a_consultation_that_is_over_falls_back_to_ringing(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.dialer.plans["d2"] = Plan(answer_s=3)
        here.dialer.plans["3000"] = Plan(answer_s=1, end=(9, "NORMAL_CLEARING", 200))
        here.caller_does(10, TransferRequested("3000", "attended", consult="call-99"))
        here.run({"module": "talk"}, MODULES)
        assert here.of(CallBridged)[-1].peer == leg(here, "3000")
