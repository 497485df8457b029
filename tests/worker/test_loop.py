"""The life of a media process between its ticks; and clips that take long to read."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import monotonic

import numpy as np
import pytest
import soundfile

from callflow.errors import MediaError
from callflow.media.clips import ClipLoader
from callflow.media.live import LivePump
from callflow.media.messages import (
    AddLeg,
    Bridge,
    Clip,
    Digit,
    FileClip,
    Hold,
    LegCommand,
    Play,
    PlaybackDone,
    Press,
    PretendSource,
    RemoveLeg,
    SilenceClip,
    StopPlay,
    Unbridge,
)
from callflow.recording import worker_move
from callflow.recording.host import RecordingHost
from callflow.recording.messages import SpoolClosed, StartRecording
from callflow.recording.worker_clips import ClipGate, ReadyClips
from callflow.recording.worker_loop import WorkerLoop
from callflow.recording.worker_move import LegMover
from callflow.recording.worker_protocol import Alive, FramedSocket, GroupAdopted, GroupPacked, PackGroup
from callflow.recording.writer import SpoolWriter
from callflow.state.folder import StateFolder
from tests.recording.harness import spec
from tests.worker.harness import Bench

SLOW = (FileClip("/slow.wav"),)
QUICK = (FileClip("/quick.wav"),)


class SlowClips(ReadyClips):
    """Files named ``slow`` are read when the test says so; none of them is there."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def fetch(self, clips: tuple[Clip, ...], rate: int, loops: int) -> None:
        if clips == SLOW:
            assert self.go.wait(20)
        super().fetch(clips, rate, loops)


@pytest.fixture
def clips() -> Iterator[SlowClips]:
    """Clips; nothing is left waiting at the end."""
    made = SlowClips()
    yield made
    made.go.set()


def gate_with(clips: ReadyClips, *legs: str) -> ClipGate:
    """A gate that knows ``legs``."""
    gate = ClipGate(clips)
    for leg in legs:
        gate.admit(AddLeg(leg, 8000, PretendSource()))
    return gate


def wait_for(gate: ClipGate, enough: Callable[[list[LegCommand]], bool]) -> list[LegCommand]:
    """What the gate lets go until it is ``enough``."""
    got: list[LegCommand] = []
    deadline = monotonic() + 20
    while not enough(got):
        assert monotonic() < deadline
        got += gate.ready()
    return got


def test_a_slow_file_delays_only_what_comes_later_on_its_leg(clips: SlowClips) -> None:
    gate = gate_with(clips, "a", "b")
    slow, hold = Play("a", "1", SLOW), Hold("a", True)
    assert gate.admit(slow) == () and gate.admit(hold) == ()
    assert gate.admit(Hold("b", True)) == (Hold("b", True),)
    assert gate.admit(Play("b", "2", (SilenceClip(1),))) != ()
    assert gate.admit(Play("b", "3", QUICK)) == ()
    (went,) = wait_for(gate, bool)
    assert went == Play("b", "3", QUICK)
    with pytest.raises(MediaError):  # it was read, and is not there
        clips.sound(went.clips, 8000, 1)
    clips.go.set()
    assert wait_for(gate, lambda got: len(got) == 2) == [slow, hold]
    assert not gate


def test_a_bridge_waits_for_both_and_nothing_overtakes_it(clips: SlowClips) -> None:
    gate = gate_with(clips, "a", "b")
    commands: list[LegCommand] = [
        Play("a", "1", SLOW),
        Bridge("b", "a"),
        Unbridge("b"),
        Play("b", "2", QUICK),
    ]
    assert [gate.admit(command) for command in commands] == [()] * 4
    clips.go.set()
    assert wait_for(gate, lambda got: len(got) == 4) == commands


def test_a_leg_that_goes_does_not_wait_and_nothing_of_it_is_left(clips: SlowClips) -> None:
    gate = gate_with(clips, "a")
    slow, stop = Play("a", "1", SLOW), StopPlay("a", "1")
    assert gate.admit(slow) == gate.admit(stop) == ()
    assert gate.admit(RemoveLeg("a")) == (RemoveLeg("a"), slow, stop)
    clips.go.set()
    deadline = monotonic() + 20
    while not gate._done:
        assert monotonic() < deadline
    assert gate.ready() == [] and not clips._ready and not gate


def test_what_is_read_in_several_threads_is_kept_once(tmp_path: Path) -> None:

    path = tmp_path / "a.wav"
    soundfile.write(path, np.full(800, 1000, np.int16), 8000)
    loader = ClipLoader()
    clip = FileClip(str(path))
    threads = [threading.Thread(target=loader.load, args=(clip, 8000)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loader._held == 1600


class CountedClock:
    """A clock that moves by a millisecond each time it is asked."""

    virtual = False

    def __init__(self) -> None:
        self._now = 0.0

    def now(self) -> float:
        self._now += 0.001
        return self._now


class CountingPump(LivePump):
    """Notes what it does, in order: a tick's number, or a command's leg."""

    def __init__(self) -> None:
        super().__init__(ClipLoader())
        self.done: list[str] = []
        self.enough: Callable[[], bool] = lambda: False
        self.end: Callable[[], None] = lambda: None

    def command(self, command: LegCommand) -> list[object]:
        self.done.append("command")
        return super().command(command)

    def advance(self, until: float, max_s: float = 0.5) -> tuple[float, list[object]]:
        self.done.append("tick")
        if self.enough():
            self.end()
        return super().advance(until, max_s)


def test_a_burst_of_commands_does_not_delay_ticks(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    parent, pipe = FramedSocket(ours), FramedSocket(theirs)
    writer = SpoolWriter(StateFolder.open(tmp_path), patient=True)
    pump = CountingPump()
    closed: deque[SpoolClosed] = deque()
    host = RecordingHost(pump, writer, on_closed=closed.append)
    clips = ReadyClips()
    gate = ClipGate(clips)
    loop = WorkerLoop(pipe, pump, host, gate, None, CountedClock(), closed, 1e9)  # type: ignore[arg-type]
    pump.enough = lambda: pump.done.count("command") >= 501
    pump.end = parent.shut
    parent.push([AddLeg("a", 8000, PretendSource()), *[Hold("a", True)] * 500])
    loop.run(LegMover(pump, host, writer, loop, None), ["hello"])
    runs = "".join(each[0] for each in pump.done).split("t")
    assert sum(map(len, runs)) == 501  # none was lost
    assert max(map(len, runs)) <= 12, "a tick's worth of commands, then the tick"
    assert [frame.messages for frame in parent.pull()][:2] == [("hello",), (Alive(),)]
    writer.close()
    gate.close()
    parent.close()
    pipe.close()


async def _slow_engine(root: Path) -> None:
    async with Bench(root, workers=1, ports=None) as bench:
        bench.farm.send(AddLeg("a", 8000, PretendSource()))
        bench.farm.send(Play("a", "p", (SilenceClip(0.1),)))
        await bench.until(lambda: bool(bench.of(PlaybackDone)))
        for number in range(40):
            bench.farm.send(AddLeg(f"l{number}", 8000, PretendSource()))
            bench.farm.send(Press(f"l{number}", "0123456789" * 3, tone_s=0.01, gap_s=0))
        await asyncio.sleep(0)
        threading.Event().wait(0.5)  # the engine stands still
        await bench.until(lambda: len(bench.of(Digit)) == 1200)
        for number in range(40):
            digits = [
                event.digit
                for event in bench.of(Digit)
                if isinstance(event, Digit) and event.leg == f"l{number}"
            ]
            assert "".join(digits) == "0123456789" * 3


def test_an_engine_that_stands_still_gets_all_events_in_order(tmp_path: Path) -> None:
    asyncio.run(_slow_engine(tmp_path))


class HearingLoop:
    """Stands for the loop: keeps what is answered."""

    def __init__(self) -> None:
        self.said: list[object] = []

    def answer(self, message: object, fds: Sequence[int] = ()) -> None:
        self.said.append(message)

    def came(self, leg: str, rate: int) -> None:
        self.said.append(leg)

    def went(self, leg: str) -> list[LegCommand]:
        return [Hold(leg, True)]

    def carry_out(self, command: LegCommand) -> None:
        self.said.append(command)


def test_what_is_too_much_for_the_pipe_stays_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_move, "STATE_LIMIT", 10)
    writer = SpoolWriter(StateFolder.open(tmp_path), patient=True)
    pump, loop = LivePump(ClipLoader()), HearingLoop()
    host = RecordingHost(pump, writer, on_closed=loop.said.append)
    mover = LegMover(pump, host, writer, loop, None)
    pump.command(AddLeg("a", 8000, PretendSource()))
    host.command(StartRecording(spec("r", "a"), answered=True, bridged=False))
    for tick in range(1, 31):
        pump.advance(tick / 100)
    mover.handle(PackGroup(1, ("a",)), [])
    refused = loop.said.pop()
    assert isinstance(refused, GroupPacked) and not refused.state and "too much" in refused.message
    assert loop.said == ["a", Hold("a", True), GroupAdopted(1, ("a",))]
    for tick in range(31, 51):
        pump.advance(tick / 100)
    (event,) = host.end_all("over")
    assert (event.change, event.samples) == ("finishing", 4000)
    assert isinstance(loop.said[-1], SpoolClosed)
    writer.close()
