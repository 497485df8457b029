"""Calls of many accounts in one engine, with pretend legs in virtual time: each keeps to itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from callflow.app import Engine, EngineOptions
from callflow.channels.channel import Dialer
from callflow.channels.sim.call import PretendCall
from callflow.channels.sim.channel import SimChannel
from callflow.channels.sim.read import parse_scenario
from callflow.clock import VirtualClock, run_virtual
from callflow.documents.catalog import Catalog
from callflow.documents.settings import load_settings
from callflow.engine.call import Call
from callflow.engine.outcome import Outcome
from callflow.errors import EngineError
from callflow.events import (
    CallEnded,
    CallStarted,
    Event,
    Noticed,
    RecordingChanged,
    RoomJoined,
    StepStarted,
)
from callflow.ids import Ids
from callflow.livecalls import LiveCall
from callflow.recording.inline import InlineMedia
from tests.serve.accounts import RECORD, account, catalog, write

WALL = 1_795_000_000.0


class House:
    """An engine that serves accounts, and pretend parties who call it."""

    def __init__(self, engine: Engine, clock: VirtualClock) -> None:
        self.engine = engine
        self.clock = clock
        self.events: list[Event] = []
        engine.bus.subscribe(self.events.append)
        self.pretend: list[PretendCall] = []

    def serve(self, documents: Catalog) -> None:
        """Serve these accounts; whom they ring is whom the first caller's scenario knows."""
        self.engine.serve(documents.tenants, lambda account_id: _FirstDialer(self))

    def call(
        self, account_id: str, number: str, scenario: Mapping[str, Any] | None = None, *, trunk: str = ""
    ) -> SimChannel:
        """Somebody calls; ``trunk``: by that resource."""
        pretend = PretendCall(
            parse_scenario({"to": number, "end_when_quiet_s": None, **(scenario or {})}, Path()),
            media=self.engine.media,
            clock=self.clock,
            ids=self.engine.ids,
            notice=lambda *words: None,
            incoming=lambda channel, dialer: None,
        )
        self.pretend.append(pretend)
        facts = pretend.caller._facts
        pretend.caller._facts = replace(facts, party=replace(facts.party, trunk=trunk))
        self.ring(pretend.caller, account_id)
        pretend.begin()
        return pretend.caller

    def ring(self, channel: SimChannel, account_id: str) -> None:
        self.engine.take_call(channel, account_id)

    def of(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


class _FirstDialer:
    def __init__(self, house: House) -> None:
        self._house = house

    def __getattr__(self, name: str) -> Any:
        dialer: Dialer = self._house.pretend[0].dialer
        return getattr(dialer, name)


def in_house(folder: Path, play: Callable[[House], Awaitable[None]]) -> House:
    """Run ``play`` in an engine of virtual time."""
    clock = VirtualClock(WALL)
    houses: list[House] = []

    async def main() -> None:
        options = EngineOptions(state=folder / "state", settings=load_settings(), seed=1, deliver=False)
        async with Engine(options, clock) as engine:
            houses.append(House(engine, clock))
            await play(houses[0])
            await engine.live.close()
            for pretend in houses[0].pretend:
                await pretend.close()

    run_virtual(main(), clock)
    return houses[0]


def test_a_call_is_routed_recorded_and_shown_while_it_lasts(tmp_path: Path) -> None:
    account(tmp_path / "accounts" / "one", {"100": RECORD})
    seen: list[LiveCall] = []

    async def play(house: House) -> None:
        house.serve(catalog(tmp_path / "accounts"))
        house.call("one", "100", {"from": "555", "caller": {"hangup_after": 4}})
        await house.clock.sleep(3)
        seen.extend(house.engine.live.list())
        assert not await house.engine.live.empty(0.5)
        assert await house.engine.live.empty(2)

    house = in_house(tmp_path, play)
    (live,) = seen
    assert (live.account_id, live.from_number, live.to_number, live.flow_id) == ("one", "555", "100", "n100")
    assert (live.path, live.module, live.answered) == ("/children/_/children/_", "wait_for_hangup", True)
    assert (live.seconds, live.since) == (3.0, WALL)
    ready = [event for event in house.of(RecordingChanged) if event.change == "ready"]
    assert [event.seconds for event in ready] == [4.0]
    assert house.engine.live.list() == []


def test_accounts_do_not_see_each_other(tmp_path: Path) -> None:
    account(tmp_path / "accounts" / "one", {"100": RECORD})
    account(tmp_path / "accounts" / "two", {"200": RECORD})

    async def play(house: House) -> None:
        house.serve(catalog(tmp_path / "accounts"))
        first, second = house.call("one", "100"), house.call("two", "200")
        assert house.call("two", "100").ended is None
        await house.clock.sleep(1)
        assert (first.ended, second.ended) == (None, None)
        mine, other = (house.engine._tenants[id] for id in ("one", "two"))
        assert mine.calls.find(first.call_id) is not None
        assert other.calls.find(first.call_id) is None, "nobody takes over a call of another account"
        assert mine.fetched != other.fetched

    house = in_house(tmp_path, play)
    (notice,) = [event for event in house.of(Noticed) if event.code == "CF-ENG-003"]
    assert "account two has the number '100': answered 404" in notice.message
    assert [event.account_id for event in house.of(CallStarted)] == ["one", "two"]
    with pytest.raises(EngineError, match="three"):
        house.ring(house.pretend[0].caller, "three")


def test_conferences_of_two_accounts_are_two_conferences(tmp_path: Path) -> None:
    for name in ("one", "two"):
        conference = {"module": "conference", "data": {"id": "team", "welcome_prompt": {"play": False}}}
        write(account(tmp_path / "accounts" / name, {"100": conference}) / "conferences" / "team.json", {})

    async def play(house: House) -> None:
        house.serve(catalog(tmp_path / "accounts"))
        house.call("one", "100")
        house.call("two", "100")
        await house.clock.sleep(2)
        house.serve(catalog(tmp_path / "accounts"))  # documents read anew: the rooms stay
        house.call("one", "100")
        await house.clock.sleep(2)

    house = in_house(tmp_path, play)
    assert [event.members for event in house.of(RoomJoined)] == [1, 1, 2]


def test_a_number_without_a_flow_is_answered_404(tmp_path: Path) -> None:
    account(tmp_path / "accounts" / "one", {"100": RECORD})

    async def play(house: House) -> None:
        house.serve(catalog(tmp_path / "accounts"))
        caller = house.call("one", "999")
        await house.clock.sleep(0.1)
        assert caller.ended is not None
        assert (caller.ended.cause, caller.ended.code) == ("UNALLOCATED_NUMBER", 404)
        assert len(house.engine.live) == 0

    in_house(tmp_path, play)


def test_a_carriers_call_never_takes_no_match(tmp_path: Path) -> None:
    """It often leads out again: strangers would call the world at the account's expense (kazoo.md 2.5)."""
    account(tmp_path / "accounts" / "one", {"no_match": RECORD})

    async def play(house: House) -> None:
        house.serve(catalog(tmp_path / "accounts"))
        stranger, colleague = house.call("one", "999", trunk="carrier"), house.call("one", "999")
        await house.clock.sleep(0.1)
        assert stranger.ended is not None and stranger.ended.code == 404
        assert colleague.ended is None

    in_house(tmp_path, play)


def test_a_call_id_is_never_there_twice(tmp_path: Path) -> None:
    account(tmp_path / "accounts" / "one", {"100": RECORD})

    async def play(house: House) -> None:
        house.serve(catalog(tmp_path / "accounts"))
        first = house.call("one", "100")
        await house.clock.sleep(1)
        twin = _twin(house, first)
        house.ring(twin, "one")
        await house.clock.sleep(0.1)
        assert twin.ended is not None
        assert twin.ended.code == 482
        assert first.ended is None, "the one that was first goes on"
        assert len(house.engine.live) == 1

    house = in_house(tmp_path, play)
    assert [event.code for event in house.of(Noticed)] == ["CF-RUN-CALL-ID"]
    assert len(house.of(CallEnded)) == 1


def _twin(house: House, first: SimChannel) -> SimChannel:
    other = PretendCall(
        parse_scenario({"to": "100", "end_when_quiet_s": None}, Path()),
        media=house.engine.media,
        clock=house.clock,
        ids=_SameId(first.call_id),
        notice=lambda *words: None,
        incoming=lambda channel, dialer: None,
    )
    house.pretend.append(other)
    return other.caller


class _SameId(Ids):
    def __init__(self, call_id: str) -> None:
        super().__init__(1)
        self._same = call_id

    def call_id(self) -> str:
        return self._same


def test_a_fault_in_one_call_is_not_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    account(tmp_path / "accounts" / "one", {"100": RECORD, "200": RECORD})

    def broken(self: Call, number: str, *, allow_no_match: bool = False) -> Any:
        if number == "200":
            raise ZeroDivisionError("a fault of ours")
        return route(self, number, allow_no_match=allow_no_match)

    route = Call.route
    monkeypatch.setattr(Call, "route", broken)

    async def play(house: House) -> None:
        house.serve(catalog(tmp_path / "accounts"))
        good, bad = house.call("one", "100"), house.call("one", "200")
        await house.clock.sleep(2)
        assert bad.ended is not None
        assert bad.ended.cause == "NORMAL_TEMPORARY_FAILURE"
        assert good.ended is None
        assert [each.to_number for each in house.engine.live.list()] == ["100"]

    in_house(tmp_path, play)


def test_calls_under_way_keep_the_documents_they_began_with(tmp_path: Path) -> None:
    play_twice = {"module": "sleep", "data": {"duration": 2, "unit": "s"}, "children": {}}
    jump = {"module": "callflow", "data": {"id": "n101"}, "children": {}}
    late = {**play_twice, "children": {"_": jump}}
    one = account(tmp_path / "accounts" / "one", {"100": late, "101": RECORD})

    async def play(house: House) -> None:
        house.serve(catalog(tmp_path / "accounts"))
        house.call("one", "100", {"caller": {"hangup_after": 5}})
        await house.clock.sleep(1)
        (one / "callflows" / "n101.json").unlink()
        account(one, {"100": RECORD})
        house.serve(catalog(tmp_path / "accounts"))
        await house.clock.sleep(1)
        house.call("one", "100", {"caller": {"hangup_after": 2}})
        await house.clock.sleep(8)

    house = in_house(tmp_path, play)
    modules = [(event.call_id, event.module) for event in house.of(StepStarted)]
    first = modules[0][0]
    assert [name for call, name in modules if call == first] == [
        "sleep", "callflow", "answer", "record_call", "wait_for_hangup",
    ]  # fmt: skip
    assert [name for call, name in modules if call != first] == ["answer", "record_call", "wait_for_hangup"]


def test_the_end_hangs_up_and_finishes_every_recording(tmp_path: Path) -> None:
    account(tmp_path / "accounts" / "one", {"100": RECORD})

    async def play(house: House) -> None:
        house.serve(catalog(tmp_path / "accounts"))
        callers = [house.call("one", "100") for _ in range(3)]
        await house.clock.sleep(2)
        await house.engine.live.close()
        assert [caller.ended.by for caller in callers if caller.ended] == ["engine"] * 3

    house = in_house(tmp_path, play)
    ready = [event for event in house.of(RecordingChanged) if event.change == "ready"]
    assert [(event.reason, event.seconds) for event in ready] == [("hangup", 2.0)] * 3


def test_a_webhook_that_hangs_does_not_keep_the_end(tmp_path: Path) -> None:
    account(tmp_path / "accounts" / "one", {"100": RECORD})
    gone: list[bool] = []

    async def hang(data: Mapping[str, Any], call: Call) -> Outcome:
        try:
            await asyncio.Event().wait()
        finally:
            gone.append(True)
        raise AssertionError

    async def play(house: House) -> None:
        house.engine.live._modules = {**house.engine.live._modules, "answer": hang}
        house.serve(catalog(tmp_path / "accounts"))
        house.call("one", "100")
        await house.clock.sleep(1)
        await house.engine.live.close(within_s=3)
        assert house.clock.now() == 4.0

    in_house(tmp_path, play)
    assert gone == [True]


def test_legs_are_gone_after_a_refused_call(tmp_path: Path) -> None:
    account(tmp_path / "accounts" / "one", {"100": RECORD})

    async def play(house: House) -> None:
        house.serve(catalog(tmp_path / "accounts"))
        house.call("one", "999")
        await house.clock.sleep(1)
        media = house.engine.media
        assert isinstance(media, InlineMedia)
        assert media._legs == set()

    in_house(tmp_path, play)
