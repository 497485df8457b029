"""SIGKILL while a recording is erased or sealed: it is whole, or gone with proof; and never plain."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from pathlib import Path

import pyrage
import pytest
import soundfile

from callflow.recording.finish import Finisher
from callflow.recording.messages import FileFormat
from callflow.recording.recover import recover
from callflow.recording.sealing import keygen, looks_sealed
from callflow.state.erasing import list_proofs
from callflow.state.records import get_recording
from tests.crash.harness import ROOT
from tests.keeping.support import House
from tests.recording.harness import ramp

pytestmark = pytest.mark.crash

PUBLIC, SECRET = keygen()
ERASING = {"erased-before": True, "erased-marked": False, "erased-file": False, "erased-files": False}
"""Where to die, and whether the recording is still whole then."""
SEALING = (
    "header-written:1",
    "sealing:1",
    "sealed",
    "between-rename-and-commit:1",
    "between-commit-and-removal:1",
)
KINDS = ("wav", "mp3")


def die(*words: str) -> None:
    """Let it happen; each must die."""
    ran = subprocess.run(
        [sys.executable, "-m", "tests.crash.keeping", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    count = len(words) // 3
    assert ran.stdout.split() == [str(int(signal.SIGKILL))] * count, (ran.stdout, ran.stderr)


def closed(house: House) -> House:
    house.database.close()
    return house


def test_at_every_point_of_an_erasure(tmp_path: Path) -> None:
    words = []
    for point in ERASING:
        house = House(tmp_path / point)
        house.recording("rec-1", delivery="DEAD")
        words += ["erase", point, str(closed(house).folder.root)]
    die(*words)
    for point, whole in ERASING.items():
        house = House(tmp_path / point)
        file = house.folder.outbox / "rec-1.wav"
        assert (house.left() == {"rec-1"}) is whole
        assert file.exists() or not whole
        recover(house.folder, Finisher(house.folder, house.database))
        assert (house.left() == {"rec-1"}) is whole
        assert file.exists() is whole
        proofs = house.database.run(list_proofs)
        assert [proof.done_wall > 0 for proof in proofs] == ([] if whole else [True])
        assert list(house.folder.spool.iterdir()) == []
        closed(house)


def sound_files(house: House) -> list[Path]:
    roots = (house.folder.outbox, house.folder.media)
    return [path for root in roots for path in root.rglob("*") if path.is_file() and path.stat().st_size]


def test_at_every_point_of_sealing(tmp_path: Path) -> None:
    words, folders = [], []
    for kind in KINDS:
        for point in SEALING if kind == "wav" else SEALING[1:]:
            house = House(tmp_path / f"{kind}-{point}")
            house.spool(id="rec-1", seal_to=(PUBLIC,), format=FileFormat(kind, 0, 32, 5))
            folders.append(closed(house).folder.root)
            words += ["finish", point, str(folders[-1])]
    die(*words)
    for folder in folders:
        house = House(folder)
        assert all(looks_sealed(path) for path in sound_files(house)), "no plain file was ever there"
        recover(house.folder, Finisher(house.folder, house.database))
        row = house.database.run(lambda conn: get_recording(conn, "rec-1"))
        assert row.state == "READY", folder
        assert [house.folder.relative(path) for path in sound_files(house)] == [row.file]
        assert list(house.folder.spool.iterdir()) == []
        key = pyrage.x25519.Identity.from_str(SECRET)
        opened = pyrage.decrypt((house.folder.root / row.file).read_bytes(), [key])
        pcm, _ = soundfile.read(io.BytesIO(opened), dtype="int16", always_2d=True)
        assert len(pcm) == 8000
        assert row.file.endswith(".mp3.age") or (pcm[:, 0] == ramp(8000)).all()
        closed(house)
