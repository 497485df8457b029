"""Two voices that have nothing in common, from the first sample on: low noise, as files."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import soundfile

RATE = 8000


@cache
def voice(seed: int) -> str:
    """A sound file of five seconds."""
    noise = np.random.default_rng(seed).normal(0, 9000, 5 * RATE)
    low = np.convolve(noise, np.ones(10) / 10, mode="same").astype(np.int16)
    folder = tempfile.mkdtemp(prefix="voice")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = Path(folder) / f"{seed}.wav"
    soundfile.write(str(path), low, RATE)
    return str(path)
