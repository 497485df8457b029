"""Documents found in the wild, through ``check``: it agrees with what a careful reader expected, or says why.

The corpus lies beside the checkout, not in it. On a laptop without it these tests are skipped; in CI, and
with CALLFLOW_REQUIRE_PEERS=1, its absence is a failure.
"""

from __future__ import annotations

import csv
import os
from functools import cache
from pathlib import Path

import pytest

from callflow.cli.check import url_judge
from callflow.documents import schemas
from callflow.documents.check import Problem, Surroundings, check_paths
from callflow.documents.settings import load_settings
from callflow.documents.shipped import system_config_dir

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus" / "kazoo"
REQUIRED = os.environ.get("CALLFLOW_REQUIRE_PEERS") == "1" or bool(os.environ.get("CI"))

DISAGREE: dict[str, str] = {}
"""File → why check says otherwise than the reader of the corpus."""


def _rows() -> list[dict[str, str]]:
    index = CORPUS / "index.tsv"
    if not index.is_file():
        return []
    with index.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


ROWS = _rows()


def test_the_corpus_is_there() -> None:
    if not ROWS and not REQUIRED:
        pytest.skip("no corpus beside this checkout (../shared/corpus/kazoo)")
    assert len(ROWS) >= 80, f"the corpus is missing or incomplete: {CORPUS}"
    assert {row["file"] for row in ROWS} == {path.name for path in CORPUS.glob("*.json")}


@cache
def _around() -> Surroundings:
    settings = load_settings(system_config_dir())
    return Surroundings(settings, judge_url=url_judge(settings))


def _problems(file: str) -> list[Problem]:
    return check_paths([CORPUS / file], _around())


def _without_code(row: dict[str, str]) -> set[str]:
    """Modules of Kazoo's in this document whose data check cannot judge."""
    return set(row["modules"].split(",")) & set(schemas.other_modules())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["file"])
def test_check_agrees_with_the_careful_reader(row: dict[str, str]) -> None:
    problems = _problems(row["file"])
    says = "invalid" if any(problem.is_error for problem in problems) else "valid"
    if row["file"] in DISAGREE:
        assert says != row["expected"], f"agrees now: {DISAGREE[row['file']]}"
    else:
        assert says == row["expected"], [problem.message for problem in problems]


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row["expected"] == "invalid"], ids=lambda row: row["file"]
)
def test_the_reason_is_the_readers(row: dict[str, str]) -> None:
    if row["file"] in DISAGREE:
        return
    codes = {problem.code for problem in _problems(row["file"]) if problem.is_error}
    first = row["reason"].partition(":")[0]
    expected = {
        "json-syntax": {"CF-CHK-010", "CF-CHK-012", "CF-CHK-015", "CF-CHK-016"},
        "module": {"CF-CHK-060", "CF-CHK-062"},
        "structure": {"CF-CHK-046"},
        "data": {"CF-CHK-070", "CF-CHK-071", "CF-CHK-072", "CF-CHK-073", "CF-CHK-076", "CF-CHK-090"},
    }[first]
    assert codes & expected, (codes, row["reason"])


@pytest.mark.parametrize(
    "row", [row for row in ROWS if "cast:" in row["reason"]], ids=lambda row: row["file"]
)
def test_casts_are_noted_where_the_reader_saw_them(row: dict[str, str]) -> None:
    seen = {
        problem.pointer.replace("/", ".").strip(".")
        for problem in _problems(row["file"])
        if problem.code == "CF-CHK-075"
    }
    for part in row["reason"].split("; "):
        where = part.removeprefix("cast:").partition(": ")[0]
        assert where in seen or where.removeprefix("flow.") in seen


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row["kind"] == "metaflow"], ids=lambda row: row["file"]
)
def test_metaflow_actions_are_called_so(row: dict[str, str]) -> None:
    """A bare ``{"module": "callflow"}`` alone cannot be told from a callflow's node."""
    codes = {problem.code for problem in _problems(row["file"])}
    assert "CF-CHK-031" in codes or row["modules"] == "callflow"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["file"])
def test_every_module_without_code_is_warned_about(row: dict[str, str]) -> None:
    if row["kind"] in ("metaflow", "text"):
        return
    problems = _problems(row["file"])
    if any(problem.code == "CF-CHK-031" for problem in problems):
        return  # a flow that is a metaflow action in all but its index row
    warned = {problem.message.split(" ")[0] for problem in problems if problem.code == "CF-CHK-061"}
    assert warned == _without_code(row)


SEMANTIC = {
    f"CF-CHK-{number}" for number in ("053", "054", "055", "078", "079", "084", "105", "106", "107", "108")
}
"""What is said about flows that break no rule: a real document that means what it says never meets these."""


@pytest.mark.parametrize("row", [row for row in ROWS if row["engine"] == "ok"], ids=lambda row: row["file"])
def test_no_false_alarm(row: dict[str, str]) -> None:
    assert [problem for problem in _problems(row["file"]) if problem.code in SEMANTIC] == []
