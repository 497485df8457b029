"""The pytest plugin and scenario tests take NCCOs as they take callflows."""

from __future__ import annotations

from pathlib import Path

from callflow.testing.engines import Callflow, Setup
from tests.modules.stage import ROOT


def test_a_call_by_an_ncco(tmp_path: Path) -> None:
    engine = Callflow(Setup(state=tmp_path, folder=ROOT / "examples"))
    try:
        call = engine.play({"caller": {"hangup_after": 9}}, flow="ncco/menu.json")
        other = engine.play({}, flow=[{"action": "wait", "timeout": 2}])
        assert call.steps[:2] == ["record", "talk"] and "▶ ● talk" in call.picture
        assert other.steps == ["wait"]
    finally:
        assert engine.close() == []
