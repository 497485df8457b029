"""The commands check, explain and schema as a user calls them: output, JSON, exit codes."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from callflow.cli import app_for

FLOW = {
    "flow": {
        "module": "record_call",
        "data": {
            "action": "start",
            "url": "http://user:hunter2@h.example/rec/?token=hunter3",
            "time_limit": "99999",
            "silence_detection": True,
            "silence_initial_timeout": 8000,
        },
        "children": {"_": {"module": "record_call", "data": {"action": "stop"}}},
    },
    "numbers": ["1000"],
}


class Done(NamedTuple):
    """What came of a command."""

    returncode: int
    stdout: str
    stderr: str


def _process(*words: str, cwd: Path) -> Done:
    """The command as a process of its own: each of the three is one at least once."""
    command = [sys.executable, "-m", "callflow", *words]
    clean = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        command, cwd=cwd, env=clean, capture_output=True, text=True, check=False, timeout=60
    )
    return Done(done.returncode, done.stdout, done.stderr)


def _run(*words: str, cwd: Path) -> Done:
    """The command in this process; what would be a traceback is raised."""
    ours: dict[str, str | None] = {name: None for name in os.environ if name.startswith("CALLFLOW_")}
    with contextlib.chdir(cwd):
        done = CliRunner(env=ours).invoke(app_for(words[0]), words, prog_name="callflow")
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Done(done.exit_code, done.stdout, done.stderr)


def _write(path: Path, document: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1), encoding="utf-8")


def test_check_prints_place_code_what_where_and_hint(tmp_path: Path) -> None:
    _write(tmp_path / "bad.json", {"module": "sleep", "data": {"unit": "MS"}})
    done = _process("check", "bad.json", cwd=tmp_path)
    assert done.returncode == 1
    first = done.stdout.splitlines()[0]
    assert first.startswith("bad.json:4:11  CF-CHK-071  error: ")
    assert first.endswith("(/data/unit); did you mean ms?")
    assert done.stdout.splitlines()[-1] == "1 file: 1 error"
    assert "\x1b" not in done.stdout


def test_check_exit_codes(tmp_path: Path) -> None:
    _write(tmp_path / "good.json", {"module": "answer", "data": {}})
    _write(tmp_path / "odd.json", {"module": "function", "data": {}})
    assert _run("check", "good.json", cwd=tmp_path).returncode == 0
    assert _run("check", "odd.json", cwd=tmp_path).returncode == 0
    assert _run("check", "--strict", "odd.json", cwd=tmp_path).returncode == 1
    assert _process("check", "missing.json", cwd=tmp_path).returncode == 2
    assert _run("check", cwd=tmp_path).returncode == 2
    assert _run("check", "good.json", "--system-config", "nowhere", cwd=tmp_path).returncode == 2


def test_check_as_json(tmp_path: Path) -> None:
    _write(tmp_path / "bad.json", FLOW)
    done = _run("check", ".", "-o", "json", cwd=tmp_path)
    body = json.loads(done.stdout)
    assert done.returncode == 1 and (body["files"], body["errors"], body["notes"]) == (1, 1, 1)
    problem = next(each for each in body["problems"] if each["level"] == "error")
    assert problem == {
        "file": "bad.json", "line": 7, "column": 18, "code": "CF-CHK-080", "level": "error",
        "message": "time_limit 99999 is over media.max_recording_time_limit: 10800 s are used",
        "pointer": "/flow/data/time_limit", "hint": "raise that setting, or write less", "mend": None,
    }  # fmt: skip


def test_check_looks_at_the_users_settings_and_goes_by_them(tmp_path: Path) -> None:
    _write(tmp_path / "flow.json", FLOW)
    _write(tmp_path / "mine" / "media.json", {"max_recording_time_limit": 100000})
    assert _run("check", "flow.json", "--system-config", "mine", cwd=tmp_path).returncode == 0
    _write(tmp_path / "mine" / "media.json", {"max_recording_time_limit": "long"})
    done = _run("check", "flow.json", "--system-config", "mine", cwd=tmp_path)
    assert done.returncode == 1 and "mine/media.json:2:" in done.stdout and "Traceback" not in done.stderr


@pytest.mark.parametrize("text", ["", "{", "[" * 100000, "\x00", '{"a":1}}', "\ufeff{}"])
def test_check_never_shows_a_traceback(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text, encoding="utf-8")
    done = _run("check", "x.json", cwd=tmp_path)
    assert done.returncode == 1 and done.stdout.startswith("x.json:1:") and not done.stderr


def test_check_looks_at_each_file_once(tmp_path: Path) -> None:
    _write(tmp_path / "mine" / "media.json", {"store_recordings": "yes"})
    done = _run("check", "mine", "mine/media.json", "--system-config", "mine", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.count("CF-CHK-070") == 1
    assert done.stdout.splitlines()[-1] == "1 file: 1 error"


def test_explain_shows_values_with_their_origins(tmp_path: Path) -> None:
    _write(tmp_path / "flow.json", FLOW)
    _write(tmp_path / "mine" / "media.json", {"record_min_sec": 2})
    keeping = {"retention_days": 30, "encryption": {"recipients": ["age1ours"]}}
    account = {"configs": {"media": {"record_stereo": False}}, "recordings": keeping}
    _write(tmp_path / "acme" / "account.json", account)
    options = ("--system-config", "mine", "--account", "acme", "-o", "json")
    done = _run("explain", "flow.json", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    node = json.loads(done.stdout)["nodes"][0]
    found = {row["name"]: (row["value"], row["origin"], Path(row["file"]).name) for row in node["settings"]}
    assert found["time_limit"][:2] == (10800, "shipped")
    assert found["method"] == ("put", "default", "")
    assert found["format"] == ("mp3", "shipped", "media.json")
    assert found["record_min_sec"] == (2, "user", "media.json")
    assert found["media.record_stereo"] == (False, "account", "account.json")
    assert found["silence_initial_timeout"] == ("8 s", "node", "")
    assert found["silence_final_timeout"] == ("5 s", "default", "")
    assert [note["code"] for note in node["notes"]] == ["CF-CHK-075", "CF-CHK-080"]
    assert "hunter" not in done.stdout and "call_recording_CALL_ID.mp3.age" in done.stdout
    assert (found["sealed to"][0], found["kept"][0]) == ("age1ours", "30 days")


@pytest.mark.parametrize(
    ("url", "goes"),
    [
        ("http://{HOST}:{PORT}/x", "PUT http://{HOST}:{PORT}/x/call_recording_CALL_ID.mp3"),
        ("{BASE}/x/", "PUT {BASE}/x/call_recording_CALL_ID.mp3"),
        ("http://h/p?file=", "PUT http://h/p?file=call_recording_CALL_ID.mp3"),
        ("http://h/p?a=1", "PUT http://h/p?a=***&recording=call_recording_CALL_ID.mp3"),
        ("http://h/{ACCOUNT_ID}?key={KEY}", "PUT http://h/{ACCOUNT_ID}?key=***&recording=call_recording_C"),
        ("ftp://h/x", "the local media store: the url 'ftp://h/x' cannot be used"),
    ],
)
def test_explain_says_where_the_file_goes(tmp_path: Path, url: str, goes: str) -> None:
    _write(tmp_path / "flow.json", {"module": "record_call", "data": {"action": "start", "url": url}})
    done = _run("explain", "flow.json", cwd=tmp_path)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("goes to")]
    assert line.removeprefix("goes to").strip().startswith(goes)


def test_explain_prints_tables_and_refuses_what_it_cannot_read(tmp_path: Path) -> None:
    _write(tmp_path / "flow.json", FLOW)
    _write(tmp_path / "none.json", {"module": "answer", "data": {}})
    shown = _process("explain", "flow.json", cwd=tmp_path).stdout
    assert "record_call at /flow\n" in shown and "silence_initial_timeout" in shown
    assert "time_limit 99999 is over" in shown and "hunter" not in shown
    assert "starts no recording" in _run("explain", "none.json", cwd=tmp_path).stdout
    done = _process("explain", "nothing.json", cwd=tmp_path)
    assert done.returncode == 2 and "there is no file" in done.stderr and "Traceback" not in done.stderr


def test_schema_prints_fields(tmp_path: Path) -> None:
    table = _process("schema", "record_call", cwd=tmp_path).stdout
    row = next(line for line in table.splitlines() if line.startswith("time_limit"))
    assert "integer (s)" in row and "3600" in row and "5..media.max_recording_time_limit" in row
    assert any(line.startswith("action *") for line in table.splitlines())
    assert "modules/record_call" in _run("schema", cwd=tmp_path).stdout


def test_schema_as_json_and_names_that_two_have(tmp_path: Path) -> None:
    both = json.loads(_run("schema", "menu", "-o", "json", cwd=tmp_path).stdout)
    assert list(both) == ["modules/menu", "menu"] and both["menu"]["properties"]["retries"]["default"] == 3
    done = _run("schema", "recrd_call", cwd=tmp_path)
    assert done.returncode == 2 and "did you mean record_call?" in done.stderr


def test_a_thousand_documents_are_checked_without_heavy_imports(tmp_path: Path) -> None:
    """What makes check quick: no validator, no numpy, no HTTP client for documents that are in order."""
    for number in range(1000):
        _write(tmp_path / "flows" / f"{number}.json", {**FLOW, "flow": {"module": "answer", "data": {}}})
    code = (
        "import sys; sys.argv = ['callflow', 'check', 'flows']\n"
        "from callflow.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "print(sorted({'jsonschema', 'numpy', 'aiohttp'} & set(sys.modules)))"
    )
    clean = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=clean,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.splitlines()[-2:] == ["1000 files: no problems", "[]"]


def test_a_pointer_into_a_very_deep_flow_stays_a_line(tmp_path: Path) -> None:
    deep: dict[str, object] = {"module": "noop", "data": {}}
    text = json.dumps(deep)
    for _ in range(1200):
        text = f'{{"module": "noop", "data": {{}}, "children": {{"_": {text}}}}}'
    (tmp_path / "deep.json").write_text(f'{{"flow": {text}, "numbers": ["1"]}}')
    shown = _run("check", "deep.json", cwd=tmp_path).stdout.splitlines()[0]
    assert "CF-CHK-020" in shown and " … " in shown and len(shown) < 400
    (whole,) = json.loads(_run("check", "deep.json", "-o", "json", cwd=tmp_path).stdout)["problems"]
    assert len(whole["pointer"]) > 1000


def test_a_slip_in_a_rule_of_a_host_is_an_error(tmp_path: Path) -> None:
    _write(tmp_path / "system_config" / "delivery.json", {"hosts": {"h": {"signng": ["secret:env:X"]}}})
    done = _run("check", "system_config", cwd=tmp_path)
    assert done.returncode == 1 and "CF-CHK-076" in done.stdout and "did you mean signing?" in done.stdout
