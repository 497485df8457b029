"""Legs of two media processes meet in a room: they hear each other, and what is recorded of them is whole."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np

from callflow.media.messages import (
    AddLeg,
    JoinRoom,
    LeaveRoom,
    PcmClip,
    PretendSource,
    RemoveLeg,
    RtpSource,
    Say,
    SetMember,
)
from callflow.recording.messages import StartRecording
from tests.recording.harness import spec
from tests.worker.harness import Bench, Phone, phases, tone
from tests.worker.test_moves import unbroken

HZ = {"a": 1000.0, "b": 600.0, "c": 800.0, "d": 400.0}


async def _meet(root: Path) -> None:
    async with Bench(root) as bench:
        farm, phone = bench.farm, Phone(HZ["d"])
        place = farm.ports.take()
        farm.send(AddLeg("d", 8000, RtpSource(place, phone.stream, jitter_ms=200)))
        phone.call(place)
        for name in "abc":
            farm.send(AddLeg(name, 8000, PretendSource()))
            farm.send(Say(name, (PcmClip(tone(HZ[name], 8000).tobytes(), 8000),), loop=True))
        assert {farm._routes.worker_of(name) for name in HZ} == {0, 1}
        await asyncio.sleep(0.4)
        for name in HZ:
            farm.send(StartRecording(spec(f"r{name}", name), answered=True, bridged=False))
        for name in HZ:
            farm.send(JoinRoom(name, "room"))
        farm.send(SetMember("c", speaks=False))
        await bench.until(lambda: farm._routes.moving == 0 and farm._routes.tables[2] == 0)
        assert len({farm._routes.worker_of(name) for name in HZ}) == 1
        await asyncio.sleep(0.7)
        left = bench.clock.now()
        farm.send(LeaveRoom("a"))
        await asyncio.sleep(0.3)
        for name in HZ:
            farm.send(RemoveLeg(name))
        sounds = {name: await bench.sound(f"r{name}") for name in HZ}
        phone.close()
        assert farm._routes.tables == (0, 0, 0) and not farm._routes._rooms
        # They are removed one after another: with the first of them the room is not whole any more.
        parted = min(bench.told(f"r{name}")[-1].time for name in HZ)
        for name, sound in sounds.items():
            unbroken(sound[:, 0], HZ[name])
            leaves, ends = bench.sample(f"r{name}", left), bench.sample(f"r{name}", parted)
            assert _heard(sound[leaves - 2400 : leaves - 300, 1]) == ({"b", "d", "a"} - {name}), name
            if name == "a":
                assert not sound[ends - 1600 :, 1].any()  # it has left
            else:
                assert _heard(sound[ends - 1600 : ends, 1]) == ({"b", "d"} - {name}), name


def _heard(channel: np.ndarray[tuple[int], np.dtype[np.int16]]) -> set[str]:
    """Whose tones are there all the time, and no others."""
    found = set()
    for name, hertz in HZ.items():
        amplitude, _ = phases(channel, hertz)
        if (amplitude > 7000).all():
            found.add(name)
        else:
            assert (amplitude < 1000).all(), (name, amplitude)
    return found


def test_legs_of_two_workers_meet_in_a_room(tmp_path: Path) -> None:
    asyncio.run(_meet(tmp_path))
