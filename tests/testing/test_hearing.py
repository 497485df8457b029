"""One sound in another: found wherever it is, and where the two differ is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from callflow.media.clips import read_mono
from callflow.media.taps import Samples
from callflow.testing import assert_heard, assert_not_heard, assert_silent
from callflow.testing.assertions import steps_fit
from callflow.testing.hearing import hear
from callflow.testing.tracks import Track

ROOT = Path(__file__).resolve().parents[2]
RATE = 8000
VOICE = read_mono(str(ROOT / "examples/audio/caller.wav"), RATE)
OTHER = read_mono(str(ROOT / "examples/audio/callee.wav"), RATE)


def quiet(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE), np.int16)


def joined(*parts: Samples) -> Samples:
    return np.concatenate(parts)


@pytest.mark.parametrize("at", [0.0, 0.0125, 3.5, 130.0])
def test_it_is_found_to_the_sample_wherever_it_is(at: float) -> None:
    found = hear(joined(quiet(at), VOICE, quiet(2)), VOICE, RATE)
    assert found.match > 0.999 and found.at == at and found.differs == ()


def test_loudness_does_not_matter_and_noise_matters_little() -> None:
    noise = np.random.default_rng(1).normal(0, 20, len(VOICE))
    found = hear((VOICE * 0.2 + noise).astype(np.int16), VOICE, RATE, least=0.8)
    assert found.match > 0.95 and found.at == 0.0


def test_another_voice_is_not_heard() -> None:
    assert hear(OTHER, VOICE, RATE).match < 0.3
    assert hear(quiet(5), VOICE, RATE).match < 0.01
    assert hear(VOICE, quiet(1), RATE).match >= 0.0


@pytest.mark.parametrize(
    ("change", "begin", "end", "why"),
    [
        ("cut", 13.0, 14.55, "beyond the end"),
        ("mute", 5.0, 8.0, "there is silence"),
        ("other", 5.0, 8.0, "something"),
    ],
)
def test_where_it_differs_is_told(change: str, begin: float, end: float, why: str) -> None:
    low, high = round(begin * RATE), round(end * RATE)
    heard = VOICE.copy()
    match change:
        case "cut":
            heard = heard[:low]
        case "mute":
            heard[low:high] = 0
        case "other":
            heard[low:high] = OTHER[low:high]
    found = hear(joined(quiet(2), heard, quiet(0.0)), VOICE, RATE)
    assert found.at == pytest.approx(2.0)
    assert found.differs and any(why in one.why for one in found.differs)
    assert min(one.begin for one in found.differs) >= begin - 0.25
    assert max(one.end for one in found.differs) <= end + 0.25


def test_a_sound_whose_beginning_is_cut_off() -> None:
    found = hear(VOICE[3 * RATE :], VOICE, RATE)
    assert found.at == pytest.approx(-3.0) and found.differs[0].begin < 3.0


def test_a_long_tone_is_aligned() -> None:
    tone = (8000 * np.sin(2 * np.pi * 440 * np.arange(30 * RATE) / RATE)).astype(np.int16)
    found = hear(joined(quiet(4), tone), tone, RATE)
    assert found.match > 0.99 and not found.differs


def test_assertions() -> None:
    track = Track(joined(quiet(1), VOICE), RATE, "left of recording 1")
    file = ROOT / "examples/audio/caller.wav"
    assert assert_heard(track, file).at == 1.0
    assert assert_heard(track, "caller.wav", folder=ROOT / "examples/audio").at == 1.0
    assert_silent(track.between(0, 0.9))
    with pytest.raises(AssertionError, match="left of recording 1, 1 to 5 s is not silent"):
        assert_silent(track.between(1, 5))
    with pytest.raises(
        AssertionError, match=r"caller.wav is heard in left of recording 1: match 1.00, from 1"
    ):
        assert_not_heard(track, Track(VOICE, RATE, "caller.wav"))
    assert_not_heard(track, ROOT / "examples/audio/callee.wav")
    with pytest.raises(AssertionError, match="there is nothing but silence"):
        assert_heard(track.between(0, 0.9), file)
    with pytest.raises(
        AssertionError, match=r"(?s)is not heard in left.*to .* s of it \(.* of the track\): "
    ):
        assert_heard(track, ROOT / "examples/audio/callee.wav")
    assert Track(quiet(0), RATE).loudness == 0.0 and Track(quiet(0), RATE).tone(440) == 0.0


@pytest.mark.parametrize(
    ("came", "wanted", "fits"),
    [
        ("a b c", "a b c", True),
        ("a b c", "a b", False),
        ("a b c", "a ...", True),
        ("a b c", "... c", True),
        ("a b c", "... b ...", True),
        ("a b c", "a ... b c", True),
        ("a b a c", "... a c", True),
        ("a b c", "... d", False),
        ("", "", True),
        ("", "...", True),
        ("", "a", False),
        ("a", "... ... a ...", True),
    ],
)
def test_dots_stand_for_any_steps(came: str, wanted: str, fits: bool) -> None:
    assert steps_fit(came.split(), wanted.split()) is fits
