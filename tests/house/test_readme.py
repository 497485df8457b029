"""What README and docs show is what the program prints, and the README's code runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.readme import CODE, PAGES, README, ROOT, Ports, Shown, prepare, run_block, shown

_SECONDS = re.compile(r"^ *\d+ s(?=  )|\b(?:9|10|11) s\b", re.MULTILINE)


def steady(step: Shown) -> str:
    """The output; of the demo's real call without the seconds, which are a busy machine's, too."""
    return _SECONDS.sub("SECONDS s", step.output) if step.command == "make demo" else step.output


WITH_BLOCKS = [page for page in PAGES if shown(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", WITH_BLOCKS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_console_block_prints_what_the_page_shows(tmp_path: Path, page: Path) -> None:
    prepare(tmp_path)
    blocks = shown(page.read_text(encoding="utf-8"))
    assert len(blocks) >= 6 or page != README
    ports = Ports.free()
    for block in blocks:
        for was, now in zip(block, run_block(block, tmp_path, ports), strict=True):
            assert steady(now) == steady(was), (
                f"$ {was.command} (python -m tests.house.readme writes it anew)"
            )


def test_its_python_runs(tmp_path: Path) -> None:
    (code,) = CODE.findall(README.read_text(encoding="utf-8"))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_every_file_it_names_is_there() -> None:
    page = README.read_text(encoding="utf-8")
    linked = set(re.findall(r"\]\(([^)#:]+)\)", page)) | set(re.findall(r"\bexamples/[\w/.-]+\.\w+", page))
    assert linked and [name for name in linked if not (ROOT / name).exists()] == []
