"""NCCO files at the command line: check, draw, schema, run; and the page that tells of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

from typer.testing import CliRunner

from callflow.cli import app_for
from tests.house import pages
from tests.modules.stage import ROOT
from tests.ncco.webserver import web_server


def _said(*words: str) -> str:
    done = CliRunner().invoke(app_for(words[0]), list(words))
    assert done.exit_code == 0, done.output
    return done.output


MENU = str(ROOT / "examples/ncco/menu.json")


def test_the_example_of_the_page_runs_as_the_page_says(tmp_path: Path) -> None:
    page = pages.NCCO.read_text(encoding="utf-8")
    block = re.search(r"```sh\n(.*?)```", page, re.DOTALL)
    assert block is not None
    lines = [line.replace("examples/ncco/menu.json", MENU).split()[1:] for line in block[1].splitlines()]
    said = {words[0]: _said(*words, *(["--state", str(tmp_path)] * (words[0] == "run"))) for words in lines}
    assert "1 file: no problems" in said["check"]
    assert "connect" in said["draw"] and "endpoint" in said["schema"]
    assert "heard 1 digit" in said["run"] and "talked to phone 447700900000" in said["run"]
    assert "READY" in said["run"] or ".wav" in said["run"]


def test_the_tables_of_the_page_are_those_of_the_schemas() -> None:
    assert pages.NCCO.read_text(encoding="utf-8") == pages.ncco_page(), "make docs writes them anew"


def test_the_application_of_the_page_is_sound(tmp_path: Path) -> None:
    found = re.search(r"```json application\n(.*?)```", pages.NCCO.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    (tmp_path / "applications").mkdir()
    (tmp_path / "account.json").write_text("{}")
    (tmp_path / "applications" / "support.json").write_text(found[1])
    assert "no problems" in _said("check", str(tmp_path))


def test_run_by_application_tells_the_event_url(tmp_path: Path) -> None:
    account = tmp_path / "account"
    (account / "applications").mkdir(parents=True)
    with web_server(answer=[[{"action": "wait", "timeout": 1}]], event=[""]) as server:
        document = {"answer_url": f"{server.url}/answer", "event_url": "http://127.0.0.1:9/"}
        (account / "applications" / "support.json").write_text(json.dumps(document))
        said = _said(
            "run", "--account", str(account), "--application", "support", "--state", str(tmp_path / "state"),
            "--event-url", f"{server.url}/event", "--draw",
        )  # fmt: skip
        unknown = CliRunner().invoke(
            app_for("run"), ["run", MENU, "--account", str(account), "--application", "suport"]
        )
    assert [body["status"] for body in server.told("/event")].count("completed") == 1
    assert len(server.told("/event")) == 3 and "event is done: POST" in said
    assert unknown.exit_code == 2 and "did you mean support?" in unknown.output + unknown.stderr
    assert "wait" in said.partition("nothing was recorded")[2]


def test_run_draws_the_way_of_a_script(tmp_path: Path) -> None:
    said = _said("run", MENU, "--dtmf", "1@4", "--hangup-after", "6", "--draw", "--state", str(tmp_path))
    assert re.search(r"▶.* input ", said) and "heard 1 digit → next" in said
