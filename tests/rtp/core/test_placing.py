"""Sound is where its timestamps say, whatever order, numbers or pauses its packets have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from callflow.errors import MediaError
from callflow.media.messages import RtpSource
from callflow.media.rtp.codecs import CODEC_RATE
from callflow.media.rtp.g711 import CODES, SAMPLES
from callflow.media.rtp.receive import RtpReceiver
from callflow.media.taps import Samples
from tests.rtp.core.line import PLACE, Line, Sender, arrivals, packet, source, stream, tone

HOLD = 60
FIRST = 8 * (20 + HOLD)  # the first packet is there after 20 ms, and is held
Sent = list[tuple[float, bytes]]


def as_coded(sound: Samples, codec: str = "PCMU") -> Samples:
    """What G.711 leaves of it."""
    return SAMPLES[codec][CODES[codec][sound.view(np.uint16)]]


def started(rows: int = 1) -> Line:
    made = Line(rows=rows)
    for row in range(rows):
        made.receiver.add(row, source(hold_ms=HOLD), 0)
    return made


def play(line: Line, sent: Sent, seconds: float) -> Samples:
    played: Samples = line.run([(time, 0, raw) for time, raw in sent], seconds)[0]
    return played


def speech(seconds: float = 1.0) -> Samples:
    """A sound in which each place can be told from any other."""
    return np.random.default_rng(5).integers(-8000, 8000, round(seconds * 8000)).astype(np.int16)


@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
@pytest.mark.parametrize("ptime_ms", [10, 20, 30, 40, 60])
def test_what_comes_well_is_played_to_the_sample(codec: str, ptime_ms: int) -> None:
    sound = speech(1.2)
    played = play(started(), Sender(codec, ptime_ms=ptime_ms).say(sound), 1.5)
    first = 8 * (ptime_ms + HOLD)
    assert not played[:first].any()
    assert (played[first : first + 9600] == as_coded(sound, codec)).all()


def test_order_repeats_and_wraps_are_no_matter() -> None:
    sound = speech()
    sent = Sender(sequence=65530, time=2**32 - 1000).say(sound)
    random = np.random.default_rng(6)
    # Up to 40 ms later than sent; half of them twice. The first is in time, so that the hold is known.
    mixed = [(time + (random.uniform(0, 0.04) if i else 0), raw) for i, (time, raw) in enumerate(sent)]
    mixed += [(time + 0.01, raw) for time, raw in sent[::2]]
    mixed.append((sent[10][0], sent[10][1]))  # and one twice in the same tick
    line = started()
    played = play(line, mixed, 1.2)
    assert (played[FIRST : FIRST + 8000] == as_coded(sound)).all()
    stats = line.receiver.stats(0)
    assert (stats.lost, stats.late, stats.duplicates) == (0, 0, 26)
    assert stats.expected_now == 50
    assert stats.highest == 65530 + 49


def test_a_lost_packet_moves_nothing() -> None:
    sound = speech()
    sent = Sender().say(sound)
    line = started()
    played = play(line, sent[:20] + sent[21:30] + sent[33:], 1.2)
    coded = as_coded(sound)
    for begin, end in ((0, 20), (21.5, 30), (33.5, 50)):  # fading in takes some of the next packet
        part = slice(round(begin * 160), round(end * 160))
        assert (played[FIRST:][part] == coded[part]).all()
    stats = line.receiver.stats(0)
    assert stats.lost == 4
    assert stats.concealed == pytest.approx(4 * 160 + 480, abs=80)  # and the end of the stream


def test_a_late_packet_is_counted_and_its_rest_is_played() -> None:
    sound = speech()
    sent = Sender().say(sound)
    line = started()
    late = [*sent[:20], (sent[20][0] + 0.2, sent[20][1]), *sent[21:30], (sent[30][0] + 0.07, sent[30][1])]
    played = play(line, late + sent[31:], 1.2)
    assert line.receiver.stats(0).late == 1
    coded = as_coded(sound)
    rest = slice(30 * 160 + 150, 31 * 160)  # 10 ms of it were too late
    assert (played[FIRST:][rest] == coded[rest]).all()


def test_a_pause_in_which_time_goes_on_is_silence_not_loss() -> None:
    sender, sound = Sender(), speech(0.4)
    sent = sender.say(sound)
    sender.pause(2.0)
    sent += sender.say(sound)
    line = started()
    played = play(line, sent, 3.2)
    coded = as_coded(sound)
    assert (played[FIRST : FIRST + 3200] == coded).all()
    assert not played[FIRST + 3200 + 480 : FIRST + 3200 + 16000].any()
    assert (played[FIRST + 19200 + 80 : FIRST + 19200 + 3200] == coded[80:]).all()
    assert line.receiver.stats(0).lost == 0


def test_a_short_pause_is_silence_at_once() -> None:
    sender, sound = Sender(), tone(440, 0.4)
    sent = sender.say(sound)
    sender.pause(0.04)
    sent += sender.say(sound)
    played = play(started(), sent, 1.2)
    gap = played[FIRST + 3200 : FIRST + 3200 + 320]
    assert np.abs(gap[:24]).max() > 1000  # no click at its begin
    assert not gap[64:].any()
    assert (played[FIRST + 3520 : FIRST + 3520 + 3200] == as_coded(sound)).all()


def test_a_pause_in_which_time_stands_still() -> None:
    sender, sound = Sender(), speech(0.4)
    sent = sender.say(sound)
    sender.pause(5.0, clock=False)
    sent += sender.say(speech(1.0))
    played = play(started(), sent, 7.0)
    late = FIRST + 8 * 5400
    # Its first packets only tell that time has stood still; then it is held as the first one was.
    assert np.abs(played[late + 8 * 200 : late + 8 * 900]).mean() > 2000


def test_another_source_goes_on_where_the_former_ended() -> None:
    first, second = speech(0.4), speech(0.4)[::-1].copy()
    before = Sender(ssrc=1)
    sent = before.say(first)
    after = Sender(ssrc=2**32 - 5, sequence=7, time=2**31, sent_s=before.sent_s)
    sent += after.say(second)
    line = started()
    played = play(line, sent, 1.2)
    assert (played[FIRST : FIRST + 6400] == as_coded(np.concatenate([first, second]))).all()
    stats = line.receiver.stats(0)
    assert (stats.ssrc, stats.received, stats.lost, stats.received_now) == (2**32 - 5, 40, 0, 20)


@pytest.mark.parametrize("jump", [8000 * 3600, -8000 * 3600, 2**31 - 1, 8000 * 2])
def test_a_jump_of_time_goes_on_where_it_was(jump: int) -> None:
    sender, sound = Sender(time=2**31), speech(0.8)
    sent = sender.say(sound[:3200])
    sender.time += jump
    sent += sender.say(sound[3200:])
    played = play(started(), sent, 1.2)
    assert (played[FIRST : FIRST + 6400] == as_coded(sound)).all()


def test_a_jump_of_numbers_is_not_a_loss_of_thousands() -> None:
    sender, sound = Sender(), speech(0.8)
    sent = sender.say(sound[:3200])
    sender.sequence += 20000
    sent += sender.say(sound[3200:])
    line = started()
    played = play(line, sent, 1.2)
    assert (played[FIRST : FIRST + 6400] == as_coded(sound)).all()
    assert line.receiver.stats(0).lost == 0


def test_two_sources_at_once_are_not_mixed_up_without_bound() -> None:
    one, two = Sender(ssrc=1).say(tone(440, 3)), Sender(ssrc=2, time=99).say(tone(900, 3))
    line = started()
    played = play(line, [*one, *two], 3.5)
    assert len(np.flatnonzero(np.abs(played) > 1000)) < 3.3 * 8000
    assert not played[-8 * 200 :].any()  # nothing is left over


def test_a_burst_after_a_stall_keeps_its_time() -> None:
    sound = speech(2.0)
    sent = Sender().say(sound)
    stalled = [(1.0 if 0.5 < time < 1.0 else time, raw) for time, raw in sent]
    line = started()
    played = play(line, stalled, 2.3)
    coded = as_coded(sound)
    assert (played[FIRST : FIRST + 3840] == coded[:3840]).all()
    after = slice(8000 + 160, 16000)
    assert (played[FIRST:][after] == coded[after]).all()
    assert line.receiver.stats(0).late > 15


@pytest.mark.parametrize("more_s", [0.15, 0.6])
def test_a_path_that_becomes_slower_is_followed(more_s: float) -> None:
    sound = tone(440, 6)
    sent = Sender().say(sound)
    slower = [(time + (more_s if time > 2 else 0), raw) for time, raw in sent]
    line = started()
    played = play(line, slower, 7.0)
    stats = line.receiver.stats(0)
    assert stats.late < 15
    assert np.abs(played[8 * 3000 : 8 * 6000]).reshape(-1, 160).max(axis=1).min() > 7000


def test_a_path_that_becomes_faster_is_followed() -> None:
    sent = Sender().say(tone(440, 10))
    faster = [(time + (0.1 if time < 2 else 0), raw) for time, raw in sent]
    line = started()
    played = play(line, faster, 11.0)
    end = int(np.flatnonzero(np.abs(played) > 7500)[-1])
    assert abs(end / 8 - 10000 - HOLD - 20) < 30  # the sound that was held for too long is gone
    assert line.receiver.stats(0).late == 0


def test_the_first_packet_may_be_the_late_one() -> None:
    sent = Sender().say(speech(1.0))
    line = started()
    first = (sent[0][0] + 0.05, sent[0][1])
    played = play(line, [first, *sent[1:]], 1.3)
    # What is heard is as far behind as if the first one had been in time.
    coded = as_coded(speech(1.0))
    assert (played[FIRST + 800 : FIRST + 8000] == coded[800:]).all()


def test_a_clock_of_ours_that_stood_still_is_no_drift() -> None:
    """A worker that was kept from running: for a while all packets are there before their time."""
    sound = speech(6.0)
    early = [(time - (0.3 if 4.0 < time < 4.3 else 0), raw) for time, raw in Sender().say(sound)]
    line = started()
    played = play(line, early, 6.3)
    assert (played[FIRST : FIRST + 48000] == as_coded(sound)).all()
    assert line.receiver.stats(0).slipped == 0


def test_hold_and_agreements() -> None:
    line = Line()
    line.receiver.add(0, RtpSource(PLACE, None, HOLD), 0)
    sender, sound = Sender(), speech(0.4)
    assert not play(line, sender.say(sound), 0.5).any()  # nothing is agreed
    assert line.receiver.stats(0).bad == 20
    line.receiver.agree(0, stream(), line.now)
    sender = Sender(begins_s=0.5)
    assert play(line, sender.say(sound), 0.5).any()
    line.receiver.agree(0, replace(stream(), receives=False), line.now)
    held = play(line, sender.say(sound), 0.5)
    assert not held[8 * 100 :].any()
    line.receiver.agree(0, stream(), line.now)
    sender.sent_s = 1.0
    assert play(line, sender.say(sound), 0.6).any()


def test_rows_come_and_go_and_do_not_hear_each_other() -> None:
    line = started(rows=3)
    line.receiver.remove(1)
    sounds = [speech(0.4), None, speech(0.4)[::-1].copy()]
    packets = [
        (time, row, raw) for row, sound in enumerate(sounds) if sound is not None
        for time, raw in Sender(ssrc=row).say(sound)
    ]  # fmt: skip
    played = line.run([*packets, (0.1, 1, packets[0][2])], 0.6)
    assert not played[1].any()
    for row in (0, 2):
        sound = sounds[row]
        assert sound is not None
        assert (played[row, FIRST : FIRST + 3200] == as_coded(sound)).all()
    line.receiver.add(1, source(), line.now)
    line.receiver.add(40, source(), line.now)  # more rows than there were
    assert line.receiver.stats(1).received == 0
    assert line.receiver.remove(0).received == 20


@pytest.mark.parametrize(
    ("rate", "codec"),
    [(8000, "PCMU"), (16000, "PCMU"), (16000, "G722"), (8000, "G722"), (16000, "L16/16000")],
)
def test_a_leg_moves_to_another_worker_without_a_gap(rate: int, codec: str) -> None:
    sound = tone(440, 2, rate)
    sent = [(time, 0, raw) for time, raw in Sender(codec, rate=rate).say(sound)]
    whole = Line(rate=rate)
    whole.receiver.add(0, source(codec), 0)
    expected = whole.run(sent, 2.0)[0]
    line = Line(rate=rate)
    line.receiver.add(0, source(codec), 0)
    before = line.run([one for one in sent if one[0] <= 0.99], 1.0)[0]
    there = RtpReceiver(rate)
    there.adopt(0, line.receiver.export(0), 77 * rate // 100)  # its clock is another one
    assert line.receiver.remove(0).received == there.stats(0).received
    line.receiver, line.now = there, 77 * rate // 100
    after = line.run([(time - 0.23, row, raw) for time, row, raw in sent if time > 0.99], 1.0)[0]
    if codec == "PCMU" and rate == 8000:
        assert (np.concatenate([before, after]) == expected).all()
    else:  # a coder's or a filter's memory begins anew
        assert (
            np.abs(np.concatenate([before, after])[rate // 2 :]).reshape(-1, rate // 50).max(axis=1).min()
            > 6000
        )
    with pytest.raises(MediaError):
        RtpReceiver(24000 - rate).adopt(0, there.export(0), 0)


@pytest.mark.parametrize("codec", list(CODEC_RATE))
@pytest.mark.parametrize("rate", [8000, 16000])
def test_every_codec_in_every_leg(codec: str, rate: int) -> None:
    sound = tone(1000, 1.0, rate)
    line = Line(rate=rate)
    line.receiver.add(0, source(codec), 0)
    sent = Sender(codec, rate=rate).say(sound)
    sent[10] = (sent[10][0] + 0.03, sent[10][1])  # out of order
    played = line.run([(time, 0, raw) for time, raw in sent], 1.3)[0]
    loud = np.flatnonzero(np.abs(played) > 4000) * 1000 / rate
    assert loud[0] == pytest.approx(80, abs=5)
    assert loud[-1] == pytest.approx(1080 + 30, abs=30)
    middle = played[rate // 5 : rate].astype(float)
    power = np.abs(np.fft.rfft(middle * np.hanning(len(middle)))) ** 2
    assert power[int(power.argmax()) - 4 :][:9].sum() > 0.999 * power.sum()


def test_the_codec_may_change_in_the_middle() -> None:
    for rate in (8000, 16000):
        line = Line(rate=rate)
        line.receiver.add(0, source("PCMU"), 0)
        sender = Sender("PCMU", rate=rate)
        sent = sender.say(tone(1000, 0.6, rate))
        other = replace(sender, codec="G722", _encoder=None)
        sent += other.say(tone(1000, 0.6, rate))
        played = line.run([(time, 0, raw) for time, raw in sent], 1.1)[0]
        assert np.abs(played[rate // 5 : rate]).reshape(-1, rate // 50).max(axis=1).min() > 5000


def test_a_rate_that_no_leg_has() -> None:
    with pytest.raises(MediaError):
        RtpReceiver(48000)


def test_what_was_not_agreed_or_is_too_long_is_counted_as_bad() -> None:
    line = started()
    batch = arrivals(
        [(0, packet(b"x" * 160, kind=77)), (0, b"\x80"), (0, packet(b"")), (0, packet(b"y" * 1400, kind=9))]
    )
    line.receiver.take(batch, 0)
    assert line.receiver.stats(0).bad == 4 - 1  # 1,400 bytes of G.722 are 175 ms
    line.receiver.take(arrivals([(0, packet(b"y" * 4000, kind=0, sequence=5))]), 80)
    assert line.receiver.stats(0).received == 2


def test_another_phone_may_have_the_same_ssrc_and_begin_with_the_same_numbers() -> None:
    """Phones that count from 0 and name themselves alike (sipp does): the second one takes the call over."""
    line = started()
    first, second = speech(1.02), speech(1.0)[::-1].copy()
    *early, last = Sender(ssrc=7, sequence=0, time=0).say(first)
    play(line, early, 1.02)
    line.receiver.agree(0, replace(stream(), port=6000), line.now)
    sent = [last, *Sender(ssrc=7, sequence=0, time=0, begins_s=1.02).say(second)]  # one was on its way
    played = play(line, sent, 1.3)[160:]
    at = 8 * HOLD  # what still waits of the first is played before
    assert (played[at : at + 8000] == as_coded(second)).all()


def test_a_phone_that_only_moves_goes_on_where_it_was() -> None:
    line, sound, sender = started(), speech(2.0), Sender(ssrc=7)
    first = play(line, sender.say(sound[:8000]), 1.0)
    line.receiver.agree(0, replace(stream(), port=6000), line.now)
    sender.say(sound[8000:8320])  # two packets are lost on the way
    played = np.concatenate([first, play(line, sender.say(sound[8320:]), 1.3)])
    known = as_coded(sound)
    assert (played[FIRST : FIRST + 7840] == known[:7840]).all()
    assert (played[FIRST + 8480 : FIRST + 15600] == known[8480:15600]).all()
