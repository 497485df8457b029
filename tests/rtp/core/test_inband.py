"""DTMF in the sound: told once, with its begin; speech and noise are no digits."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from callflow.documents.shipped import examples_dir
from callflow.media.rtp.inband import DtmfDetector
from callflow.media.taps import Samples
from callflow.media.tones import DTMF_HZ, dtmf, sines

DIGITS = "159D0*#A2364B78C11"


def heard(sound: Samples, rate: int = 8000, piece_ms: int = 10) -> list[tuple[str, int]]:
    """Digits and where they begin."""
    detector, found = DtmfDetector(rate), []
    n = rate * piece_ms // 1000
    for at in range(0, len(sound) - n + 1, n):
        found += detector.take(np.array([20]), sound[None, at : at + n], at)
    assert all(row == 20 for row, _, _ in found)
    return [(digit, sample) for _, digit, sample in found]


def pressed(digits: str, on: float, off: float, rate: int, dbm0: float = -7, begin: int = 0) -> Samples:
    pieces = [np.zeros(begin, np.int16)]
    for digit in digits:
        pieces += [dtmf(digit, on, rate, dbm0), np.zeros(round(off * rate), np.int16)]
    return np.concatenate([*pieces, np.zeros(rate // 10, np.int16)])


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize(
    ("on", "off", "dbm0", "begin"),
    [
        (0.04, 0.04, -7, 0),
        (0.04, 0.04, -7, 33),
        (0.05, 0.05, -25, 17),
        (0.1, 0.1, -3, 50),
        (2.0, 0.1, -10, 5),
    ],
)
def test_digits_are_told_once_with_their_begin(
    rate: int, on: float, off: float, dbm0: float, begin: int
) -> None:
    found = heard(pressed(DIGITS, on, off, rate, dbm0, begin), rate)
    assert "".join(digit for digit, _ in found) == DIGITS
    step = round(on * rate) + round(off * rate)
    for i, (_, sample) in enumerate(found):
        assert abs(sample - begin - i * step) <= rate // 100


@pytest.mark.parametrize("off", [-0.015, 0.015])
def test_phones_may_be_off_their_frequencies(off: float) -> None:
    for digit, (low, high) in DTMF_HZ.items():
        sound = np.concatenate(
            [sines((low * (1 + off), high * (1 + off)), 400, 8000), np.zeros(400, np.int16)]
        )
        assert [one for one, _ in heard(sound)] == [digit]


def test_twist_within_and_beyond_what_lines_do() -> None:
    low, high = DTMF_HZ["6"]
    for db, taken in ((4, True), (-7, True), (9, False), (-12, False)):
        sound = sines((low,), 800, 8000, -20) + sines((high,), 800, 8000, -20 + db)
        assert bool(heard(sound)) is taken


def test_short_bursts_quiet_tones_and_single_tones_are_no_digits() -> None:
    assert heard(pressed("5", 0.015, 0.1, 8000)) == []
    assert heard(pressed("5", 0.2, 0.1, 8000, dbm0=-45)) == []
    for hertz in (697, 1209, 440, 941):
        assert heard(sines((hertz,), 8000, 8000)) == []
    for pair in ((350, 440), (440, 480), (480, 620), (697, 770), (1209, 1336)):
        assert heard(sines(pair, 8000, 8000)) == []


def test_speech_and_noise_are_no_digits() -> None:
    for name in ("caller", "callee"):
        sound, rate = soundfile.read(examples_dir() / "audio" / f"{name}.wav", dtype="int16")
        for quieter in (1, 3, 10):
            assert heard(sound // quieter, rate) == []
    noise = np.random.default_rng(1).standard_normal(60 * 8000) * 3000
    assert heard(noise.astype(np.int16), piece_ms=100) == []


def test_digits_over_a_noisy_line_are_heard() -> None:
    sound = pressed(DIGITS, 0.08, 0.08, 8000, -10)
    noise = np.random.default_rng(2).standard_normal(len(sound)) * 250
    assert "".join(digit for digit, _ in heard(sound + noise.astype(np.int16))) == DIGITS


def test_rows_do_not_hear_each_other_and_begin_anew() -> None:
    detector = DtmfDetector(8000)
    sound = np.stack([dtmf("1", 0.1, 8000), dtmf("2", 0.1, 8000), np.zeros(800, np.int16)])
    found = detector.take(np.array([7, 3, 100]), sound, 0)
    assert sorted(found) == [(3, "2", found[0][2]), (7, "1", found[0][2])]
    detector.forget(7)
    assert detector.take(np.array([7]), sound[:1], 800) == [(7, "1", found[0][2] + 800)]
