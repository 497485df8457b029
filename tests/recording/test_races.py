"""Threads quicker or slower than the pump: a recording is told to its end, once, and nothing hangs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from callflow.clock import SystemClock
from callflow.recording.ahead import Ahead
from callflow.recording.closing import ClosingDesk
from callflow.recording.finish import Finished
from callflow.recording.messages import RecordingEvent, SpoolClosed
from callflow.recording.writer import Failure, SpoolHandle, SpoolWriter
from callflow.state.folder import StateFolder
from tests.recording.harness import Bench, ramp, spec

CLOSED = SpoolClosed("r1", "spool/r1", 1.0)
READY = Finished("r1", "call-1", "ready", "READY", "stopped", 1.0, 8000, False, "", "wav")


def event(change: str, state: str) -> RecordingEvent:
    return RecordingEvent("r1", change, state, 1.0, 8000)


class QuickFinisher:
    """Is done at once: quicker than any tick."""

    def __init__(self, folder: Path) -> None:
        self.ahead = Ahead(StateFolder.open(folder))

    def finish(self, closed: SpoolClosed) -> Finished:
        return replace(READY, id=closed.id)


def desk_told(folder: Path, *moments: Sequence[RecordingEvent | SpoolClosed]) -> list[str]:
    """Let a desk hear ``moments``, with time enough for its threads between them; what it has told."""
    told: list[str] = []

    async def main() -> None:
        desk = ClosingDesk(QuickFinisher(folder), SystemClock(), lambda done: told.append(done.id))  # type: ignore[arg-type]
        desk.start()
        for moment in moments:
            for one in moment:
                if isinstance(one, SpoolClosed):
                    desk.on_closed(one)
                    await asyncio.sleep(0)
                else:
                    desk.on_event(one)
            await asyncio.sleep(0.03)
        async with asyncio.timeout(2):
            await desk.settled(["r1"])
            await desk.close()

    asyncio.run(main())
    return told


FINISHING, FAILED = event("finishing", "FINISHING"), event("failed", "FAILED")


@pytest.mark.parametrize(
    "moments",
    [
        ([FINISHING], [CLOSED]),
        ([CLOSED], [FINISHING]),
        ([CLOSED, FAILED],),
        ([CLOSED], [FAILED]),
        ([FINISHING, CLOSED], [FAILED]),
        ([FINISHING], [CLOSED, FAILED]),
    ],
    ids=[
        "in order",
        "finished first",
        "failed",
        "finished, then failed",
        "failed late",
        "failed while finishing",
    ],
)
def test_an_ending_is_told_once_whoever_is_quicker(
    tmp_path: Path, moments: tuple[Sequence[RecordingEvent | SpoolClosed], ...]
) -> None:
    assert desk_told(tmp_path, *moments) == ["r1"]


def test_a_desk_owns_a_recording_from_its_begin_until_it_is_told(tmp_path: Path) -> None:
    """Recovery, which runs beside it, would tell it a second time."""
    owned: list[bool] = []

    async def main() -> None:
        desk = ClosingDesk(QuickFinisher(tmp_path), SystemClock(), lambda done: told.set())  # type: ignore[arg-type]
        desk.start()
        told = asyncio.Event()
        owned.append(desk.owns("r1"))
        for one in (event("started", "RECORDING"), FINISHING):
            desk.on_event(one)
            owned.append(desk.owns("r1"))
        desk.on_closed(CLOSED)
        owned.append(desk.owns("r1"))
        async with asyncio.timeout(2):
            await told.wait()
            await desk.close()
        owned.append(desk.owns("r1"))

    asyncio.run(main())
    assert owned == [False, True, True, True, False]


def test_a_failure_in_the_very_moment_of_the_opening_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pump looks between the failure and the end of the spool."""
    with Bench(tmp_path) as bench:
        closed = SpoolWriter._closed

        def slow(writer: SpoolWriter, spool: SpoolHandle) -> None:
            writer.news.append(spool)  # that it has opened was not looked at yet
            bench.events += bench.host.settle()
            closed(writer, spool)

        monkeypatch.setattr(SpoolWriter, "_closed", slow)
        bench.leg("a", ramp(8000))
        bench.start(spec())
        bench.writer._hand((bench.host._taps["r1"].spool, Failure("disk_full", "the disk is full")))
        bench.writer.wait_idle()
        bench.run(0.5)
        assert bench.changes() == ["started", "failed"]
        assert not bench.host.busy
