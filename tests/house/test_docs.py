"""The hand-written pages hold what the code has: every event and field, every error, every dependency."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from callflow.cli import app_for
from callflow.events import Event, all_events
from callflow.modules import MODULES

ROOT = Path(__file__).resolve().parents[2]


def _sections(page: str) -> dict[str, str]:
    parts = re.split(r"^## (\S+)$", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_event_and_field_is_documented() -> None:
    sections = _sections((ROOT / "docs/events.md").read_text(encoding="utf-8"))
    assert set(sections) == {kind.NAME for kind in all_events()}
    common = {field.name for field in dataclasses.fields(Event)}
    for kind in all_events():
        fields = {field.name for field in dataclasses.fields(kind)} - common
        written = set(re.findall(r"`([a-z0-9_]+)`", sections[kind.NAME]))
        assert fields <= written, f"{kind.NAME}: {sorted(fields - written)} not in docs/events.md"


def test_every_dependency_is_explained() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    page = (ROOT / "docs/dependencies.md").read_text(encoding="utf-8")
    for line in project["dependencies"] + project["optional-dependencies"]["dev"]:
        name = re.split(r"[><=~!;\[ ]", line)[0]
        assert name.removeprefix("types-") in page, f"{name} is not in docs/dependencies.md"


def test_the_classifiers_name_only_versions_that_tests_ran_on() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = {c.rsplit(" ", 1)[1] for c in project["classifiers"] if c.startswith("Programming Language")}
    tested = (ROOT / "docs/tested.md").read_text(encoding="utf-8")
    ran = set(re.findall(r"^\| (3\.\d+)", tested, flags=re.MULTILINE))
    assert named <= ran and project["requires-python"] == ">=3.11"


@pytest.mark.parametrize("page", ["README.md", "CHANGELOG.md"])
def test_every_module_with_code_is_listed(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert set(MODULES) <= set(re.findall(r"`([a-z_]+)`", text))
    assert f"{len(MODULES)} " in text, "how many they are"


@pytest.mark.parametrize("command", ["call", "serve"])
def test_every_option_is_documented(command: str) -> None:
    shown = CliRunner().invoke(app_for(command), [command, "--help"], env={"COLUMNS": "200"}).stdout
    options = set(re.findall(r"(?m)^\s+(?:-\w, )?(--[a-z-]+)", shown)) - {"--help"}
    assert len(options) > 10
    page = (ROOT / f"docs/{command}.md").read_text(encoding="utf-8")
    assert not [option for option in sorted(options) if option not in page]


def test_changelog_has_the_version() -> None:
    page = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## [Unreleased]" in page or "## [0.1.0]" in page
