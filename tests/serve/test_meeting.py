"""Calls that meet, on real phones over SIP and RTP: parking and pickup; media in two workers. Who retrieves
speaks G.722: its call runs at 16 kHz, that of who was parked at 8.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from callflow.caller import Caller, CallPlan
from callflow.cli.check import around
from callflow.events import CallEnded, CallRinging, CallStarted, Event, ParkingChanged, RecordingChanged
from callflow.exchange import Bind, Exchange, ExchangeOptions, MediaOptions
from tests.app.harness import chain, loudness, node, tone
from tests.ports import free_ports
from tests.serve.accounts import account, catalog, write
from tests.serve.server import PORTS_EACH, phone, wait_until

RECORD = node("record_call", action="start", format="wav", record_on_answer=True)
FLOWS = {
    "200": chain(RECORD, node("device", id="bob", timeout=20)),
    "201": chain(RECORD, node("device", id="idle", timeout=20)),
    "3101": node("park", slot="101"),
    "4101": chain(RECORD, node("park", action="retrieve", slot="101")),
    "8": chain(RECORD, node("group_pickup", device_id="idle")),
}
DEVICES = ("ann", "bob", "cat", "dan", "eve", "idle")
CALLER, BOB, CAT, EVE = 440, 1000, 1500, 1900
"""What they sing, in Hz."""

FRAME = 160


class Office:
    """The server in this process, and what it tells."""

    def __init__(self, folder: Path) -> None:
        account(folder / "one", FLOWS, devices=DEVICES)
        low = free_ports(6 * PORTS_EACH)
        options = ExchangeOptions(
            state=folder / "state",
            accounts=folder / "one",
            around=around,
            bind=(Bind.parse("127.0.0.1:0"),),
            media=MediaOptions(ports=(low, low + 6 * PORTS_EACH - 1), workers=2),
        )
        self.state = folder / "state"
        # A machine that is busy with other tests is no network: nothing is to be late.
        write(folder / "config" / "sip.json", {"jitter_ms": 200})
        self.exchange = Exchange(options, catalog(folder / "one", folder / "config"))
        self.events: list[Event] = []
        self.exchange.bus.subscribe(self.events.append)

    def uri(self, number: str) -> str:
        return f"sip:{number}@{self.exchange.uris[0].removeprefix('sip:')}"

    def plan(self, number: str, hz: int) -> CallPlan:
        return CallPlan(self.uri(number), audio=(tone(hz, 20),), keep_s=20)

    def call_id(self, number: str) -> str:
        (begun,) = (e for e in self.events if isinstance(e, CallStarted) and e.to_number == number)
        return begun.call_id

    def sound(self, number: str, wanted: int = 8000) -> tuple[NDArray[np.int16], RecordingChanged]:
        """The one recording of the call to that number, of that rate."""
        own = [
            e for e in self.events if isinstance(e, RecordingChanged) and e.call_id == self.call_id(number)
        ]
        (ready,) = (e for e in own if e.change == "ready")
        assert ready.file is not None and len({e.recording_id for e in own}) == 1
        samples, rate = soundfile.read(self.state / ready.file, dtype="int16", always_2d=True)
        assert rate == wanted
        return samples, ready

    async def parks(self) -> None:
        """Ann calls bob, who transfers her to a slot; cat retrieves her, and hangs up."""
        async with phone("ann") as ann, phone("bob") as bob, phone("cat", codec="G722") as cat:
            await bob.register(self.uri("bob"))
            answering = asyncio.ensure_future(bob.answer(self.plan("", BOB), after_s=0.1))
            calling = asyncio.ensure_future(ann.call(self.plan("200", CALLER)))
            await wait_until(lambda: hears(ann, BOB) > 0.45)
            (line,) = bob._lines
            assert await line.channel.refer(self.uri("3101")) < 300  # type: ignore[attr-defined]
            await wait_until(lambda: any(isinstance(e, ParkingChanged) for e in self.events))
            await asyncio.sleep(0.6)  # in the slot, with music
            taking = asyncio.ensure_future(cat.call(self.plan("4101", CAT)))
            await wait_until(lambda: min(hears(cat, CALLER), hears(ann, CAT)) > 0.65)
            await cat.hang_up()
            taken, parked, bobs = await taking, await calling, await answering
            assert (taken.cause, parked.cause, bobs.answered) == ("NORMAL_CLEARING", "NORMAL_CLEARING", True)

    async def picks_up(self) -> None:
        """Dan calls a phone that rings and rings; eve picks up, and hangs up."""
        async with phone("dan") as dan, phone("idle") as idle, phone("eve") as eve:
            await idle.register(self.uri("idle"))
            ringing = asyncio.ensure_future(idle.answer(self.plan("", BOB), after_s=4.0))
            calling = asyncio.ensure_future(dan.call(self.plan("201", CALLER)))
            await wait_until(lambda: any(isinstance(e, CallRinging) for e in self.events if "idle" in str(e)))
            taking = asyncio.ensure_future(eve.call(self.plan("8", EVE)))
            await wait_until(lambda: min(hears(eve, CALLER), hears(dan, EVE)) > 0.65)
            await eve.hang_up()
            taken, called, idles = await taking, await calling, await ringing
            assert taken.cause == called.cause == "NORMAL_CLEARING"
            assert not idles.answered or idles.seconds < 0.1  # cancelled while it rang


def hears(one: Caller, hz: int) -> float:
    """For how many seconds a phone that has a call has heard a tone."""
    for line in one._lines:
        n = line.ear.rate // 20
        heard = line.ear.taken()[0]
        pieces = heard[: len(heard) // n * n].reshape(-1, n)
        turn = np.exp(-2j * np.pi * hz * np.arange(n) / line.ear.rate) * 2 / n / 32767
        return float(0.05 * (np.abs(pieces @ turn) > 0.1).sum())
    return 0.0


def gaps(side: NDArray[np.int16], begin: float, end: float) -> int:
    """Frames of 20 ms in which nothing is heard: phones of this busy process may stall. That nothing is lost
    to the sample, tests in virtual time hold.
    """
    part = side[round(begin * 8000) : round(end * 8000)].astype(np.int64)
    frames = part[: len(part) // FRAME * FRAME].reshape(-1, FRAME)
    return int((np.abs(frames).mean(axis=1) < 100).sum())


def found(side: NDArray[np.int16], hz: int, rate: int = 8000) -> tuple[float, float]:
    """From when to when a tone is heard, in seconds."""
    steps = np.arange(0, len(side) / rate - 0.1, 0.1)
    there = [at for at in steps if loudness(side, rate, at, at + 0.1, hz) > 0.1]
    assert there, hz
    return float(there[0]), float(there[-1]) + 0.1


def test_calls_meet_on_real_phones_with_recordings_on_both_sides(tmp_path: Path) -> None:
    async def scene() -> Office:
        office = Office(tmp_path)
        async with office.exchange as exchange:
            await asyncio.gather(office.parks(), office.picks_up())
            await wait_until(lambda: not len(exchange.engine.live) and not exchange._endpoint.calls)
        return office

    office = asyncio.run(scene())
    changes = [e.change for e in office.events if isinstance(e, ParkingChanged)]
    assert changes == ["parked", "retrieved"]
    assert all(e.cause == "NORMAL_CLEARING" for e in office.events if isinstance(e, CallEnded))

    sound, ready = office.sound("200")
    said, heard = sound[:, 0], sound[:, 1]
    begin, end = found(said, CALLER)
    assert end - begin > ready.seconds - 0.8 and gaps(said, begin + 0.1, end - 0.1) < 15
    bob, cat = found(heard, BOB), found(heard, CAT)
    assert bob[0] < 0.8 and bob[1] < cat[0] - 0.4 and ready.seconds - cat[1] < 0.8
    assert np.abs(heard[round((bob[1] + 0.1) * 8000) : round(cat[0] * 8000)]).max() > 300  # music on hold

    own, ready = office.sound("4101", 16000)
    assert found(own[:, 0], CAT, 16000)[1] > ready.seconds - 0.4
    begin, end = found(own[:, 1], CALLER, 16000)
    assert begin < 0.4 and end > ready.seconds - 0.4

    for number, left, right in (("201", CALLER, EVE), ("8", EVE, CALLER)):
        sound, ready = office.sound(number)
        middle = ready.seconds / 2
        assert 0.8 < ready.seconds < 4.0 and ready.reason == "hangup"
        for channel, hz in zip(sound.T, (left, right), strict=True):
            begin, end = found(channel, hz)
            assert begin < middle - 0.1 and end > middle + 0.1 and gaps(channel, begin, end) < 15
