"""Nothing clicks: where packets are missing, where sound returns, where drift is slipped away."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from callflow.documents.shipped import examples_dir
from callflow.media.rtp.conceal import HISTORY_MS, Concealment
from callflow.media.taps import Samples
from tests.rtp.core.line import Line, Sender, packet, source, tone

FIRST = 640
HIGH_HZ = 2500


def clicks(sound: Samples, rate: int = 8000) -> NDArray[np.float64]:
    """Energy above ``HIGH_HZ`` in dB, of pieces of 8 ms, each 2 ms: where a click is, it stands out."""
    n = rate // 125
    pieces = np.lib.stride_tricks.sliding_window_view(sound.astype(float), n)[:: n // 4] * np.hanning(n)
    power = np.abs(np.fft.rfft(pieces, axis=1)) ** 2 / n**2
    decibels: NDArray[np.float64] = 10 * np.log10(
        power[:, np.fft.rfftfreq(n, 1 / rate) >= HIGH_HZ].sum(axis=1) + 1
    )
    return decibels


def through(
    sound: Samples, loss: float, *, rate: int = 8000, codec: str = "PCMU", ppm: float = 0.0
) -> Samples:
    """``sound`` after a line that loses packets."""
    random = np.random.default_rng(1)
    line = Line(rate=rate)
    line.receiver.add(0, source(codec), 0)
    sent = Sender(codec, rate=rate, ppm=ppm).say(sound)
    sent = sent[:1] + [one for one in sent[1:] if random.random() >= loss]
    played = line.run([(time, 0, raw) for time, raw in sent], len(sound) / rate)[0]
    stats = line.receiver.stats(0)
    assert bool(stats.lost) is (loss > 0)
    assert bool(stats.slipped) is (abs(ppm) > 100)
    whole: Samples = played[rate // 8 :]
    return whole


def chopped(sound: Samples, loss: float, rate: int = 8000) -> Samples:
    """The same with holes of silence instead."""
    kept = np.random.default_rng(1).random(len(sound) // (rate // 50)) >= loss
    return (sound * np.repeat(kept, rate // 50)).astype(np.int16)


@pytest.mark.parametrize("hertz", [(440,), (617.3,), (1000,), (350, 440), (180,)])
def test_holes_in_tones_are_filled_without_a_click(hertz: tuple[float, ...]) -> None:
    sound = np.sum([tone(one, 6, level=8000 / len(hertz)) for one in hertz], axis=0).astype(np.int16)
    clean, lossy = clicks(through(sound, 0)), clicks(through(sound, 0.05))
    assert lossy.max() < clean.max() + 6
    assert np.percentile(lossy, 99) < clean.max() + 5
    assert clicks(chopped(sound, 0.05)).max() > clean.max() + 12  # what it would be else


def test_holes_in_speech_are_no_louder_up_there_than_speech_is() -> None:
    sound, _ = soundfile.read(examples_dir() / "audio" / "caller.wav", dtype="int16")
    clean, lossy = clicks(through(sound, 0)), clicks(through(sound, 0.05))
    assert lossy.max() < clean.max() + 2
    assert lossy.mean() < clean.mean() + 0.5


def test_holes_in_wideband_sound() -> None:
    sound = tone(440, 4, 16000)
    clean = clicks(through(sound, 0, rate=16000, codec="G722"), 16000)
    lossy = clicks(through(sound, 0.05, rate=16000, codec="G722"), 16000)
    assert lossy.max() < clean.max() + 14
    assert clicks(chopped(sound, 0.05, 16000), 16000).max() > lossy.max() + 6


@pytest.mark.parametrize("ppm", [3000.0, -3000.0])
@pytest.mark.parametrize("hertz", [300, 440, 1000])
def test_drift_is_slipped_away_without_a_click(ppm: float, hertz: float) -> None:
    sound = tone(hertz, 12)
    clean, slipped = clicks(through(sound, 0)), clicks(through(sound, 0, ppm=ppm))
    assert slipped.max() < clean.max() + 3
    loud = np.abs(through(sound, 0, ppm=ppm)[: 8 * 11000]).reshape(-1, 80).max(axis=1)
    assert loud.min() > 0.75 * 8000  # nor does it get quiet


def test_a_hole_fades_and_is_silent_after_60_ms() -> None:
    past = tone(500, HISTORY_MS / 1000)
    hole = Concealment(past, 8000)
    sound = np.concatenate([hole.go_on(80) for _ in range(8)])
    level = np.abs(sound).reshape(8, 80).max(axis=1)
    assert level[0] > 7500
    assert (np.diff(level[:7]) < 0).all()
    assert not sound[480:].any()
    assert hole.silent
    assert not hole.joining


def test_a_hole_goes_on_where_the_sound_was() -> None:
    for hertz in (150, 233, 440, 1111):
        long = tone(hertz, 0.2)
        n = 8 * HISTORY_MS
        made = Concealment(long[:n], 8000).go_on(80)
        assert np.abs(made - long[n : n + 80]).max() < 0.25 * 8000
        assert abs(made[0] - long[n]) < 0.1 * 8000


def test_a_hole_after_silence_or_nothing_is_silent() -> None:
    for quick in (False, True):
        hole = Concealment(np.zeros(8 * HISTORY_MS, np.int16), 8000, quick=quick)
        assert not hole.go_on(700).any()


def test_sound_returns_over_what_would_have_gone_on() -> None:
    past = tone(500, HISTORY_MS / 1000)
    hole = Concealment(past, 8000)
    hole.go_on(160)
    back = np.full(160, 1000, np.int16)
    assert hole.join(back[:40]) is False  # 4 ms and 4 ms for each 10 ms of hole, at most 10 ms
    assert hole.joining
    assert hole.join(back[40:]) is True
    assert (back[80:] == 1000).all()
    assert (back[:60] != 1000).all()


def test_after_a_loss_the_very_length_is_made_up() -> None:
    line = Line()
    line.receiver.add(0, source(), 0)
    sent = Sender().say(tone(440, 1.0))
    line.run([(time, 0, raw) for time, raw in sent[:20] + sent[22:]], 1.05)
    assert line.receiver.stats(0).concealed == 320


@pytest.mark.parametrize("level", [40, 60])
def test_comfort_noise_has_its_level(level: int) -> None:
    line = Line()
    line.receiver.add(0, source(), 0)
    sender = Sender()
    sent = sender.say(tone(440, 0.4))
    sent.append(
        (sender.sent_s + 0.02, packet(bytes([level]), kind=13, sequence=sender.sequence, time=sender.time))
    )
    sender.sequence += 1
    sender.pause(2.0)
    sent += sender.say(tone(440, 0.4))
    played = line.run([(time, 0, raw) for time, raw in sent], 3.2)[0].astype(float)
    noise = played[FIRST + 3200 + 200 : FIRST + 19200]
    assert 20 * np.log10(noise.std() / 32767) == pytest.approx(-level, abs=0.5)
    assert np.abs(np.correlate(noise[:4000], noise[4000:8000])).max() < 0.1 * (noise[:4000] @ noise[:4000])
    assert np.abs(played[FIRST + 19200 + 160 : FIRST + 22000]).max() > 7000
    assert not played[-800:].any()  # it ended with the silence that it belonged to
    assert line.receiver.stats(0).lost == 0


@pytest.mark.parametrize(("pause_s", "rate"), [(0.08, 8000), (0.5, 8000), (0.98, 16000)])
def test_after_a_silence_of_which_nothing_was_sent_sound_begins_as_it_was_said(
    pause_s: float, rate: int
) -> None:
    """The sender's silence suppression: no packet is lost, so nothing is faded in."""
    spurt = tone(440, 0.3, rate)[rate // 150 :]  # from the middle of a wave
    silence = np.zeros(rate // 50, np.int16)

    def played(*, gap: bool) -> Samples:
        line, sender = Line(rate=rate), Sender(rate=rate)
        line.receiver.add(0, source("PCMU"), 0)
        sent = [sender.send(silence) for _ in range(10)]
        if gap:
            sender.pause(pause_s)
        else:
            sent += [sender.send(silence) for _ in range(round(pause_s * 50))]
        sent += [*sender.say(spurt), sender.send(silence)]
        sound: Samples = line.run([(time, 0, raw) for time, raw in sent], 0.6 + pause_s)[0]
        return sound

    whole = played(gap=False)
    assert whole.any()
    assert (played(gap=True) == whole).all()
