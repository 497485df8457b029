"""A media process dies, or the engine does: no recording is lost, and the others go on."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from math import inf
from pathlib import Path

import numpy as np
import pytest

from callflow.media.messages import (
    AddLeg,
    Bridge,
    PcmClip,
    Play,
    PlaybackDone,
    PretendSource,
    RemoveLeg,
    RtpLost,
    RtpSource,
    Say,
)
from callflow.recording.finish import Finisher
from callflow.recording.messages import StartRecording, StopRecording
from callflow.recording.recover import recover
from callflow.state.database import Database
from callflow.state.folder import StateFolder
from callflow.state.lock import FileLock
from tests.recording.harness import spec
from tests.worker.harness import WAIT_S, Bench, Phone, phases, tone

pytestmark = pytest.mark.crash


def loop_of(hertz: float) -> tuple[PcmClip, ...]:
    """A second of a tone."""
    return (PcmClip(tone(hertz, 8000).tobytes(), 8000),)


async def _one_dies(root: Path) -> None:
    async with Bench(root) as bench:
        farm = bench.farm
        for name in "ab":
            farm.send(AddLeg(name, 8000, PretendSource()))
            farm.send(Say(name, loop_of(400.0), loop=True))
            farm.send(StartRecording(spec(f"r{name}", name), answered=True, bridged=False))
        await bench.until(lambda: "started" in bench.changes("ra") and "started" in bench.changes("rb"))
        await asyncio.sleep(0.9)
        dead = farm._routes.worker_of("a")
        assert dead is not None and dead != farm._routes.worker_of("b")
        before = farm.pids
        place = next(place for place in (farm.ports.take(), farm.ports.take()) if place.worker == dead)
        os.kill(before[dead], signal.SIGKILL)
        await bench.until(lambda: bool(bench.of(RtpLost)))
        lost = [each for each in bench.of(RtpLost) if isinstance(each, RtpLost)]
        assert [(each.leg, each.silent_s) for each in lost] == [("a", inf)]
        assert bench.changes("ra")[-1] == "finishing"
        sound = await bench.sound("ra")
        found = bench.finished["ra"]
        assert (found.state, found.recovered) == ("READY", True)
        assert len(sound) > 0.2 * 8000  # all but the last second; that of a whole one here
        amplitude, _ = phases(sound[:, 0], 400.0)
        assert (amplitude[1:] > 7500).all()
        # What the call still says of what is gone gets its answer.
        farm.send(Play("a", "p", ()))
        farm.send(StopRecording("ra", "hangup"))
        farm.send(AddLeg("late", 8000, RtpSource(place)))
        await bench.until(lambda: bool(bench.of(PlaybackDone)) and len(bench.of(RtpLost)) == 2)
        await bench.until(lambda: bench.changes("ra")[-1] == "refused")
        # Another one has taken its place, with the same ports.
        await bench.until(lambda: farm.pids[dead] != before[dead] and bool(farm.ports._free[dead]))
        assert farm.pids[1 - dead] == before[1 - dead]
        phone = Phone(600.0)
        new = farm.ports.take()
        assert new.worker == dead, "it has nothing to do yet"
        farm.send(AddLeg("c", 8000, RtpSource(new, phone.stream, jitter_ms=100)))
        phone.call(new)
        farm.send(StartRecording(spec("rc", "c"), answered=True, bridged=False))
        await asyncio.sleep(0.6)
        farm.send(RemoveLeg("c"))
        farm.send(RemoveLeg("b"))
        lasts, others = await bench.sound("rc"), await bench.sound("rb")
        phone.close()
        assert phases(lasts[-2400:, 0], 600.0)[0].max() > 7000
        amplitude, phase = phases(others[:, 0], 400.0)
        assert (amplitude[1:-1] > 7500).all() and np.ptp(phase[1:-1]) < 0.01
        assert farm._routes.tables == (0, 0, 0) and not farm.recordings


def test_a_media_process_dies_and_its_recordings_are_delivered_and_another_takes_its_place(
    tmp_path: Path,
) -> None:
    asyncio.run(_one_dies(tmp_path))


async def _dies_while_moving(root: Path) -> None:
    async with Bench(root, ports=None) as bench:
        farm = bench.farm
        for turn in range(3):
            one, other = f"a{turn}", f"b{turn}"
            for name in (one, other):
                farm.send(AddLeg(name, 8000, PretendSource()))
                farm.send(StartRecording(spec(f"r{name}", name), answered=True, bridged=False))
            await bench.until(lambda: "started" in bench.changes(f"r{other}"))  # noqa: B023
            await asyncio.sleep(0.1)
            victim = farm.pids[turn % 2]
            farm.send(Bridge(one, other))
            if turn == 2:  # in the middle of it: what was packed must not be lost with either
                await asyncio.sleep(0.012)
            os.kill(victim, signal.SIGKILL)
            await bench.until(lambda: victim not in farm.pids and farm._routes.moving == 0)  # noqa: B023
            for name in (one, other):
                farm.send(RemoveLeg(name))
            for name in (one, other):
                await bench.until(lambda: f"r{name}" in bench.finished)  # noqa: B023
                assert bench.finished[f"r{name}"].state == "READY", bench.finished[f"r{name}"]
        assert farm._routes.tables == (0, 0, 0)
        assert not list((root / "spool").iterdir())


def test_a_process_that_dies_while_legs_move_costs_no_recording(tmp_path: Path) -> None:
    asyncio.run(_dies_while_moving(tmp_path))


async def _hangs(root: Path) -> None:
    async with Bench(root, workers=1, ports=None, patience_s=1.5) as bench:
        bench.farm.send(AddLeg("a", 8000, PretendSource()))
        bench.farm.send(StartRecording(spec("r", "a"), answered=True, bridged=False))
        await bench.until(lambda: "started" in bench.changes("r"))
        (hanging,) = bench.farm.pids
        os.kill(hanging, signal.SIGSTOP)
        await bench.until(lambda: bool(bench.of(RtpLost)) and "r" in bench.finished)
        assert not _runs(hanging)
        await bench.until(lambda: bench.farm.pids != (hanging,))


def test_a_process_that_hangs_is_replaced(tmp_path: Path) -> None:
    asyncio.run(_hangs(tmp_path))


_PARENT = """
import asyncio, sys
from pathlib import Path
from callflow.media.messages import AddLeg, PretendSource
from callflow.recording.messages import StartRecording
from tests.recording.harness import spec
from tests.worker.harness import Bench

async def main() -> None:
    async with Bench(Path(sys.argv[1]), ports=None) as bench:
        for number in range(6):
            bench.farm.send(AddLeg(f"l{number}", 8000, PretendSource()))
            bench.farm.send(StartRecording(spec(f"r{number}", f"l{number}"), answered=True, bridged=False))
        await bench.until(lambda: all(bench.changes(f"r{n}") == ["started"] for n in range(6)))
        print(*bench.farm.pids, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


def test_the_engine_is_killed_and_its_media_processes_end_and_leave_their_spools_whole(
    tmp_path: Path,
) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2
    for pid in pids:  # these are for the engine to send
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGINT)
    time.sleep(0.6)
    assert all(_runs(pid) for pid in pids)
    parent.kill()
    killed = time.monotonic()
    parent.wait()
    parent.stdout.close()
    while any(_runs(pid) for pid in pids):
        assert time.monotonic() < killed + WAIT_S
        time.sleep(0.02)
    folder = StateFolder.open(tmp_path)
    for spool in folder.spools():
        lock = FileLock.try_acquire(folder.lock_of(spool))
        assert lock is not None, "nobody holds it any more"
        lock.release()
    database = Database.open(folder.database)
    done = recover(folder, Finisher(folder, database))
    database.close()
    assert {each.id for each in done} == {f"r{number}" for number in range(6)}
    for each in done:
        assert each.recovered and each.state == "READY" and each.seconds > 0.55, each
    assert not list(folder.spools())


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
