"""The load generator's own judgement: a lost, repeated, late or foreign packet is no whole call."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks._load_tone import FRAME, LADDER, check_tone, frames, ulaw, ulaw_values

FRAMES = frames()


def said(tone: int, packets: int, start: int = 0) -> list[NDArray[np.int16]]:
    """Packets as they arrive: coded and decoded once."""
    steps = [(start + number) % len(LADDER) for number in range(packets)]
    return [ulaw_values()[ulaw(FRAMES[tone, step])] for step in steps]


def joined(packets: list[NDArray[np.int16]], head: int = 0, tail: int = 0) -> NDArray[np.int16]:
    return np.concatenate([np.zeros(head, np.int16), *packets, np.zeros(tail, np.int16)])


def test_ulaw_is_that_of_the_library() -> None:
    soundfile = pytest.importorskip("soundfile")
    import io

    every = np.arange(-32768, 32768, 7).astype(np.int16)
    ours = ulaw_values()[ulaw(every)]
    file = io.BytesIO(ulaw(every).tobytes())
    theirs, _ = soundfile.read(file, channels=1, samplerate=8000, format="RAW", subtype="ULAW", dtype="int16")
    assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("head", [0, 1, 79, 80, 81, 159, 160, 1234])
@pytest.mark.parametrize("tone", [0, 7, 14])
def test_a_whole_recording_is_whole_wherever_its_packets_begin(head: int, tone: int) -> None:
    found = check_tone(joined(said(tone, 250, start=3), head, tail=333), tone)
    assert found.whole and found.frames == 250, found
    assert abs(found.head_s - head / 8000) < 0.001 and abs(found.tail_s - 333 / 8000) < 0.001
    assert found.foreign < 0.01


def test_a_lost_packet_is_seen() -> None:
    packets = said(5, 200)
    packets[100] = np.zeros(FRAME, np.int16)
    found = check_tone(joined(packets), 5)
    assert (found.wrong, found.gaps, found.frames) == (1, 1, 200) and not found.whole


def test_a_concealed_packet_is_seen() -> None:
    packets = said(5, 200)
    packets[100] = packets[99]
    assert not check_tone(joined(packets), 5).whole


def test_a_packet_left_out_is_seen() -> None:
    packets = said(5, 200)
    del packets[100]
    found = check_tone(joined(packets), 5)
    assert found.breaks == 1 and found.frames == 199


def test_packets_in_the_wrong_order_are_seen() -> None:
    packets = said(5, 200)
    packets[100], packets[101] = packets[101], packets[100]
    assert not check_tone(joined(packets), 5).whole


def test_another_partys_tone_is_not_ours() -> None:
    assert check_tone(joined(said(6, 200)), 5).frames == 0


def test_two_parties_in_one_channel_are_seen() -> None:
    both = joined(said(6, 200)) // 2 + joined(said(5, 200)) // 2
    found = check_tone(both, 5)
    assert not found.whole and found.foreign > 0.3


def test_a_clock_that_is_followed_is_no_loss_but_told() -> None:
    sound = joined(said(5, 400))
    cut = np.delete(sound, range(1640, 40_000, 1600))
    found = check_tone(cut, 5)
    assert found.whole and 18 <= found.slips <= 30, found
    assert not check_tone(np.delete(sound, range(40_000, 40_040)), 5).whole
    assert check_tone(sound, 5).slips == 0


def test_silence_is_nobody() -> None:
    found = check_tone(np.zeros(8000, np.int16), 0)
    assert found.frames == 0 and not found.whole
