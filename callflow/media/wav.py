"""Layer 1: WAV, PCM 16 bit, 1 to 32 channels, exact to the sample."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from callflow.errors import AudioFileError
from callflow.media.taps import Samples

_PCM, _EXTENSIBLE = 1, 0xFFFE
_UNKNOWN = 0xFFFFFFFF
"""Size of a file too long for 32-bit sizes: readers (ffmpeg, libsndfile) then go on to its end."""
# The sub-format of WAVE_FORMAT_EXTENSIBLE that says PCM (KSDATAFORMAT_SUBTYPE_PCM).
_PCM_GUID = struct.pack("<H", _PCM) + bytes.fromhex("000000001000800000aa00389b71")


def wav_header(rate: int, channels: int, data_bytes: int) -> bytes:
    """The header before ``data_bytes`` of samples: the plain 44 bytes up to two channels, else the extensible
    form that more channels call for (Microsoft, "Multiple channel audio data and WAVE files").
    """
    frame = 2 * channels
    tag, extra = _PCM, b""
    if channels > 2:
        tag, extra = _EXTENSIBLE, struct.pack("<HHI", 22, 16, 0) + _PCM_GUID
    form = struct.pack("<HHIIHH", tag, channels, rate, rate * frame, frame, 16) + extra
    riff_bytes = 4 + 8 + len(form) + 8 + data_bytes
    if riff_bytes >= _UNKNOWN:
        riff_bytes = data_bytes = _UNKNOWN
    return (
        struct.pack("<4sI4s", b"RIFF", riff_bytes, b"WAVE")
        + struct.pack("<4sI", b"fmt ", len(form))
        + form
        + struct.pack("<4sI", b"data", data_bytes)
    )


def unfinished_header(rate: int, channels: int) -> bytes:
    """The header while samples still come: as long as the final one, with sizes that mean "to the end"."""
    return wav_header(rate, channels, _UNKNOWN)


class WavEncoder:
    """Streams a WAV file; its sizes are filled in by ``close``."""

    def __init__(self, path: Path, rate: int, channels: int) -> None:
        self._path = path
        self._rate = rate
        self._channels = channels
        self.samples = 0
        try:
            self._file = path.open("wb")
            self._file.write(unfinished_header(rate, channels))
        except OSError as error:
            raise unwritable(path, error) from None

    def write(self, frames: Samples) -> None:
        """Append int16 ``[n, channels]``. Raises AudioFileError."""
        try:
            self._file.write(np.ascontiguousarray(frames, "<i2").data)
        except OSError as error:
            raise unwritable(self._path, error) from None
        self.samples += len(frames)

    def close(self) -> None:
        """Fill in the sizes. Raises AudioFileError."""
        if self._file.closed:
            return
        try:
            with self._file:
                self._file.seek(0)
                self._file.write(wav_header(self._rate, self._channels, self.samples * 2 * self._channels))
        except OSError as error:
            raise unwritable(self._path, error) from None


def unwritable(path: Path, error: Exception) -> AudioFileError:
    """The error for a sound file that could not be written."""
    why = getattr(error, "strerror", None) or str(error)
    return AudioFileError(
        f"the audio file {path} cannot be written: {why}", hint="Check the folder and the free space."
    )
