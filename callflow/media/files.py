"""Layer 1: finished sound files. One protocol for all encoders."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Protocol

import lameenc
import numpy as np
import soundfile

from callflow.errors import AudioFileError
from callflow.media.mp3tag import FrameKind, info_frame, info_size, nearest_bitrate, rates, read_info
from callflow.media.taps import Samples
from callflow.media.wav import WavEncoder, unwritable

FORMATS = ("wav", "mp3", "ogg")
MAX_CHANNELS = 32
# libvorbis keeps what it is given on the stack: never hand it a large piece.
_OGG_PIECE = 16384


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
    if not 1 <= channels <= MAX_CHANNELS:
        raise AudioFileError(f"a file cannot have {channels} channels", hint="There are 1 to 32.")
    match format:
        case "wav":
            return WavEncoder(path, rate, channels)
        case "mp3":
            return Mp3Encoder(path, rate, channels, bitrate_kbps, quality)
        case "ogg":
            return OggEncoder(path, rate, channels)
    raise AudioFileError(f"{format!r} is no file format", hint=f"Formats are {', '.join(FORMATS)}.")


class Mp3Encoder:
    """Streams an MP3 (LAME, constant bitrate); its first frame, with the exact length, is written last."""

    def __init__(self, path: Path, rate: int, channels: int, bitrate_kbps: int, quality: int) -> None:
        if channels > 2 or rate not in rates():
            raise AudioFileError(
                f"an MP3 cannot have {channels} channels at {rate} samples a second",
                hint=f"It has 1 or 2 channels, at one of {', '.join(map(str, rates()))}.",
            )
        self._path = path
        self._kind = FrameKind(rate, channels)
        self._kbps = nearest_bitrate(self._kind, bitrate_kbps * channels)
        self._quality = min(9, max(0, quality))
        self.samples = 0
        self._lame = lameenc.Encoder()
        self._lame.silence()
        self._lame.set_channels(channels)
        self._lame.set_in_sample_rate(rate)
        self._lame.set_out_sample_rate(rate)
        self._lame.set_bit_rate(self._kbps)
        self._lame.set_quality(self._quality)
        try:
            self._file = path.open("w+b")
            self._file.write(bytes(info_size(self._kind, self._kbps)))
        except OSError as error:
            raise unwritable(path, error) from None

    def write(self, frames: Samples) -> None:
        """Append int16 ``[n, channels]``. Raises AudioFileError."""
        if not len(frames):
            return
        try:
            self._file.write(self._lame.encode(np.ascontiguousarray(frames).tobytes()))
        except OSError as error:
            raise unwritable(self._path, error) from None
        self.samples += len(frames)

    def close(self) -> None:
        """Write the last frames and the Info frame. Raises AudioFileError."""
        if self._file.closed:
            return
        try:
            with self._file:
                if not self.samples:  # readers refuse a file without any frame: one of padding only
                    self._file.write(self._lame.encode(bytes(2 * self._kind.channels)))
                self._file.write(self._lame.flush())
                self._file.flush()
                with mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
                    frame = self._info(whole)
                self._file.seek(0)
                self._file.write(frame)
        except OSError as error:
            raise unwritable(self._path, error) from None

    def _info(self, whole: mmap.mmap) -> bytes:
        with memoryview(whole) as view, view[info_size(self._kind, self._kbps) :] as stream:
            return info_frame(self._kind, self._kbps, self._quality, self.samples, stream)


class OggEncoder:
    """Streams OGG Vorbis (libsndfile). Its last page carries the exact length."""

    def __init__(self, path: Path, rate: int, channels: int) -> None:
        self._path = path
        self.samples = 0
        try:
            self._file = soundfile.SoundFile(str(path), "w", rate, channels, format="OGG", subtype="VORBIS")
        except (soundfile.SoundFileError, OSError) as error:
            raise unwritable(path, error) from None

    def write(self, frames: Samples) -> None:
        """Append int16 ``[n, channels]``. Raises AudioFileError."""
        try:
            for first in range(0, len(frames), _OGG_PIECE):
                self._file.write(np.ascontiguousarray(frames[first : first + _OGG_PIECE]))
        except (soundfile.SoundFileError, OSError) as error:
            raise unwritable(self._path, error) from None
        self.samples += len(frames)

    def close(self) -> None:
        """Write the last page. Raises AudioFileError."""
        try:
            self._file.close()
        except (soundfile.SoundFileError, OSError) as error:
            raise unwritable(self._path, error) from None


def duration(path: Path) -> float:
    """Seconds of sound in a file; for MP3 without encoder delay and padding. Raises AudioFileError."""
    try:
        info = read_info(path)
        if info is not None:
            return info.samples / info.rate
        facts = soundfile.info(str(path))
    except (soundfile.SoundFileError, OSError) as error:
        raise AudioFileError(
            f"the audio file {path} cannot be read: {error}", hint="Check that it is a whole sound file."
        ) from None
    return float(facts.frames / facts.samplerate)
