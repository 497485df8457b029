"""The pages of docs/modules: tables as the schemas say, and every example checked and walked by a call."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from callflow.channels.sim.read import parse_scenario
from callflow.channels.sim.scenario import Scenario
from callflow.cli.check import url_judge
from callflow.documents.accounts import Account
from callflow.documents.check import Surroundings, check_text
from callflow.documents.settings import load_settings
from callflow.modules import MODULES
from callflow.testing.expectations import evaluate
from callflow.testing.outcome import Outcome
from tests.house import pages
from tests.modules.stage import NEVER, ROOT, Stage, caller

EXAMPLE = re.compile(r"```json\n(.*?)```(?:\s+```json scenario\n(.*?)```)?", re.DOTALL)
"""A flow and, if it needs more than a caller who waits, its scenario (schemas/scenario.json)."""

SETTINGS = load_settings()


def _examples() -> list[tuple[str, int, str, str]]:
    found = []
    for module in MODULES:
        words = pages.words_of(module)
        found += [(module, at, match[1], match[2] or "") for at, match in enumerate(EXAMPLE.finditer(words))]
    return found


@pytest.mark.parametrize("module", MODULES)
def test_the_tables_of_a_page_are_those_of_its_schema(module: str) -> None:
    text = (pages.FOLDER / f"{module}.md").read_text(encoding="utf-8")
    assert text == pages.page(module, pages.words_of(module)), "make docs writes them anew"
    assert text.startswith(f"# {module}\n") and len(pages.words_of(module)) > 60
    assert EXAMPLE.search(pages.words_of(module)), "an example"


def test_the_index_is_that_of_the_schemas() -> None:
    assert (pages.FOLDER / "README.md").read_text(encoding="utf-8") == pages.index(), "make docs"


@pytest.mark.parametrize(
    ("module", "at", "text", "script"), _examples(), ids=[f"{name}-{at}" for name, at, *_ in _examples()]
)
def test_an_example_is_sound_and_does_what_its_page_says(
    stage: Stage, module: str, at: int, text: str, script: str
) -> None:
    problems = check_text(text, f"{module}.json", Surroundings(SETTINGS, judge_url=url_judge(SETTINGS)))
    assert [problem for problem in problems if problem.level == "error"] == []
    stage.account = Account.load(ROOT / "examples/office")
    value: dict[str, Any] = json.loads(script) if script else {}
    expect: Mapping[str, Any] = value.get("expect", {})
    scenario = (
        parse_scenario(value, ROOT / "examples")
        if script
        else Scenario(caller=caller(leaves=30.0), callee=NEVER)
    )
    ran = stage.run(json.loads(text), scenario)
    assert module in ran.modules, f"the call went {ran.modules}"
    outcome = Outcome(ran.report.call_id, ran.events, ran.state)
    assert [str(check) for check in evaluate(expect, outcome, ROOT / "examples") if not check.ok] == []
