"""Lasting silence that is not sent: what goes is what would have gone, to the bit; and none too few."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from callflow.media.messages import (
    Bridge,
    PcmClip,
    Play,
    RemoveLeg,
    RtpReport,
    SendDigits,
    SetStream,
    SrtpKey,
)
from callflow.media.rtp import send
from callflow.media.rtp.codecs import decoder, encode_g711
from callflow.media.rtp.srtp import SUITES, SrtpIn
from callflow.media.taps import Samples
from tests.media.listening import noise, offset_of
from tests.rtp.live.stage import PLAIN, Packet, Phone, Stage, tone

RATE = 8000


@dataclass(frozen=True)
class Way:
    """How a leg sends."""

    codec: str = "PCMU"
    payload: int = 0
    rate: int = RATE
    ptime_ms: int = 20


WAYS = [
    Way(),
    Way(ptime_ms=10),
    Way("PCMA", 8, ptime_ms=30),
    Way(ptime_ms=60),
    Way("PCMU", 0, 2 * RATE),
    Way("G722", 9, 2 * RATE, 40),
]
Script = Callable[[Stage], None]


def sent(script: Script, *, all_of_it: bool, way: Way = WAYS[0], **more: object) -> list[Packet]:
    """What leg ``a`` sends while ``script`` runs."""
    with Stage() as stage:
        phone = stage.phone(5000)
        changes: dict[str, Any] = {
            "codec": way.codec,
            "payload": way.payload,
            "ptime_ms": way.ptime_ms,
            **more,
        }
        stage.leg("a", 5000, rate=way.rate, transmit_silence=all_of_it, **changes)
        script(stage)
        phone.listen()
        return phone.got


def play(sound: Samples, rate: int = RATE, leg: str = "a") -> Play:
    return Play(leg, f"p{len(sound)}", (PcmClip(np.repeat(sound, rate // RATE).tobytes(), rate),))


def in_a_row(packets: list[Packet]) -> bool:
    """Sequence numbers are without a gap."""
    first = packets[0].sequence
    return [p.sequence for p in packets] == [(first + n) & 0xFFFF for n in range(len(packets))]


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_leg_that_hears_nothing_gets_a_packet_a_second_and_sound_whole_at_once(way: Way) -> None:
    """And what goes has the times, and (G.711) the very bytes, that it would have had."""
    sound = noise(1530)

    def script(stage: Stage) -> None:
        stage.tick(437)
        stage.do(play(sound, way.rate))
        stage.tick(163)

    whole = {p.timestamp: p for p in sent(script, all_of_it=True, way=way)}
    some = sent(script, all_of_it=False, way=way)
    units = 8 * way.ptime_ms
    assert in_a_row(some)
    assert {p.ssrc for p in some} == {p.ssrc for p in whole.values()}
    assert {p.timestamp for p in some} <= whole.keys()
    silence = next(iter(whole.values())).payload
    if way.codec != "G722":
        assert all(p.payload == whole[p.timestamp].payload for p in some)
        said = {time for time, p in whole.items() if p.payload != silence}
        assert said <= {p.timestamp for p in some}
    gaps = np.diff([p.timestamp for p in some]).astype(np.int64) % (1 << 32) // units
    long = np.flatnonzero(gaps > 1)
    a_second = 1000 // way.ptime_ms
    assert long[0] == a_second  # a second of silence, and the first of those that go now and then
    assert gaps[long].max() == a_second
    assert len(long) == 4
    # A talkspurt begins with the marker bit, and nothing else has it.
    assert [n for n, p in enumerate(some) if p.marker] == [long[-1] + 1]
    if way.codec == "G722":  # whose coder goes on from before the silence, as the far end's decoder does
        spurt = some[long[-1] + 1 :]
        always = [whole[p.timestamp] for p in spurt]
        fits = [offset_of(np.repeat(sound, 2), decoded(got, way))[1] for got in (always, spurt)]
        assert fits[1] > max(0.9, fits[0] - 0.01)


def decoded(packets: list[Packet], way: Way) -> Samples:
    """The sound of packets, by a decoder that has heard nothing yet."""
    decode = decoder(way.codec, way.rate)
    return np.concatenate([decode(packet.payload) for packet in packets])


def test_for_silence_nothing_is_coded(monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[int] = []

    def counted(codec: str, sound: Samples, out: NDArray[np.uint8]) -> None:
        rows.append(len(sound))
        encode_g711(codec, sound, out)

    monkeypatch.setattr(send, "encode_g711", counted)
    with Stage() as stage:
        for number in range(12):
            stage.leg(f"leg{number}", 5000 + 2 * number, transmit_silence=False)
        stage.tick(150)
        rows.clear()
        stage.tick(1000)
        assert sum(rows) == 12 * 10 * 2  # a packet a second each, of two ticks


def test_comfort_noise_says_it_where_that_was_agreed() -> None:
    def script(stage: Stage) -> None:
        stage.tick(350)
        stage.do(play(noise(800)))
        stage.tick(50)

    packets = sent(script, all_of_it=False, noise_payload=13)
    assert in_a_row(packets)
    quiet = [p for p in packets if p.kind == 13]
    assert [p.payload for p in quiet] == [b"\x7f"] * 3
    assert [packets.index(p) for p in quiet] == [50, 51, 52]
    assert [(p.kind, len(p.payload)) for p in packets if p.marker] == [(0, 160)]
    assert packets[53].marker


def test_what_a_party_says_after_a_silence_is_relayed_to_the_sample() -> None:
    """The other hears the same as with all packets; also when its own phone cannot be heard."""

    def heard(*, all_of_it: bool) -> tuple[Samples, int]:
        with Stage() as stage:
            alice, bob = stage.phone(5000), stage.phone(5002, ssrc=78)
            a = stage.leg("a", 5000, transmit_silence=all_of_it)
            stage.leg("b", 5002, transmit_silence=all_of_it)
            stage.do(Bridge("a", "b"))
            for number in range(400):
                if number % 2 == 0:
                    speaks = number < 100 or number >= 320
                    alice.say(tone(160, 80 * number) if speaks else np.zeros(160, np.int16), a)
                stage.tick()
            bob.listen()
            first = bob.got[0].timestamp
            line = np.zeros(RATE * 5, np.int16)
            for packet in bob.got:
                at = (packet.timestamp - first) & 0xFFFFFFFF
                line[at : at + 160] = decoder("PCMU", RATE)(packet.payload)
            return line, len(bob.got)

    (whole, many), (some, few) = heard(all_of_it=True), heard(all_of_it=False)
    assert many - few > 50
    assert np.abs(some).max() > 8500
    assert (some == whole).all()


def test_digits_are_never_held_back() -> None:
    def script(stage: Stage) -> None:
        stage.tick(300)
        stage.do(SendDigits("a", "19"))
        stage.tick(30)
        stage.do(SendDigits("a", "#"))
        stage.tick(200)

    whole, some = sent(script, all_of_it=True), sent(script, all_of_it=False)
    events = [[(p.timestamp, p.marker, p.payload) for p in got if p.kind == 101] for got in (whole, some)]
    assert len(events[0]) > 20
    assert events[0] == events[1]
    assert in_a_row(some)


def test_a_new_agreement_is_followed_by_a_second_of_packets() -> None:
    """An answer after early media, another address, a packet length; and always sent from then on."""

    def script(stage: Stage) -> None:
        for change in ({}, {"port": 5002}, {"ptime_ms": 40}, {"transmit_silence": True}):
            stage.tick(300)
            stream = replace(PLAIN, port=5000, transmit_silence=False)
            stage.do(SetStream("a", replace(stream, **change)))
        stage.tick(300)

    with Stage() as stage:
        phone, other = stage.phone(5000), stage.phone(5002)
        stage.leg("a", 5000, transmit_silence=False)
        script(stage)
        phone.listen()
        other.listen()
        assert len(other.got) == 50 + 2
        assert [len(p.payload) for p in phone.got] == [160] * 104 + [320] * 27 + [160] * 150
        assert in_a_row(phone.got[:104])


@pytest.mark.parametrize("secret", [False, True])
def test_a_leg_that_moves_goes_on_as_it_was(secret: bool) -> None:
    """From one process to another in the middle of a silence: numbers, times, keys and the marker bit."""
    key = SrtpKey(SUITES[0], bytes(range(30))) if secret else None
    with Stage() as stage:
        phone = stage.phone(5000)
        port = stage.leg("a", 5000, transmit_silence=False, key_out=key)
        stage.do(play(tone(4000)))
        stage.tick(375)
        legs, sockets = stage.pump.give_away(["a"])
        there = Stage(stage.net, port, port + 2)
        there.pump._tick = legs.tick
        there.pump.take_in(legs, sockets)
        there.do(play(tone(800)))
        there.tick(200)
        packets = whole(phone, key)
        assert in_a_row(packets)
        marked = [n for n, p in enumerate(packets) if p.marker]
        assert len(marked) == 1
        assert [(p.timestamp - packets[0].timestamp) % 160 for p in packets] == [0] * len(packets)
        assert decoder("PCMU", RATE)(packets[marked[0]].payload).any()
        assert len(packets) == (25 + 50 + 3) + (
            6 + 50 + 1
        )  # the sound begins in the middle of a packet's time
        there.do(RemoveLeg("a"))
        assert [event.sent for event in there.of(RtpReport)] == [len(packets)]


def whole(phone: Phone, key: SrtpKey | None) -> list[Packet]:
    """What has come, unprotected."""
    if key is None:
        return phone.listen()
    door = SrtpIn(key)
    plain = [door.rtp(data) for data, *_ in phone.sock.queue if not 192 <= data[1] <= 223]
    return [Packet.read(packet) for packet in plain if packet is not None]


def test_legs_come_go_and_speak_among_each_other() -> None:
    """Each of many sends what it would have sent, whoever is beside it."""

    def run(*, all_of_it: bool) -> list[list[Packet]]:
        random = np.random.default_rng(5)
        with Stage() as stage:
            phones = [stage.phone(5000 + 2 * number) for number in range(14)]
            for number, phone in enumerate(phones):
                stage.leg(f"leg{number}", phone.port, transmit_silence=all_of_it)
            for number in range(8):
                stage.tick(int(random.integers(30, 90)))
                for other in random.choice(np.arange(number + 1, 14), 2):
                    stage.do(play(noise(int(random.integers(100, 3000))), leg=f"leg{other}"))
                stage.do(RemoveLeg(f"leg{number}"))
            stage.tick(130)
            for phone in phones:
                phone.listen()
            return [phone.got for phone in phones]

    saved = 0
    for whole, some in zip(run(all_of_it=True), run(all_of_it=False), strict=True):
        by_time = {p.timestamp: p.payload for p in whole}
        assert in_a_row(some)
        assert all(by_time.pop(p.timestamp) == p.payload for p in some)
        assert set(by_time.values()) <= {b"\xff" * 160}
        saved += len(by_time)
    assert saved > 500


def test_after_a_stall_nothing_is_made_up_for_and_sound_comes_marked() -> None:
    with Stage() as stage:
        phone = stage.phone(5000)
        stage.leg("a", 5000, transmit_silence=False)
        stage.tick(250)
        for _ in range(100):  # so many ticks late: only time goes on
            stage.pump.advance(stage.pump.now + 0.5)
        before = len(phone.listen())
        stage.do(play(noise(800)))
        stage.tick(20)
        assert before == 50 + 2
        assert [p.marker for p in phone.listen()] == [True] + [False] * 9
        assert in_a_row(phone.got)
