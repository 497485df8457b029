"""``callflow run`` and ``callflow demo`` as a user types them: what they print, and their exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import soundfile
from typer.testing import CliRunner, Result

from callflow.cli import app_for
from tests.app.harness import chain, node, with_receiver

RECORD = node("record_call", action="start", format="wav")
TALK = chain(RECORD, node("user", id="alice"))


def command(name: str, *words: object) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(app_for(name), [name, *(str(word) for word in words)])


def run(folder: Path, flow: object, *words: object) -> Result:
    """``callflow run`` with a flow of its own, and a state folder of its own."""
    file = folder / "flow.json"
    file.write_text(flow if isinstance(flow, str) else json.dumps(flow))
    return command("run", file, "--state", folder / "state", *words)


def lines(result: Result) -> list[dict[str, Any]]:
    """The events of ``-o json``."""
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_the_story_names_node_module_deed_outcome_and_time(tmp_path: Path) -> None:
    result = run(tmp_path, TALK, "--answer-after", "2", "--callee-hangup-after", "3")
    assert result.exit_code == 0, result.output
    story = result.stdout
    assert "call from 1000 to 2000" in story
    assert "     0.00  record_call      /\n" in story
    assert "started recording" in story
    assert "→ continue _" in story
    assert "     0.00  user             /children/_\n" in story
    assert "     2.00      caller and user alice hear each other" in story
    assert "→ stop" in story
    assert "ready, 5.00 s, wav, 2 channels" in story
    (listen,) = [line for line in story.splitlines() if line.startswith("  listen")]
    file = Path(listen.removeprefix("  listen").strip())
    assert soundfile.info(file).duration == 5.0
    assert "\x1b" not in story


def test_json_is_an_object_a_line_in_the_order_of_the_call(tmp_path: Path) -> None:
    result = run(tmp_path, TALK, "--callee-hangup-after", "1", "-o", "json")
    assert result.exit_code == 0
    told = lines(result)
    assert [event["event"] for event in told][:3] == ["call.started", "step.started", "step.ended"]
    assert [event["change"] for event in told if event["event"] == "recording"] == [
        "started",
        "finishing",
        "ready",
    ]
    times = [event["time"] for event in told]
    assert times == sorted(times)


def test_a_seed_repeats_the_lines(tmp_path: Path) -> None:
    outputs = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        result = run(tmp_path / name, TALK, "--callee-hangup-after", "1", "-o", "json", "--seed", "5")
        outputs.append(result.stdout)
    assert outputs[0] == outputs[1]
    assert len(outputs[0].splitlines()) > 8


def test_a_seed_repeats_the_lines_in_any_month(tmp_path: Path) -> None:
    told = lines(run(tmp_path, RECORD, "--seed", "5", "-o", "json"))
    assert {event["recording_id"][:7] for event in told if "recording_id" in event} == {"202601-"}


def test_all_the_words_about_the_call_reach_it(tmp_path: Path) -> None:
    flow = chain(node("collect_dtmf", max_digits=2, timeout=9000), node("user", id="alice"))
    words = ("--from", "55", "--to", "66", "--dtmf", "1@1", "--dtmf", "2@1.5", "--answer-after", "never")
    told = lines(run(tmp_path, flow, *words, "--hangup-after", "4", "-o", "json"))
    (started,) = [event for event in told if event["event"] == "call.started"]
    assert (started["from_number"], started["to_number"]) == ("55", "66")
    collected = next(event for event in told if event["event"] == "step.ended")
    assert 1.5 <= collected["time"] <= 1.8
    (ended,) = [event for event in told if event["event"] == "call.ended"]
    assert (ended["by"], ended["duration"]) == ("party", 4.0)


def test_a_scenario_file_and_words_over_it(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "hi.wav", [0.1] * 800, 8000, subtype="PCM_16")
    scenario = tmp_path / "scenario.json"
    scenario.write_text(json.dumps({"caller": {"audio": "hi.wav", "hangup_after": 9}, "callee": {}}))
    result = run(tmp_path, TALK, "--scenario", scenario, "--hangup-after", "2")
    assert result.exit_code == 0
    assert "ready, 2.00 s" in result.stdout


def test_an_account_and_a_number(tmp_path: Path) -> None:
    account = tmp_path / "acme"
    (account / "callflows").mkdir(parents=True)
    document = {"name": "Front desk", "patterns": ["^9(\\d+)$"], "flow": node("sleep", duration=1)}
    (account / "callflows" / "front.json").write_text(json.dumps(document))
    shared = ("--account", account, "--state", tmp_path / "state")
    found = command("run", *shared, "--to", "9123")
    assert found.exit_code == 0, found.output
    assert "flow Front desk" in found.stdout
    unknown = command("run", *shared, "--to", "1")
    assert unknown.exit_code == 1
    assert "CF-ENG-003" in unknown.stderr


def test_a_delivered_file_is_shown_with_its_answer(tmp_path: Path) -> None:
    flow = chain(node("record_call", action="start", format="mp3", url="{URL}/in"), node("sleep", duration=2))

    def use(url: str) -> Result:
        return run(tmp_path, flow, "--var", f"URL={url}")

    result, received = with_receiver(tmp_path / "received", use)
    assert result.exit_code == 0, result.output
    assert "delivered" in result.stdout
    assert received[0].target in result.stdout


def test_what_is_not_delivered_in_time_is_exit_code_3(tmp_path: Path) -> None:
    flow = chain(
        node("record_call", action="start", format="wav", url="http://127.0.0.1:9/x"),
        node("sleep", duration=1),
    )
    result = run(tmp_path, flow, "--delivery-wait", "0.3")
    assert result.exit_code == 3, result.output
    assert "stays queued" in result.stdout
    kept = list((tmp_path / "state" / "outbox").iterdir())
    assert [path.suffix for path in kept] == [".wav"]


@pytest.mark.parametrize(
    ("flow", "code"),
    [
        ('{"module": "noop"', "CF-DOC-001"),
        ({"module": "record_call", "data": {"action": "begin"}}, "CF-"),
        (node("play", id="not-there"), "CF-"),
    ],
)
def test_a_flow_at_fault_is_exit_code_1(tmp_path: Path, flow: object, code: str) -> None:
    result = run(tmp_path, flow)
    assert result.exit_code == 1, result.output
    assert code in result.output
    assert "Traceback" not in result.output


SECRET_URL = "http://me:hunter2@127.0.0.1:9/x?key=hunter3"


@pytest.mark.parametrize(
    "flow",
    [
        node("record_call", action="start", url=SECRET_URL),
        node("record_call", action="start", url="put", method=SECRET_URL, silence_detection=SECRET_URL),
        node("webhook", uri=SECRET_URL, http_verb=SECRET_URL),
        node("play", id=SECRET_URL),
        node("play", id=SECRET_URL.replace("http", "prompt", 1)),
        node("play", id=SECRET_URL.replace("http", "ftp", 1)),
    ],
    ids=json.dumps,
)
def test_no_command_tells_what_is_secret_in_a_url(tmp_path: Path, flow: dict[str, Any]) -> None:
    file = tmp_path / "flow.json"
    where = ("--state", tmp_path / "state")
    printed = [run(tmp_path, flow, "--delivery-wait", "0.2", "-o", form).output for form in ("text", "json")]
    printed += [command(name, file, "-o", "json").output for name in ("check", "explain")]
    printed += [command(name, "list", *where, "-o", "json").output for name in ("recordings", "deliveries")]
    for name in ("recordings", "deliveries"):
        for row in json.loads(command(name, "list", *where, "-o", "json").output):
            printed += [
                command(name, "show", row["id"], *where, "-o", form).output for form in ("text", "json")
            ]
    assert "hunter" not in "".join(printed)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("not-there.json",),
        ("FLOW", "--dtmf", "one"),
        ("FLOW", "--var", "NAME"),
        ("FLOW", "--caller-audio", "not-there.wav"),
        ("FLOW", "--scenario", "not-there.json"),
        ("FLOW", "--answer-after", "1", "--reject", "USER_BUSY"),
        ("FLOW", "--no-such-option"),
    ],
    ids=" ".join,
)
def test_wrong_use_is_exit_code_2(tmp_path: Path, words: tuple[str, ...]) -> None:
    file = tmp_path / "flow.json"
    file.write_text(json.dumps(TALK))
    result = command("run", "--state", tmp_path / "s", *(str(file) if w == "FLOW" else w for w in words))
    assert result.exit_code == 2, result.output


def test_no_id_of_a_document_leads_out_of_the_folder_it_is_exported_to(tmp_path: Path) -> None:
    flow = chain(
        node("record_call", action="start", format="wav", media_id="../out"), node("sleep", duration=1)
    )
    assert run(tmp_path, flow).exit_code == 0
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    result = command("recordings", "export", "../out", folder, "--state", tmp_path / "state")
    assert result.exit_code == 0, result.output
    assert len(list(folder.glob("*.wav"))) == 1
    assert list(folder.parent.glob("*.wav")) == []


def test_realtime_takes_its_time(tmp_path: Path) -> None:
    told = lines(run(tmp_path, TALK, "--callee-hangup-after", "0.5", "--realtime", "-o", "json"))
    (ended,) = [event for event in told if event["event"] == "call.ended"]
    assert 0.5 <= ended["duration"] < 1.5
    assert told[-1]["change"] == "ready"


def test_a_pipe_that_closes_does_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "flow.json"
    file.write_text(json.dumps(TALK))
    words = [str(file), "--state", str(tmp_path / "state"), "--callee-hangup-after", "1", "-o", "json"]
    with subprocess.Popen(
        [sys.executable, "-m", "callflow", "run", *words], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(30) == 0
    assert len(list((tmp_path / "state" / "media").rglob("*.wav"))) == 1


def test_the_pretend_demo_shows_the_file_that_has_arrived(tmp_path: Path) -> None:
    result = command("demo", "--pretend", "--folder", tmp_path)
    assert result.exit_code == 0, result.output
    assert "The recording has arrived" in result.stdout
    (listen,) = [line for line in result.stdout.splitlines() if line.startswith("  listen")]
    file = Path(listen.removeprefix("  listen").strip())
    assert soundfile.info(file).duration == pytest.approx(20.0, abs=0.2)
    assert f"{file.stat().st_size:,} bytes, digest right" in result.stdout


def test_an_account_that_cannot_be_read_records_nothing(tmp_path: Path) -> None:
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "account.json").write_text('{"recordings": {"encryption": {"recipients": ["age1}}}')
    result = run(tmp_path, TALK, "--account", tmp_path / "acme", "--hangup-after", "1")
    assert result.exit_code != 0 and "account.json" in result.output, result.output
    assert not list((tmp_path / "state").rglob("*.wav"))
