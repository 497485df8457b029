"""Layer 1: a sound file made louder or softer. It blocks: give it a thread."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import numpy as np
import soundfile

from callflow.errors import AudioFileError

BLOCK = 65_536


def leveled(file: Path, level: float, folder: Path) -> Path:
    """``file`` at another level, as a WAV in ``folder``, made once. ``level``: from -1 (silent) over 0 (as it
    is) to 1 (twice the amplitude). Raises AudioFileError.
    """
    gain = 1.0 + min(1.0, max(-1.0, level))
    made = folder / f"{file.stem}-level{round(gain * 10):02d}.wav"
    if made.exists():
        return made
    part = made.with_name(f"{made.name}.{os.getpid()}.{os.urandom(4).hex()}.part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (
            soundfile.SoundFile(file) as source,
            soundfile.SoundFile(part, "w", source.samplerate, source.channels, "PCM_16", format="WAV") as to,
        ):
            for block in source.blocks(BLOCK, dtype="float32", always_2d=True):
                to.write(np.clip(block * gain, -1.0, 1.0))
        part.replace(made)
    except (OSError, soundfile.SoundFileError) as error:
        raise AudioFileError(
            f"the sound cannot be played: {error}", hint="Is it an audio file that can be read?"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return made
