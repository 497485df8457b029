"""The map at the top of a package that has many files names each of them, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CALLFLOW = Path(__file__).resolve().parents[2] / "callflow"
PACKAGES = (
    "channels/sip",
    "media/rtp",
    "exchange",
    "caller",
    "engine",
    "engine/dialling",
    "engine/meeting",
    "engine/sound",
)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_file_is_on_the_map(package: str) -> None:
    folder = CALLFLOW / package
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    page = (folder / "__init__.py").read_text(encoding="utf-8").split('"""')[1]
    rows = [line for line in page.splitlines() if line.startswith("    ") and "=" not in line]
    words = set(re.findall(r"[a-z0-9_]+", re.sub(r"\([^)]*\)", " ", " ".join(rows))))
    assert files <= words, f"not on the map of {package}: {sorted(files - words)}"
    gone = {word for word in words if "_" in word} - files
    assert not gone, f"on the map of {package}, but not there: {sorted(gone)}"
