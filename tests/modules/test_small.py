"""skel, set, language, flush_dtmf, send_dtmf, branch_bnumber, edr; and faxes, which are refused."""

from __future__ import annotations

from typing import Any

import pytest

from callflow.channels.sim.scenario import Scenario
from callflow.events import EventRecord, as_json
from callflow.media.messages import SendDigits
from callflow.recording.inline import InlineMedia
from tests.modules.stage import Stage, caller, node, presses

ZOE = Scenario(from_number="+15550100", from_name="Zoë", to_number="2100", caller=caller(leaves=20.0))


def test_skel_does_nothing(stage: Stage) -> None:
    ran = stage.run(node("skel", then=node("noop")))
    assert ran.walk == [("skel", "continue _"), ("noop", "stop")] and ran.notices() == []


def test_set_merges_its_data_into_the_variables(stage: Stage) -> None:
    branch = node(
        "branch_variable", {"variable": "skills.tier", "scope": "custom_application_vars"}, gold=node("noop")
    )
    second = node("set", {"skills": {"tier": "gold"}, "skip_module": False}, then=branch)
    ran = stage.run(node("set", {"skills": {"language": "spanish", "tier": "tin"}, "vip": True}, then=second))
    assert ran.modules == ["set", "set", "branch_variable", "noop"]
    assert [step.did for step in ran.report.steps][:2] == ["set skills, vip", "set skills"]


def test_language_is_that_of_later_prompts(stage: Stage) -> None:
    ran = stage.run(node("language", {"language": "de_DE"}, then=node("play", {"id": "vm-goodbye"})))
    assert ran.step("language").did == "speaks de-de"
    assert ran.step("play").seconds > 0.5, "there is no German prompt: the English one is played"
    missing = stage.run(node("language", {}, then=node("noop")))
    assert [notice.code for notice in missing.notices()] == ["CF-RUN-LANGUAGE"] and missing.modules[
        -1
    ] == "noop"


def test_flush_dtmf_forgets_a_collection_and_what_is_pressed(stage: Stage) -> None:
    again = node("collect_dtmf", {"timeout": 1000, "collection_name": "b"})
    flush = node("sleep", {"duration": 3}, then=node("flush_dtmf", {"collection_name": "a"}, then=again))
    first = node("collect_dtmf", {"timeout": 2000, "collection_name": "a"}, then=flush)
    ran = stage.run(first, Scenario(caller=caller(presses(0.5, "7"), presses(3.0, "8"), leaves=20.0)))
    assert [step.did for step in ran.report.steps] == [
        "collected 1 digits as a", "slept 3 s", "forgot the digits of a", "collected no digits as b",
    ]  # fmt: skip
    assert stage.run(node("flush_dtmf")).step("flush_dtmf").did == "knew no digits of default"


def test_send_dtmf_sends_and_waits(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    kept = InlineMedia.send

    def send(self: InlineMedia, command: Any) -> None:
        sent.append(command)
        kept(self, command)

    monkeypatch.setattr(InlineMedia, "send", send)
    ran = stage.run(node("send_dtmf", {"digits": "1a#x", "duration_ms": 200}, then=node("noop")), ZOE)
    (command,) = (command for command in sent if isinstance(command, SendDigits))
    assert (command.digits, command.tone_s) == ("1A#", 0.2)
    assert ran.step("send_dtmf").seconds == pytest.approx(0.9, abs=0.05)
    assert [notice.code for notice in ran.notices()] == ["CF-RUN-DTMF"]
    assert stage.run(node("send_dtmf", {"digits": ""})).step("send_dtmf").did == "had nothing to send"


def test_branch_bnumber_goes_by_child_then_hunts(stage: Stage) -> None:
    stage.has("callflow", "office", {"numbers": ["2100"], "flow": node("answer")})

    def walk(data: dict[str, Any], **children: Any) -> list[str]:
        return stage.run({**node("branch_bnumber", data), "children": children}, ZOE).modules

    assert walk({}, **{"2100": node("noop"), "_": node("sleep")}) == ["branch_bnumber", "noop"]
    assert walk({"hunt": True}, _=node("sleep")) == ["branch_bnumber", "answer", "sleep"]
    assert walk({}, _=node("sleep")) == ["branch_bnumber", "sleep"]
    assert walk({"hunt": True, "hunt_allow": "^3"}, _=node("sleep")) == ["branch_bnumber", "sleep"]
    assert walk({"hunt": True, "hunt_deny": "^2"}, _=node("sleep")) == ["branch_bnumber", "sleep"]


def test_branch_bnumber_prefers_what_was_captured(demo: Stage) -> None:
    flow = {
        "numbers": [],
        "patterns": ["^77([0-9]+)$"],
        "flow": {**node("branch_bnumber"), "children": {"5": node("noop")}},
    }
    demo.has("callflow", "by-digits", flow)
    ran = demo.dial("775", Scenario(to_number="775", caller=caller(leaves=5.0)))
    assert ran.modules == ["branch_bnumber", "noop"]


def test_edr_publishes_an_event(stage: Stage) -> None:
    ran = stage.run(node("edr", {"campaign": {"id": 7}}, then=node("noop")), ZOE)
    (event,) = ran.of(EventRecord)
    assert event.custom_data == {"campaign": {"id": 7}}
    assert event.tags == {"Caller-ID-Name": "Zoë", "Caller-ID-Number": "+15550100", "Account-ID": "account"}
    assert as_json(event)["event"] == "event.record"


def test_faxbox_says_that_there_are_no_faxes(stage: Stage) -> None:
    ran = stage.run(node("faxbox", {"id": "fax-in"}, then=node("noop")))
    assert [notice.code for notice in ran.notices("error")] == ["CF-RUN-FAX"] and ran.modules[-1] == "noop"


def test_receive_fax_says_that_there_are_no_faxes(stage: Stage) -> None:
    ran = stage.run(node("receive_fax", {"owner_id": "alice"}, then=node("noop")))
    assert "receive_fax" in ran.notices("error")[0].message and ran.modules[-1] == "noop"
