"""record_caller: the caller alone, until a digit, silence, the limit or the hangup (kazoo.md 1.2, 4.3)."""

from __future__ import annotations

import pytest

from callflow.channels.sim.scenario import Scenario
from callflow.events import CallAnswered
from tests.modules.stage import LOW, Ran, Stage, caller, level, loud, node, presses, tone

WAV: dict[str, object] = {"format": "wav"}


def _run(stage: Stage, scenario: Scenario, **data: object) -> Ran:
    return stage.run(node("record_caller", {**WAV, **data}, then=node("noop")), scenario)


def test_record_caller_is_mono_and_ends_at_any_digit(stage: Stage) -> None:
    talk = caller(presses(6.0, "5"), says=[tone(LOW, 60)], leaves=30.0)
    ran = _run(stage, Scenario(caller=talk))
    row = ran.row()
    sound = ran.sound(row)
    assert (row.channels, row.reason, row.state) == (1, "digit", "READY")
    assert len(sound) == pytest.approx(6 * 8000, abs=200)
    assert level(sound[:, 0], LOW, 0.1, 5.9) > 5000
    assert ran.modules == ["record_caller", "noop"] and len(ran.of(CallAnswered)) == 1


def test_record_caller_leaves_out_what_the_caller_hears(stage: Stage) -> None:
    flow = node("play", {"id": "tone_stream://%(1000,0,440)"}, then=node("record_caller", WAV))
    ran = stage.run(flow, Scenario(caller=caller(leaves=30.0)))
    assert loud(ran.sound(ran.row())[:, 0], 0.0, 5.0) == 0


def test_record_caller_ends_after_five_seconds_of_silence(stage: Stage) -> None:
    spoken = _run(stage, Scenario(caller=caller(says=[tone(LOW, 3)], leaves=30.0)))
    assert spoken.row().samples == pytest.approx(8 * 8000, abs=400)
    assert spoken.row().reason == "silence"
    silent = _run(stage, Scenario(caller=caller(leaves=30.0)))
    assert silent.row().samples == pytest.approx(5 * 8000, abs=400)
    assert silent.row().reason == "no_speech"


def test_record_caller_ends_by_the_silence_that_the_node_asks_for(stage: Stage) -> None:
    ran = _run(stage, Scenario(caller=caller(says=[tone(LOW, 3)], leaves=30.0)), silence_final_timeout=8)
    assert ran.row().samples == pytest.approx(11 * 8000, abs=400)
    never = _run(stage, Scenario(caller=caller(says=[tone(LOW, 3)], leaves=20.0)), silence_detection=False)
    assert (never.row().reason, never.row().seconds) == ("hangup", 20.0)


def test_record_caller_ends_at_its_limit(stage: Stage) -> None:
    ran = _run(stage, Scenario(caller=caller(says=[tone(LOW, 60)], leaves=30.0)), time_limit=7)
    assert (ran.row().reason, ran.row().samples) == ("time_limit", 7 * 8000)
    assert ran.modules == ["record_caller", "noop"]


def test_record_caller_keeps_what_was_said_before_the_hangup(stage: Stage) -> None:
    ran = _run(stage, Scenario(caller=caller(says=[tone(LOW, 60)], leaves=4.0)))
    assert (ran.row().reason, ran.row().state) == ("hangup", "READY")
    assert ran.row().samples == pytest.approx(4 * 8000, abs=200)
    assert ran.modules == ["record_caller"]


def test_record_caller_is_passed_over_where_nothing_is_kept(stage: Stage) -> None:
    stage.set(media__store_recordings=False)
    ran = _run(stage, Scenario(caller=caller(leaves=30.0)))
    assert ran.modules == ["record_caller", "noop"] and ran.rows == ()
    assert ran.of(CallAnswered) == []
    assert [notice.code for notice in ran.notices("warning")] == ["CF-RUN-NOT-STORED"]


def test_record_caller_goes_to_its_url(stage: Stage) -> None:
    talk = Scenario(caller=caller(says=[tone(LOW, 60)], leaves=4.0))
    ran = _run(stage, talk, url="http://h.example/notes/", method="post")
    assert ran.row().url == f"http://h.example/notes/call_recording_{ran.report.call_id}.wav"
    assert (ran.row().target_kind, ran.row().method) == ("http", "post")
