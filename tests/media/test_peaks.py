"""Peaks of a sound: against all of its samples at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from callflow.errors import AudioFileError
from callflow.media import peaks as peaks_module
from callflow.media.peaks import read_peaks


@pytest.mark.parametrize("frames, buckets", [(10_000, 64), (10_001, 7), (300, 1000), (1, 1)])
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_each_piece_has_its_lowest_and_highest_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frames: int, buckets: int, channels: int
) -> None:
    monkeypatch.setattr(peaks_module, "BLOCK_FRAMES", 333)
    chance = np.random.default_rng(frames)
    sound = chance.integers(-32768, 32767, (frames, channels), dtype=np.int16)
    path = tmp_path / "a.wav"
    soundfile.write(path, sound, 8000)
    found = read_peaks(path, buckets)
    assert (found.channels, found.buckets) == (channels, min(buckets, frames))
    edges = np.arange(found.buckets + 1) * frames // found.buckets
    for bucket in range(found.buckets):
        piece = sound[edges[bucket] : edges[bucket + 1]] >> 8
        assert (found.pairs[:, bucket, 0] == piece.min(axis=0)).all()
        assert (found.pairs[:, bucket, 1] == piece.max(axis=0)).all()
    fewer = found.reduced(5)
    assert fewer.buckets == min(5, found.buckets)
    assert fewer.pairs[:, :, 0].min() == found.pairs[:, :, 0].min()
    assert fewer.pairs[:, :, 1].max() == found.pairs[:, :, 1].max()
    assert found.reduced(10_000) is found


def test_an_mp3_has_peaks_too(tmp_path: Path) -> None:
    seconds = np.arange(16_000) / 8000
    tone = (12_000 * np.sin(2 * np.pi * 440 * seconds)).astype(np.int16)
    half = np.where(seconds < 1, tone, 0).astype(np.int16)
    soundfile.write(tmp_path / "a.mp3", np.stack((tone, half), axis=1), 8000, format="MP3")
    found = read_peaks(tmp_path / "a.mp3", 10)
    assert (found.pairs[0, 2:8, 1] > 35).all() and (found.pairs[0, 2:8, 0] < -35).all()
    assert (np.abs(found.pairs[1, 7:9].astype(int)) < 8).all()


def test_an_empty_sound_and_none(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros((0, 2), np.int16), 8000)
    assert read_peaks(tmp_path / "a.wav", 10).pairs.tolist() == [[[0, 0]], [[0, 0]]]
    (tmp_path / "b.wav").write_bytes(b"no sound")
    for name in ("b.wav", "gone.wav"):
        with pytest.raises(AudioFileError):
            read_peaks(tmp_path / name, 10)
