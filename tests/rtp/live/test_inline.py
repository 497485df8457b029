"""Inline media with RTP legs, in real time on an asyncio loop, as ``callflow call`` has it; the ports."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from callflow.clock import SystemClock
from callflow.errors import MediaError, NoMediaPort
from callflow.media.clips import ClipLoader
from callflow.media.live import LivePump
from callflow.media.messages import (
    AddLeg,
    Play,
    RemoveLeg,
    RtpBegan,
    RtpPlace,
    RtpReport,
    RtpSource,
    ToneClip,
)
from callflow.media.rtp.ports import PortPool
from callflow.media.rtp.sockets import UdpNet
from callflow.recording.host import RecordingHost
from callflow.recording.inline import InlineMedia
from callflow.recording.messages import RecordingEvent, StartRecording, StopRecording
from callflow.recording.writer import SpoolWriter
from callflow.state.folder import StateFolder
from tests.recording.harness import spec
from tests.rtp.live.memory import MemoryNet
from tests.rtp.live.stage import HOST, Phone, tone
from tests.rtp.live.test_calls import agreed

TICKS = 22
"""So long is recorded at least: as long as eleven packets are."""


async def call(state: Path) -> list[object]:
    """A call of some 0.4 s from a phone that answers each packet; what was told."""
    clock = SystemClock()
    ports = PortPool(HOST, 42000, 42100)
    pump = LivePump(ClipLoader(), ports)
    writer = SpoolWriter(StateFolder.open(state), patient=False)
    host = RecordingHost(pump, writer, on_closed=lambda closed: None)
    media = InlineMedia(pump, host, clock, pickled=True, ports=ports)
    told: list[object] = []
    media.subscribe(told.append)
    media.start()
    phone = Phone(UdpNet())
    assert media.ports is not None
    place = media.ports.take()
    media.send(AddLeg("a", 8000, RtpSource(place, agreed(phone.port))))
    media.send(StartRecording(spec(), answered=True, bridged=True))
    media.send(Play("a", "p", (ToneClip("%(2000,0,700)"),)))
    heard, began = 0, None
    # The recording begins with an answer; after a stall many packets come, and are answered, at once.
    while heard < 16 or began is None or media.ticks - began < TICKS:
        for _ in phone.listen():
            phone.say(tone(160, heard * 160), place.port)
            heard += 1
        if began is None and any(isinstance(event, RtpBegan) for event in told):
            began = media.ticks
        await asyncio.sleep(0.005)
    media.send(StopRecording("r1", "stopped"))
    media.send(RemoveLeg("a"))
    await media.end_recordings()
    await media.close()
    writer.close()
    phone.sock.close()
    return told


def test_a_call_on_real_sockets_is_recorded(tmp_path: Path) -> None:
    told = asyncio.run(call(tmp_path))
    [began] = [event for event in told if isinstance(event, RtpBegan)]
    assert (began.leg, began.host) == ("a", HOST)
    [report] = [event for event in told if isinstance(event, RtpReport)]
    assert (report.strangers, report.lost) == (0, 0)
    assert report.received >= 10
    changes = [event.change for event in told if isinstance(event, RecordingEvent)]
    assert changes == ["started", "finishing"]
    [end] = [event for event in told if isinstance(event, RecordingEvent) and event.change == "finishing"]
    assert end.samples >= TICKS * 80 == 11 * 160
    assert next(tmp_path.rglob("audio.wav")).stat().st_size == 44 + 4 * end.samples


def test_ports_are_pairs_bound_ahead_and_used_again_last() -> None:
    net = MemoryNet()
    net.bind(HOST, 40003)  # another program's
    pool = PortPool(HOST, 40001, 40010, net=net, ahead=2)
    pool.refill()
    assert sorted(port for _, port in net.sockets) == [40003, 40004, 40005, 40006, 40007]
    first, second = pool.take(), pool.take("near")
    assert (first.port, second.port) == (40004, 40006)
    third = pool.take()  # bound at once
    assert third.port == 40008
    with pytest.raises(NoMediaPort):
        pool.take()
    pool.give_back(first)
    pool.give_back(first)
    pool.give_back(RtpPlace(HOST, 5))
    assert (pool.used, (HOST, 40004) in net.sockets) == (2, False)
    assert pool.take().port == 40004
    pair = pool.claim(second)
    with pytest.raises(MediaError):
        pool.claim(second)
    pool.release(pair)
    pool.close()
    assert sorted(port for _, port in net.sockets) == [40003]


def test_a_range_without_a_pair_is_refused() -> None:
    for low, high in ((40001, 40001), (40001, 40002), (0, 0), (65535, 65536), (5, 4)):
        with pytest.raises(MediaError):
            PortPool(HOST, low, high)


def test_a_wide_range_is_begun_anywhere_and_used_whole() -> None:
    firsts = {PortPool(HOST, 16384, 32768, net=MemoryNet()).take().port for _ in range(8)}
    assert len(firsts) > 1, "the same first port eight times out of 8,192"
    pool = PortPool(HOST, 16384, 18384, net=MemoryNet())
    assert len({pool.take().port for _ in range(1000)}) == 1000 and pool.free == 0


def test_a_start_finds_the_only_free_pair_of_a_range_that_others_have() -> None:
    net = MemoryNet()
    others = [net.bind(HOST, port) for port in range(20000, 22000) if port not in (21000, 21001)]
    pool = PortPool(HOST, 20000, 22000, net=net)
    assert pool.take().port == 21000
    with pytest.raises(NoMediaPort):
        pool.take()
    for other in others:
        other.close()
