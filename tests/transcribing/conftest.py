"""What these tests share: spoken digits, and one helper process with a model for all that need one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray

from callflow.media.speech import Speech, speak
from callflow.media.transcribing.helper import Helper

RATE = 16000
LEAD_S = 1.0
"""Silence before the first word."""


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> NDArray[np.int16]:
    """``two seven nine``, said by eSpeak NG, at RATE."""
    file = tmp_path_factory.mktemp("spoken") / "digits.wav"
    speak(Speech("two seven nine", "en-us"), file)
    sound, rate = soundfile.read(file, dtype="int16")
    spoken: NDArray[np.int16] = soxr.resample(sound, rate, RATE)
    return spoken


@pytest.fixture(scope="session")
def spoken_s(digits: NDArray[np.int16]) -> float:
    """How long they are."""
    return len(digits) / RATE


@pytest.fixture(scope="session")
def call_file(digits: NDArray[np.int16], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stereo file at 8 kHz: silence on the left; LEAD_S of it, the digits and 1 s more on the right."""
    right = np.concatenate([np.zeros(round(LEAD_S * RATE), np.int16), digits, np.zeros(RATE, np.int16)])
    both = np.stack([np.zeros_like(right), right], axis=1)
    file = tmp_path_factory.mktemp("calls") / "call.wav"
    soundfile.write(file, soxr.resample(both, RATE, 8000), 8000, subtype="PCM_16")
    return file


@pytest.fixture(scope="session")
def helper() -> Iterator[Helper]:
    """One process for all tests of the session."""
    one = Helper()
    yield one
    one.close()
