"""Scenarios: the JSON form, its schema, and the flags mean the same."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from callflow.channels.sim.flags import Flags, overlay
from callflow.channels.sim.read import parse_scenario, read_document
from callflow.channels.sim.scenario import (
    Answers,
    BeQuiet,
    Callee,
    HangUp,
    NeverAnswers,
    Party,
    PressDigits,
    PutOnHold,
    Rejects,
    SayIt,
    Scenario,
    Timed,
    TransferTo,
)
from callflow.cli import app_for
from callflow.documents import schemas
from callflow.errors import JsonSyntaxError, ScenarioError
from callflow.media.messages import FileClip, SilenceClip, ToneClip
from callflow.testing.scenarios import DEFAULTS


def parse(value: Mapping[str, Any]) -> Scenario:
    return parse_scenario(dict(value), Path())


def test_an_empty_scenario_is_the_dataclass_defaults() -> None:
    assert parse({}) == Scenario()


def test_the_schema_says_the_same_defaults_as_the_code() -> None:
    default = Scenario()
    shown = {
        "from": default.from_number,
        "from_name": default.from_name,
        "to": default.to_number,
        "user_id": default.user_id,
        "device_id": default.device_id,
        "rate": default.rate,
        "max_duration_s": default.max_duration_s,
        "end_when_quiet_s": default.end_when_quiet_s,
        "endpoints": default.endpoints,
        **DEFAULTS,
    }
    assert schemas.defaults_of(schemas.load("scenario")) == shown
    action = schemas.load("scenario")["$defs"]["action"]["properties"]
    assert action["kind"]["default"] == TransferTo("1").kind
    assert action["consult_s"]["default"] == TransferTo("1").consult_s


def test_the_schema_is_a_schema_and_its_examples_fit() -> None:
    schema = schemas.load("scenario")
    Draft202012Validator.check_schema(schema)
    for example in schema["examples"]:
        assert schemas.validator("scenario").is_valid(example)


def test_everything_a_party_can_do() -> None:
    scenario = parse(
        {
            "caller": {
                "audio": ["tone_stream://%(1000,0,440)", "silence_stream://250"],
                "loop": True,
                "speaks_since": "answer",
                "loss": "0001",
                "delay_s": 0.1,
                "jitter_ms": [0, 35.5, 120],
                "hangup_after": 30,
                "actions": [
                    {"at": 1, "say": "silence_stream://10", "loop": True},
                    {"at": 2, "quiet": True},
                    {"at": 3, "press": "12#", "in_band": True},
                    {"at": 4, "hold": True},
                    {"at": 5, "transfer": "1002", "kind": "attended", "consult_s": 7, "since": "answer"},
                ],
            }
        }
    )
    assert scenario.caller == Party(
        clips=(ToneClip("%(1000,0,440)"), SilenceClip(0.25)),
        loop=True,
        speaks_since="answer",
        loss=(0, 0, 0, 1),
        delay_s=0.1,
        jitter_ms=(0.0, 35.5, 120.0),
        script=(
            Timed(1, SayIt((SilenceClip(0.01),), True), "start"),
            Timed(2, BeQuiet(), "start"),
            Timed(3, PressDigits("12#", True), "start"),
            Timed(4, PutOnHold(True), "start"),
            Timed(5, TransferTo("1002", "attended", 7), "answer"),
            Timed(30, HangUp(), "start"),
        ),
    )


@pytest.mark.parametrize(
    ("callee", "reply"),
    [
        ({}, Answers(0)),
        ({"answer_after": 2.5, "early_audio": "silence_stream://1000"}, Answers(2.5, (SilenceClip(1),))),
        ({"answer_after": None}, NeverAnswers()),
        (
            {"reject": "CALL_REJECTED", "reject_after": 3, "reject_code": 403},
            Rejects("CALL_REJECTED", 3, 403),
        ),
    ],
)
def test_how_a_callee_takes_the_call(callee: dict[str, Any], reply: object) -> None:
    assert parse({"callee": callee}).callee.reply == reply


def test_endpoints_differ_by_any_of_their_names() -> None:
    scenario = parse({"endpoints": {"desk": {"reject": "USER_BUSY"}, "alice": {"answer_after": None}}})
    assert scenario.callee_for("desk", "alice").reply == Rejects("USER_BUSY")
    assert scenario.callee_for("mobile", "alice").reply == NeverAnswers()
    assert scenario.callee_for("mobile", "") == Callee()


def test_audio_is_found_beside_the_scenario_file(tmp_path: Path) -> None:
    (tmp_path / "hello.wav").write_bytes(b"RIFF")
    file = tmp_path / "s.json"
    file.write_text('{"caller": {"audio": "hello.wav"}}')
    found = parse_scenario(read_document(file), file.parent)
    assert found.caller.clips == (FileClip(str(tmp_path / "hello.wav")),)


def test_a_mistake_is_told_with_line_and_column(tmp_path: Path) -> None:
    file = tmp_path / "s.json"
    file.write_text('{\n  "caller": {\n    "hangup_after": "soon"\n  }\n}')
    with pytest.raises(ScenarioError, match=r"s\.json:3:21: 'soon' is not of type 'number'"):
        parse_scenario(read_document(file), file.parent)
    file.write_text('{"caller": {')
    with pytest.raises(JsonSyntaxError):
        parse_scenario(read_document(file), file.parent)


@pytest.mark.parametrize(
    "value",
    [
        {"colour": 1},
        {"caller": {"actions": [{"at": 1}]}},
        {"caller": {"actions": [{"at": 1, "press": "1", "quiet": True}]}},
        {"caller": {"actions": [{"at": -1, "press": "1"}]}},
        {"caller": {"loss": "012"}},
        {"caller": {"jitter_ms": []}},
        {"callee": {"jitter_ms": [0, -1]}},
        {"callee": {"jitter_ms": "0,35"}},
        {"callee": {"reject": "busy"}},
        {"callee": {"reject_after": 3}},
        {"rate": 11025},
        {"caller": {"audio": "not-there.wav"}},
        {"caller": {"audio": "silence_stream://soon"}},
        [],
    ],
    ids=json.dumps,
)
def test_what_cannot_be_played_is_refused(value: object) -> None:
    with pytest.raises(ScenarioError):
        parse_scenario(value, Path())


# ---- flags ------------------------------------------------------------------------------------


def laid(flags: Flags, document: Mapping[str, Any] | None = None) -> Scenario:
    return parse(overlay(document or {}, flags))


def test_no_flags_change_nothing() -> None:
    assert laid(Flags()) == Scenario()


def test_flags_say_what_the_file_says() -> None:
    flags = Flags(
        from_number="1",
        to_number="2",
        user_id="alice",
        device_id="desk",
        answer_after="2.5",
        dtmf=("1@2.5", "12#@10"),
        callee_dtmf=("9@1",),
        hangup_after=30,
        callee_hangup_after=20,
        hold=("3-5", "caller:6-7"),
        transfer=("1002@8", "caller:attended:1003@9"),
        caller_loss="01",
        callee_loss="001",
        caller_jitter="0,35,90/60",
        callee_jitter="12.5",
        max_duration_s=60,
    )
    assert laid(flags) == parse(
        {
            "from": "1",
            "to": "2",
            "user_id": "alice",
            "device_id": "desk",
            "max_duration_s": 60,
            "caller": {
                "loss": "01",
                "jitter_ms": [0, 35, 90],
                "delay_s": 0.06,
                "hangup_after": 30,
                "actions": [
                    {"at": 2.5, "press": "1"},
                    {"at": 10, "press": "12#"},
                    {"at": 6, "hold": True},
                    {"at": 7, "hold": False},
                    {"at": 9, "transfer": "1003", "kind": "attended"},
                ],
            },
            "callee": {
                "answer_after": 2.5,
                "loss": "001",
                "jitter_ms": [12.5],
                "hangup_after": 20,
                "actions": [
                    {"at": 1, "press": "9"},
                    {"at": 3, "hold": True},
                    {"at": 5, "hold": False},
                    {"at": 8, "transfer": "1002"},
                ],
            },
        }
    )


def test_flags_win_over_the_file() -> None:
    document = {"to": "1", "callee": {"reject": "USER_BUSY", "reject_after": 2}}
    scenario = laid(Flags(to_number="2", answer_after="never"), document)
    assert (scenario.to_number, scenario.callee.reply) == ("2", NeverAnswers())
    assert document == {"to": "1", "callee": {"reject": "USER_BUSY", "reject_after": 2}}


def test_endpoints_by_flags_do_what_the_callee_does_but_for_the_flags() -> None:
    flags = Flags(
        callee_hangup_after=9,
        answer_after="1",
        endpoints=("a=3", "b=never", "c=CALL_REJECTED@2", 'd={"answer_after": 4}'),
    )
    endpoints = laid(flags).endpoints
    ends = (Timed(9, HangUp(), "answer"),)
    assert endpoints == {
        "a": Callee(Answers(3), Party(script=ends)),
        "b": Callee(NeverAnswers(), Party(script=ends)),
        "c": Callee(Rejects("CALL_REJECTED", 2), Party(script=ends)),
        "d": Callee(Answers(4)),
    }


@pytest.mark.parametrize(
    "flags",
    [
        Flags(answer_after="soon"),
        Flags(answer_after="nan"),
        Flags(answer_after="1", reject="USER_BUSY"),
        Flags(reject="busy"),
        Flags(dtmf=("1",)),
        Flags(dtmf=("x@1",)),
        Flags(callee_dtmf=("@1",)),
        Flags(caller_jitter="35ms"),
        Flags(callee_jitter="0,,1"),
        Flags(callee_jitter="0/"),
        Flags(hold=("3",)),
        Flags(transfer=("1002",)),
        Flags(transfer=("somebody:1002@3",)),
        Flags(endpoints=("desk",)),
        Flags(endpoints=("desk={",)),
        Flags(endpoints=("desk=sometimes",)),
    ],
    ids=str,
)
def test_flags_that_cannot_be_read_name_their_flag(flags: Flags) -> None:
    with pytest.raises(ScenarioError, match="--") as caught:
        laid(flags)
    assert caught.value.hint


# ---- the page about them ----------------------------------------------------------------------

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "scenarios.md").read_text(encoding="utf-8")


def test_every_scenario_of_the_page_can_be_played() -> None:
    blocks = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    played = [parse_scenario(json.loads(block), DOCS) for block in blocks]
    assert played and all(scenario != Scenario() for scenario in played), "each says something"


def test_the_page_names_every_key_and_only_flags_that_exist() -> None:
    schema = schemas.load("scenario")
    keys = {*schema["$defs"]["caller"]["properties"], *schema["$defs"]["callee"]["properties"]}
    keys |= {*schema["$defs"]["action"]["properties"], *schema["properties"]}
    untold = {"$schema", "description", "user_id", "device_id", "from_name", "rate", "loop"}
    untold |= {"speaks_since"}
    assert {key for key in keys - untold if key not in PAGE} == set()
    flags = set(re.findall(r"--[a-z][a-z-]+", PAGE))
    known = CliRunner().invoke(app_for("run"), ["run", "--help"]).stdout
    assert {flag for flag in flags if flag not in known} == set()
