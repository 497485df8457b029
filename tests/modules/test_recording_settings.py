"""call_recording in a call: what is recorded, on which leg, from when on; the announcement and the beep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from callflow.channels.sim.scenario import Callee, Scenario, TransferTo
from callflow.documents.accounts import Account
from callflow.state.records import RecordingRow
from tests.modules.stage import (
    HIGH,
    LOW,
    NEVER,
    Ran,
    Stage,
    answers,
    caller,
    does,
    level,
    loud,
    node,
    rejects,
    tone,
)

WAV = {"enabled": True, "format": "wav"}
FLOWS: dict[str, dict[str, Any]] = {
    "bob": {"numbers": ["2002"], "flow": node("user", {"id": "bob"}, then=node("sleep", {"duration": 2}))},
    "out": {"numbers": ["no_match"], "flow": node("resources")},
}
CARRIER = {"name": "Carrier", "rules": ["^([0-9]+)$"], "gateways": [{"server": "gw.example"}]}
BOB = answers(2.0, says=[tone(HIGH, 30)], leaves=10.0)


def _stage(
    stage: Stage,
    account: Mapping[str, Any] | None = None,
    users: Mapping[str, Any] | None = None,
    devices: Mapping[str, Any] | None = None,
) -> Stage:
    """An account with alice and bob, who have a desk phone each, with what is given beside."""
    stage.account = Account(
        "main",
        document=dict(account or {}),
        documents={
            "user": {id: dict((users or {}).get(id, {})) for id in ("alice", "bob")},
            "device": {
                f"{id}-desk": {"owner_id": id, **(devices or {}).get(f"{id}-desk", {})}
                for id in ("alice", "bob")
            },
            "callflow": FLOWS,
            "resource": {"carrier": CARRIER},
        },
    )
    return stage


def _call(stage: Stage, number: str = "2002", device: str = "alice-desk", callee: Callee = BOB) -> Ran:
    party = caller(says=[tone(LOW, 30)], leaves=30.0)
    ran = stage.dial(number, Scenario(to_number=number, device_id=device, caller=party, callee=callee))
    assert ran.notices("error") == []
    return ran


def _on(way: str, net: str) -> dict[str, Any]:
    return {"call_recording": {way: {net: WAV}}}


def _origins(ran: Ran) -> list[str]:
    return sorted(row.origin for row in ran.rows)


def test_caller_is_recorded_from_the_start_on_the_a_leg(stage: Stage) -> None:
    ran = _call(_stage(stage, users={"alice": _on("outbound", "onnet")}))
    row = ran.row("outbound to onnet from endpoint")
    sound = ran.sound(row)
    assert row.document["call_id"] == ran.report.call_id and row.document["owner_id"] == "alice"
    assert row.document["setting"] == "user alice /call_recording/outbound/onnet/enabled"
    assert row.samples == pytest.approx(12 * 8000, abs=400), "from the call's start, ringing and all"
    assert level(sound[:, 0], LOW, 0.1, 11.9) > 5000 and level(sound[:, 1], HIGH, 2.1, 11.9) > 5000
    assert ran.changes(row.id)[0] == "started"


def test_destination_is_recorded_from_its_answer_on_the_b_leg(stage: Stage) -> None:
    url = "http://127.0.0.1:9/kzr"
    setting = {"call_recording": {"inbound": {"onnet": {**WAV, "url": url}}}}
    ran = _call(_stage(stage, devices={"bob-desk": setting}))
    row = ran.row("inbound from onnet to endpoint")
    b_leg = row.document["call_id"]
    assert b_leg != ran.report.call_id and row.document["other_leg_call_id"] == ran.report.call_id
    assert row.url == f"{url}/call_recording_{b_leg}.wav" and row.method == "put"
    assert (row.document["owner_id"], row.document["endpoint_id"]) == ("bob", "bob-desk")
    assert row.document["direction"] == "outbound" and row.call_id == ran.report.call_id
    assert row.samples == pytest.approx(10 * 8000, abs=400) and row.reason == "hangup"
    sound = ran.sound(_finished(ran, row))
    assert level(sound[:, 0], HIGH, 0.1, 9.9) > 5000, "left is what bob says"
    assert level(sound[:, 1], LOW, 0.1, 9.9) > 5000


def _finished(ran: Ran, row: RecordingRow) -> RecordingRow:
    assert row.state == "READY" and row.file
    return row


def test_account_setting_is_one_recording_beside_those_of_the_endpoints(stage: Stage) -> None:
    every = {"any": {"any": WAV}}
    ran = _call(_stage(stage, {"call_recording": {"account": every, "endpoint": every}}))
    assert _origins(ran) == [
        "inbound from onnet to account",
        "inbound from onnet to endpoint",
        "outbound to onnet from endpoint",
    ]
    assert len({row.id for row in ran.rows}) == 3 and all(row.state == "READY" for row in ran.rows)


def test_networks_of_a_call(stage: Stage) -> None:
    """From a stranger; to a number that a carrier takes."""
    every = {"any": {"any": WAV}}
    _stage(stage, {"call_recording": {"account": every, "endpoint": every}})
    assert _origins(_call(stage, device="")) == [
        "inbound from offnet to account",
        "inbound from offnet to endpoint",
    ]
    assert _origins(_call(stage, number="5551234567")) == [
        "inbound from onnet to account",
        "outbound to offnet from endpoint",
    ]


def test_nobody_answers_nobody_is_recorded(stage: Stage) -> None:
    _stage(stage, users={"bob": _on("inbound", "any")})
    for callee in (NEVER, rejects("USER_BUSY")):
        assert _call(stage, callee=callee).rows == ()


def test_a_device_that_says_no_is_not_recorded_though_its_owner_says_yes(stage: Stage) -> None:
    users = {"bob": _on("any", "any"), "alice": _on("any", "any")}
    off = {"call_recording": {"any": {"any": {"enabled": False}}}}
    ran = _call(_stage(stage, users=users, devices={"bob-desk": off}))
    assert _origins(ran) == ["outbound to onnet from endpoint"]


def test_a_settings_recording_is_not_the_flows_to_stop(stage: Stage) -> None:
    _stage(stage, {"call_recording": {"account": {"any": {"any": WAV}}}})
    stage.flows["stops"] = {
        "numbers": ["3000"],
        "flow": node("record_call", {"action": "stop"}, then=node("sleep", {"duration": 5})),
    }
    ran = _call(stage, number="3000")
    assert ran.row().samples == pytest.approx(5 * 8000, abs=400)
    assert "nothing" in ran.step("record_call").did


def test_a_settings_recording_ends_with_its_leg_in_a_transfer(stage: Stage) -> None:
    stage.flows["sleep"] = {"numbers": ["3000"], "flow": node("sleep", {"duration": 4})}
    every = {"any": {"any": WAV}}
    _stage(stage, {"call_recording": {"endpoint": every}})
    party = caller(does(5.0, TransferTo("3000")), says=[tone(LOW, 30)], leaves=30.0)
    callee = answers(2.0, says=[tone(HIGH, 30)])
    ran = stage.dial("2002", Scenario(to_number="2002", device_id="alice-desk", caller=party, callee=callee))
    alices = ran.row("outbound to onnet from endpoint")
    bobs = ran.row("inbound from onnet to endpoint")
    assert alices.samples == pytest.approx(5 * 8000, abs=400)
    assert bobs.samples == pytest.approx((3 + 4) * 8000, abs=800), "bob stays, and is recorded on"


def test_feature_calls_are_left_out_if_so_wanted(stage: Stage) -> None:
    stage.flows["code"] = {
        "numbers": ["*97"],
        "featurecode": {"name": "x", "number": "97"},
        "flow": node("sleep", {"duration": 1}),
    }
    for wanted, count in ((True, 1), (False, 0)):
        setting = {"any": {"any": {**WAV, "should_record_feature_calls": wanted}}}
        _stage(stage, {"call_recording": {"account": setting}})
        assert len(_call(stage, number="*97").rows) == count


def test_nothing_is_recorded_without_a_place_for_it(stage: Stage) -> None:
    stage.set(media__store_recordings=False)
    ran = _call(_stage(stage, users={"bob": _on("any", "any")}))
    assert ran.rows == () and [notice.code for notice in ran.notices("warning")] == ["CF-RUN-NOT-STORED"]


# ---- announcement and beep -----------------------------------------------------------------------

NOTICE = "tone_stream://%(2000,0,1700)"
PIP = 1400


def test_announcement_comes_before_the_recording_and_to_each_party_once(stage: Stage) -> None:
    stage.set(media__call_recording__announcement=NOTICE)
    said = {**WAV, "should_announce_when_recording": True}
    _stage(stage, {"call_recording": {"account": {"any": {"any": said}}}})
    stage.flows["whole"] = {
        "numbers": ["2002"],
        "flow": node("record_call", {"action": "start", "format": "wav"}, then=FLOWS["bob"]["flow"]),
    }
    ran = _call(stage)
    row = ran.row("inbound from onnet to account")
    sound = ran.sound(row)
    assert row.samples == pytest.approx((2 + 10) * 8000, abs=400)
    assert level(sound[:, 1], 1700, 0.0, 12.0) < 200, "the caller had heard it, and bob's is not on this leg"
    assert loud(sound[:, 1], 2.1, 3.9) < 50 and level(sound[:, 1], HIGH, 4.1, 11.9) > 5000, (
        "bob hears it first"
    )


def test_announcement_of_a_b_leg_is_heard_by_both(stage: Stage) -> None:
    stage.set(media__call_recording__announcement=NOTICE)
    said = {**WAV, "should_announce_when_recording": True}
    users = {"alice": _on("any", "any"), "bob": {"call_recording": {"any": {"any": said}}}}
    ran = _call(_stage(stage, users=users))
    alices = ran.sound(ran.row("outbound to onnet from endpoint"))
    assert level(alices[:, 1], 1700, 2.1, 3.9) > 5000 and level(alices[:, 1], HIGH, 4.1, 11.9) > 5000
    bobs = ran.row("inbound from onnet to endpoint")
    assert bobs.samples == pytest.approx(8 * 8000, abs=400)


def test_record_call_announces_if_settings_or_its_node_say_so(stage: Stage) -> None:
    for everywhere, data, seconds in (
        (True, {}, 2),
        (False, {"should_announce_when_recording": True}, 2),
        (
            True,
            {"should_announce_when_recording": False},
            0,
        ),
    ):
        stage.set(
            media__call_recording__announcement=NOTICE,
            media__call_recording__should_announce_when_recording=everywhere,
        )
        flow = node("record_call", {"format": "wav", **data}, then=node("sleep", {"duration": 5}))
        ran = stage.run(flow, Scenario(caller=caller(says=[tone(LOW, 30)], leaves=30.0)))
        assert ran.row().samples == pytest.approx(5 * 8000, abs=200)
        assert ran.report.seconds == pytest.approx(5 + seconds, abs=0.1)


def test_beep_is_heard_by_both_while_sound_is_recorded(stage: Stage) -> None:
    stage.set(media__call_recording__beep_interval_s=3, media__call_recording__beep_tone=f"%(1000,0,{PIP})")
    flow = node("record_call", {"format": "wav"}, then=node("user", {"id": "bob"}))
    _stage(stage, users={"bob": _on("any", "any")})
    stage.flows["bob"] = {"numbers": ["2002"], "flow": flow}
    ran = _call(stage, callee=answers(2.0, leaves=10.0))
    whole, bobs = ran.sound(ran.row("callflow : 2002")), ran.sound(ran.row("inbound from onnet to endpoint"))
    for begin in (3.0, 6.0, 9.0):
        assert level(whole[:, 1], PIP, begin + 0.1, begin + 0.9) > 2000
        assert level(bobs[:, 1], PIP, begin - 2 + 0.1, begin - 2 + 0.9) > 2000
    assert loud(whole[:, 1], 4.1, 5.9) < 200
    assert level(whole[:, 1], PIP, 0.0, 2.9) < 100


def test_beep_is_silent_while_masked_and_ends_with_the_recording(stage: Stage) -> None:
    stage.set(media__call_recording__beep_interval_s=2, media__call_recording__beep_tone=f"%(500,0,{PIP})")
    stop = node("record_call", {"action": "stop", "label": "short"}, then=node("sleep", {"duration": 9}))
    unmask = node("record_call", {"action": "unmask"}, then=node("sleep", {"duration": 3}, then=stop))
    masked = node("record_call", {"action": "mask"}, then=node("sleep", {"duration": 6}, then=unmask))
    begun = node("sleep", {"duration": 3}, then=masked)
    flow = node("record_call", {"format": "wav", "label": "short"}, then=begun)
    ran = stage.run(flow, Scenario(caller=caller(leaves=30.0)))
    sound = ran.sound(ran.row())
    heard = [at for at in (2, 4, 6, 8, 10) if level(sound[:, 1], PIP, at + 0.05, at + 0.45) > 1000]
    assert heard == [2, 10]
    assert ran.report.seconds == pytest.approx(21.0, abs=0.1), "and the call's end waits for no beep"


def test_a_phone_that_forwards_is_recorded_where_it_is_answered(stage: Stage) -> None:
    forward = {"enabled": True, "number": "5551234567", "require_keypress": False, "substitute": True}
    _stage(stage, devices={"bob-desk": {**_on("inbound", "onnet"), "call_forward": forward}})
    ran = _call(stage)
    row = ran.row("inbound from onnet to endpoint")
    assert (row.document["endpoint_id"], row.document["owner_id"]) == ("bob-desk", "bob")
    assert row.samples == pytest.approx(10 * 8000, abs=400)
