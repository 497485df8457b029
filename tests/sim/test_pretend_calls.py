"""Pretend legs play their scripts to the moment, against a media port that only writes down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from callflow.channels.channel import (
    Answered,
    Channel,
    ChannelEvent,
    Dialer,
    DialTarget,
    Direction,
    EarlyMedia,
    Ended,
    Held,
    Party,
    TransferRequested,
)
from callflow.channels.sim.call import PretendCall
from callflow.channels.sim.read import parse_scenario
from callflow.clock import VirtualClock, run_virtual
from callflow.ids import Ids
from callflow.media.messages import (
    AddLeg,
    Hush,
    Press,
    PretendSource,
    RemoveLeg,
    Say,
    SayDone,
    SilenceClip,
)
from callflow.media.port import MediaHandler


@dataclass
class Notes:
    """A ``MediaPort`` that writes down what it is told, and when."""

    clock: VirtualClock
    sent: list[tuple[float, object]] = field(default_factory=list)
    handlers: list[tuple[str | None, MediaHandler]] = field(default_factory=list)

    def send(self, command: object) -> None:
        self.sent.append((self.clock.now(), command))

    def subscribe(self, handler: MediaHandler, *, leg: str | None = None) -> Callable[[], None]:
        self.handlers.append((leg, handler))
        return lambda: self.handlers.remove((leg, handler))

    def tell(self, event: SayDone) -> None:
        for leg, handler in tuple(self.handlers):
            if leg in (None, event.leg):
                handler(event)

    def of(self, leg: str) -> list[tuple[float, object]]:
        return [(at, command) for at, command in self.sent if getattr(command, "leg", "") == leg]


@dataclass
class Set:
    """A pretend call and what it did."""

    clock: VirtualClock
    media: Notes
    call: PretendCall
    notices: list[str]
    incoming: list[Channel]


def on_stage(scenario: Mapping[str, Any], play: Callable[[Set], Coroutine[Any, Any, None]]) -> Set:
    """Begin the call, let ``play`` be the engine, and end what is left."""
    clock = VirtualClock(0.0)
    media = Notes(clock)
    notices: list[str] = []
    incoming: list[Channel] = []

    async def main() -> Set:
        def take(channel: Channel, dialer: Dialer) -> None:
            incoming.append(channel)

        call = PretendCall(
            parse_scenario(dict(scenario), Path()),
            media=media,
            clock=clock,
            ids=Ids(1),
            notice=lambda level, code, message, hint: notices.append(code),
            incoming=take,
        )
        made = Set(clock, media, call, notices, incoming)
        call.begin()
        await play(made)
        await call.close()
        assert media.handlers == []
        assert len(asyncio.all_tasks()) == 1, "a task of the call is left over"
        return made

    return run_virtual(main(), clock)


async def events_of(channel: Channel, clock: VirtualClock) -> list[tuple[float, ChannelEvent]]:
    """All that a leg does until it ends."""
    events: list[tuple[float, ChannelEvent]] = []
    while not events or not isinstance(events[-1][1], Ended):
        event = await channel.next_event()
        events.append((round(clock.now(), 6), event))
    return events


async def dial(made: Set, **document: Any) -> Channel:
    """Ring a device."""
    return await made.call.dialer.dial(
        DialTarget("device", "desk", document), caller=made.call.caller.party, rate=8000, call_id="b"
    )


def test_a_caller_does_what_its_script_says_when_it_says_so() -> None:
    scenario = {
        "from": "1",
        "to": "2",
        "caller": {
            "audio": "silence_stream://100",
            "loss": "01",
            "delay_s": 0.5,
            "jitter_ms": [0, 600],
            "actions": [
                {"at": 2.5, "press": "1"},
                {"at": 1, "say": "silence_stream://200", "loop": True},
                {"at": 3, "quiet": True},
                {"at": 4, "hold": True},
                {"at": 5, "hold": False},
                {"at": 6, "transfer": "1002"},
                {"at": 7, "hangup": "USER_BUSY"},
            ],
        },
    }
    heard: list[tuple[float, ChannelEvent]] = []

    async def play(made: Set) -> None:
        heard.extend(await events_of(made.call.caller, made.clock))

    made = on_stage(scenario, play)
    caller = made.call.caller
    assert caller.direction is Direction.INBOUND
    assert (caller.party.from_number, caller.party.to_number) == ("1", "2")
    assert made.media.of(caller.leg) == [
        (0.0, AddLeg(caller.leg, 8000, PretendSource(loss=(0, 1), delay_s=0.5, jitter_ms=(0, 600)))),
        (0.0, Say(caller.leg, (SilenceClip(0.1),))),
        (1.0, Say(caller.leg, (SilenceClip(0.2),), loop=True)),
        (2.5, Press(caller.leg, "1")),
        (3.0, Hush(caller.leg)),
        (7.0, RemoveLeg(caller.leg)),
    ]
    assert heard == [
        (4.0, Held(True)),
        (5.0, Held(False)),
        (6.0, TransferRequested("1002", "blind")),
        (7.0, Ended("USER_BUSY", 486, by="party")),
    ]


def test_a_caller_may_speak_and_act_from_its_answer_on() -> None:
    scenario = {
        "caller": {
            "audio": "silence_stream://100",
            "speaks_since": "answer",
            "actions": [{"at": 1, "since": "answer", "press": "5"}, {"at": 9, "hangup": "NORMAL_CLEARING"}],
        }
    }

    async def play(made: Set) -> None:
        await made.clock.sleep(3)
        await made.call.caller.answer()
        assert made.call.caller.answered
        await events_of(made.call.caller, made.clock)

    made = on_stage(scenario, play)
    caller = made.call.caller.leg
    assert [at for at, command in made.media.of(caller) if isinstance(command, Say | Press)] == [3.0, 4.0]


def test_a_callee_rings_sends_early_sound_answers_and_leaves() -> None:
    callee = {"answer_after": 2, "early_audio": "silence_stream://50", "hangup_after": 3}
    callee["audio"] = "silence_stream://70"
    heard: list[tuple[float, ChannelEvent]] = []

    async def play(made: Set) -> None:
        heard.extend(await events_of(await dial(made), made.clock))

    made = on_stage({"callee": callee}, play)
    assert heard == [
        (0.0, EarlyMedia()),
        (2.0, Answered()),
        (5.0, Ended("NORMAL_CLEARING", 200, by="party")),
    ]
    assert made.media.of("b") == [
        (0.0, AddLeg("b", 8000, PretendSource())),
        (0.0, Say("b", (SilenceClip(0.05),))),
        (2.0, Hush("b")),
        (2.0, Say("b", (SilenceClip(0.07),))),
        (5.0, RemoveLeg("b")),
    ]


def test_a_callee_refuses_with_cause_and_code() -> None:
    heard: list[tuple[float, ChannelEvent]] = []

    async def play(made: Set) -> None:
        heard.extend(await events_of(await dial(made), made.clock))

    on_stage({"callee": {"reject": "CALL_REJECTED", "reject_after": 1.5}}, play)
    on_stage({"callee": {"reject": "CALL_REJECTED", "reject_code": 403}}, play)
    assert heard == [(1.5, Ended("CALL_REJECTED", 603)), (0.0, Ended("CALL_REJECTED", 403))]


def test_a_callee_that_never_answers_waits_for_the_engine() -> None:
    async def play(made: Set) -> None:
        channel = await dial(made)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(channel.next_event(), 600)
        await channel.hangup("NO_ANSWER")
        assert channel.ended == Ended("NO_ANSWER", 480, by="engine")
        assert await channel.next_event() == channel.ended

    made = on_stage({"callee": {"answer_after": None}, "max_duration_s": 5000}, play)
    assert made.media.of("b")[-1] == (600.0, RemoveLeg("b"))


def test_a_device_or_its_owner_may_differ() -> None:
    scenario = {"endpoints": {"alice": {"reject": "USER_BUSY"}}}

    async def play(made: Set) -> None:
        owned = await dial(made, owner_id="alice")
        assert isinstance(await owned.next_event(), Ended)
        assert owned.party.user_id == "alice"
        assert owned.party.device_id == "desk"

    on_stage(scenario, play)


def test_a_leg_that_has_ended_does_nothing_more() -> None:
    async def play(made: Set) -> None:
        caller = made.call.caller
        await caller.hangup("NORMAL_CLEARING")
        before = len(made.media.sent)
        await caller.hangup("USER_BUSY")
        await caller.answer()
        await made.clock.sleep(10)
        assert caller.ended == Ended("NORMAL_CLEARING", 200, by="engine")
        assert not caller.answered
        assert len(made.media.sent) == before

    on_stage({"caller": {"audio": "silence_stream://5", "hangup_after": 5}}, play)


def test_an_attended_transfer_holds_calls_the_target_and_names_that_call() -> None:
    scenario = {
        "callee": {"actions": [{"at": 1, "transfer": "1002", "kind": "attended", "consult_s": 4}]},
        "end_when_quiet_s": None,
    }
    heard: list[tuple[float, ChannelEvent]] = []

    async def play(made: Set) -> None:
        channel = await dial(made)
        for _ in range(3):
            event = await channel.next_event()
            heard.append((made.clock.now(), event))

    made = on_stage(scenario, play)
    (consult,) = made.incoming
    assert consult.direction is Direction.INBOUND
    assert consult.party == Party("2000", "1002")
    assert heard == [
        (0.0, Answered()),
        (1.0, Held(True)),
        (5.0, TransferRequested("1002", "attended", consult.call_id)),
    ]


# ---- ends that come by themselves -------------------------------------------------------------


async def until_over(made: Set) -> None:
    while made.call.caller.ended is None:
        await made.call.caller.next_event()


def test_the_longest_duration_ends_a_call_with_a_notice() -> None:
    made = on_stage({"max_duration_s": 60}, until_over)
    assert made.media.sent[-1] == (60.0, RemoveLeg(made.call.caller.leg))
    assert made.notices == ["CF-RUN-MAX-DURATION"]


def test_a_call_nobody_has_answered_is_not_called_quiet() -> None:
    """A caller that waits for an announcement or a menu says nothing, and stays."""
    made = on_stage({"max_duration_s": 60, "end_when_quiet_s": 1}, until_over)
    assert made.clock.now() == 60


def test_quiet_begins_when_the_last_party_has_said_and_done_all() -> None:
    scenario = {
        "caller": {"audio": "silence_stream://100", "actions": [{"at": 8, "press": "1"}]},
        "callee": {"answer_after": 1, "audio": "silence_stream://100"},
        "end_when_quiet_s": 2,
    }

    async def play(made: Set) -> None:
        await made.call.caller.answer()
        await dial(made)
        made.media.tell(SayDone(made.call.caller.leg, 3.0))
        await made.clock.sleep(6)
        made.media.tell(SayDone("b", 6.0))
        await until_over(made)

    made = on_stage(scenario, play)
    assert made.clock.now() == 8 + 2
    assert made.notices == ["CF-RUN-QUIET"]


def test_quiet_is_over_when_somebody_has_more_to_do() -> None:
    scenario = {"end_when_quiet_s": 2, "max_duration_s": 30, "endpoints": {"desk": {}}}
    scenario["callee"] = {"answer_after": None}

    async def play(made: Set) -> None:
        await made.call.caller.answer()
        await dial(made)
        await made.clock.sleep(1)
        await made.call.dialer.dial(
            DialTarget("number", "1002"), caller=made.call.caller.party, rate=8000, call_id="c"
        )
        await until_over(made)

    made = on_stage(scenario, play)
    assert made.clock.now() == 30, "somebody was still ringing"
