"""How much of one sound is in another."""

from __future__ import annotations

import numpy as np
import pytest

from callflow.media.compare import compare
from callflow.media.taps import Samples

RATE = 8000


def noise(seconds: float, seed: int = 1) -> Samples:
    found: Samples = (np.random.default_rng(seed).normal(0, 3000, round(seconds * RATE))).astype(np.int16)
    return found


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE), np.int16)


def test_the_same_sound_later_and_softer_is_all_there() -> None:
    said = noise(3)
    heard = np.concatenate([silence(0.25), said // 4])
    found = compare(heard, said, RATE)
    assert found is not None
    assert found.value > 0.99 and found.delay_s == pytest.approx(0.25, abs=0.001)


def test_the_end_that_did_not_come_back_does_not_count() -> None:
    said = noise(3)
    found = compare(np.concatenate([silence(0.5), said])[: 3 * RATE], said, RATE)
    assert found is not None and found.value > 0.99 and found.delay_s == pytest.approx(0.5, abs=0.001)


def test_a_clock_that_is_followed_costs_nothing() -> None:
    said = noise(4)
    heard = np.delete(said, range(100, len(said), 4000))
    found = compare(heard, said, RATE)
    assert found is not None and found.value > 0.85


@pytest.mark.parametrize("samples", [3, 10])
def test_a_receiver_that_comes_back_to_its_time_costs_next_to_nothing(samples: int) -> None:
    """Its hold was too long, since one of the two stood still: so much is left out in a tenth of a second."""
    said = np.convolve(noise(3), np.ones(10) / 3, mode="same").astype(np.int16)
    heard = np.delete(said, range(100, len(said), 800 // samples))
    found, other = compare(heard, said, RATE), compare(heard, said[::-1], RATE)
    assert found is not None and other is not None
    assert found.value > 0.8 and other.value < 0.25


def test_a_receiver_that_comes_back_at_once_in_a_silence_is_followed() -> None:
    said = noise(3)
    heard = np.concatenate([silence(0.15), said[:10000], silence(0.2), said[11600 + 600 :]])
    found = compare(heard, said, RATE)
    assert found is not None and found.value > 0.8


def test_another_sound_is_not_there() -> None:
    found = compare(noise(3, 1), noise(3, 2), RATE)
    assert found is not None and found.value < 0.2


def test_half_of_it_replaced_is_half_there() -> None:
    said = noise(4)
    heard = said.copy()
    heard[: 2 * RATE] = noise(2, 7)
    found = compare(heard, said, RATE)
    assert found is not None and 0.4 < found.value < 0.8


@pytest.mark.parametrize(
    ("heard", "said"), [(silence(2), noise(2)), (noise(2), silence(2)), (noise(0.1), noise(2))]
)
def test_without_sound_there_is_nothing_to_compare(heard: Samples, said: Samples) -> None:
    assert compare(heard, said, RATE) is None
