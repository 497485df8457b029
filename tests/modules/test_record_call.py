"""record_call: what a flow can do with recordings, heard in the finished files."""

from __future__ import annotations

import pytest

from callflow.channels.sim.scenario import Scenario
from tests.modules.stage import HIGH, LOW, Stage, answers, caller, level, loud, node, rejects, tone

TALKS = Scenario(caller=caller(says=[tone(LOW, 60)], leaves=10.0), callee=answers(2.0, says=[tone(HIGH, 60)]))
SPEAKS = Scenario(caller=caller(says=[tone(LOW, 60)], leaves=30.0))


def _start(**data: object) -> dict[str, object]:
    return {"action": "start", "format": "wav", **data}


def _chain(*nodes: tuple[str, dict[str, object]]) -> dict[str, object]:
    flow: dict[str, object] | None = None
    for module, data in reversed(nodes):
        flow = node(module, data) if flow is None else node(module, data, then=flow)
    assert flow is not None
    return flow


def test_record_call_records_both_parties_each_on_its_side(stage: Stage) -> None:
    ran = stage.run(_chain(("record_call", _start()), ("user", {"id": "alice"})), TALKS)
    row = ran.row()
    sound = ran.sound(row)
    assert (row.state, row.channels, row.reason) == ("READY", 2, "hangup")
    assert len(sound) == pytest.approx(10.0 * 8000, abs=160)
    assert level(sound[:, 0], LOW, 0.1, 9.9) > 5000 and level(sound[:, 0], HIGH, 2.1, 9.9) < 50
    assert level(sound[:, 1], HIGH, 2.1, 9.9) > 5000 and level(sound[:, 1], LOW, 2.1, 9.9) < 50
    assert level(sound[:, 1], HIGH, 0.1, 1.9) < 50, "nobody talks before the answer"


def test_record_call_mixes_where_stereo_is_off(stage: Stage) -> None:
    stage.set(media__record_stereo=False)
    ran = stage.run(_chain(("record_call", _start()), ("user", {"id": "alice"})), TALKS)
    sound = ran.sound(ran.row())
    assert sound.shape[1] == 1
    assert level(sound[:, 0], LOW, 2.1, 9.9) > 2000 and level(sound[:, 0], HIGH, 2.1, 9.9) > 2000


def test_record_call_goes_on_at_once(stage: Stage) -> None:
    ran = stage.run(_chain(("record_call", _start()), ("noop", {})))
    assert ran.walk == [("record_call", "continue _"), ("noop", "stop")]
    assert ran.step("record_call").seconds == pytest.approx(0.0, abs=0.02)


def test_record_call_without_an_action_starts(stage: Stage) -> None:
    ran = stage.run(_chain(("record_call", {"format": "wav"}), ("sleep", {"duration": 2})))
    assert ran.row().state == "READY"


@pytest.mark.parametrize("action", ["strat", "START", "toggle", "", 7, None, ["start"]])
def test_record_call_never_starts_by_accident(stage: Stage, action: object) -> None:
    ran = stage.run(_chain(("record_call", {"action": action}), ("sleep", {"duration": 2})))
    assert ran.rows == ()
    assert ran.modules == ["record_call", "sleep"]
    assert len(ran.notices("error")) == 1


def test_record_call_stop_ends_the_latest(stage: Stage) -> None:
    flow = _chain(
        ("record_call", _start(label="first")),
        ("sleep", {"duration": 1}),
        ("record_call", _start(label="second")),
        ("sleep", {"duration": 2}),
        ("record_call", {"action": "stop"}),
        ("sleep", {"duration": 3}),
    )
    ran = stage.run(flow, SPEAKS)
    first, second = ran.row("callflow : first"), ran.row("callflow : second")
    assert second.reason == "stopped" and second.samples == pytest.approx(2 * 8000, abs=160)
    assert first.reason == "hangup" and first.samples == pytest.approx(6 * 8000, abs=160)


@pytest.mark.parametrize("pick", [{"label": "first"}, {"media_name": "one.wav"}, {"media_id": "202611-one"}])
def test_record_call_stop_picks_by_name(stage: Stage, pick: dict[str, object]) -> None:
    flow = _chain(
        ("record_call", _start(label="first", media_name="one.wav", media_id="202611-one")),
        ("record_call", _start(label="second")),
        ("sleep", {"duration": 2}),
        ("record_call", {"action": "stop", **pick}),
        ("sleep", {"duration": 3}),
    )
    ran = stage.run(flow, SPEAKS)
    assert ran.row("callflow : first").reason == "stopped"
    assert ran.row("callflow : second").reason == "hangup"


def test_record_call_stop_without_a_recording_says_so(stage: Stage) -> None:
    ran = stage.run(_chain(("record_call", {"action": "stop"}), ("noop", {})))
    assert ran.step("record_call").did == "stopped nothing: none is on"
    assert ran.rows == () and ran.modules == ["record_call", "noop"]


def test_record_call_stop_of_one_that_is_not_there_leaves_the_others_on(stage: Stage) -> None:
    flow = _chain(("record_call", _start()), ("record_call", {"action": "stop", "label": "x"}), ("noop", {}))
    ran = stage.run(flow, SPEAKS)
    assert ran.report.steps[1].did == "stopped nothing: no recording that is on fits"
    assert ran.row().reason == "hangup"


def test_record_call_stop_cancels_one_that_waits(stage: Stage) -> None:
    flow = _chain(
        ("record_call", _start(record_on_bridge=True)),
        ("record_call", {"action": "stop"}),
        ("user", {"id": "alice"}),
    )
    ran = stage.run(flow, TALKS)
    assert ran.changes(ran.row().id)[-1] == "cancelled"
    assert ran.row().file == ""


def test_record_call_waits_for_answer_and_bridge(stage: Stage) -> None:
    flow = _chain(
        ("record_call", _start(label="answer", record_on_answer=True)),
        ("record_call", _start(label="bridge", record_on_bridge=True)),
        ("sleep", {"duration": 1}),
        ("answer", {}),
        ("sleep", {"duration": 1}),
        ("user", {"id": "alice"}),
    )
    ran = stage.run(flow, TALKS)
    assert ran.row("callflow : answer").samples == pytest.approx(9 * 8000, abs=160)
    assert ran.row("callflow : bridge").samples == pytest.approx(6 * 8000, abs=160)


def test_record_call_masks_and_unmasks(stage: Stage) -> None:
    flow = _chain(
        ("record_call", _start()),
        ("sleep", {"duration": 1}),
        ("record_call", {"action": "mask"}),
        ("sleep", {"duration": 2}),
        ("record_call", {"action": "unmask"}),
        ("sleep", {"duration": 1}),
    )
    ran = stage.run(flow, SPEAKS)
    left = ran.sound(ran.row())[:, 0]
    assert len(left) == pytest.approx(4 * 8000, abs=160)
    assert loud(left, 0.05, 0.95) > 3000 and loud(left, 3.05, 3.95) > 3000
    assert not left[round(1.05 * 8000) : round(2.95 * 8000)].any()


def test_record_call_pauses_and_resumes(stage: Stage) -> None:
    flow = _chain(
        ("record_call", _start()),
        ("sleep", {"duration": 1}),
        ("record_call", {"action": "pause"}),
        ("sleep", {"duration": 2}),
        ("record_call", {"action": "resume"}),
        ("sleep", {"duration": 1}),
    )
    ran = stage.run(flow, SPEAKS)
    left = ran.sound(ran.row())[:, 0]
    assert len(left) == pytest.approx(2 * 8000, abs=320)
    assert loud(left, 0.05, 1.9) > 3000


def test_record_call_ends_at_its_limit_and_the_call_goes_on(stage: Stage) -> None:
    stage.set(media__max_recording_time_limit=6)
    ran = stage.run(_chain(("record_call", _start(time_limit=10)), ("sleep", {"duration": 20})), SPEAKS)
    assert (ran.row().reason, ran.row().samples) == ("time_limit", 6 * 8000)
    assert ran.report.seconds == pytest.approx(20.0, abs=0.05)
    assert any("time_limit" in notice.message for notice in ran.notices())


def test_record_call_ends_when_nobody_speaks(stage: Stage) -> None:
    scenario = Scenario(caller=caller(says=[tone(LOW, 3)], leaves=30.0))
    flow = _chain(
        ("record_call", _start(silence_detection=True, silence_final_timeout=2000)),
        ("sleep", {"duration": 20}),
    )
    ran = stage.run(flow, scenario)
    assert ran.row().reason == "silence" and ran.row().samples == pytest.approx(5 * 8000, abs=400)


def test_record_call_discards_what_is_too_short(stage: Stage) -> None:
    ran = stage.run(_chain(("record_call", _start(record_min_sec=5)), ("sleep", {"duration": 2})), SPEAKS)
    assert ran.changes(ran.row().id)[-1] == "discarded"
    assert ran.row().file == ""


def test_record_call_origin_names_label_flow_or_number(stage: Stage) -> None:
    tree = _chain(("record_call", _start()), ("sleep", {"duration": 2}))
    assert stage.run({"name": "Main line", "flow": tree}).row().origin == "callflow : Main line"
    assert stage.run(tree).row().origin == "callflow : 2000"


def test_record_call_records_nothing_where_nothing_is_kept(stage: Stage) -> None:
    stage.set(media__store_recordings=False)
    ran = stage.run(_chain(("record_call", _start()), ("sleep", {"duration": 2})))
    assert ran.rows == () and ran.step("record_call").did == "started nothing"
    assert [notice.code for notice in ran.notices("warning")] == ["CF-RUN-NOT-STORED"]


def test_record_call_keeps_what_no_url_can_take(stage: Stage) -> None:
    flow = _chain(("record_call", _start(url="http://h/{NOBODY}")), ("sleep", {"duration": 2}))
    ran = stage.run(flow, SPEAKS)
    assert (ran.row().target_kind, ran.row().state) == ("local", "READY")
    assert any("NOBODY" in notice.message for notice in ran.notices("error"))


def test_record_call_runs_the_sample_of_the_documentation_as_printed(demo: Stage) -> None:
    """``children: {"module": ...}`` without a branch key, as in "Sample Recording Per User"."""
    demo.variables = {"USER_ID": "bob", "VMBOX_ID": "bob-box"}
    stop = {
        "module": "record_call",
        "data": {"action": "stop"},
        "children": {"module": "voicemail", "data": {"id": "{VMBOX_ID}"}, "children": {}},
    }
    url = "http://my.recording.server/{ACCOUNT_ID}/{USER_ID}"
    flow = node(
        "record_call",
        {"action": "start", "format": "mp3", "url": url, "time_limit": 360},
        then=node("user", {"id": "{USER_ID}"}, then=stop),
    )
    ran = demo.run(
        flow, Scenario(caller=caller(says=[tone(LOW, 60)], leaves=40.0), callee=rejects("NO_ANSWER"))
    )
    assert ran.modules == ["record_call", "user", "record_call", "voicemail"]
    call = next(row for row in ran.rows if row.origin.startswith("callflow"))
    assert call.url == f"http://my.recording.server/demo/bob/call_recording_{ran.report.call_id}.mp3"
    assert call.reason == "stopped" and ran.row("voicemail").state == "READY"
