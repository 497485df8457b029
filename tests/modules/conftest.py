"""A stage for each test of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from callflow.documents.accounts import Account
from tests.modules.stage import ROOT, Stage


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """An engine without an account's documents."""
    return Stage(tmp_path / "state")


@pytest.fixture
def demo(tmp_path: Path) -> Stage:
    """An engine with the demo account of ``examples/accounts``."""
    return Stage(tmp_path / "state", account=Account.load(ROOT / "examples/accounts/demo"))


@pytest.fixture
def office(tmp_path: Path) -> Stage:
    """An engine with the account of ``examples/office``: alice, bob and carol, a desk phone each."""
    return Stage(tmp_path / "state", account=Account.load(ROOT / "examples/office"))
