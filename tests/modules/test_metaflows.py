"""Metaflows: digits in mid-call, whose they are, and what each action does."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from callflow.channels.sim.scenario import Action as Does
from callflow.channels.sim.scenario import Answers, Callee, HangUp, Party, PressDigits, Scenario, Timed
from callflow.documents.accounts import Account
from callflow.documents.check import Surroundings, check_text
from callflow.documents.metaflows import action_names, metaflows_of
from callflow.documents.schemas import metaflow_modules
from callflow.documents.settings import load_settings
from callflow.events import CallBridged, CallTransferred, MetaflowDone
from callflow.modules import metaflow_actions
from tests.modules.stage import (
    HIGH,
    LOW,
    NEVER,
    ROOT,
    Ran,
    Stage,
    caller,
    does,
    level,
    loud,
    node,
    presses,
    rejects,
    tone,
)

RECORD = {"module": "record_call", "data": {"action": "toggle", "format": "wav"}}
RINGS = node("user", {"id": "bob"})


def _numbers(**actions: Any) -> dict[str, Any]:
    """Metaflows: ``d1`` is the digit 1."""
    return {"metaflows": {"numbers": {key.removeprefix("d"): action for key, action in actions.items()}}}


def _act(module: str, **data: Any) -> dict[str, Any]:
    return {"module": module, "data": data}


def _stage(stage: Stage, flow: Mapping[str, Any] = RINGS, **documents: Mapping[str, Any]) -> Stage:
    """Alice and bob with a desk phone each; more for ``account``, ``alice``, ``alice_desk``, ``callflow``."""
    empty: Mapping[str, Any] = {}
    stage.account = Account(
        "main",
        document=dict(documents.get("account", empty)),
        documents={
            "user": {id: dict(documents.get(id, empty)) for id in ("alice", "bob")},
            "device": {
                f"{id}-desk": {"owner_id": id, **documents.get(f"{id}_desk", empty)}
                for id in ("alice", "bob")
            },
            "callflow": {
                "bob": {"numbers": ["2002"], "flow": flow, **documents.get("callflow", empty)},
                "three": {"numbers": ["2003"], "flow": node("sleep", {"duration": 4})},
            },
        },
    )
    return stage


def _bob(*script: tuple[float, Does], leaves: float = 20.0) -> Callee:
    """Bob answers after a second and does things, in seconds of the call."""
    timed = [Timed(at - 1.0, what, since="answer") for at, what in (*script, (leaves, HangUp()))]
    return Callee(Answers(1.0), Party(clips=(tone(HIGH, 40),), script=tuple(timed)))


def _call(stage: Stage, *script: Timed, device: str = "alice-desk", callee: Callee | None = None) -> Ran:
    party = caller(*script, says=[tone(LOW, 40)], leaves=30.0)
    scenario = Scenario(to_number="2002", device_id=device, caller=party, callee=callee or _bob())
    ran = stage.dial("2002", scenario)
    assert ran.notices("error") == []
    return ran


def _done(ran: Ran) -> list[tuple[str, str]]:
    return [(event.digits, event.action) for event in ran.of(MetaflowDone)]


# ---- who may press what ---------------------------------------------------------------------------


def test_toggle_starts_and_stops_a_recording(stage: Stage) -> None:
    ran = _call(_stage(stage, alice=_numbers(d1=RECORD)), presses(5.0, "*1"), presses(10.0, "*1"))
    row = ran.row("metaflow : 1")
    assert _done(ran) == [("1", "record_call")] * 2 and row.reason == "stopped"
    assert row.samples == pytest.approx(5 * 8000, abs=200)
    sound = ran.sound(row)
    assert level(sound[:, 0], LOW, 0.1, 4.9) > 5000 and level(sound[:, 1], HIGH, 0.1, 4.9) > 5000


def test_an_entry_ends_by_time_and_begins_with_the_binding_digit(stage: Stage) -> None:
    flows = {
        "metaflows": {"binding_digit": "#", "digit_timeout": 2000, "numbers": {"12": RECORD, "1": RECORD}}
    }
    stage = _stage(stage, alice=flows)
    slow = _call(stage, presses(3.0, "#1"), presses(4.5, "2"))
    assert _done(slow) == [("12", "record_call")]
    assert slow.of(MetaflowDone)[0].time == pytest.approx(6.5, abs=0.05)
    assert _done(_call(stage, presses(3.0, "12"), presses(8.0, "*1"))) == []
    assert _done(_call(stage, presses(3.0, "#3"), presses(8.0, "#1"))) == [("1", "record_call")]


@pytest.mark.parametrize(
    ("listen_on", "pressed_by"), [("self", ["bob"]), ("peer", ["alice"]), ("both", ["alice", "bob"])]
)
def test_listen_on(stage: Stage, listen_on: str, pressed_by: list[str]) -> None:
    flows = {
        "metaflows": {"listen_on": listen_on, "numbers": {"7": _act("play", id="tone_stream://%(100,0,440)")}}
    }
    stage = _stage(stage, bob_desk=flows)
    heard = {
        "alice": _done(_call(stage, presses(5.0, "*7"))),
        "bob": _done(_call(stage, callee=_bob((5.0, PressDigits("*7"))))),
    }
    assert [who for who, done in heard.items() if done] == pressed_by


def test_levels_and_strangers(stage: Stage) -> None:
    stage = _stage(
        stage,
        account=_numbers(d1=_act("hangup"), d2=_act("hangup"), d3=RECORD),
        alice=_numbers(d1=RECORD, d2=_act("hangup")),
        alice_desk=_numbers(d2=RECORD),
    )
    press = (presses(3.0, "*1"), presses(6.0, "*2"), presses(9.0, "*3"))
    assert _done(_call(stage, *press)) == [("1", "record_call"), ("2", "record_call"), ("3", "record_call")]
    assert _done(_call(stage, *press, device="")) == [], "digits of a caller from outside do nothing"
    stage = _stage(
        stage, account=_numbers(d1=RECORD), callflow={"metaflow": _numbers(d1=_act("hangup"))["metaflows"]}
    )
    assert _done(_call(stage, presses(3.0, "*1"), device="")) == [("1", "hangup")], (
        "but those of a callflow do"
    )


def test_digits_reach_the_walk_all_the_same(stage: Stage) -> None:
    flow = node(
        "collect_dtmf",
        {"max_digits": 2, "timeout": 9000, "terminators": []},
        then=node("sleep", {"duration": 3}),
    )
    ran = _call(_stage(stage, flow, alice=_numbers(d1=RECORD)), presses(2.0, "*1"))
    assert _done(ran) == [("1", "record_call")] and ran.modules == ["collect_dtmf", "sleep"]
    assert "collected 2 digits" in ran.step("collect_dtmf").did


# ---- actions ---------------------------------------------------------------------------------------


def test_mask_and_pause_of_a_flows_recording(stage: Stage) -> None:
    flow = node("record_call", {"format": "wav"}, then=RINGS)
    flows = _numbers(
        d1=_act("record_call", action="mask"),
        d2=_act("record_call", action="unmask"),
        d3=_act("record_call", action="pause"),
        d4=_act("record_call", action="resume"),
    )
    script = [presses(at, f"*{digit}") for at, digit in ((3.0, 1), (6.0, 2), (9.0, 3), (12.0, 4))]
    ran = _call(_stage(stage, flow, alice=flows), *script)
    row = ran.row()
    changes = [change for change in ran.changes(row.id) if change not in ("started", "finishing", "ready")]
    assert changes == ["masked", "unmasked", "paused", "resumed"]
    assert row.samples == pytest.approx((20 - 3) * 8000, abs=400)


def test_hold_and_its_key(stage: Stage) -> None:
    moh = "tone_stream://%(10000,0,1700)"
    flows = _numbers(d4=_act("hold", moh_bleg=moh, unhold_key="5"))
    stage = _stage(stage, node("record_call", {"format": "wav"}, then=RINGS), alice=flows)
    stage.account.documents["user"]["bob"]["call_recording"] = {  # type: ignore[index]
        "inbound": {"any": {"enabled": True, "format": "wav"}}
    }
    ran = _call(stage, presses(3.0, "*4"), presses(9.0, "5"))
    alices = ran.sound(ran.row("callflow : 2002"))
    bobs = ran.sound(ran.row("inbound from onnet to endpoint"))  # from second 1 of the call on
    held = (4.2, 8.9)
    assert loud(alices[:, 1], *held) < 50, "alice does not hear bob"
    assert (
        level(bobs[:, 1], 1700, held[0] - 1, held[1] - 1) > 5000
        and level(bobs[:, 1], LOW, held[0] - 1, held[1] - 1) < 300
    )
    assert level(alices[:, 1], HIGH, 9.2, 19.0) > 5000 and level(bobs[:, 1], LOW, 8.2, 18.0) > 5000


def test_resume_ends_a_hold_and_leaving_does_too(stage: Stage) -> None:
    stage = _stage(stage, alice=_numbers(d4=_act("hold"), d6=_act("resume")))
    ran = _call(stage, presses(3.0, "*4"), presses(9.0, "*6"), presses(12.0, "*6"), presses(15.0, "*4"))
    did = [event.did for event in ran.of(MetaflowDone)]
    assert did == ["put the other party on hold", "went on with the talk", "nobody was on hold", did[0]]
    assert ran.report.seconds == pytest.approx(20.0, abs=0.1)


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_transfer_by_a_pattern(stage: Stage, who: str) -> None:
    flows = {"metaflows": {"patterns": {"^2([0-9]+)$": _act("transfer")}}}
    stage = _stage(stage, **{who: flows})
    script = (3.0, PressDigits("*22003"))
    ran = _call(stage, does(*script)) if who == "alice" else _call(stage, callee=_bob(script))
    (moved,) = ran.of(CallTransferred)
    assert (moved.target, moved.kind, _done(ran)) == ("2003", "blind", [("22003", "transfer")])
    assert ran.modules == ["user", "sleep"]
    assert moved.kept == ran.report.call_id if who == "bob" else moved.leg == ran.report.call_id


@pytest.mark.parametrize("keys", ["*1", "*32003"])
def test_callflow_takes_the_caller_out_of_the_talk(stage: Stage, keys: str) -> None:
    """Bob presses: the caller goes into another flow, recorded on; bob is out."""
    flow = node("record_call", {"action": "start", "format": "wav"}, then=RINGS)
    numbers = {"1": _act("callflow", id="three"), "2": _act("callflow", id="nobody")}
    bob = {"metaflows": {"numbers": numbers, "patterns": {"^3([0-9]+)$": _act("callflow")}}}
    script = (3.0, PressDigits("*2")), (6.0, PressDigits(keys))
    scenario = Scenario(to_number="2002", device_id="alice-desk", callee=_bob(*script))
    ran = _stage(stage, flow, bob=bob).dial("2002", scenario)
    assert ran.modules == ["record_call", "user", "sleep"]
    assert [notice.code for notice in ran.notices("error")] == ["CF-RUN-CALLFLOW"]
    (moved,) = ran.of(CallTransferred)
    assert (moved.kept, moved.target) == (ran.report.call_id, "three")
    assert ran.report.seconds > 9 and ran.row().samples == round(ran.report.seconds * 8000)


def test_an_attended_transfer_to_where_nobody_is_to_be_asked_is_blind(stage: Stage) -> None:
    attended = _numbers(d2=_act("transfer", target="2003", takeback_dtmf="*1"))
    ran = _call(_stage(stage, alice=attended), does(3.0, PressDigits("*2")))
    assert ran.of(CallTransferred)[0].kind == "blind"
    assert [notice.code for notice in ran.notices("warning")] == ["CF-RUN-BLIND"]


CAROL = 1500
ATTENDED = _act("transfer", **{"Transfer-Type": "attended"})
ASK = {"metaflows": {"patterns": {"^2([0-9]+)$": ATTENDED}, "numbers": {"7": _act("resume")}}}


def _asks(
    stage: Stage, who: str, carol: Callee, *, later: str = "", alice_leaves: float, bob_leaves: float
) -> Ran:
    """Alice calls bob, recorded; ``who`` asks carol at 2004 from 3 s on (it rings at 5), and presses
    ``later`` at 8 s.
    """
    flow = node("record_call", {"action": "start", "format": "wav"}, then=RINGS)
    stage = _stage(stage, flow, **{who: ASK})
    stage.has("user", "carol", {})
    stage.has("device", "carol-desk", {"owner_id": "carol"})
    stage.has("callflow", "four", {"numbers": ["2004"], "flow": node("user", {"id": "carol"})})
    keys = [(3.0, PressDigits("*22004")), *([(8.0, PressDigits(later))] if later else [])]
    alice, bob = (keys, []) if who == "alice" else ([], keys)
    scenario = Scenario(
        to_number="2002",
        device_id="alice-desk",
        caller=caller(*(does(*each) for each in alice), says=[tone(LOW, 40)], leaves=alice_leaves),
        callee=_bob(*bob, leaves=bob_leaves),
        endpoints={"carol-desk": carol},
    )
    ran = stage.dial("2002", scenario)
    assert ran.notices("error") == [] == ran.notices("warning")
    return ran


def _carol(after: float = 2.0, talks: float = 40.0) -> Callee:
    return Callee(Answers(after), Party(clips=(tone(CAROL, 60),), script=(Timed(talks, HangUp()),)))


def _hears(ran: Ran, channel: int, begin: float, end: float) -> list[int]:
    """Which of the three sing all the time there."""
    sound = ran.sound(ran.row())[:, channel]
    assert len(sound) >= end * 8000
    return [hertz for hertz in (LOW, HIGH, CAROL) if level(sound, hertz, begin, end) > 3000]


def test_who_asks_hangs_up_and_the_other_gets_whom_it_has_asked(stage: Stage) -> None:
    ran = _asks(stage, "alice", _carol(), alice_leaves=12.0, bob_leaves=20.0)
    (moved,) = ran.of(CallTransferred)
    assert (moved.kind, moved.target, moved.leg) == ("attended", "2004", ran.report.call_id)
    assert round(moved.time) == 12 and ran.report.seconds == pytest.approx(20.0, abs=0.1)
    # From the begin of the transfer on the left is what bob hears, the right what he says.
    assert _hears(ran, 0, 0, 3) == [LOW] and _hears(ran, 0, 12.1, 19.9) == [CAROL]
    assert _hears(ran, 0, 6, 12) == [] and loud(ran.sound(ran.row())[:, 0], 6, 12) > 20  # music
    assert _hears(ran, 1, 1.1, 19.9) == [HIGH]


def test_who_asks_hangs_up_while_it_rings(stage: Stage) -> None:
    ran = _asks(stage, "bob", _carol(after=6.0), alice_leaves=25.0, bob_leaves=9.0)
    (moved,) = ran.of(CallTransferred)
    assert (moved.kind, moved.kept) == ("attended", ran.report.call_id) and round(moved.time) == 9
    assert ran.report.seconds == pytest.approx(25.0, abs=0.1)
    assert _hears(ran, 0, 0, 24.9) == [LOW]
    assert _hears(ran, 1, 1.1, 3) == [HIGH] and _hears(ran, 1, 12, 24.9) == [CAROL]


BACK = {
    "taken back": (_carol(), "*1"),
    "taken back while it rings": (NEVER, "*1"),
    "resumed": (_carol(), "*7"),
    "refused": (rejects("USER_BUSY", 486), ""),
    "left": (_carol(talks=2.0), ""),
}


@pytest.mark.parametrize("who", ["alice", "bob"])
@pytest.mark.parametrize("why", BACK)
def test_the_two_talk_again(stage: Stage, who: str, why: str) -> None:
    carol, later = BACK[why]
    ran = _asks(stage, who, carol, later=later, alice_leaves=16.0, bob_leaves=20.0)
    assert ran.of(CallTransferred) == [] and ran.report.seconds == pytest.approx(16.0, abs=0.1)
    assert _hears(ran, 0, 10.1, 15.9) == [LOW] and _hears(ran, 1, 10.1, 15.9) == [HIGH]
    answered = carol is not NEVER and why != "refused"
    assert len(ran.of(CallBridged)) == (3 if answered else 2)


def test_who_waits_leaves_and_the_talk_with_the_asked_one_goes_on(stage: Stage) -> None:
    ran = _asks(stage, "bob", _carol(), alice_leaves=9.0, bob_leaves=15.0)
    assert ran.row().samples == 9 * 8000  # it was of alice's leg
    assert [(e.leg == ran.report.call_id, round(e.time)) for e in ran.of(CallBridged)] == [
        (True, 1),
        (False, 7),
    ]
    assert ran.report.seconds == pytest.approx(15.0, abs=0.1) and ran.of(CallTransferred) == []


def test_play_say_and_children(stage: Stage) -> None:
    both = {
        **_act("play", id="tone_stream://%(2000,0,1700)"),
        "children": {"_": _act("say", text="22", leg="self")},
    }
    flow = node("record_call", {"format": "wav"}, then=RINGS)
    ran = _call(_stage(stage, flow, alice=_numbers(d9=both)), presses(3.0, "*9"))
    assert [event.did for event in ran.of(MetaflowDone)] == ["played tone_stream://%(2000,0,1700)", "said 22"]
    sound = ran.sound(ran.row())
    assert level(sound[:, 1], 1700, 4.2, 5.8) > 5000


def test_hangup_and_break(stage: Stage) -> None:
    flow = node("play", {"id": "tone_stream://%(9000,0,440)"}, then=node("sleep", {"duration": 5}))
    stage = _stage(stage, flow, alice=_numbers(d1=_act("break"), d2=_act("hangup")))
    ran = _call(stage, presses(2.0, "*1"), presses(5.0, "*2"))
    assert ran.step("play").seconds < 4.0
    assert ran.report.ended_by == "engine" and ran.report.seconds < 7.0


def test_actions_without_code_are_told_and_passed_over(stage: Stage) -> None:
    tree = {**_act("sound_touch"), "children": {"_": RECORD}}
    ran = _call(
        _stage(stage, alice=_numbers(d1=tree, d2={"module": 3}, d3="junk")),
        *(presses(at, f"*{digit}") for at, digit in ((3.0, 1), (6.0, 2), (9.0, 3))),
    )
    assert [notice.code for notice in ran.notices("warning")] == ["CF-RUN-METAFLOW"] * 2
    assert _done(ran) == [("1", "record_call")]


def test_every_action_has_schema_and_code() -> None:
    assert set(action_names()) == set(metaflow_actions()) <= metaflow_modules()


def test_patterns_take_what_they_catch_and_bad_ones_nothing() -> None:
    found = metaflows_of([{"metaflows": {"patterns": {"(": _act("hangup"), "2(\\d+)": _act("transfer")}}}])
    assert found is not None and found.find("3") is None
    caught = found.find("2600")
    assert caught is not None and caught.captures == ("600",)
    assert metaflows_of([None, {}, {"metaflows": {"numbers": {}}}, {"metaflow": 3}]) is None


# ---- the page --------------------------------------------------------------------------------------


def test_the_pages_example_does_what_it_says(stage: Stage) -> None:
    text = (ROOT / "docs/metaflows.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    device = json.loads(example)
    around = Surroundings(load_settings())
    bare = json.dumps(device["metaflows"])
    assert {p.code for p in check_text(bare, "metaflows.json", around)} <= {"CF-CHK-031"}
    stage = _stage(stage, alice_desk={"metaflows": device["metaflows"]})
    ran = _call(stage, presses(3.0, "*1"), presses(7.0, "*1"), presses(10.0, "*22003"))
    assert ran.row("metaflow : 1").reason == "stopped" and ran.modules == ["user", "sleep"]
    for name in action_names():
        assert f"`{name}`" in text
    for name in metaflow_modules() - set(action_names()):
        assert f"`{name}`" in text.rpartition("have no code here")[0]


def test_check_judges_the_data_of_actions() -> None:
    def codes(value: Mapping[str, Any]) -> list[str]:
        found = check_text(json.dumps(value), "metaflows.json", Surroundings(load_settings()))
        return [problem.code for problem in found if problem.code != "CF-CHK-031"]

    assert codes({"numbers": {"1": _act("hold", unhold_key="77")}}) == ["CF-CHK-071"]
    assert codes({"numbers": {"1": _act("relate")}}) == ["CF-CHK-061"]
    assert codes({"numbers": {"1": _act("wait_for_hangup")}}) == ["CF-CHK-060"]
