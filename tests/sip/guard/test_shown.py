"""What others have sent does not act on the terminal or the log of who reads it."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from callflow import events as ev
from callflow.cli._output import show_facts, show_table
from callflow.cli._serve_story import Chatter, ServeTeller
from callflow.cli._story import StoryTeller
from callflow.clock import VirtualClock

EVIL = "\x1b[31m[red]\x9b2J\r\nx.end call=other \x07\u202e"
CALL = ev.CallStarted(
    time=1.0, call_id=EVIL, account_id="a", from_number=EVIL, to_number=EVIL, flow_id="f", flow_name="F"
)


def harmless(text: str) -> bool:
    return all(c.isprintable() or c == "\n" for c in text) and "\nx.end" not in text and "[red]" in text


def test_a_story(capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    StoryTeller(Console(file=out, force_terminal=False))(CALL)
    assert harmless(out.getvalue())


def test_a_servers_lines() -> None:
    lines: list[str] = []
    ServeTeller(VirtualClock(0.0), lines.append, Chatter.VERBOSE)(CALL)
    assert len(lines) == 1 and harmless(lines[0]) and '"' in lines[0], "in quotes: it has blanks"


def test_tables_and_facts(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(["A", "B"], [["1", EVIL]])
    show_facts([("call", EVIL)])
    assert harmless(capsys.readouterr().out)
