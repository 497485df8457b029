"""Layer 2: a spool's samples into a finished file that appears whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from callflow.errors import AudioFileError, EncodeError
from callflow.media.files import open_encoder
from callflow.media.resample import StreamResampler
from callflow.recording.crashpoints import crash_point
from callflow.recording.spool import SAMPLE_BYTES, Spool
from callflow.state.folder import sync_folder

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Encoded:
    """A finished file: its size, and the sha-256 (hex) of its bytes."""

    path: Path
    bytes: int
    sha256: str


def part_of(path: Path) -> Path:
    """The temporary file that becomes ``path``: hidden, in the same folder."""
    return path.with_name(f".{path.name}.part")


def encode(spool: Spool, path: Path) -> Encoded:
    """Encode into ``path`` (resampled if the format asks for it), through a temporary file beside it that is
    fsynced before it gets its name. Raises EncodeError; then nothing is left behind.
    """
    part = part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(spool, part)
        encoded = _seal(part, path)
        os.replace(part, path)
        sync_folder(path.parent)
    except (OSError, AudioFileError) as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        why = (error.strerror or str(error)) if isinstance(error, OSError) else error.message
        raise EncodeError(
            f"recording {spool.spec.id} cannot be written as {spool.spec.format.name}: {why}",
            hint="is there space in the state folder? Its samples are kept in the spool.",
        ) from error
    return encoded


def _write(spool: Spool, part: Path) -> None:
    spec, file_format = spool.spec, spool.spec.format
    channels = len(spec.taps)
    rate = file_format.rate or spec.rate
    resampler = StreamResampler(spec.rate, rate, channels)
    encoder = open_encoder(
        part,
        file_format.name,
        rate,
        channels,
        bitrate_kbps=file_format.mp3_bitrate_kbps,
        quality=file_format.mp3_quality,
    )
    try:
        frame_bytes = SAMPLE_BYTES * channels
        left = spool.samples
        if left:
            with spool.audio.open("rb") as audio:
                while left:
                    frames = min(left, CHUNK_BYTES // frame_bytes)
                    block = np.frombuffer(audio.read(frames * frame_bytes), "<i2").reshape(-1, channels)
                    encoder.write(resampler.push(block))
                    left -= frames
                    crash_point("encoding")
        encoder.write(resampler.finish())
    finally:
        encoder.close()


def _seal(part: Path, path: Path) -> Encoded:
    """Bring it to the disk; what is read for the digest is what a receiver will get."""
    with part.open("rb+") as file:
        os.fsync(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Encoded(path, file.tell(), digest)
