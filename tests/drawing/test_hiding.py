"""Hostile documents as pictures and differences: nothing that a terminal or browser obeys, and no secrets."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from callflow.cli import app_for
from callflow.drawing.gather import tree_of
from callflow.drawing.mermaid import to_mermaid
from callflow.drawing.picture import Picture
from callflow.drawing.svg import to_svg
from callflow.drawing.text import to_text
from tests.modules.stage import node

EVIL = "</title><script>x()</script>\x1b]0;own\x07\x00\ud800\r\n]]>--> click n0 call x()"


def _flow(pin: str) -> dict[str, Any]:
    config = {"member": {"pins": [pin]}}
    last = node("tts", {"text": EVIL, "voice": EVIL})
    inner = node("pivot", {"voice_url": f"https://u:{pin}@h/p?key={pin}"}, **{EVIL: last})
    data = {"custom_request_headers": {"Authorization": pin}, "voice_url": "https://h/"}
    outer = node("conference", {"config": config}, then=node("pivot", data, then=inner))
    return {"name": EVIL, "numbers": [EVIL], "flow": node("disa", {"pin": pin}, then=outer)}


def test_pictures_hold_no_commands() -> None:
    picture = Picture([tree_of(_flow("73519"))])
    svg, text, mermaid = to_svg(picture), to_text(picture), to_mermaid(picture)
    tags = {element.tag.rpartition("}")[2] for element in ET.fromstring(svg).iter()}
    assert "script" not in tags and "a" not in tags
    for shown in (svg, text):
        assert all(char.isprintable() or char == "\n" for char in shown)
    assert "<script" not in mermaid and "\x1b" not in mermaid and "click n0" not in mermaid.splitlines()
    for shown in (svg, text, mermaid):
        shown.encode()
        assert "73519" not in shown


@pytest.mark.parametrize("output", ["text", "json"])
def test_a_difference_says_that_a_secret_has_changed_and_not_to_what(tmp_path: Path, output: str) -> None:
    for name, pin in (("a", "73519"), ("b", "86420")):
        (tmp_path / f"{name}.json").write_text(json.dumps(_flow(pin)).replace("\\ud800", ""))
    found = CliRunner().invoke(
        app_for("diff"), ["diff", str(tmp_path / "a.json"), str(tmp_path / "b.json"), "--output", output]
    )
    assert found.exit_code == 1 and "***" in found.output
    assert "73519" not in found.output and "86420" not in found.output
