"""Finished files: exact lengths, the right channel, the right moment, in every format."""

from __future__ import annotations

import subprocess
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile

from callflow.errors import AudioFileError
from callflow.media import wav
from callflow.media.crc16 import crc16
from callflow.media.files import duration, open_encoder
from callflow.media.mp3tag import FrameKind, frame_starts, info_size, nearest_bitrate, rates, read_info
from callflow.media.taps import Samples
from tests.media.listening import noise, offset_of
from tests.peers import require

LENGTHS = (1, 575, 8000, 80001)


def voices(n: int, rate: int, channels: int) -> Samples:
    """Sound as a codec likes it, a rising tone of its own on each channel: ``[n, channels]``.

    It fits itself only at one offset.
    """
    time = np.arange(n) / rate
    columns = [
        8000 * np.sin(2 * np.pi * ((200 + 90 * channel) + 180 * time) * time) for channel in range(channels)
    ]
    return np.stack(columns, axis=1).astype(np.int16)


def write(path: Path, frames: Samples, rate: int, piece: int = 4000) -> None:
    """Encode ``frames`` piece by piece; the format is the path's."""
    encoder = open_encoder(path, path.suffix[1:], rate, frames.shape[1])
    for first in range(0, len(frames), piece):
        encoder.write(frames[first : first + piece])
    assert encoder.samples == len(frames)
    encoder.close()
    encoder.close()


@pytest.mark.parametrize("channels", [1, 2, 3, 32])
@pytest.mark.parametrize("n", [0, 1, 8001])
def test_wav_is_exact_to_the_sample(tmp_path: Path, channels: int, n: int) -> None:
    path = tmp_path / "x.wav"
    frames = noise(n * channels).reshape(n, channels)
    write(path, frames, 8000, piece=777)
    back, rate = soundfile.read(path, dtype="int16", always_2d=True)
    assert rate == 8000
    assert np.array_equal(back, frames)
    assert duration(path) == n / 8000
    assert path.stat().st_size == (44 if channels <= 2 else 68) + 2 * n * channels
    if channels <= 2:
        with wave.open(str(path)) as plain:
            assert (plain.getnchannels(), plain.getsampwidth(), plain.getnframes()) == (channels, 2, n)


def test_a_wav_too_long_for_its_sizes_says_go_on_to_the_end() -> None:
    header = wav.wav_header(8000, 2, 2**32)
    assert header[4:8] == header[-4:] == b"\xff\xff\xff\xff"
    assert wav.wav_header(8000, 2, 2**32 - 100)[-4:] == (2**32 - 100).to_bytes(4, "little")


@pytest.mark.parametrize("rate", rates())
@pytest.mark.parametrize("channels", [1, 2])
def test_mp3_is_exact_at_every_rate(tmp_path: Path, rate: int, channels: int) -> None:
    path = tmp_path / "x.mp3"
    frames = voices(rate * 2 + 77, rate, channels)
    write(path, frames, rate)
    info = read_info(path)
    assert info is not None
    assert (info.rate, info.channels, info.samples) == (rate, channels, len(frames))
    assert duration(path) == len(frames) / rate
    back, back_rate = soundfile.read(path, dtype="int16", always_2d=True)
    assert back_rate == rate
    assert back.shape == frames.shape
    for channel in range(channels):
        at, likeness = offset_of(frames[rate:-100, channel], back[:, channel])
        assert (at, likeness > 0.99) == (rate, True)


@pytest.mark.parametrize("n", [0, *LENGTHS])
def test_mp3_of_any_length(tmp_path: Path, n: int) -> None:
    path = tmp_path / "x.mp3"
    write(path, voices(n, 8000, 2), 8000)
    back, _ = soundfile.read(path, dtype="int16", always_2d=True)
    assert len(back) == n
    assert duration(path) == n / 8000


def test_the_info_frame_is_right(tmp_path: Path) -> None:
    path = tmp_path / "x.mp3"
    write(path, voices(40000, 8000, 2), 8000)
    data = path.read_bytes()
    starts = list(frame_starts(data))
    info = read_info(path)
    assert info is not None
    assert info.frames == len(starts) - 1
    assert info.delay == 576
    assert info.delay + info.padding + 40000 == info.frames * 576
    assert info.padding >= 529  # else a decoder's own delay would cut the end off
    tag = data[4 + 17 :]
    assert tag[:4] == b"Info"
    assert int.from_bytes(tag[12 - 4 + 4 : 16], "big") == len(data)
    assert tag[120:124] == b"LAME"
    assert int.from_bytes(tag[148:152], "big") == len(data)
    assert int.from_bytes(tag[152:154], "big") == slow_crc(data[starts[1] :])
    assert int.from_bytes(tag[154:156], "big") == slow_crc(data[: 4 + 17 + 154])
    toc = tag[16:116]
    assert list(toc) == sorted(toc)
    assert abs(toc[50] - 128) <= 2
    assert data[: starts[1]].rstrip(b"\0") == data[: 4 + 17 + 156].rstrip(b"\0")


def slow_crc(data: bytes) -> int:
    """CRC-16 with polynomial 0x8005, reflected, bit by bit."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


@pytest.mark.parametrize("n", [0, 9, 1023, 1024, 1025, 5000])
def test_the_fast_crc_is_the_slow_one(n: int) -> None:
    data = np.random.default_rng(n).bytes(n)
    assert crc16(data) == slow_crc(data)
    assert crc16(b"123456789") == 0xBB3D


def test_bitrates_are_those_there_are() -> None:
    narrow, wide = FrameKind(8000, 2), FrameKind(44100, 2)
    assert nearest_bitrate(narrow, 64) == 64
    assert nearest_bitrate(narrow, 320) == 64
    assert nearest_bitrate(wide, 63) == 64
    assert nearest_bitrate(wide, 1) == 32
    assert info_size(narrow, 8) >= 4 + 17 + 156


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_ogg_is_exact(tmp_path: Path, rate: int, channels: int) -> None:
    path = tmp_path / "x.ogg"
    frames = voices(rate * 2 + 77, rate, channels)
    write(path, frames, rate, piece=50_000)
    back, back_rate = soundfile.read(path, dtype="int16", always_2d=True)
    assert back_rate == rate
    assert back.shape == frames.shape
    assert duration(path) == len(frames) / rate
    for channel in range(channels):
        at, likeness = offset_of(frames[rate:-100, channel], back[:, channel])
        assert (at, likeness > 0.98) == (rate, True)


@pytest.mark.parametrize("n", LENGTHS)
def test_ogg_of_any_length(tmp_path: Path, n: int) -> None:
    path = tmp_path / "x.ogg"
    write(path, voices(n, 8000, 1), 8000)
    assert soundfile.info(path).frames == n


@pytest.mark.peer
@pytest.mark.parametrize("format", ["wav", "mp3", "ogg"])
@pytest.mark.parametrize("rate", [8000, 44100])
def test_ffmpeg_gets_the_exact_length_too(tmp_path: Path, format: str, rate: int) -> None:
    path = tmp_path / f"x.{format}"
    frames = voices(rate * 3 + 123, rate, 2)
    write(path, frames, rate)
    command = [require("ffmpeg"), "-v", "error", "-i", str(path), "-f", "s16le", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    back = np.frombuffer(raw, "<i2").reshape(-1, 2)
    one_frame = {"wav": 0, "mp3": 0, "ogg": 2048}[format]
    assert abs(len(back) - len(frames)) <= one_frame
    for channel in range(2):
        at, likeness = offset_of(frames[rate:-100, channel], back[:, channel])
        assert (at, likeness > 0.98) == (rate, True)


def test_what_cannot_be_written_or_read(tmp_path: Path) -> None:
    for format, rate, channels in (("mp3", 8000, 3), ("mp3", 12345, 1), ("wav", 8000, 33), ("flac", 8000, 1)):
        with pytest.raises(AudioFileError):
            open_encoder(tmp_path / "x", format, rate, channels)
    for format in ("wav", "mp3", "ogg"):
        with pytest.raises(AudioFileError, match="cannot be written"):
            open_encoder(tmp_path / "no" / f"x.{format}", format, 8000, 1)
    (tmp_path / "text.mp3").write_text("no sound")
    for name in ("text.mp3", "none.wav"):
        with pytest.raises(AudioFileError, match=name):
            duration(tmp_path / name)


@pytest.mark.parametrize("format", ["wav", "mp3"])
def test_a_full_disk_is_an_error_of_ours(tmp_path: Path, format: str) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    encoder = open_encoder(full, format, 8000, 2)
    with pytest.raises(AudioFileError, match="cannot be written"):
        for _ in range(2000):
            encoder.write(voices(4000, 8000, 2))
    with pytest.raises(AudioFileError):
        encoder.close()
