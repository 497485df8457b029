"""Who leaves first, what is stopped while it waits, and what a transfer does to recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from callflow.events import CallBridged, CallEnded, CallTransferred, Noticed
from tests.app.harness import Stage, chain, loudness, node, silence, tone

RECORD = node("record_call", action="start", format="wav")
TALK = chain(RECORD, node("user", id="u"))


def test_the_callee_leaves_first(tmp_path: Path) -> None:
    played = Stage(tmp_path).play(TALK, {"callee": {"answer_after": 1, "hangup_after": 4}})
    (ended,) = played.of(CallEnded)
    assert (ended.by, ended.duration) == ("engine", 5.0)
    assert played.changes()[-1] == ("ready", "hangup")
    assert len(played.sound()[0]) == 5 * 8000


def test_the_caller_leaves_first(tmp_path: Path) -> None:
    played = Stage(tmp_path).play(TALK, {"caller": {"hangup_after": 3}, "callee": {"hangup_after": 9}})
    (ended,) = played.of(CallEnded)
    assert (ended.by, ended.duration) == ("party", 3.0)
    assert len(played.sound()[0]) == 3 * 8000


def test_the_caller_leaves_while_the_callee_rings(tmp_path: Path) -> None:
    played = Stage(tmp_path).play(TALK, {"caller": {"hangup_after": 3}, "callee": {"answer_after": None}})
    assert not played.of(CallBridged)
    assert len(played.sound()[0]) == 3 * 8000


@pytest.mark.parametrize("when", ["record_on_answer", "record_on_bridge"])
def test_a_stop_while_it_waits_cancels(tmp_path: Path, when: str) -> None:
    flow = chain(
        node("record_call", action="start", format="wav", **{when: True}),
        node("sleep", duration=1),
        node("record_call", action="stop"),
        node("user", id="u"),
    )
    played = Stage(tmp_path).play(flow, {"callee": {"answer_after": 1, "hangup_after": 2}})
    assert played.changes() == [("waiting", ""), ("cancelled", "stopped")]
    assert played.report.recordings[played.recordings[0].recording_id].state == "CANCELLED"
    assert not any(path.is_file() for path in (tmp_path / "media").rglob("*"))


def test_a_recording_on_bridge_begins_on_the_sample_of_the_bridge(tmp_path: Path) -> None:
    flow = chain(
        node("record_call", action="start", format="wav", record_on_bridge=True), node("user", id="u")
    )
    scenario = {
        "caller": {"audio": tone(440, 9), "hangup_after": 6},
        "callee": {"answer_after": 2.5, "audio": [silence(1), tone(1000, 1)]},
    }
    played = Stage(tmp_path).play(flow, scenario)
    samples, rate = played.sound()
    assert len(samples) == 3.5 * rate
    right = np.flatnonzero(np.abs(samples[:, 1].astype(int)) > 200)
    assert right[0] == pytest.approx(rate, abs=8)


def test_busy_goes_to_the_child_of_its_cause(tmp_path: Path) -> None:
    flow = node("user", id="u")
    flow["children"] = {"USER_BUSY": node("play", id="tone_stream://%(500,0,440)"), "_": node("noop")}
    played = Stage(tmp_path).play(flow, {"callee": {"reject": "USER_BUSY", "reject_after": 1}})
    assert played.modules() == ["user", "play"]


def test_endpoints_differ(tmp_path: Path) -> None:
    flow = chain(RECORD, node("user", id="busy"), node("user", id="there"))
    scenario = {
        "callee": {"hangup_after": 1},
        "endpoints": {"busy": {"reject": "USER_BUSY"}, "there": {"answer_after": 2, "hangup_after": 3}},
    }
    played = Stage(tmp_path).play(flow, scenario)
    assert [event.endpoint for event in played.of(CallBridged)] == ["user there"]
    assert played.of(CallEnded)[0].duration == 5.0


def test_hold_keeps_the_two_apart(tmp_path: Path) -> None:
    scenario = {
        "caller": {"audio": tone(440, 6), "hangup_after": 6},
        "callee": {
            "audio": tone(1000, 6),
            "actions": [{"at": 2, "hold": True}, {"at": 4, "hold": False}],
        },
    }
    samples, rate = Stage(tmp_path).play(TALK, scenario).sound()
    heard = [loudness(samples[:, 1], rate, at, at + 0.9, 1000) > 0.05 for at in (1, 2.05, 3, 4.05)]
    assert heard == [True, False, False, True]


# ---- transfers --------------------------------------------------------------------------------


def transfer(who: str, kind: str, follow: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """At 3 s ``who`` transfers the other to 3000, who talks for 3 s after answering and hangs up at 4 s."""
    flow = chain(
        node("record_call", action="start", format="wav", should_follow_transfer=follow),
        node("user", id="u"),
    )
    action = {"at": 3, "transfer": "3000", "kind": kind, "consult_s": 1}
    scenario: dict[str, Any] = {
        "caller": {"audio": tone(440, 20)},
        "callee": {"audio": tone(1000, 20)},
        "endpoints": {"3000": {"audio": tone(1700, 3), "hangup_after": 4}},
    }
    scenario[who]["actions"] = [action]
    return flow, scenario


@pytest.mark.parametrize("kind", ["blind", "attended"])
@pytest.mark.parametrize("who", ["caller", "callee"])
def test_a_recording_that_follows_goes_on_with_who_stays(tmp_path: Path, who: str, kind: str) -> None:
    played = Stage(tmp_path).play(*transfer(who, kind, follow=True))
    (moved,) = played.of(CallTransferred)
    assert (moved.target, moved.kind) == ("3000", kind)
    assert not [notice for notice in played.of(Noticed) if notice.level == "error"]
    assert played.changes()[0] == ("started", "")
    assert played.changes()[-1][0] == "ready"
    samples, rate = played.sound()
    at = moved.time
    assert len(samples) / rate >= at + 2
    stays, leaves = ((1, 1000), (0, 440)) if who == "caller" else ((0, 440), (1, 1000))
    later = (at + 1.2, at + 1.9)
    assert loudness(samples[:, stays[0]], rate, *later, stays[1]) > 0.05, "who stays keeps its channel"
    assert loudness(samples[:, leaves[0]], rate, *later, 1700) > 0.05, "the new party takes the other one"
    assert loudness(samples[:, leaves[0]], rate, *later, leaves[1]) < 0.005


@pytest.mark.parametrize("kind", ["blind", "attended"])
@pytest.mark.parametrize("who", ["caller", "callee"])
def test_a_recording_that_does_not_follow_ends_with_the_transfer(tmp_path: Path, who: str, kind: str) -> None:
    played = Stage(tmp_path).play(*transfer(who, kind, follow=False))
    (moved,) = played.of(CallTransferred)
    assert ("finishing", "transfer") in played.changes()
    samples, rate = played.sound()
    assert len(samples) / rate == pytest.approx(moved.time, abs=0.02)


@pytest.mark.parametrize("kind", ["blind", "attended"])
def test_a_target_that_plays_the_same_part_does_not_transfer_again(tmp_path: Path, kind: str) -> None:
    callee = {"actions": [{"at": 1, "transfer": "3000", "kind": kind}], "hangup_after": 9}
    played = Stage(tmp_path).play(TALK, {"callee": callee})
    assert len(played.of(CallTransferred)) == 1
    assert 10 <= played.report.seconds <= 12


# ---- calls that would never end ---------------------------------------------------------------


def test_a_conversation_without_anything_left_to_say_ends_by_itself(tmp_path: Path) -> None:
    scenario = {"caller": {"audio": tone(440, 1)}, "callee": {"answer_after": 1, "audio": tone(1000, 2)}}
    played = Stage(tmp_path).play(TALK, scenario)
    assert played.of(CallEnded)[0].duration == 3.0 + 5.0
    assert [notice.code for notice in played.of(Noticed)] == ["CF-RUN-QUIET"]


def test_a_call_ends_after_its_longest_duration(tmp_path: Path) -> None:
    scenario = {"callee": {"answer_after": 1}, "end_when_quiet_s": None, "max_duration_s": 600}
    played = Stage(tmp_path).play(TALK, scenario)
    assert played.of(CallEnded)[0].duration == 600.0
    assert [notice.code for notice in played.of(Noticed)] == ["CF-RUN-MAX-DURATION"]
    assert len(played.sound()[0]) == 600 * 8000
