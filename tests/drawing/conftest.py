"""A stage for each test of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.modules.stage import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """An engine without an account's documents."""
    return Stage(tmp_path / "state")
