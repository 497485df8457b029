"""Legs of two media processes are brought together: what is recorded of them has no gap."""

from __future__ import annotations

import asyncio
import itertools
import math
import pickle
from pathlib import Path

import numpy as np
import pytest

from callflow.errors import NoMediaPort
from callflow.media.messages import (
    AddLeg,
    Bridge,
    PcmClip,
    Play,
    PlaybackDone,
    PretendSource,
    RemoveLeg,
    RtpReport,
    RtpSource,
    Say,
    Side,
    SrtpKey,
    TapPoint,
    ToneClip,
)
from callflow.media.rtp.srtp import SUITES, SrtpIn, SrtpOut
from callflow.media.taps import Samples
from callflow.recording.messages import Mask, MoveTaps, StartRecording, Unmask
from tests.recording.harness import spec, stereo
from tests.worker.harness import Bench, Phone, phases, tone

HZ = 400.0  # whole periods in each 20 ms
LATE_S = 0.06
"""So much may a recording differ from the time between its commands: a process that hears of one late takes
it at the time at which it was given.
"""


def unbroken(channel: Samples, hertz: float, level: float = 8000) -> None:
    """One tone, from a little after the begin to a little before the end, without gap or click, looked at by
    pieces of 5 ms. Where a clock is followed, or a hold was too long, a sample is left out or put in, at most
    every 10 ms: that turns 400 Hz by 0.05 of a period, and takes 2.5 % from a piece's level.
    """
    amplitude, phase = phases(channel, hertz, 40)
    inner = slice(32, -16)
    assert (np.abs(amplitude[inner] - level) < 0.04 * level).all(), amplitude
    jumps = np.abs((np.diff(phase[inner]) + 0.5) % 1 - 0.5)
    assert (jumps < 0.06).all(), jumps.max()


async def _rtp_legs(root: Path, secret: bool) -> None:
    async with Bench(root) as bench:
        farm = bench.farm
        phones = [Phone(HZ, secret=secret), Phone(600.0, secret=secret)]
        places = [farm.ports.take(), farm.ports.take()]
        assert {place.worker for place in places} == {0, 1}
        for name, phone, place in zip("ab", phones, places, strict=True):
            farm.send(AddLeg(name, 8000, RtpSource(place, phone.stream, jitter_ms=200)))
            phone.call(place)
        await asyncio.sleep(0.4)
        begin = bench.clock.now()
        for name in "ab":
            farm.send(StartRecording(spec(f"r{name}", name), answered=True, bridged=False))
        begun = bench.clock.now()
        await asyncio.sleep(0.6)
        bridge = bench.clock.now()
        farm.send(Bridge("a", "b"))
        await bench.until(lambda: farm._routes.moving == 0)
        bridged = bench.clock.now()
        assert farm._routes.worker_of("a") == farm._routes.worker_of("b")
        await asyncio.sleep(0.6)
        end = bench.clock.now()
        for name in "ab":
            farm.send(RemoveLeg(name))
        ended = bench.clock.now()
        sounds = [await bench.sound("ra"), await bench.sound("rb")]
        await bench.until(lambda: len(bench.of(RtpReport)) == 2)
        for phone in phones:
            phone.close()
        assert farm._routes.tables == (0, 0, 0)
        for sound, own, other in ((sounds[0], HZ, 600.0), (sounds[1], 600.0, HZ)):
            assert end - begun - LATE_S < len(sound) / 8000 < ended - begin + LATE_S
            unbroken(sound[:, 0], own)
            heard = np.flatnonzero(np.abs(sound[:, 1]) > 1000)
            assert bridge - begun - 0.2 < heard[0] / 8000 < bridged - begin + 0.2
            unbroken(sound[heard[0] :, 1], other)
        _spoke_on(phones)
        # The port of the one that moved can be had again.
        await bench.until(lambda: farm.ports.free >= 128)


def _spoke_on(phones: list[Phone]) -> None:
    """What the phones got: one SSRC, no sequence number twice or left out, timestamps by the clock."""
    for phone in phones:
        packets = [data for data in phone.got if len(data) == 172]
        heads = [(int.from_bytes(p[2:4]), int.from_bytes(p[4:8]), p[8:12]) for p in packets]
        assert len({ssrc for _, _, ssrc in heads}) == 1
        steps = [(now[0] - before[0]) & 0xFFFF for before, now in itertools.pairwise(heads)]
        assert set(steps) == {1}
        times = [(now[1] - before[1]) & 0xFFFFFFFF for before, now in itertools.pairwise(heads)]
        # But for the move: the other process sends in the other ticks (10 ms are 80), and what it sends first
        # is of the tick that it is at by then.
        assert all(80 <= each <= 160 * 12 and each % 80 == 0 for each in times), times
        assert sum(each != 160 for each in times) <= 1, times


@pytest.mark.parametrize("secret", [False, True])
def test_two_rtp_legs_of_two_workers_are_bridged_without_a_gap(tmp_path: Path, secret: bool) -> None:
    asyncio.run(_rtp_legs(tmp_path, secret))


def test_srtp_goes_on_elsewhere_after_many_turns_of_the_sequence_number() -> None:
    key = SrtpKey(SUITES[1], bytes(range(30)))
    ours, theirs = SrtpOut(key), SrtpIn(key)

    def packet(number: int) -> bytes:
        return b"\x80\0" + (number & 0xFFFF).to_bytes(2) + bytes(4) + b"ssrc" + bytes(160)

    for number in range(60_000, 300_000, 20_000):
        assert theirs.rtp(ours.rtp(packet(number)) or b"") == packet(number)
    ours, theirs = pickle.loads(pickle.dumps((ours, theirs)))
    sent = ours.rtp(packet(300_000)) or b""
    assert theirs.rtp(sent) == packet(300_000)
    assert SrtpIn(key).rtp(sent) is None  # who has not counted cannot read it
    controls = [b"\x80\xc9\0\1ssrc"] * 3
    first = [ours.rtcp(each) or b"" for each in controls]
    again = pickle.loads(pickle.dumps(ours)).rtcp(controls[0])
    assert theirs.rtcp(again) == controls[0] and again not in first


async def _few_ports(root: Path) -> None:
    async with Bench(root, ports=8) as bench:
        ports, first = bench.farm.ports, bench.first
        assert ports.free == 4
        for name in "ab":
            bench.farm.send(AddLeg(name, 8000, RtpSource(ports.take())))
        bench.farm.send(Bridge("a", "b"))
        await bench.until(lambda: bench.farm._routes.worker_of("a") == bench.farm._routes.worker_of("b"))
        for name in "ab":
            bench.farm.send(RemoveLeg(name))
        await bench.until(lambda: ports.free == 4)
        taken = [ports.take() for _ in range(4)]
        assert sorted((place.port, place.worker) for place in taken) == [
            (first, 0),
            (first + 2, 0),
            (first + 4, 1),
            (first + 6, 1),
        ]
        with pytest.raises(NoMediaPort):
            ports.take()
        ports.give_back(taken[2])
        assert ports.take(near="nobody") == taken[2]


def test_the_port_of_a_leg_that_moved_goes_home(tmp_path: Path) -> None:
    asyncio.run(_few_ports(tmp_path))


async def _pretend_legs(root: Path) -> None:
    async with Bench(root, ports=None) as bench:
        farm = bench.farm
        for name, hertz in (("a", HZ), ("b", 600.0), ("c", 1000.0)):
            farm.send(AddLeg(name, 8000, PretendSource()))
            farm.send(Say(name, (PcmClip(tone(hertz, 8000).tobytes(), 8000),), loop=True))
        farm.send(Bridge("a", "c"))  # least to do first: a and c share a worker
        assert farm._routes.worker_of("a") == farm._routes.worker_of("c") != farm._routes.worker_of("b")
        asked = bench.clock.now()
        farm.send(StartRecording(spec("r", "b"), answered=True, bridged=False))
        farm.send(StartRecording(spec("w", "b", dtmf_stop="#"), answered=True, bridged=False))
        between = bench.clock.now() - asked
        farm.send(Play("b", "p", (PcmClip(tone(200.0, 4000).tobytes(), 8000),)))
        await asyncio.sleep(0.2)
        farm.send(Mask("w"))
        farm.send(MoveTaps("r", (*stereo("b")[:1], TapPoint("a", Side.READ))))
        farm.send(Unmask("w"))  # waits behind the move
        assert farm._routes.tables[2] == 2
        await bench.until(lambda: farm._routes.moving == 0)
        await bench.until(lambda: bool(bench.of(PlaybackDone)))
        await asyncio.sleep(0.2)
        farm.send(RemoveLeg("b"))
        sound, masked = await bench.sound("r"), await bench.sound("w")
        assert bench.changes("r") == ["started", "moved", "finishing"]
        assert bench.changes("w") == ["started", "masked", "unmasked", "finishing"]
        behind = (len(sound) - len(masked)) / 80  # ticks: each begins in the one in which it was asked for
        assert behind in range(math.ceil(between / 0.01) + 1)
        unbroken(sound[:, 0], 600.0)
        amplitude, _ = phases(sound[:, 1], HZ)
        assert amplitude[-6] > 7000 and amplitude[2] < 100
        (done,) = bench.of(PlaybackDone)
        assert isinstance(done, PlaybackDone) and done.reason == "finished"
        off, on = (event.samples for event in bench.told("w") if "masked" in event.change)
        begins = int(np.flatnonzero(masked[:, 1])[0]) - 1  # its first sample is 0
        heard = np.zeros(len(masked), np.int16)
        heard[begins : begins + 4000] = tone(200.0, 4000)
        assert begins < off < on
        heard[off:on] = 0
        assert np.array_equal(masked[:, 1], heard), "all of it, but for what was masked"


def test_playbacks_recordings_and_their_order_survive_a_move(tmp_path: Path) -> None:
    asyncio.run(_pretend_legs(tmp_path))


async def _there_and_back(root: Path) -> None:
    async with Bench(root, ports=None) as bench:
        farm = bench.farm
        for name in "abcd":
            farm.send(AddLeg(name, 8000, PretendSource()))
        farm.send(Say("a", (ToneClip("%(1000,0,400)"),), loop=True))
        begin = bench.clock.now()
        farm.send(StartRecording(spec("r", "a"), answered=True, bridged=False))
        begun = bench.clock.now()
        homes = set()
        for turn in range(8):
            farm.send(Bridge("a", "bcd"[turn % 3]))
            await bench.until(lambda: farm._routes.moving == 0)
            homes.add(farm._routes.worker_of("a"))
            await asyncio.sleep(0.05)
        end = bench.clock.now()
        farm.send(RemoveLeg("a"))
        ended = bench.clock.now()
        sound = await bench.sound("r")
        assert end - begun - LATE_S < len(sound) / 8000 < ended - begin + LATE_S
        amplitude, phase = phases(sound[:, 0], 400.0)
        assert (amplitude[1:-2] > 0.9 * amplitude[3]).all()
        assert (np.abs(np.diff(phase[1:-2])) < 0.01).all()
        assert farm._routes.tables[:2] == (3, 0)


def test_a_leg_that_moves_again_and_again_is_recorded_whole(tmp_path: Path) -> None:
    asyncio.run(_there_and_back(tmp_path))
