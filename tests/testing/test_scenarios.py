"""``callflow test``: scenarios found, played and judged; what it prints and writes, read by real parsers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from junitparser import Error, Failure, JUnitXml
from tap.parser import Parser
from typer.testing import CliRunner, Result

from callflow.cli import app_for
from callflow.errors import ScenarioError
from callflow.testing.scenarios import Judged, find, play

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
TALK: dict[str, Any] = {
    "flow": str(EXAMPLES / "flows/record.json"),
    "caller": {"audio": "tone_stream://%(2000,0,1000)", "hangup_after": 4},
    "callee": {"answer_after": 1, "audio": "tone_stream://%(1000,0,440)"},
}
GOOD: dict[str, Any] = {
    "steps": ["record_call", "user"],
    "cause": "NORMAL_CLEARING",
    "ended_by": "party",
    "duration": [3.9, 4.1],
    "warnings": [],
    "notices": [],
    "events": [{"event": "call.answered"}, {"event": "call.bridged", "endpoint": "user alice"}],
    "recordings": [
        {
            "origin": "callflow : *",
            "format": "wav",
            "seconds": [3.9, 4.1],
            "state": "READY",
            "reason": "hangup",
            "channels": 2,
            "rate": 8000,
            "left": "tone_stream://%(2000,0,1000)",
            "right": ["tone_stream://%(1000,0,440)"],
        }
    ],
}


def written(folder: Path, name: str, scenario: dict[str, Any]) -> Path:
    path = folder / f"{name}.json"
    path.write_text(json.dumps(scenario))
    return path


def judged(folder: Path, scenario: dict[str, Any]) -> Judged:
    """Play a scenario of this test."""
    (file,) = find([written(folder, "scenario", scenario)])
    return play(file)


def test_all_that_can_be_expected_comes(tmp_path: Path) -> None:
    result = judged(tmp_path, {**TALK, "expect": GOOD})
    assert result.passed, [str(check) for check in result.failed] or result.fault
    assert len(result.checks) >= 17
    assert "recording 1 started at 0.0 s" in result.pictures[0]


@pytest.mark.parametrize(
    ("expect", "what", "came"),
    [
        ({"steps": ["user"]}, "steps", "[record_call, user]"),
        ({"cause": "USER_BUSY"}, "cause", "NORMAL_CLEARING"),
        ({"ended_by": "engine"}, "ended_by", "party"),
        ({"duration": [4.1, 5]}, "duration", "4.00"),
        ({"errors": ["CF-RUN-CHILD"]}, "errors", "[]"),
        ({"warnings": ["CF-RUN-CHILD"]}, "warnings", "[]"),
        ({"notices": ["CF-RUN-QUIET"]}, "notices", "[]"),
        ({"events": [{"event": "call.bridged"}, {"event": "call.answered"}]}, "events", "call.answered"),
        ({"events": [{"event": "call.digit"}]}, "events", "only ["),
        ({"recordings": []}, "number of recordings", "1"),
        ({"recordings": [{"origin": "ncco*"}]}, "recording 1 origin", "callflow : Record a call"),
        ({"recordings": [{"format": "mp3"}]}, "recording 1 format", "wav"),
        ({"recordings": [{"state": "DISCARDED"}]}, "recording 1 state", "READY"),
        ({"recordings": [{"reason": "silence"}]}, "recording 1 reason", "hangup"),
        ({"recordings": [{"seconds": [5, 6]}]}, "recording 1 seconds", "4.00"),
        ({"recordings": [{"channels": 1}]}, "recording 1 channels", "2"),
        ({"recordings": [{"rate": 16000}]}, "recording 1 rate", "8000"),
        ({"recordings": [{"left": None}]}, "recording 1 left", "sound"),
        ({"recordings": [{"right": "tone_stream://%(2000,0,1000)"}]}, "recording 1 right", "is not heard"),
        ({"recordings": [{"mono": None}]}, "recording 1 mono", "take left or right"),
        ({"recordings": [{"left": "missing.wav"}]}, "recording 1 left", "no audio file"),
        ({"uploads": [{}]}, "number of uploads", "0: []"),
    ],
    ids=lambda value: json.dumps(value)[:40] if isinstance(value, dict) else "",
)
def test_what_does_not_come_is_told(tmp_path: Path, expect: dict[str, Any], what: str, came: str) -> None:
    result = judged(tmp_path, {**TALK, "expect": expect})
    assert not result.fault
    assert [check.what for check in result.failed] == [what]
    assert came in result.failed[0].came


def test_uploads_are_judged(tmp_path: Path) -> None:
    scenario = {
        **TALK,
        "flow": str(EXAMPLES / "flows/record-to-url.json"),
        "account": str(EXAMPLES / "accounts/demo"),
        "receiver": {"faults": [{"status": 503, "retry_after": 1}]},
    }
    good = {"status": 201, "method": "PUT", "content_type": "audio/mpeg", "recording": 1}
    path = "/recordings/call_recording_{CALL_ID}.mp3"
    result = judged(tmp_path, {**scenario, "expect": {"uploads": [{"status": 503}, {**good, "path": path}]}})
    assert result.passed, [str(check) for check in result.failed] or result.fault
    bad = {"status": 200, "method": "POST", "content_type": "audio/wav", "recording": 2, "path": "/x*"}
    result = judged(tmp_path, {**scenario, "expect": {"uploads": [{"status": 503}, bad]}})
    assert [check.what for check in result.failed] == [
        f"upload 2 {key}" for key in ("method", "path", "status", "content_type", "recording")
    ]


def test_further_calls_come_in_and_have_expectations_of_their_own(tmp_path: Path) -> None:
    other = {"at": 2, "flow": TALK["flow"], "caller": {"hangup_after": 1}, "expect": {"duration": [3, 4]}}
    result = judged(tmp_path, {**TALK, "others": [other], "expect": {"duration": [3.9, 4.1]}})
    assert [str(check) for check in result.failed] == ["call 2: duration: expected 3 to 4, came 1.00"]
    assert len(result.pictures) == 2


@pytest.mark.parametrize(
    ("scenario", "fault"),
    [
        ({"flow": "missing.json", "expect": {}}, "CF-DOC-003 no flow missing.json"),
        ({"expect": {}}, "there is nothing to walk"),
        ({"account": str(EXAMPLES / "accounts/demo"), "to": "999999", "expect": {}}, ""),
        ({**TALK, "caller": {"audio": "missing.wav"}, "expect": {}}, "no audio file"),
        ({**TALK, "settings": {"nothing.no": 1}, "expect": {}}, "CF-CFG-000"),
    ],
    ids=["flow", "nothing", "no_match", "audio", "setting"],
)
def test_what_cannot_be_played_is_a_fault_not_a_crash(
    tmp_path: Path, scenario: dict[str, Any], fault: str
) -> None:
    result = judged(tmp_path, scenario)
    assert fault in result.fault and bool(fault) == bool(result.fault)


# ---- the command -------------------------------------------------------------------------------------


def command(*words: object) -> Result:
    """``callflow test`` in this process."""
    return CliRunner().invoke(app_for("test"), ["test", *map(str, words)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One that passes, one that fails, one that cannot be played, and a file that is no scenario."""
    written(tmp_path, "a-good", {**TALK, "name": "all is # well", "expect": GOOD})
    written(tmp_path, "b-bad", {**TALK, "name": "not <so> \u0007 & more", "expect": {"cause": "USER_BUSY"}})
    written(tmp_path, "c-broken", {"flow": "missing.json", "expect": {}})
    written(tmp_path, "some-flow", {"flow": {"module": "hangup", "data": {}}})
    return tmp_path


def test_people_see_what_was_expected_what_came_and_the_way(folder: Path) -> None:
    shown = command(folder)
    assert shown.exit_code == 1
    assert "ok      all is # well" in shown.stdout and "FAILED  not <so>" in shown.stdout
    assert "          expected  USER_BUSY\n          came      NORMAL_CLEARING\n" in shown.stdout
    assert "▶ ● record_call" in shown.stdout, "the picture of the way"
    assert "CF-DOC-003 no flow missing.json" in shown.stdout
    assert "1 passed, 2 failed in " in shown.stdout and "\u0007" not in shown.stdout


def test_exit_codes_and_choice(folder: Path) -> None:
    good = command(folder, "-k", "WELL", "--draw")
    assert good.exit_code == 0 and "1 passed in" in good.stdout and "▶ ● record_call" in good.stdout
    assert command(folder, "-k", "nothing").exit_code == 2
    assert command(folder / "not-there").exit_code == 2
    none = command(folder / "some-flow.json")
    assert none.exit_code == 2 and "some-flow.json:1:" in none.output
    assert command(folder / "a-good.json", "--junit", folder / "no/such/folder.xml").exit_code == 2
    (folder / "torn.json").write_text("{")
    assert command(folder).exit_code == 2


def test_tap_and_junit_are_read_by_their_readers(folder: Path) -> None:
    shown = command(folder, "--tap", "--junit", folder / "out.xml", "-j", "1")
    assert shown.exit_code == 1
    lines = list(Parser().parse_text(shown.stdout))
    assert [(line.ok, line.number) for line in lines if line.category == "test"] == [
        (True, 1),
        (False, 2),
        (False, 3),
    ]
    assert [line.category for line in lines if line.category == "unknown"] == []
    assert [line.expected_tests for line in lines if line.category == "plan"] == [3]
    suites = JUnitXml.fromfile(str(folder / "out.xml"))
    assert (suites.tests, suites.failures, suites.errors) == (3, 1, 1)
    (suite,) = suites
    cases = list(suite)
    assert [case.name for case in cases] == ["all is # well", "not <so> ? & more", "c-broken"]
    assert [[type(one) for one in case.result] for case in cases] == [[], [Failure], [Error]]
    assert cases[1].result[0].message == "cause: expected USER_BUSY, came NORMAL_CLEARING"
    assert "record_call" in cases[1].result[0].text


def test_several_processes_give_the_same_in_the_same_order() -> None:
    files = find([EXAMPLES / "pytest_project/scenarios"])
    shown = command(EXAMPLES / "pytest_project/scenarios", "-j", "2", "--tap")
    assert shown.exit_code == 0, shown.output
    assert [line.partition(" - ")[2] for line in shown.stdout.splitlines()[2:]] == [
        file.name for file in files
    ]


def test_a_file_is_named_with_what_is_wrong_in_it(tmp_path: Path) -> None:
    path = written(tmp_path, "typo", {**TALK, "expect": {"step": []}})
    with pytest.raises(ScenarioError, match=r"typo\.json:1:.*'step' was unexpected"):
        find([path])
