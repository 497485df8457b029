"""Layer 1: finished sound files. One protocol for all encoders."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from callflow.media.taps import Samples


class Encoder(Protocol):
    """Writes one sound file as a stream. ``close`` makes it whole; without it the file is not usable."""

    @property
    def samples(self) -> int:
        """Samples per channel written so far."""

    def write(self, frames: Samples) -> None:
        """Append ``frames`` (int16 ``[n, channels]``, any n). Raises AudioFileError."""

    def close(self) -> None:
        """Finish the file (not fsynced). Safe to call twice. Raises AudioFileError."""


def open_encoder(
    path: Path, format: str, rate: int, channels: int, *, bitrate_kbps: int = 32, quality: int = 5
) -> Encoder:
    """A new file of ``format`` (``wav``, ``mp3``, ``ogg``). ``bitrate_kbps`` (a channel) and ``quality``
    (LAME's 0 best .. 9 fastest) are for MP3. Raises AudioFileError.
    """
    raise NotImplementedError


def duration(path: Path) -> float:
    """Seconds of sound in a file; for MP3 without encoder delay and padding. Raises AudioFileError."""
    raise NotImplementedError
