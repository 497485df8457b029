"""Whatever parties do, in whatever order, however close together: the call ends and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

from hypothesis import event, given, settings
from hypothesis import strategies as st

from callflow.channels.channel import (
    Answered,
    ChannelEvent,
    DialTarget,
    EarlyMedia,
    Ended,
    Held,
    TransferRequested,
)
from callflow.documents.accounts import Account
from callflow.documents.settings import Settings
from callflow.engine.call import Call
from callflow.engine.outcome import Continue, HandOver, Outcome
from callflow.events import CallBridged, CallEnded, CallTransferred, CallUnbridged, Noticed
from callflow.media.messages import AddLeg, Digit, RemoveLeg
from callflow.state.database import Database
from tests.engine import harness
from tests.engine.fakes import Plan

TARGETS = ("a", "b", "3000", "4000")
# Few instants, so that many things fall together.
TIMES = st.sampled_from([0.0, 1.0, 1.0, 2.0, 3.0, 5.0, 8.0])

DEEDS: st.SearchStrategy[ChannelEvent] = st.one_of(
    st.sampled_from([Ended("NORMAL_CLEARING", 200), Ended("USER_BUSY", 486), Ended("CALL_REJECTED", 603)]),
    st.sampled_from([Held(True), Held(False)]),
    st.builds(TransferRequested, st.sampled_from(TARGETS), st.sampled_from(["blind", "attended"])),
)
CALLEE: st.SearchStrategy[ChannelEvent] = st.one_of(
    st.just(Answered()), st.just(Answered()), st.just(EarlyMedia()), DEEDS
)
PLANS = st.builds(
    lambda deeds: Plan(then=tuple(sorted(deeds, key=lambda pair: pair[0]))),
    st.lists(st.tuples(TIMES, CALLEE), max_size=5),
)
CALLER = st.lists(st.tuples(TIMES, DEEDS), max_size=3)


@cache
def _settings() -> Settings:
    return harness.settings({"callflow.max_branch_count": 3})


@settings(max_examples=150, deadline=None)
@given(
    plans=st.fixed_dictionaries(dict.fromkeys(TARGETS, PLANS)),
    caller=CALLER,
    presses=st.lists(TIMES, max_size=2),
    reject=st.booleans(),
)
def test_nothing_is_left_behind(
    plans: dict[str, Plan],
    caller: list[tuple[float, ChannelEvent]],
    presses: list[float],
    reject: bool,
) -> None:
    nothing = cast("Database", None)  # nothing is recorded here
    here = harness.World(nothing, Path("unused"), account=Account.empty("acc"), config=_settings())
    here.dialer.plans.update(plans)
    for at, deed in caller:
        here.caller_does(at, deed)
    for at in presses:
        here.at(at, lambda: here.media.emit(Digit("leg-call-1", "1", here.clock.now())))

    async def ring(data: Mapping[str, Any], call: Call) -> Outcome:
        targets = [DialTarget("device", "a"), DialTarget("device", "b", delay_s=1)]
        result = await call.bridge(targets, timeout_s=4, fail_on_single_reject=reject)
        assert result.answered or not result.transferred
        return HandOver() if result.transferred else Continue()

    async def bye(data: Mapping[str, Any], call: Call) -> Outcome:
        await call.collect_digits(max_digits=1, timeout_s=2, interdigit_s=2)
        return Continue()

    def all_leave() -> None:
        for channel in (here.caller, *here.dialer.channels.values()):
            channel.happen(harness.HANGS_UP)

    here.at(500, all_leave)
    here.run({"module": "ring", "children": {"_": {"module": "bye"}}}, {"ring": ring, "bye": bye})

    event(f"{len(here.of(CallBridged))} talks, {len(here.of(CallTransferred))} transfers")
    assert len(here.of(CallEnded)) == 1
    legs = [command.leg for command in here.media.commands(AddLeg) if isinstance(command, AddLeg)]
    gone = [command.leg for command in here.media.commands(RemoveLeg) if isinstance(command, RemoveLeg)]
    assert sorted(legs) == sorted(gone)
    talks = [(talk.leg, talk.peer) for talk in here.of(CallBridged)]
    assert [(end.leg, end.peer) for end in here.of(CallUnbridged)] == talks
    assert [leg for leg in legs if here.media.playing(leg)] == []
    known = here.services.calls
    assert all(known.find(name.removeprefix("leg-")) is None for name in legs)
    refused = {"CF-ENG-002", "CF-RUN-TRANSFER"}
    assert {notice.code for notice in here.of(Noticed)} <= refused
