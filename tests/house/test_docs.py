"""The hand-written pages hold what the code has: every event and field, every error, every dependency."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from pathlib import Path

from callflow.events import Event, all_events

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


def test_changelog_has_the_version() -> None:
    page = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## [Unreleased]" in page or "## [0.1.0]" in page
