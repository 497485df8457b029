"""A process that stood still, or has too much to do: calls that end meanwhile keep their sound."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections import deque
from pathlib import Path

from callflow.media.messages import AddLeg, LegCommand, PretendSource, RemoveLeg, RtpSource
from callflow.recording.host import RecordingHost
from callflow.recording.messages import SpoolClosed, StartRecording
from callflow.recording.worker_clips import ClipGate, ReadyClips
from callflow.recording.worker_loop import WorkerLoop
from callflow.recording.worker_move import LegMover
from callflow.recording.worker_protocol import FramedSocket
from callflow.recording.writer import SpoolWriter
from callflow.state.folder import StateFolder
from tests.recording.harness import spec
from tests.worker.harness import Bench, Phone, phases
from tests.worker.test_loop import CountingPump

HELD_MS = 60


class SlowClock:
    """A millisecond passes each time it is asked."""

    virtual = False

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        self.time += 0.001
        return self.time


class SlowPump(CountingPump):
    """A tick takes ``takes`` seconds: with more than 0.01 the pump is ever further behind."""

    def __init__(self, clock: SlowClock, takes: float) -> None:
        super().__init__()
        self._clock = clock
        self.takes = takes

    def advance(self, until: float, max_s: float = 0.5) -> tuple[float, list[object]]:
        self._clock.time += 0 if self.idle else self.takes
        return super().advance(until, max_s)


def test_a_process_with_too_much_to_do_still_hears_that_calls_are_over(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    parent, pipe = FramedSocket(ours), FramedSocket(theirs)
    writer = SpoolWriter(StateFolder.open(tmp_path), patient=True)
    clock = SlowClock()
    pump = SlowPump(clock, 0.015)
    closed: deque[SpoolClosed] = deque()
    host = RecordingHost(pump, writer, on_closed=closed.append)
    gate = ClipGate(ReadyClips())
    loop = WorkerLoop(pipe, pump, host, gate, None, clock, closed, 1e9)  # type: ignore[arg-type]
    told: list[float] = []

    def enough() -> bool:
        if clock.time > 3 and not told:
            told.append(clock.time)
            parent.push([RemoveLeg("a")])
        return clock.time > 9 or (bool(told) and pump.idle)

    pump.enough, pump.end = enough, parent.shut
    parent.push([AddLeg("a", 8000, PretendSource())])
    loop.run(LegMover(pump, host, writer, loop, None), [])
    assert pump.idle, "it was told, and did it"
    assert clock.time < told[0] + 2.2
    writer.close()
    gate.close()
    parent.close()
    pipe.close()


class BeginningPump(CountingPump):
    """Notes when legs began."""

    def __init__(self) -> None:
        super().__init__()
        self.began: list[float] = []

    def command(self, command: LegCommand) -> list[object]:
        self.began.append(self.now)
        return super().command(command)


def test_a_process_without_legs_that_stood_still_begins_where_it_was_told(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    parent, pipe = FramedSocket(ours), FramedSocket(theirs)
    writer = SpoolWriter(StateFolder.open(tmp_path), patient=True)
    clock, pump = SlowClock(), BeginningPump()
    closed: deque[SpoolClosed] = deque()
    host = RecordingHost(pump, writer, on_closed=closed.append)
    gate = ClipGate(ReadyClips())
    loop = WorkerLoop(pipe, pump, host, gate, None, clock, closed, 1e9)  # type: ignore[arg-type]

    def enough() -> bool:
        if clock.time < 1:  # it stands still, and meanwhile two calls come
            parent.push([AddLeg("a", 8000, PretendSource())], at=1.2)
            parent.push([AddLeg("b", 8000, PretendSource())], at=1.7)
            clock.time = 2.0
        return len(pump.began) == 2 and pump.now > 1.9

    pump.enough, pump.end = enough, parent.shut
    loop.run(LegMover(pump, host, writer, loop, None), [])
    assert [round(at, 1) for at in pump.began] == [1.2, 1.7]
    writer.close()
    gate.close()
    parent.close()
    pipe.close()


async def _stopped(root: Path) -> None:
    async with Bench(root, workers=1) as bench:
        phone, place = Phone(500.0), bench.farm.ports.take()
        bench.farm.send(AddLeg("a", 8000, RtpSource(place, phone.stream, jitter_ms=HELD_MS)))
        phone.call(place)
        await asyncio.sleep(0.4)
        bench.farm.send(StartRecording(spec("r", "a"), answered=True, bridged=False))
        began = time.monotonic()
        await bench.until(lambda: "started" in bench.changes("r"))
        (worker,) = bench.farm.pids
        os.kill(worker, signal.SIGSTOP)
        await asyncio.sleep(0.3)
        os.kill(worker, signal.SIGCONT)
        await asyncio.sleep(0.2)
        os.kill(worker, signal.SIGSTOP)  # for longer than a party is silent before another may be it
        await asyncio.sleep(1.0)
        bench.farm.send(StartRecording(spec("late", "a"), answered=True, bridged=False))
        began_late = time.monotonic()
        await asyncio.sleep(1.6)
        bench.farm.send(RemoveLeg("a"))  # the call ends while the process stands still
        ended = time.monotonic()
        await asyncio.sleep(0.2)
        os.kill(worker, signal.SIGCONT)
        for id, since in (("r", began), ("late", began_late)):
            sound = await bench.sound(id)
            assert abs(len(sound) / 8000 - (ended - since)) < 0.05, "begin and end where they were said"
            amplitude, _ = phases(sound[:, 0], 500.0)
            assert (amplitude[1:-1] > 7000).mean() > 0.97, "all that was said is there"
        phone.close()


def test_what_happens_while_a_process_is_stopped_is_recorded_whole_and_in_its_place(tmp_path: Path) -> None:
    asyncio.run(_stopped(tmp_path))
