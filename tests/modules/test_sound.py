"""play and tones: what the caller hears, found again in a recording of the call."""

from __future__ import annotations

import pytest

from callflow.channels.sim.scenario import Scenario
from callflow.events import CallAnswered
from tests.modules.stage import Stage, caller, level, node, presses

START: dict[str, object] = {"action": "start", "format": "wav"}
BEEP_1S = "tone_stream://%(1000,0,440)"


def _recorded(*nodes: tuple[str, dict[str, object]]) -> dict[str, object]:
    """A recording of the call from its start, then the nodes one after the other."""
    flow: dict[str, object] | None = None
    for module, data in reversed((("record_call", START), *nodes)):
        flow = node(module, data) if flow is None else node(module, data, then=flow)
    assert flow is not None
    return flow


def test_play_is_what_the_caller_hears(stage: Stage) -> None:
    ran = stage.run(_recorded(("play", {"id": BEEP_1S}), ("sleep", {"duration": 1})))
    sound = ran.sound(ran.row())
    heard = sound[:, 1]
    assert level(heard, 440, 0.05, 0.95) > 5000
    assert level(heard, 440, 1.1, 1.9) < 5
    assert level(sound[:, 0], 440, 0.0, 2.0) < 5, "what the caller hears is not what the caller says"
    assert ran.step("play").seconds == pytest.approx(1.0, abs=0.02)


def test_play_answers_unless_told_not_to(stage: Stage) -> None:
    assert len(stage.run(node("play", {"id": BEEP_1S})).of(CallAnswered)) == 1
    assert stage.run(node("play", {"id": BEEP_1S, "answer": False})).of(CallAnswered) == []


def test_play_loops(stage: Stage) -> None:
    ran = stage.run(node("play", {"id": BEEP_1S, "loop_count": 3}, then=node("noop")))
    assert ran.step("play").seconds == pytest.approx(3.0, abs=0.02)


def test_play_ends_at_a_terminator(stage: Stage) -> None:
    flow = node("play", {"id": BEEP_1S, "endless_playback": True, "terminators": ["#"]}, then=node("noop"))
    ran = stage.run(flow, Scenario(caller=caller(presses(1.5, "1"), presses(4.0, "#"), leaves=60.0)))
    assert ran.step("play").seconds == pytest.approx(4.0, abs=0.1)
    assert ran.step("play").did.endswith("ended by digit #")


def test_play_without_end_ends_with_the_caller(stage: Stage) -> None:
    flow = node("play", {"id": BEEP_1S, "endless_playback": True}, then=node("noop"))
    ran = stage.run(flow, Scenario(caller=caller(leaves=12.5)))
    assert ran.modules == ["play"] and ran.report.seconds == pytest.approx(12.5, abs=0.02)


def test_play_of_an_accounts_own_media(demo: Stage) -> None:
    ran = demo.run(_recorded(("play", {"id": "main-greeting"})))
    assert ran.step("play").seconds > 3.0
    assert ran.sound(ran.row())[:, 1].any() and ran.notices("error") == []


@pytest.mark.parametrize("media", ["nowhere", "tone_stream://%(what)", "ftp://h/x.wav"])
def test_play_of_what_cannot_be_played_is_passed_over(stage: Stage, media: str) -> None:
    ran = stage.run(node("play", {"id": media}, then=node("noop")))
    assert ran.modules == ["play", "noop"]
    assert len(ran.notices("error")) == 1


def test_play_of_nothing_is_passed_over(stage: Stage) -> None:
    ran = stage.run(node("play", then=node("noop")))
    assert ran.modules == ["play", "noop"] and len(ran.notices("error")) == 1


def test_tones_sound_before_the_answer(stage: Stage) -> None:
    ran = stage.run(_recorded(("tones", {"tones": ["%(500,0,440)", "%(500,0,1000)"]}), ("noop", {})))
    heard = ran.sound(ran.row())[:, 1]
    assert ran.of(CallAnswered) == []
    assert level(heard, 440, 0.05, 0.45) > 5000 and level(heard, 1000, 0.05, 0.45) < 300
    assert level(heard, 1000, 0.55, 0.95) > 5000
    assert ran.step("tones").seconds == pytest.approx(1.0, abs=0.02)


def test_tones_by_name_and_by_object(stage: Stage) -> None:
    assert stage.run(node("tones", {"tones": "beep"})).step("tones").seconds == pytest.approx(0.6, abs=0.02)
    one = {"frequencies": [440, 480], "duration_on": 200, "duration_off": 100, "repeat": 3}
    ran = stage.run(node("tones", {"tones": [one]}))
    assert ran.step("tones").seconds == pytest.approx(0.9, abs=0.02)


def test_tones_without_end_end_with_the_caller(stage: Stage) -> None:
    ran = stage.run(node("tones", {"tones": "busy"}, then=node("noop")), Scenario(caller=caller(leaves=9.0)))
    assert ran.modules == ["tones"] and ran.report.seconds == pytest.approx(9.0, abs=0.02)


def test_tones_that_are_none_are_passed_over(stage: Stage) -> None:
    for tones in ([], [{"frequencies": [440]}], "no-such-tone"):
        ran = stage.run(node("tones", {"tones": tones}, then=node("noop")))
        assert ran.modules == ["tones", "noop"] and ran.notices("error"), tones
