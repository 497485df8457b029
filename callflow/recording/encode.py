"""Layer 2: a spool's samples into a finished file that appears whole or not at all.

A WAV at the call's own rate is in the spool already, but for the sizes in its header: those are written in
place, and the file gets its final name as a second one (a hard link), so that no sample is written twice.
Everything else, and file systems without hard links, goes through a temporary file.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from io import BufferedRandom
from pathlib import Path

import numpy as np

from callflow.errors import AudioFileError, EncodeError, SealError
from callflow.media.files import open_encoder
from callflow.media.resample import StreamResampler
from callflow.media.wav import wav_header
from callflow.recording.crashpoints import crash_point
from callflow.recording.messages import RecordingSpec
from callflow.recording.sealing import seal
from callflow.recording.spool import SAMPLE_BYTES, Spool, header_bytes
from callflow.state.folder import sync_folder

CHUNK_BYTES = 1 << 20
_PLAIN = "plain.part"
"""In the spool: the encoded file that is to be sealed."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A finished file: its size, and the sha-256 (hex) of its bytes."""

    path: Path
    bytes: int
    sha256: str


def part_of(path: Path) -> Path:
    """The temporary file that becomes ``path``: hidden, in the same folder."""
    return path.with_name(f".{path.name}.part")


def encode(
    spool: Spool, path: Path, making: Making | None = None, seal_to: Sequence[str] | None = None
) -> Encoded:
    """Make ``path`` of it (resampled if the format asks for it); it is fsynced before it gets its name. May
    be done again after a crash at any point. ``making``: what was encoded of it already; it ends here.
    ``seal_to``: the file is sealed to these keys, and what is not sealed never leaves the spool.
    Raises EncodeError, SealError; then nothing is left behind.
    """
    part = part_of(path)
    try:
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
            sync_folder(path.parent.parent)  # the name of a new month must outlast a power cut too
        encoded = _sealed(spool, path, making, seal_to) if seal_to is not None else None
        if encoded is None and _is_final(spool):
            encoded = _in_place(spool, path)
        if encoded is None and making is not None:
            encoded = _go_on(spool, path, making)
        if encoded is None:
            _write(spool, part)
            with part.open("rb+") as file:
                encoded = _seal(file, path)
            os.replace(part, path)
        sync_folder(path.parent)
    except SealError:
        raise
    except (OSError, AudioFileError) as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        why = (error.strerror or str(error)) if isinstance(error, OSError) else error.message
        raise EncodeError(
            f"recording {spool.spec.id} cannot be written as {spool.spec.format.name}: {why}",
            hint="is there space in the state folder? Its samples are kept in the spool.",
        ) from error
    return encoded


def _is_final(spool: Spool) -> bool:
    """Whether the finished file is the spool's own, but for its sizes."""
    wanted = spool.spec.format
    return bool(spool.samples) and wanted.name == "wav" and wanted.rate in (0, spool.spec.rate)


def _in_place(spool: Spool, path: Path) -> Encoded | None:
    """Complete the spool's file, and name it ``path`` too. None: that name cannot be given here."""
    with spool.audio.open("rb+") as audio:
        _complete(spool, audio)
        encoded = _seal(audio, path)
    crash_point("encoding")
    return encoded if _link(spool.audio, path) else None


def _complete(spool: Spool, audio: BufferedRandom) -> None:
    """Write the sizes that its header has not."""
    channels = len(spool.spec.taps)
    data_bytes = spool.samples * SAMPLE_BYTES * channels
    audio.truncate(header_bytes(channels) + data_bytes)  # half a sample, if its writer was killed
    audio.write(wav_header(spool.spec.rate, channels, data_bytes))
    audio.seek(0)
    crash_point("header-written")


def _sealed(spool: Spool, path: Path, making: Making | None, seal_to: Sequence[str]) -> Encoded:
    """The plain file is made within the spool, and goes with it."""
    if _is_final(spool):
        with spool.audio.open("rb+") as audio:
            _complete(spool, audio)
        plain = spool.audio
    else:
        plain = spool.folder / _PLAIN
        if making is None or not _made(spool, making, plain):
            _write(spool, plain)
    part = part_of(path)
    size, digest = seal(plain, part, seal_to)
    crash_point("sealed")
    os.replace(part, path)
    return Encoded(path, size, digest)


def _made(spool: Spool, making: Making, plain: Path) -> bool:
    """``making`` is made whole and becomes ``plain``. False: that cannot be; it is gone."""
    try:
        if making.done > spool.samples:
            raise OSError(errno.EIO, "the spool has become shorter")
        making.take(spool.audio, spool.samples)
        making.finish()
        os.replace(making.path, plain)
    except (OSError, AudioFileError):
        making.abandon()
        return False
    return True


def _link(audio: Path, path: Path) -> bool:
    """Give ``audio`` the name ``path`` as well. False: the file system has no hard links."""
    part = part_of(path)
    try:
        try:
            os.link(audio, path)
        except FileExistsError:  # of an attempt that died before its commit
            part.unlink(missing_ok=True)
            os.link(audio, part)
            os.replace(part, path)
            part.unlink(missing_ok=True)  # it stays if both are one file already: rename(2)
    except OSError:
        return False
    return True


class Making:
    """A file being made of a spool's sound, as far as there is any: the same file in however many pieces.
    One thread at a time. ``done``: samples of the spool that are in it.
    """

    def __init__(self, spec: RecordingSpec, path: Path) -> None:
        """Raises AudioFileError."""
        wanted, channels = spec.format, len(spec.taps)
        rate = wanted.rate or spec.rate
        self.path = path
        self.done = 0
        self._channels = channels
        self._resampler = StreamResampler(spec.rate, rate, channels)
        self._encoder = open_encoder(
            path,
            wanted.name,
            rate,
            channels,
            bitrate_kbps=wanted.mp3_bitrate_kbps,
            quality=wanted.mp3_quality,
        )

    def take(self, audio: Path, samples: int) -> None:
        """Go on up to sample ``samples`` of the spool's ``audio``. Raises OSError, AudioFileError."""
        if self.done >= samples:
            return
        frame_bytes = SAMPLE_BYTES * self._channels
        with audio.open("rb") as file:
            file.seek(header_bytes(self._channels) + self.done * frame_bytes)
            while self.done < samples:
                frames = min(samples - self.done, CHUNK_BYTES // frame_bytes)
                block = np.frombuffer(file.read(frames * frame_bytes), "<i2").reshape(-1, self._channels)
                if not len(block):
                    raise OSError(errno.EIO, "the spool has become shorter")
                self._encoder.write(self._resampler.push(block))
                self.done += len(block)
                crash_point("encoding")

    def finish(self) -> None:
        """All of the spool is in it. Raises OSError, AudioFileError."""
        self._encoder.write(self._resampler.finish())
        self._encoder.close()

    def close(self) -> None:
        """Make no more of it; what there is stays."""
        self._encoder.close()

    def abandon(self) -> None:
        """Make no more of it; it goes."""
        with contextlib.suppress(OSError, AudioFileError):
            self._encoder.close()
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


def _go_on(spool: Spool, path: Path, making: Making) -> Encoded | None:
    """``making`` is made whole and becomes ``path``. None: that cannot be; it is gone."""
    try:
        if making.done > spool.samples:
            raise OSError(errno.EIO, "the spool has become shorter")
        making.take(spool.audio, spool.samples)
        making.finish()
        with making.path.open("rb+") as file:
            encoded = _seal(file, path)
        os.replace(making.path, path)
    except (OSError, AudioFileError):
        making.abandon()
        return None
    return encoded


def _write(spool: Spool, part: Path) -> None:
    making = Making(spool.spec, part)
    try:
        making.take(spool.audio, spool.samples)
        making.finish()
    finally:
        making.close()


def _seal(file: BufferedRandom, path: Path) -> Encoded:
    """Bring it to the disk; what is read for the digest is what a receiver will get."""
    os.fsync(file.fileno())
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Encoded(path, file.tell(), digest)
