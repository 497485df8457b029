"""The wheel carries all that runs need: built for real, unpacked, and run away from the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's content, in a folder of its own."""
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = out.glob("callflow_engine-*.whl")
    target = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return target


def _python(unpacked: Path, cwd: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(unpacked), "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, *words], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )


def test_the_wheel_holds_what_the_checkout_holds(unpacked: Path) -> None:
    shipped = unpacked / "callflow" / "_shipped"
    for folder in ("schemas", "system_config", "examples/accounts", "examples/audio", "examples/flows"):
        here = {
            p.relative_to(ROOT / folder) for p in (ROOT / folder).rglob("*") if p.suffix in {".json", ".wav"}
        }
        there = {p.relative_to(shipped / folder) for p in (shipped / folder).rglob("*") if p.is_file()}
        assert here and here <= there, folder
    prompts = {p.name for p in (ROOT / "callflow/media/sounds").rglob("*.wav")}
    assert prompts and prompts == {p.name for p in (unpacked / "callflow/media/sounds").rglob("*.wav")}
    page = {p.name for p in (ROOT / "callflow/server/console/page").iterdir()}
    assert page and page == {p.name for p in (unpacked / "callflow/server/console/page").iterdir()}
    assert (unpacked / "callflow/py.typed").is_file()


def test_the_one_resources_function_finds_them_there(unpacked: Path, tmp_path: Path) -> None:
    say = "from callflow.documents.shipped import *; print(schemas_dir()); print(system_config_dir())"
    done = _python(unpacked, tmp_path, "-c", say)
    assert done.returncode == 0, done.stderr
    schemas, system_config = map(Path, done.stdout.split())
    assert schemas == unpacked / "callflow/_shipped/schemas"
    assert system_config == unpacked / "callflow/_shipped/system_config"


def test_check_and_run_work_away_from_the_checkout(unpacked: Path, tmp_path: Path) -> None:
    flow = tmp_path / "flow.json"
    flow.write_text(
        '{"flow": {"module": "record_call", "data": {"action": "start", "format": "wav"},'
        ' "children": {"_": {"module": "sleep", "data": {"duration": 2}, "children": {}}}}}'
    )
    checked = _python(unpacked, tmp_path, "-m", "callflow", "check", str(flow))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    ran = _python(unpacked, tmp_path, "-m", "callflow", "run", str(flow), "--state", str(tmp_path / "state"))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert list((tmp_path / "state").rglob("*.wav")), "the recording is in the local media store"
