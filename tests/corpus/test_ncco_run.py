"""NCCOs found in the wild, on pretend calls: each valid and each lenient one is walked to the call's end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from callflow.app import Engine, EngineOptions
from callflow.channels.sim.scenario import Scenario
from callflow.clock import VirtualClock, run_virtual
from callflow.delivery.outside import OutsideHttp
from callflow.documents.settings import load_settings
from callflow.engine.report import CallReport
from callflow.errors import FetchError
from callflow.media import speech
from callflow.ncco.script import Script
from tests.corpus.test_ncco_corpus import CORPUS, ROWS
from tests.modules.stage import WALL, answers, caller, presses

WALKED = [row["file"] for row in ROWS if row["expected"] != "invalid"]
SCENARIO = Scenario(caller=caller(presses(3, "1"), leaves=90.0), callee=answers(1.0, leaves=20.0))
FAULTS = {"CF-RUN-ACTION", "CF-RUN-BACKGROUND", "CF-RUN-MODULE"}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, CallReport]:
    """All calls, one after the other on one engine that can reach nobody outside."""
    clock = VirtualClock(WALL)
    return run_virtual(_walk_all(tmp_path_factory.mktemp("state"), clock), clock)


async def _walk_all(state: Path, clock: VirtualClock) -> Mapping[str, CallReport]:
    options = EngineOptions(state=state, settings=load_settings(), deliver=False, allow_loopback=False)
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OutsideHttp, "request", _nowhere)
        patch.setattr(OutsideHttp, "fetch_file", _nowhere)
        patch.setattr(speech, "installed", lambda: "")
        async with Engine(options, clock) as engine:
            for file in WALKED:
                document = json.loads((CORPUS / file).read_text(encoding="utf-8"))
                found[file] = await engine.place_call(SCENARIO, script=Script.parse(document, name=file))
    return found


async def _nowhere(*args: object, **more: object) -> None:
    raise FetchError("nobody is there")


@pytest.mark.parametrize("file", WALKED)
def test_it_is_walked_to_the_end(reports: Mapping[str, CallReport], file: str) -> None:
    report = reports[file]
    assert report.cause and report.ended_by
    assert {notice.code for notice in report.notices} & FAULTS == set(), report.notices
    actions = json.loads((CORPUS / file).read_text(encoding="utf-8"))
    assert [step.path for step in report.steps] == [f"/{index}" for index in range(len(report.steps))]
    assert [step.module for step in report.steps] == [each["action"] for each in actions[: len(report.steps)]]
    assert len(report.steps) == len(actions) or _last(report) or report.ended_by == "party"


def _last(report: CallReport) -> bool:
    return report.steps[-1].outcome in ("gone", "hand_over", "end")


def test_what_is_loose_is_said(reports: Mapping[str, CallReport]) -> None:
    said = {notice.code for notice in reports["talk-input-b96fb1.json"].notices}
    assert {"CF-CHK-132", "CF-CHK-138"} <= said
