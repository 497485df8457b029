"""Whose packets are taken, on real sockets: strangers, NAT, new addresses, ports that nobody listens at."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from callflow.media.messages import RemoveLeg, RtpBegan, RtpReport, SetStream
from callflow.media.rtp.latch import Latch, Trust
from callflow.media.taps import Samples
from tests.media.listening import KeepingTap, stereo
from tests.media.listening import level as exact_level
from tests.rtp.live.stage import HOST, PLAIN, Phone, Stage, on_machine, tone


def level(sound: Samples, hertz: float) -> float:
    """The amplitude of a frequency in most pieces of 50 ms (where a clock is corrected, its phase moves)."""
    return float(
        np.median([exact_level(sound[at : at + 400], hertz) for at in range(0, len(sound) - 399, 400)])
    )


def speak(stage: Stage, phones: list[tuple[Phone, float]], port: int, ticks: int, begin: int = 0) -> None:
    """All say their tones at one port."""
    for number in range(begin, begin + ticks):
        if number % 2 == 0:
            for phone, hertz in phones:
                phone.say(tone(160, number * 80, hertz), port)
        stage.tick()


def listen(stage: Stage, leg: str) -> KeepingTap:
    """A tap on it."""
    tap = stereo(leg)
    stage.pump.attach(tap)
    return tap


def read_side(stage: Stage, tap: KeepingTap) -> Samples:
    """What the leg said up to now."""
    stage.pump.catch_up(tap)
    sound: Samples = tap.sound[0]
    return sound


def test_a_stranger_is_heard_neither_before_nor_during_nor_after_latching() -> None:
    with on_machine() as stage:
        alice, mallory = stage.phone(), stage.phone(ssrc=66)
        for follow in (False, True):
            name = f"a{follow}"
            port = stage.leg(name, alice.port, latch=follow)
            tap = listen(stage, name)
            mallory.sequence = alice.sequence = 100
            if not follow:  # nobody else is ever listened to
                speak(stage, [(mallory, 1000)], port, 20)
            else:  # one packet, or ones that do not follow each other, do not make a source
                for _ in range(10):
                    mallory.say(tone(160, 0, 1000), port)
                    mallory.sequence += 7
                    stage.tick()
            for _ in range(30):  # they wait in the socket when it is connected
                mallory.say(tone(160, 0, 1000), port)
                mallory.sequence += 7
            alice.say(tone(160), port)
            for _ in range(30):
                mallory.say(tone(160, 0, 1000), port)
            speak(stage, [(mallory, 1000), (alice, 440), (mallory, 1000)], port, 150)
            sound = read_side(stage, tap)
            assert level(sound[-8000:], 440) > 7000
            for start in range(0, len(sound) - 800, 400):
                assert level(sound[start : start + 800], 1000) < 600
            assert [event.port for event in stage.of(RtpBegan) if event.leg == name] == [alice.port]
            stage.do(RemoveLeg(name))
            if follow:  # else the kernel has refused them
                assert stage.of(RtpReport)[-1].strangers >= 10


def test_the_real_source_behind_nat_is_followed_and_answered() -> None:
    with on_machine() as stage:
        nat, nobody = stage.phone(), stage.phone(ssrc=5)
        port = stage.leg("a", nobody.port)
        tap = listen(stage, "a")
        speak(stage, [(nat, 440)], port, 100)
        assert level(read_side(stage, tap)[-4000:], 440) > 7000
        assert [event.port for event in stage.of(RtpBegan)] == [nat.port]
        nobody.listen()
        assert len(nat.listen()) > 40
        speak(stage, [(nat, 440), (nobody, 700)], port, 60, 100)  # the negotiated one takes over
        speak(stage, [(nat, 440), (nobody, 700)], port, 60, 160)
        sound = read_side(stage, tap)[-4000:]
        assert level(sound, 700) > 7000
        assert level(sound, 440) < 400


def test_a_source_that_fell_silent_can_be_another_one() -> None:
    with on_machine() as stage:
        first, second = stage.phone(), stage.phone(ssrc=5)
        port = stage.leg("a", first.port)
        tap = listen(stage, "a")
        speak(stage, [(first, 440)], port, 60)
        speak(stage, [(second, 700)], port, 100, 60)
        assert level(read_side(stage, tap)[-4000:], 700) < 400
        stage.tick(250)
        speak(stage, [(second, 700)], port, 100)
        assert level(read_side(stage, tap)[-4000:], 700) > 7000
        assert [event.port for event in stage.of(RtpBegan)] == [first.port, second.port]


def test_a_new_address_is_taken_at_once_and_the_old_one_no_more() -> None:
    with on_machine() as stage:
        old, new = stage.phone(), stage.phone(ssrc=5)
        port = stage.leg("a", old.port)
        tap = listen(stage, "a")
        speak(stage, [(old, 440)], port, 100)
        old.listen()
        stage.do(SetStream("a", replace(PLAIN, port=new.port)))
        speak(stage, [(old, 440), (new, 700)], port, 100, 100)
        sound = read_side(stage, tap)
        assert level(sound[-4000:], 700) > 7000
        assert level(sound[-4000:], 440) < 400
        assert len(sound) == 200 * 80
        assert len(new.listen()) > 40
        assert len(old.listen()) <= 1


def test_nobody_at_the_port_is_no_fault() -> None:
    with on_machine() as stage:
        phone = stage.phone()
        port = stage.leg("a", phone.port, latch=False)
        tap = listen(stage, "a")
        speak(stage, [(phone, 440)], port, 60)
        home = phone.port
        phone.sock.close()
        stage.tick(100)  # each packet of ours is answered by ICMP
        back = stage.phone(home, ssrc=9)
        speak(stage, [(back, 440)], port, 100)
        assert level(read_side(stage, tap)[-4000:], 440) > 7000
        assert len(back.listen()) > 30
        assert tap.samples == 260 * 80


def test_junk_and_floods_are_bounded_and_harmless() -> None:
    with on_machine() as stage:
        alice, bob, mallory = stage.phone(), stage.phone(), stage.phone()
        a, b = stage.leg("a", alice.port), stage.leg("b", bob.port)
        taps = [listen(stage, name) for name in "ab"]
        for number in range(200):
            if number % 2 == 0:
                alice.say(tone(160, number * 80), a)
                bob.say(tone(160, number * 80, 700), b)
            for size in (0, 1, 11, 1500, 9000):
                alice.sock.sendto(bytes([0x40]) * size, (HOST, a))
            for size in (0, 12, 13, 172, 1499, 1500, 9000, 172, 172, 172):
                mallory.sock.sendto(bytes([0x80]) * size, (HOST, b))
            stage.tick()
        for tap, hertz in zip(taps, (440, 700), strict=True):
            assert level(read_side(stage, tap)[-8000:], hertz) > 7000
            assert tap.samples == 200 * 80


def test_only_the_host_of_the_sdp_and_that_of_the_signalling_can_be_latched() -> None:
    packets = [memoryview(bytes([0x80, 0, 0, number]) + bytes(8)) for number in range(250)]
    wanted, near = ("10.0.0.1", 4000), ("192.0.2.7", "192.0.2.8")
    for source, taken in (
        (("198.51.100.1", 4000), False),
        (("10.0.0.1", 5000), True),
        (("192.0.2.7", 61_000), True),
        (("192.0.2.8", 4000), True),
    ):
        latch = Latch(wanted, follow=True, near=near, time=0.0)
        assert [latch.takes(source, packet, 0.0) for packet in packets[:3]] == [False, taken, taken]
        assert latch.source == (source if taken else None)
        latch.reopen(60.0)  # a silence opens the door to nobody else
        assert [latch.takes(source, packet, 60.0) for packet in packets[3:5]] == [False, taken]
    deaf = Latch(wanted, follow=False, near=near, time=0.0)
    assert not any(deaf.takes(("192.0.2.7", 4000), packet, 0.0) for packet in packets)
    assert deaf.takes(wanted, packets[0], 0.0)


def test_where_the_sdp_address_never_sends_no_stranger_takes_its_place() -> None:
    with on_machine() as stage:
        nobody, nat, mallory = stage.phone(), stage.phone(ssrc=5), stage.phone(ssrc=66)
        mallory.sock.close()
        mallory.sock = stage.net.bind("127.0.0.66", 0)
        strict = stage.leg("a", nobody.port)
        tap = listen(stage, "a")
        speak(stage, [(mallory, 1000)], strict, 100)
        assert not stage.of(RtpBegan)
        assert level(read_side(stage, tap), 1000) < 100
        speak(stage, [(mallory, 1000), (nat, 440)], strict, 60, 100)
        assert [event.port for event in stage.of(RtpBegan)] == [nat.port]
        stage.do(SetStream("a", replace(PLAIN, port=nobody.port, near=None)))  # configured so
        stage.tick(300)
        speak(stage, [(mallory, 1000)], strict, 60)
        assert [event.host for event in stage.of(RtpBegan)] == [HOST, "127.0.0.66"]


def test_candidates_are_few_and_the_peer_is_found_among_them() -> None:
    latch = Latch(("10.0.0.1", 4000), follow=True, near=None, time=0.0)
    packets = [bytes([0x80, 0, 0, number]) + bytes(8) for number in range(250)]
    for number in range(1000):
        assert not latch.takes(("10.9.9.9", number), memoryview(packets[number % 250]), 0.0)
    peer = ("10.0.0.2", 5000)
    assert not latch.takes(peer, memoryview(packets[0]), 0.0)
    assert not latch.takes(("10.9.9.9", 1), memoryview(packets[9]), 0.0)
    assert latch.takes(peer, memoryview(packets[1]), 0.0)
    assert (latch.source, latch.trust) == (peer, Trust.TRIAL)
    assert latch.takes(("10.0.0.1", 4000), memoryview(packets[2]), 1.0)
    assert latch.trust is Trust.SURE
    assert not latch.takes(peer, memoryview(packets[3]), 1.0)
