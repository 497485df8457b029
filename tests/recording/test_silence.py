"""The silence detector against a plain reading of kazoo.md 1.5, to the sample, however sound is cut up."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from callflow.documents.shipped import examples_dir
from callflow.media.resample import resample
from callflow.media.silence import Heard, Silence, SilenceDetector, VadJudge
from callflow.media.taps import Samples

RATE = 8000
FRAME = 160


def detector(
    channels: int = 1, initial_ms: int = 0, final_ms: int = 0, threshold: int = 200
) -> SilenceDetector:
    return SilenceDetector(
        rate=RATE, channels=channels, initial_ms=initial_ms, final_ms=final_ms, threshold=threshold
    )


def level(value: int, ms: int) -> Samples:
    """A square wave whose mean absolute sample is ``value``."""
    n = RATE * ms // 1000
    return np.where(np.arange(n) % 2 == 0, value, -value).astype(np.int16)


def heard_at(found: SilenceDetector, sound: Samples, cuts: list[int]) -> tuple[int, Silence] | None:
    """Feed ``sound`` (``[channels, n]``) in pieces of ``cuts`` samples (over and over)."""
    at = turn = 0
    while at < sound.shape[1]:
        piece = sound[:, at : at + cuts[turn % len(cuts)]]
        heard = found.commit(piece)
        if heard is not None:
            return at + heard.samples, heard.what
        at += piece.shape[1]
        turn += 1
    return None


def plain(sound: Samples, initial_ms: int, final_ms: int, threshold: int) -> tuple[int, Silence] | None:
    """The same, read off the page, frame by frame."""
    spoken, run = False, 0
    for end in range(FRAME, sound.shape[1] + 1, FRAME):
        frame = np.abs(sound[:, end - FRAME : end].astype(int)).mean(axis=1)
        if (frame < threshold).all():
            run += 20
        else:
            spoken, run = True, 0
        if spoken and final_ms and run >= final_ms:
            return end, Silence.SILENCE
        if not spoken and initial_ms and run >= initial_ms:
            return end, Silence.NO_SPEECH
    return None


@settings(deadline=None)
@given(
    levels=st.lists(
        st.tuples(st.sampled_from([0, 199, 200, 3000]), st.integers(1, 25)), min_size=1, max_size=8
    ),
    other=st.sampled_from([0, 199, 200]),
    initial=st.sampled_from([0, 20, 100, 130]),
    final=st.sampled_from([0, 20, 60, 250]),
    cuts=st.lists(st.integers(1, 900), min_size=1, max_size=4),
)
def test_it_ends_on_the_same_sample_as_the_plain_reading(
    levels: list[tuple[int, int]], other: int, initial: int, final: int, cuts: list[int]
) -> None:
    left = np.concatenate([level(value, 10 * tens) for value, tens in levels])
    right = np.concatenate([level(other, 10), np.zeros(max(0, len(left) - 80), np.int16)])[: len(left)]
    sound = np.stack([left, right])
    found = heard_at(detector(2, initial, final), sound, cuts)
    assert found == plain(sound, initial, final, 200)


@settings(deadline=None)
@given(
    levels=st.lists(st.tuples(st.sampled_from([0, 3000]), st.integers(1, 25)), min_size=1, max_size=8),
    initial=st.sampled_from([0, 100]),
    final=st.sampled_from([0, 60]),
    cuts=st.lists(st.integers(1, 900), min_size=1, max_size=4),
)
def test_earliest_is_never_later_than_the_end_itself(
    levels: list[tuple[int, int]], initial: int, final: int, cuts: list[int]
) -> None:
    """A block cut at ``earliest`` never holds an end before its last sample."""
    sound = np.concatenate([level(value, 10 * tens) for value, tens in levels])[None]
    found, at, turn = detector(1, initial, final), 0, 0
    while at < sound.shape[1]:
        n = cuts[turn % len(cuts)]
        earliest = found.earliest()
        assert earliest is None or earliest >= 1
        block = sound[:, at : at + (n if earliest is None else min(n, earliest))]
        heard = found.commit(block)
        if heard is not None:
            assert heard.samples == block.shape[1]
            return
        at += block.shape[1]
        turn += 1


def test_the_threshold_is_the_mean_absolute_sample() -> None:
    assert detector(final_ms=20, initial_ms=20).commit(level(199, 20)[None]) == Heard(160, Silence.NO_SPEECH)
    assert detector(final_ms=0, initial_ms=20).commit(level(200, 20)[None]) is None


def test_one_loud_channel_is_enough() -> None:
    quiet, loud = level(0, 100), level(500, 100)
    assert detector(3, initial_ms=100).commit(np.stack([quiet, quiet, quiet])) is not None
    assert detector(3, initial_ms=100).commit(np.stack([quiet, loud, quiet])) is None


def test_a_timer_of_zero_is_off() -> None:
    assert detector().earliest() is None
    assert detector(initial_ms=0, final_ms=0).commit(level(0, 5000)[None]) is None
    only_final = detector(final_ms=100)
    assert only_final.commit(level(0, 5000)[None]) is None, "before any speech the final timer stands"
    assert only_final.commit(np.concatenate([level(900, 20), level(0, 500)])[None]) == Heard(
        960, Silence.SILENCE
    )


def test_the_loudest_sample_does_not_wrap() -> None:
    found = detector(initial_ms=20, threshold=32768)
    assert found.commit(np.full((1, 160), -32768, np.int16)) is None


@pytest.mark.parametrize("rate", [8000, 12000, 16000, 22000, 44100, 48000])
def test_vad_wants_speech_not_just_energy(rate: int) -> None:
    """Steady line noise is loud enough but no speech; the caller of the examples is."""

    def found() -> SilenceDetector:
        return SilenceDetector(
            rate=rate, channels=1, initial_ms=900, final_ms=900, threshold=200, judge=VadJudge(rate, 1, 2)
        )

    noise = np.random.default_rng(1).normal(0, 400, 3 * rate).astype(np.int16)
    assert np.abs(noise.astype(int)).mean() > 300
    assert found().commit(noise[None]) is not None
    speech, own = soundfile.read(examples_dir() / "audio" / "caller.wav", dtype="int16")
    tenth = own // 10
    tenths = np.abs(speech[: len(speech) // tenth * tenth].astype(int)).reshape(-1, tenth).mean(axis=1)
    loudest = int(tenths[:-8].argmax()) * tenth
    assert found().commit(resample(speech[loudest : loudest + own * 8 // 10], own, rate)[None]) is None
    spoken = resample(speech[loudest : loudest + own // 2], own, rate)
    heard = found().commit(np.concatenate([spoken, np.zeros(2 * rate, np.int16)])[None])
    assert heard is not None
    assert heard.what is Silence.SILENCE
    assert 1.0 * rate < heard.samples < 1.45 * rate


def test_vad_alone_is_not_enough_either() -> None:
    """Speech below the threshold is silence."""

    class Everything:
        def __call__(self, sound: Samples, size: int) -> NDArray[np.bool_]:
            return np.ones((len(sound), sound.shape[1] // size), np.bool_)

    found = SilenceDetector(
        rate=RATE, channels=1, initial_ms=100, final_ms=0, threshold=200, judge=Everything()
    )
    assert found.commit(level(150, 200)[None]) == Heard(800, Silence.NO_SPEECH)


@given(st.lists(st.integers(1, 2000), min_size=1, max_size=4), st.integers(0, 5), st.integers(1, 40))
@settings(max_examples=30)
def test_speech_lasts_at_most_so_long(cuts: list[int], quiet: int, longest: int) -> None:
    """From the first frame of speech on, with its pauses, to the sample, however sound is cut up."""
    found = SilenceDetector(
        rate=RATE, channels=1, initial_ms=0, final_ms=400, threshold=200, longest_ms=longest * 20
    )
    said = [level(1000 if frame % 3 else 0, 20) for frame in range(1, 60)]
    sound = np.concatenate([level(0, quiet * 20), *said])[np.newaxis, :]
    assert heard_at(found, sound, cuts) == ((quiet + longest) * FRAME, Silence.LONGEST)
    assert Silence.LONGEST.value == "max_duration"
