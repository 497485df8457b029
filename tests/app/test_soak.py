"""Many calls one after the other in one engine: nothing is left of them but what they recorded."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import tracemalloc
from collections.abc import Sized
from pathlib import Path
from typing import NamedTuple

from callflow.app import Engine
from callflow.channels.sim.read import parse_scenario
from callflow.clock import VirtualClock, run_virtual
from callflow.delivery.receiver import Received
from callflow.engine.flow import Flow
from callflow.recording.host import RecordingHost
from callflow.recording.inline import InlineMedia
from callflow.state.folder import StateFolder
from tests.app.harness import WALL, Stage, chain, node, tone, with_receiver

CALLS, SECONDS, ROUNDS = 15, 20, 4
TALK = {"caller": {"audio": tone(440, 1), "hangup_after": SECONDS}, "callee": {"answer_after": 1}}


class Footprint(NamedTuple):
    """What an engine holds between calls."""

    tasks: int
    files: int
    held: int
    kept_bytes: int


def held(engine: Engine) -> int:
    """How much there is in everything that knows calls, legs or recordings."""
    services, media = engine._services, engine.media
    assert isinstance(media, InlineMedia)
    host = media._host
    assert isinstance(host, RecordingHost)
    writer = host._writer
    places: list[Sized] = [
        services.router._legs,
        services.router._recordings,
        services.calls._by_leg,
        engine.bus._by_call,
        engine.keeping.desk._known,
        engine._visitors,
        engine.live._running,
        writer._open,
        writer._queue,
        writer.news,
        media._handlers,
        media._legs,
        host._taps,
        host._legs,
        host._by_spool,
        media._pump._legs,
        media._pump._wires,
        media._pump._listening,
    ]
    return sum(len(place) for place in places)


def footprint(engine: Engine) -> Footprint:
    gc.collect()
    files = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else 0
    return Footprint(len(asyncio.all_tasks()), files, held(engine), kept_bytes())


def kept_bytes() -> int:
    """What our code has made and somebody still holds; the receiver keeps a list of all it has received."""
    ours = tracemalloc.Filter(True, "*/callflow/*"), tracemalloc.Filter(False, "*/receiver.py")
    traces = tracemalloc.take_snapshot().filter_traces(ours).traces
    return sum(trace.size for trace in traces)


def soak(state: Path, url: str) -> list[Footprint]:
    """Rounds of calls at once; the footprint after each."""
    record = node("record_call", action="start", format="wav", url=url)
    flow = Flow.parse(chain(node("answer"), record, node("user", id="u")))
    clock = VirtualClock(WALL)

    async def main() -> list[Footprint]:
        found = []
        stage = Stage(state, deliver=True, settings={"delivery.keep_delivered": False})
        async with Engine(stage.options(), clock) as engine:
            for _ in range(ROUNDS):
                calls = [engine.place_call(parse_scenario(dict(TALK), Path()), flow) for _ in range(CALLS)]
                ids = [name for report in await asyncio.gather(*calls) for name in report.recordings]
                rows = await engine.deliveries_settled(ids, 30)
                assert [row.state for row in rows] == ["DELIVERED"] * CALLS
                found.append(footprint(engine))
        return found

    return run_virtual(main(), clock)


def test_nothing_is_left_of_calls_that_are_over(tmp_path: Path) -> None:
    threads = {thread.name for thread in threading.enumerate()}
    tracemalloc.start()
    try:
        found, received = with_receiver(tmp_path / "received", lambda url: soak(tmp_path / "state", url))
    finally:
        tracemalloc.stop()
    assert len({one.target for one in received}) == len(received) == CALLS * ROUNDS
    assert all(isinstance(one, Received) and one.digest_ok for one in received)
    warm, last = found[0], found[-1]
    assert [one.held for one in found] == [0] * ROUNDS
    assert {one.tasks for one in found} == {warm.tasks}
    assert last.files <= warm.files + 2, "files and sockets"
    a_call = (last.kept_bytes - warm.kept_bytes) / (CALLS * (ROUNDS - 1))
    assert a_call < 1500, f"{a_call:.0f} bytes are left of each call (bounded caches of urls fill up)"
    folder = StateFolder.open(tmp_path / "state")
    left = [*folder.spool.iterdir(), *folder.outbox.iterdir(), *(folder.root / "leases").iterdir()]
    assert left == []
    assert {thread.name for thread in threading.enumerate()} == threads
