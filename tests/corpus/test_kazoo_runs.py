"""Documents found in the wild, through an engine: whatever they say, the call ends and nothing breaks."""

from __future__ import annotations

from pathlib import Path

import pytest

from callflow.documents import jsontext
from callflow.errors import JsonSyntaxError
from callflow.events import CallEnded, Noticed, StepEnded
from tests.app.harness import Stage
from tests.corpus.test_kazoo_corpus import CORPUS, ROWS

SCENARIO = {
    "caller": {"actions": [{"at": 2, "press": "1"}, {"at": 3, "press": "1234#"}], "hangup_after": 300},
    "callee": {"answer_after": 2, "hangup_after": 5},
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["file"])
def test_it_runs_to_an_end(row: dict[str, str], tmp_path: Path) -> None:
    try:
        document = jsontext.read(CORPUS / row["file"]).value
    except JsonSyntaxError as error:
        assert row["reason"] == "json-syntax", error
        return
    played = Stage(tmp_path).play(document, SCENARIO)
    assert len(played.of(CallEnded)) == 1
    assert played.report.seconds <= 300
    assert played.of(StepEnded), "nothing was walked"
    codes = {notice.code for notice in played.of(Noticed)}
    assert "CF-RUN-MODULE" not in codes, "a module failed with something that is no error of the tree"
    assert all(change.change in ("ready", "cancelled", "discarded") for change in played.recordings)
    assert played.modules()[0] in row["modules"].split(",")
