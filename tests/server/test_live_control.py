"""What the API does to live calls, on pretend legs in virtual time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from callflow.engine.call import Call
from callflow.errors import ApiError
from callflow.events import CallEnded, CallStarted, Event, EventBus, RecordingChanged, StepEnded, StepStarted
from callflow.server.v2 import traces as tracing
from callflow.server.v2.channels import carried_out
from callflow.server.v2.legs import channel_of, seats_of
from callflow.server.v2.live_recordings import act
from callflow.server.v2.traces import Traces
from tests.modules.stage import node
from tests.serve.accounts import RECORD, account, catalog, write
from tests.serve.test_live_calls import House, in_house

WAIT = node("answer", then=node("wait_for_hangup"))


def the_call(house: House, account_id: str = "one") -> Call:
    (call,) = house.engine.live.of(account_id).values()
    return call


def changes(house: House) -> list[tuple[str, str]]:
    return [(event.change, event.reason) for event in house.of(RecordingChanged)]


async def fails(call: Call, data: dict[str, Any], part: str) -> None:
    with pytest.raises(ApiError, match=part) as error:
        await act(call, data, "me")
    assert error.value.status == 409


def test_recordings_of_a_live_call_are_controlled(tmp_path: Path) -> None:
    """Started, and each action at its sample; what does not fit is a 409 that says what there is."""
    account(tmp_path / "accounts" / "one", {"100": WAIT})

    async def play(house: House) -> None:
        house.serve(catalog(tmp_path / "accounts"))
        house.call("one", "100", {"from": "555"})
        await house.clock.sleep(1)
        call = the_call(house)
        await fails(call, {"action": "mask"}, "no recording that is on fits")
        (first,) = await act(call, {"action": "start", "format": "wav"}, "console")
        assert (first["origin"], first["state"], first["over"]) == ("api : console", "RECORDING", False)
        await house.clock.sleep(2)
        (masked,) = await act(call, {"action": "mask"}, "me")
        assert masked["state"] == "MASKED"
        await house.clock.sleep(1)
        await act(call, {"action": "pause", "media_id": first["id"]}, "me")
        await house.clock.sleep(5)
        (resumed,) = await act(call, {"action": "resume"}, "me")
        assert resumed["state"] == "MASKED", "a mask outlasts a pause"
        await act(call, {"action": "unmask", "label": ""}, "me")
        await fails(call, {"action": "unmask"}, first["id"])
        await fails(call, {"action": "stop", "label": "other"}, "fits")
        (second,) = await act(call, {"action": "start", "record_on_bridge": True, "label": "late"}, "me")
        assert (second["state"], second["origin"]) == ("WAITING", "api : late")
        every = {"media_name": "all"}
        assert len(await act(call, {"action": "mask", **every}, "me")) == 2
        assert len(await act(call, {"action": "mask", **every}, "me")) == 2, "masked already: as wanted"
        gone = await act(call, {"action": "stop", **every}, "me")
        assert [row["over"] for row in gone] == [True, True]
        await fails(call, {"action": "stop", **every}, "nothing is being recorded")
        await call.hangup()
        await fails(call, {"action": "start"}, "over")

    house = in_house(tmp_path, play)
    ready = [event for event in house.of(RecordingChanged) if event.change == "ready"]
    assert [event.seconds for event in ready] == [3.0], "the pause is not in the file"
    assert ("cancelled", "stopped") in changes(house)


def test_a_settings_recording_is_masked_with_all_but_not_by_chance(tmp_path: Path) -> None:
    always = {"account": {"any": {"any": {"enabled": True, "format": "wav"}}}}
    account(tmp_path / "accounts" / "one", {"100": WAIT}, call_recording=always)

    async def play(house: House) -> None:
        house.serve(catalog(tmp_path / "accounts"))
        house.call("one", "100")
        await house.clock.sleep(1)
        call = the_call(house)
        (rule,) = call.recordings.handles
        await fails(call, {"action": "mask"}, "fits")
        (masked,) = await act(call, {"action": "mask", "media_name": "all"}, "me")
        assert (masked["id"], masked["state"], masked["started_by"]) == (rule.id, "MASKED", "rule")
        (sound,) = await act(call, {"action": "unmask", "media_id": rule.id}, "me")
        assert sound["state"] == "RECORDING"

    in_house(tmp_path, play)


def test_legs_and_what_metaflows_do_to_them(tmp_path: Path) -> None:
    """A talk: two channels that know each other; hold, and a transfer of the channel that is named."""
    one = account(tmp_path / "accounts" / "one", {"100": node("user", {"id": "bob"}), "300": RECORD})
    write(one / "users" / "bob.json", {"first_name": "Bob"})
    sip = {"username": "bob", "password": "a-good-secret"}
    write(one / "devices" / "bob-desk.json", {"owner_id": "bob", "sip": sip})

    async def play(house: House) -> None:
        house.serve(catalog(tmp_path / "accounts"))
        callee = {"answer_after": 1}
        caller = house.call("one", "100", {"from": "555", "callee": callee})
        await house.clock.sleep(0.5)
        call = the_call(house)
        assert [seat.doing.value for seat in seats_of(call)] == ["alone", "ringing"]
        await house.clock.sleep(2)
        line, peer = seats_of(call)
        rows = [channel_of(seat, 0.0) for seat in (line, peer)]
        assert [row["other_leg"] for row in rows] == [rows[1]["uuid"], rows[0]["uuid"]]
        assert [row["direction"] for row in rows] == ["inbound", "outbound"]
        assert (rows[1]["authorizing_id"], rows[1]["owner_id"]) == ("bob-desk", "bob")
        assert rows[1]["presence_id"] == "bob@one.example.com"
        assert rows[0]["timestamp"] == 62_167_219_200
        assert await carried_out(call, node("hold"), line.leg.name) == ["put the other party on hold"]
        assert await carried_out(call, node("resume"), line.leg.name) is not None
        moved = await carried_out(call, node("transfer", {"target": "300"}), peer.leg.name)
        assert moved == ["transferred the other party to 300"]
        await house.clock.sleep(1)
        assert (call.node.module, caller.ended) == ("wait_for_hangup", None)
        assert [seat.doing.value for seat in seats_of(call)] == ["alone"]
        assert await carried_out(call, node("hangup"), call.leg) == ["ended the call"]
        with pytest.raises(ApiError, match="over"):
            await carried_out(call, node("hangup"), call.leg)

    in_house(tmp_path, play)


# ---- what is kept of calls -------------------------------------------------------------------------


class _Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def wall(self) -> float:
        return 1_000.0 + self.time


def begin(bus: EventBus, call_id: str, time: float = 0.0) -> None:
    started = {"from_number": "1", "to_number": "2", "account_id": "acme"}
    bus.publish(CallStarted(time=time, call_id=call_id, **started))


def end(bus: EventBus, call_id: str, time: float = 1.0) -> None:
    bus.publish(CallEnded(time=time, call_id=call_id, cause="NORMAL_CLEARING", by="party", duration=time))


def test_what_is_kept_of_calls_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "MOST_EVENTS", 10)
    monkeypatch.setattr(tracing, "MOST_OVER", 3)
    monkeypatch.setattr(tracing, "MOST_OVER_EVENTS", 16)
    bus, clock = EventBus(), _Clock()
    traces = Traces(bus, clock)  # type: ignore[arg-type]

    def kept() -> list[str]:
        return [trace.call_id for trace in traces.over("acme")]

    for number in range(5):
        begin(bus, f"c{number}")
        end(bus, f"c{number}")
    assert kept() == ["c4", "c3", "c2"]
    begin(bus, "long")
    for turn in range(20):
        step: dict[str, Any] = {"call_id": "long", "path": f"/{turn}", "module": "play"}
        bus.publish(StepStarted(time=turn, **step))
        bus.publish(StepEnded(time=turn + 1, outcome="continue _", did="", seconds=1.0, **step))
    end(bus, "long", 30)
    long = traces.find("acme", "long")
    assert long is not None and (len(long.events), long.left_out) == (10, 32)
    assert [step["path"] for step in long.steps()] == ["/16", "/17", "/18", "/19"]
    assert kept() == ["long", "c4", "c3"]
    begin(bus, "other")
    for _ in range(9):
        bus.publish(StepStarted(time=1, call_id="other", path="", module="play"))
    end(bus, "other")
    assert kept() == ["other"], "so many events of calls that are over"
    assert traces.find("else", "other") is None
    begin(bus, "other")
    again = traces.find("acme", "other")
    assert again is not None and again.ended is None and kept() == []
    end(bus, "other", 40)
    late = RecordingChanged(time=41, call_id="other", recording_id="r", change="ready", state="READY")
    events: list[Event] = [late, StepStarted(time=1, call_id="unknown", path="", module="x")]
    for event in events:
        bus.publish(event)
    assert again.recordings() == {"r": [late]}
    clock.time = 40 + tracing.KEPT_S + 1
    assert kept() == [] and traces.find("acme", "other") is None
