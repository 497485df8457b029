"""RTP legs in the pump: sound in and out, bridges, digits, reports, silence; on a net in memory."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest

from callflow.errors import MediaError
from callflow.media.messages import (
    AddLeg,
    Bridge,
    Digit,
    DigitHeard,
    PcmClip,
    Play,
    PlaybackDone,
    RemoveLeg,
    RtpBegan,
    RtpLost,
    RtpPlace,
    RtpReport,
    RtpSource,
    RtpStream,
    Say,
    SendDigits,
    SetStream,
)
from callflow.media.rtp.codecs import BYTES_A_TICK
from callflow.media.rtp.rtcp import Goodbye, SenderReport, SourceName, read_rtcp
from tests.media.listening import level, noise, offset_of, stereo
from tests.rtp.live.stage import HOST, PLAIN, Packet, Phone, Stage, tone


def talk(stage: Stage, *phones: tuple[Phone, int, float], ticks: int) -> None:
    """Phones say their tones (phone, leg's port, hertz) every second tick."""
    for number in range(ticks):
        if number % 2 == 0:
            for phone, port, hertz in phones:
                phone.say(tone(160, number * 80, hertz), port)
        stage.tick()


def test_two_phones_hear_each_other_and_packets_go_on_without_a_break() -> None:
    with Stage() as stage:
        alice, bob = stage.phone(5000), stage.phone(5002, ssrc=78)
        a, b = stage.leg("a", 5000), stage.leg("b", 5002)
        stage.do(Bridge("a", "b"))
        tap = stereo("a")
        stage.pump.attach(tap)
        talk(stage, (alice, a, 440), (bob, b, 700), ticks=300)
        stage.pump.catch_up(tap)
        for phone in (alice, bob):
            phone.listen()
            assert len(phone.got) in (149, 150)
            first = phone.got[0]
            for number, packet in enumerate(phone.got):
                assert packet.sequence == (first.sequence + number) & 0xFFFF
                assert packet.timestamp == (first.timestamp + 160 * number) & 0xFFFFFFFF
                assert (packet.kind, packet.ssrc, len(packet.payload)) == (0, first.ssrc, 160)
        assert alice.got[0].ssrc != bob.got[0].ssrc
        assert level(bob.heard[4000:], 440) > 8500 > 300 > level(bob.heard[4000:], 700)
        assert level(alice.heard[4000:], 700) > 8500
        assert level(tap.sound[0, 4000:], 440) > 8500
        assert level(tap.sound[1, 4000:], 700) > 8500
        assert [(event.leg, event.port) for event in stage.of(RtpBegan)] == [("a", 5000), ("b", 5002)]


@pytest.mark.parametrize("ptime", [10, 20, 30, 40, 60])
def test_packets_have_the_length_that_was_agreed(ptime: int) -> None:
    with Stage() as stage:
        phone = stage.phone(5000)
        stage.leg("a", 5000, ptime_ms=ptime)
        stage.tick(240)
        phone.listen()
        assert {len(packet.payload) for packet in phone.got} == {8 * ptime}
        assert abs(len(phone.got) - 2400 / ptime) <= 1
        assert set(np.diff([packet.timestamp for packet in phone.got]) % (1 << 32)) == {8 * ptime}


@pytest.mark.parametrize(
    ("codec", "payload", "rate"),
    [
        ("PCMA", 8, 8000),
        ("PCMU", 0, 16000),
        ("G722", 9, 16000),
        ("L16/8000", 96, 8000),
        ("L16/16000", 96, 16000),
    ],
)
def test_every_codec_goes_out_at_every_rate(codec: str, payload: int, rate: int) -> None:
    with Stage() as stage:
        phone = stage.phone(5000)
        stage.leg("a", 5000, rate=rate, codec=codec, payload=payload)
        pcm = np.repeat(noise(8000), rate // 8000)
        stage.do(Play("a", "p", (PcmClip(pcm.tobytes(), rate),)))
        stage.tick(100)
        phone.listen()
        size = 2 * BYTES_A_TICK[codec]
        assert {(packet.kind, len(packet.payload)) for packet in phone.got} == {(payload, size)}
        assert len({packet.payload for packet in phone.got}) > 40


def test_a_played_sound_arrives_whole() -> None:
    with Stage() as stage:
        phone = stage.phone(5000)
        stage.leg("a", 5000)
        sound = noise(4000)
        stage.do(Play("a", "p", (PcmClip(sound.tobytes(), 8000),)))
        stage.tick(60)
        phone.listen()
        at, fit = offset_of(sound, phone.heard)
        assert at <= 80
        assert fit > 0.999
        assert [event.reason for event in stage.of(PlaybackDone)] == ["finished"]


def event(digit: int, duration: int, *, end: bool = False) -> bytes:
    return struct.pack("!BBH", digit, (0x80 if end else 0) | 10, duration)


def press(stage: Stage, phone: Phone, port: int, digit: int) -> None:
    """100 ms of a telephone-event."""
    for number in range(5):
        phone.send(event(digit, 160 * (number + 1)), port, kind=101, marker=number == 0)
        stage.tick(2)
    for _ in range(3):
        phone.send(event(digit, 800, end=True), port, kind=101)
    phone.timestamp = (phone.timestamp + 800) & 0xFFFFFFFF


def test_a_digit_comes_once_ends_a_playback_and_goes_on_over_the_bridge() -> None:
    with Stage() as stage:
        alice, bob = stage.phone(5000), stage.phone(5002, ssrc=78)
        a, b = stage.leg("a", 5000), stage.leg("b", 5002)
        stage.do(Bridge("a", "b"), Play("a", "p", (PcmClip(noise(80000).tobytes(), 8000),), terminators="5"))
        talk(stage, (alice, a, 440), (bob, b, 700), ticks=40)
        press(stage, alice, a, 5)
        talk(stage, (alice, a, 440), (bob, b, 700), ticks=60)
        assert [(event.leg, event.digit, event.playback) for event in stage.of(Digit)] == [("a", "5", "p")]
        assert [event.reason for event in stage.of(PlaybackDone)] == ["digit"]
        assert [event.leg for event in stage.of(DigitHeard)] == ["b"]
        bob.listen()
        events = [packet for packet in bob.got if packet.kind == 101]
        assert {packet.payload[0] for packet in events} == {5}
        assert len({packet.timestamp for packet in events}) == 1
        assert sum(packet.payload[1] >> 7 for packet in events) == 3
        assert int.from_bytes(events[-1].payload[2:]) == 800
        assert [p.sequence for p in bob.got] == [
            (bob.got[0].sequence + number) & 0xFFFF for number in range(len(bob.got))
        ]


def test_digits_are_sent_as_events_or_as_sound() -> None:
    with Stage() as stage:
        alice, bob = stage.phone(5000), stage.phone(5002)
        stage.leg("a", 5000)
        stage.leg("b", 5002, event_payload=-1)
        stage.do(SendDigits("a", "12"), SendDigits("b", "12"))
        stage.tick(60)
        alice.listen()
        bob.listen()
        sent = [packet.payload[0] for packet in alice.got if packet.kind == 101]
        assert sorted(set(sent)) == [1, 2]
        assert sent == sorted(sent)
        assert {packet.kind for packet in bob.got} == {0}
        one, two = bob.heard[80:720], bob.heard[1700:2300]
        assert min(level(one, 697), level(one, 1209), level(two, 697), level(two, 1336)) > 3000
        assert level(bob.heard[900:1500], 697) < 10


def test_hold_new_codec_and_back_keep_the_row_of_packets() -> None:
    with Stage() as stage:
        phone = stage.phone(5000)
        port = stage.leg("a", 5000)
        tap = stereo("a")
        stage.pump.attach(tap)
        talk(stage, (phone, port, 440), ticks=50)
        stage.do(SetStream("a", agreed(5000, sends=False, receives=False)))
        talk(stage, (phone, port, 440), ticks=50)
        stage.do(SetStream("a", agreed(5000, codec="PCMA", payload=8)))
        talk(stage, (phone, port, 440), ticks=50)
        stage.pump.catch_up(tap)
        phone.listen()
        assert [p.sequence for p in phone.got] == [
            (phone.got[0].sequence + number) & 0xFFFF for number in range(len(phone.got))
        ]
        assert {packet.ssrc for packet in phone.got} == {phone.got[0].ssrc}
        assert [packet.kind for packet in phone.got] == sorted(packet.kind for packet in phone.got)
        last, first = phone.got[-1], phone.got[0]
        assert abs((last.timestamp - first.timestamp) % (1 << 32) - 150 * 80) <= 320
        assert tap.samples == 150 * 80
        assert not tap.sound[0, 5000:7500].any()
        assert level(tap.sound[0, 9500:], 440) > 8000


def agreed(port: int, **changes: object) -> RtpStream:
    """What is agreed with a phone at ``port``."""
    return replace(PLAIN, port=port, **changes)  # type: ignore[arg-type]


def test_silence_is_told_once_and_again_after_sound() -> None:
    with Stage() as stage:
        phone = stage.phone(5000)
        port = stage.leg("a", 5000, timeout_s=3.0)
        talk(stage, (phone, port, 440), ticks=100)
        stage.tick(800)
        assert [3.0 <= event.silent_s <= 4.1 for event in stage.of(RtpLost)] == [True]
        talk(stage, (phone, port, 440), ticks=120)
        stage.tick(500)
        assert len(stage.of(RtpLost)) == 2
        stage.do(SetStream("a", agreed(5000, receives=False)))
        stage.tick(800)
        assert len(stage.of(RtpLost)) == 2


def test_reports_are_sent_and_the_goodbye_and_the_end_is_told() -> None:
    with Stage() as stage:
        phone, control = stage.phone(5000), stage.phone(5001)
        port = stage.leg("a", 5000)
        talk(stage, (phone, port, 440), ticks=1300)
        phone.listen()
        stage.do(RemoveLeg("a"))
        compound = [read_rtcp(data) for data, *_ in control.sock.queue]
        assert 3 <= len(compound) <= 5
        for packets in compound:
            report, name = packets[:2]
            assert isinstance(report, SenderReport)
            assert isinstance(name, SourceName)
            assert report.ssrc == phone.got[0].ssrc
            assert [block.ssrc for block in report.blocks] == [77]
        assert compound[-1][2] == Goodbye((phone.got[0].ssrc,))
        [report] = stage.of(RtpReport)
        assert (report.leg, report.lost, report.late, report.strangers) == ("a", 0, 0, 0)
        assert report.received == 650
        assert abs(report.sent - 650) <= 1
        assert stage.ports.used == 0
        assert not [name for name in stage.net.sockets if name[1] in (port, port + 1)]  # type: ignore[attr-defined]


def test_what_cannot_be_is_refused_and_leaves_nothing_behind() -> None:
    with Stage() as stage:
        before = stage.ports.free
        with pytest.raises(MediaError):
            stage.do(AddLeg("a", 8000, RtpSource(RtpPlace(HOST, 40100))))  # never taken
        for rate, changes in ((44100, {}), (8000, {"host": "phone.example"}), (8000, {"port": 70000})):
            place = stage.ports.take()
            stream = replace(agreed(5000), **changes)
            with pytest.raises(MediaError):
                stage.do(AddLeg("a", rate, RtpSource(place, stream)))
            stage.ports.give_back(place)
        assert (stage.ports.free, stage.ports.used) == (before, 0)
        port = stage.leg("a", 5000)
        with pytest.raises(MediaError):
            stage.do(Say("a", ()))
        with pytest.raises(MediaError):
            stage.do(SetStream("a", agreed(5000, host="phone.example")))
        phone = stage.phone(5000)
        talk(stage, (phone, port, 440), ticks=20)
        assert phone.listen()  # as before


def test_rtcp_on_the_port_of_rtp() -> None:
    with Stage() as stage:
        phone = stage.phone(5000)
        port = stage.leg("a", 5000, rtcp_mux=True)
        talk(stage, (phone, port, 440), ticks=1000)
        report = struct.pack("!BBHIQIII", 0x80, 200, 6, 77, 1 << 40, 0, 1, 160)
        phone.sock.sendto(report, (HOST, port))
        talk(stage, (phone, port, 440), ticks=2)
        data = []
        buffer = memoryview(bytearray(1500))
        while phone.sock.queue:
            size, _ = phone.sock.recvfrom_into(buffer)
            data.append(bytes(buffer[:size]))
        control = [each for each in data if 192 <= each[1] <= 223]
        assert control
        assert isinstance(read_rtcp(control[0])[0], SenderReport)
        stage.do(RemoveLeg("a"))
        assert stage.of(RtpReport)[0].received == 501
        assert Packet.read(data[0]).kind == 0


@pytest.mark.parametrize("early", [False, True])
def test_a_stall_of_the_pump_loses_nothing(early: bool) -> None:
    """Ticks come 0.3 s late (and the leg may begin in the middle of that); then they are made up for."""
    with Stage() as stage:
        phone = stage.phone(5000)
        port = stage.leg("a", 5000)
        tap = stereo("a")
        stage.pump.attach(tap)
        begin = 0 if early else 100
        talk(stage, (phone, port, 440), ticks=begin)
        for number in range(begin, begin + 30):
            if number % 2 == 0:
                phone.say(tone(160, number * 80), port)
        late = stage.pump.now + 0.3
        while late - stage.pump.now > 0.005:
            stage.events += stage.pump.advance(late)[1]
        for number in range(begin + 30, begin + 400):
            if number % 2 == 0:
                phone.say(tone(160, number * 80), port)
            stage.tick()
        stage.pump.catch_up(tap)
        plane = stage.pump.plane(8000)
        stats = plane.io.stats(0)  # type: ignore[attr-defined]
        assert (stats.concealed, stats.late, stats.lost) == (0, 0, 0)
        assert tap.samples == (begin + 400) * 80
        assert early or stats.slipped == 0
        phone.listen()
        steps = np.diff([packet.timestamp for packet in phone.got]) % (1 << 32)
        assert set(steps) <= set(range(160, 1121, 160))  # what would have come too late was not sent
        assert [p.sequence for p in phone.got] == [
            (phone.got[0].sequence + number) & 0xFFFF for number in range(len(phone.got))
        ]
