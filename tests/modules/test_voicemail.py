"""voicemail, compose: the message, what ends it, and where the caller goes on from there."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from callflow.channels.sim.scenario import Scenario
from callflow.events import CallAnswered
from tests.modules.stage import LOW, Ran, Stage, caller, level, node, presses, tone

QUICK: Mapping[str, object] = {
    "name": "Box",
    "mailbox": "2001",
    "owner_id": "alice",
    "skip_greeting": True,
    "skip_instructions": True,
    "media_extension": "wav",
}
BEEP_S = 0.6
TALKS = caller(says=[tone(LOW, 60)], leaves=40.0)


def _run(stage: Stage, scenario: Scenario, box: Mapping[str, object] = QUICK, **data: object) -> Ran:
    stage.has("vmbox", "box", box)
    return stage.run(node("voicemail", {"id": "box", **data}, then=node("noop")), scenario)


def test_voicemail_message_is_a_recording_of_the_mailbox(stage: Stage) -> None:
    ran = _run(stage, Scenario(caller=caller(presses(10.0, "#"), says=[tone(LOW, 60)], leaves=40.0)))
    row = ran.row("voicemail")
    sound = ran.sound(row)
    assert (row.state, row.reason, row.target_kind, row.channels) == ("READY", "digit", "local", 1)
    assert row.samples == pytest.approx((10.0 - BEEP_S) * 8000, abs=400)
    assert level(sound[:, 0], LOW, 0.1, 9.0) > 5000
    assert row.document["mailbox_id"] == "box" and row.document["mailbox"] == "2001"
    assert row.document["owner_id"] == "alice" and row.document["source_type"] == "voicemail"
    assert ran.modules == ["voicemail", "noop"] and len(ran.of(CallAnswered)) == 1


def test_voicemail_ends_with_silence(stage: Stage) -> None:
    ran = _run(stage, Scenario(caller=caller(says=[tone(LOW, 4)], leaves=40.0)))
    assert ran.row().reason == "silence"
    assert ran.row().samples == pytest.approx((4.0 - BEEP_S + 5.0) * 8000, abs=400)
    assert ran.modules == ["voicemail", "noop"]


def test_voicemail_ends_with_the_hangup_and_keeps_the_message(stage: Stage) -> None:
    ran = _run(stage, Scenario(caller=caller(says=[tone(LOW, 60)], leaves=9.0)))
    assert (ran.row().state, ran.row().reason) == ("READY", "hangup")
    assert ran.row().samples == pytest.approx((9.0 - BEEP_S) * 8000, abs=400)
    assert ran.modules == ["voicemail"]


def test_voicemail_length_is_the_nodes_then_the_mailboxes(stage: Stage) -> None:
    of_node = _run(stage, Scenario(caller=TALKS), {**QUICK, "max_message_length": 9}, max_message_length=7)
    assert (of_node.row().reason, of_node.row().samples) == ("time_limit", 7 * 8000)
    of_box = _run(stage, Scenario(caller=TALKS), {**QUICK, "max_message_length": 9})
    assert of_box.row().samples == 9 * 8000


def test_voicemail_discards_a_hangup_at_the_beep(stage: Stage) -> None:
    ran = _run(stage, Scenario(caller=caller(says=[tone(LOW, 60)], leaves=BEEP_S + 0.5)))
    assert ran.changes(ran.row().id)[-1] == "discarded"


def test_voicemail_plays_the_mailboxes_own_greeting(stage: Stage) -> None:
    greeting = {"unavailable": "tone_stream://%(3000,0,440)"}
    box = {**QUICK, "skip_greeting": False, "media": greeting}
    ran = _run(stage, Scenario(caller=caller(says=[tone(LOW, 60)], leaves=20.0)), box)
    assert ran.row().samples == pytest.approx((20.0 - 3.0 - BEEP_S) * 8000, abs=400)
    away = {**greeting, "temporary_unavailable": "tone_stream://%(1000,0,440)"}
    ran = _run(stage, Scenario(caller=caller(says=[tone(LOW, 60)], leaves=20.0)), {**box, "media": away})
    assert ran.row().samples == pytest.approx((20.0 - 1.0 - BEEP_S) * 8000, abs=400)


def test_voicemail_with_a_greeting_that_is_missing_plays_the_stock_one(stage: Stage) -> None:
    box = {**QUICK, "skip_greeting": False, "media": {"unavailable": "nowhere"}}
    ran = _run(stage, Scenario(caller=caller(says=[tone(LOW, 60)], leaves=20.0)), box)
    assert any("nowhere" in notice.message for notice in ran.notices("error"))
    assert 10 * 8000 < ran.row().samples < (20.0 - BEEP_S - 1.0) * 8000


def test_voicemail_greeting_is_skipped_by_a_digit(stage: Stage) -> None:
    box = {**QUICK, "skip_greeting": False, "skip_instructions": False}
    talk = caller(presses(0.5, "7"), says=[tone(LOW, 60)], leaves=20.0)
    ran = _run(stage, Scenario(caller=talk), box)
    assert ran.row().samples == pytest.approx((20.0 - 0.5 - BEEP_S) * 8000, abs=400)


@pytest.mark.parametrize("at", [0.5, 10.0])
def test_voicemail_operator_key_goes_to_the_operator(stage: Stage, at: float) -> None:
    stage.flows["operator"] = {"numbers": ["0"], "flow": node("sleep", {"duration": 1})}
    box = {**QUICK, "skip_greeting": False, "media": {"unavailable": "tone_stream://%(3000,0,440)"}}
    talk = caller(presses(at, "0"), says=[tone(LOW, 60)], leaves=40.0)
    ran = _run(stage, Scenario(caller=talk), box)
    assert ran.walk == [("voicemail", "branch operator"), ("sleep", "stop"), ("noop", "stop")]
    if at < 3.0:
        assert ran.rows == ()
    else:
        assert (ran.row().state, ran.row().reason) == ("READY", "digit")


def test_voicemail_without_an_operator_takes_the_message(stage: Stage) -> None:
    box = {**QUICK, "skip_greeting": False, "media": {"unavailable": "tone_stream://%(3000,0,440)"}}
    talk = caller(presses(0.5, "0"), says=[tone(LOW, 60)], leaves=20.0)
    ran = _run(stage, Scenario(caller=talk), box)
    assert [notice.code for notice in ran.notices("warning")] == ["CF-RUN-OPERATOR"]
    assert ran.row().state == "READY"


def test_voicemail_unknown_mailbox_is_told_and_passed_over(stage: Stage) -> None:
    ran = stage.run(node("voicemail", {"id": "nowhere"}, then=node("noop")))
    assert ran.modules == ["voicemail", "noop"] and ran.rows == ()
    assert "nowhere" in ran.notices("error")[0].message
    assert ran.step("voicemail").seconds > 0.5, "the prompt vm-no_mailbox was played"


def test_voicemail_finds_the_mailbox_by_the_number_captured(demo: Stage) -> None:
    talk = caller(presses(1.0, "1"), says=[tone(LOW, 60)], leaves=9.0)
    ran = demo.dial("*32002", Scenario(to_number="*32002", caller=talk))
    assert ran.row("voicemail").document["mailbox_id"] == "bob-box"


def test_voicemail_leaves_other_recordings_alone(stage: Stage) -> None:
    stage.has("vmbox", "box", QUICK)
    flow = node(
        "record_call",
        {"action": "start", "format": "wav"},
        then=node("voicemail", {"id": "box"}, then=node("sleep", {"duration": 3})),
    )
    talk = caller(presses(10.0, "#"), says=[tone(LOW, 60)], leaves=40.0)
    ran = stage.run(flow, Scenario(caller=talk))
    whole = ran.row("callflow : 2000")
    assert whole.reason == "hangup" and whole.samples == pytest.approx(ran.report.seconds * 8000, abs=400)
    assert whole.samples > ran.row("voicemail").samples + 3 * 8000


def test_voicemail_is_stopped_neither_by_store_recordings_nor_by_min_sec(stage: Stage) -> None:
    stage.set(media__store_recordings=False, media__record_min_sec=60)
    ran = _run(stage, Scenario(caller=caller(says=[tone(LOW, 60)], leaves=9.0)))
    assert ran.row().state == "READY"
