"""NCCOs found in the wild, through ``check``: it agrees with what a careful reader expected, or says why.

The corpus lies beside the checkout, not in it. On a laptop without it these tests are skipped; in CI, and
with CALLFLOW_REQUIRE_PEERS=1, its absence is a failure.
"""

from __future__ import annotations

import csv
from functools import cache

import pytest

from callflow.cli.check import url_judge
from callflow.documents.check import Problem, Surroundings, check_paths
from callflow.documents.settings import load_settings
from callflow.documents.shipped import system_config_dir
from tests.corpus.test_kazoo_corpus import CORPUS as KAZOO
from tests.corpus.test_kazoo_corpus import REQUIRED

CORPUS = KAZOO.parent / "ncco"

_TEXTS = "the name of the fixture says invalid; numbers, booleans and urls as texts are official loose forms"
_FORMAT = "mp3 with 3 channels: issue 6 wants a wav and a warning"
DISAGREE = {
    "connect-ec4a67.json": "the name of the fixture says valid; connect without an endpoint calls nobody",
    "conversation-7308e2.json": _TEXTS,
    "record-24b7e8.json": _FORMAT,
    "record-3b8c2f.json": _TEXTS,
    "record-a0f498.json": _FORMAT,
    "stream-cc99fa.json": _TEXTS,
    "talk-5611b7.json": _TEXTS,
}
"""File → why check says otherwise than the reader of the corpus."""

LOOSE = {
    "instead of array": "CF-CHK-131",
    "as string": "CF-CHK-132",
    "numeric string": "CF-CHK-132",
    "entries (one is used)": "CF-CHK-133",
    "placeholder/relative URL": "CF-CHK-134",
    "not ws(s)": "CF-CHK-134",
    "Method: '": "CF-CHK-135",
    "not E.164": "CF-CHK-136",
    "no type": "CF-CHK-138",
    "unknown key": "CF-CHK-074",
    "content-type: missing": "CF-CHK-148",
    "uri: missing": "CF-CHK-130",
}
"""What the reader saw → the code that says so."""


def _rows() -> list[dict[str, str]]:
    index = CORPUS / "index.tsv"
    if not index.is_file():
        return []
    with index.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


ROWS = _rows()


def test_the_corpus_is_there() -> None:
    if not ROWS and not REQUIRED:
        pytest.skip("no corpus beside this checkout (../shared/corpus/ncco)")
    assert len(ROWS) >= 160, f"the corpus is missing or incomplete: {CORPUS}"
    assert {row["file"] for row in ROWS} == {path.name for path in CORPUS.glob("*.json")}
    assert DISAGREE.keys() <= {row["file"] for row in ROWS}


@cache
def _around() -> Surroundings:
    settings = load_settings(system_config_dir())
    return Surroundings(settings, judge_url=url_judge(settings))


def _problems(file: str) -> list[Problem]:
    return check_paths([CORPUS / file], _around())


def _verdict(problems: list[Problem]) -> str:
    if any(problem.is_error for problem in problems):
        return "invalid"
    return "lenient" if any(problem.level == "warning" for problem in problems) else "valid"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["file"])
def test_check_agrees_with_the_careful_reader(row: dict[str, str]) -> None:
    problems = _problems(row["file"])
    if row["file"] in DISAGREE:
        assert _verdict(problems) != row["expected"], f"agrees now: {DISAGREE[row['file']]}"
    else:
        assert _verdict(problems) == row["expected"], [problem.message for problem in problems]


@pytest.mark.parametrize("row", [row for row in ROWS if row["lenient"]], ids=lambda row: row["file"])
def test_every_loose_form_that_the_reader_saw_is_said(row: dict[str, str]) -> None:
    codes = {problem.code for problem in _problems(row["file"])}
    for remark in row["lenient"].split("; "):
        wanted = next(code for words, code in LOOSE.items() if words in remark)
        assert wanted in codes, remark


def test_problems_have_their_place() -> None:
    problem = next(each for each in _problems("record-846dea.json") if each.is_error)
    text = (CORPUS / "record-846dea.json").read_text(encoding="utf-8").splitlines()
    assert "timeOut" in text[problem.line - 1] and problem.pointer == "/0/timeOut"
