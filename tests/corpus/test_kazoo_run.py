"""Documents found in the wild, through ``run``: no traceback, no hang, and what cannot be walked says why."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from callflow.cli import app_for
from tests.corpus.test_kazoo_corpus import CORPUS, ROWS

CALLER = ["--dtmf", "1@3", "--hangup-after", "90", "--max-duration", "300", "--var", "VMBOX_ID=1"]
WALKED = [row for row in ROWS if row["kind"] in ("flow", "doc") and row["engine"] == "ok"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["file"])
def test_run_walks_it_or_says_why_not(row: dict[str, str], tmp_path: Path) -> None:
    words = ["run", str(CORPUS / row["file"]), *CALLER, "--state", str(tmp_path), "--delivery-wait", "0"]
    done = CliRunner().invoke(app_for("run"), words)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    assert "Traceback" not in done.output
    assert "CF-RUN-MODULE" not in done.output, "a module failed with what is no error of the tree"
    if row["engine"] == "unparsable":
        assert done.exit_code == 1 and row["file"] + ":" in done.output + done.stderr
    elif row in WALKED:
        assert "call ended by" in done.output, done.output
        first = row["modules"].split(",")[0]
        assert f" {first} " in done.output, "its first node was reached"
