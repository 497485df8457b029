"""``callflow tune`` over ten hours of recordings with its usual 90 settings, on all cores."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.table import Row

ROOT = Path(__file__).resolve().parents[1]
HOURS = 10
FILES = 20


def measure() -> Iterator[Row]:
    """Calls of half an hour, stereo, 8 kHz: the example voices with pauses up to two seconds, so that few
    settings end them early and the replay has its full work.
    """
    with tempfile.TemporaryDirectory() as folder:
        for number in range(FILES):
            _write(Path(folder) / f"{number}.wav", number, HOURS * 3600 / FILES)
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "callflow", "tune", folder],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        took = time.perf_counter() - began
    many = next(word for word in done.stdout.splitlines())
    yield Row(f"callflow tune, {many}", f"{took:.0f} s", "under 60 s", took < 60)


def _write(path: Path, seed: int, seconds: float) -> None:
    random = np.random.default_rng(seed)
    voices = [
        soundfile.read(ROOT / f"examples/audio/{name}.wav", dtype="int16")[0] for name in ("caller", "callee")
    ]
    with soundfile.SoundFile(path, "w", 8000, 2, "PCM_16") as file:
        left = round(seconds * 8000)
        while left > 0:
            sound = np.zeros((max(map(len, voices)) + int(random.integers(16000)), 2), np.int16)
            side = int(random.integers(2))
            sound[: len(voices[side]), side] = voices[side]
            file.write(sound[:left])
            left -= len(sound)
