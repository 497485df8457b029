"""A pretend call whose media process dies ends as a real one does, and its recording is recovered."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from callflow.app import Engine
from callflow.channels.sim.read import parse_scenario
from callflow.clock import SystemClock
from callflow.engine.flow import Flow
from callflow.events import CallEnded, Event, RecordingChanged
from callflow.recording.farm import FarmOptions, MediaFarm
from tests.app.harness import Stage, chain, node, tone
from tests.serve.server import wait_until

pytestmark = pytest.mark.crash


async def _play(root: Path) -> list[Event]:
    events: list[Event] = []
    clock = SystemClock()
    engine = Engine(
        Stage(root).options(),
        clock,
        lambda _, keeping, life: MediaFarm(
            FarmOptions(workers=1), keeping.folder, clock, on_closed=keeping.desk.on_closed
        ),
    )
    engine.bus.subscribe(events.append)
    flow = chain(node("answer"), node("record_call", action="start", format="wav"), node("wait_for_hangup"))
    async with engine:
        assert isinstance(engine.media, MediaFarm)
        await engine.media.ready()
        call = asyncio.ensure_future(
            engine.place_call(parse_scenario({"caller": {"audio": tone(440, 60)}}, Path()), Flow.parse(flow))
        )
        async with asyncio.timeout(20):
            await wait_until(lambda: any(isinstance(each, RecordingChanged) for each in events))
            await asyncio.sleep(1.2)
            os.kill(engine.media.pids[0], signal.SIGKILL)
            await call
    return events


def test_a_pretend_call_on_a_dead_media_process_ends(tmp_path: Path) -> None:
    events = asyncio.run(_play(tmp_path))
    (ended,) = [each for each in events if isinstance(each, CallEnded)]
    assert (ended.by, ended.cause) == ("party", "MEDIA_TIMEOUT")
    (ready,) = [each for each in events if isinstance(each, RecordingChanged) and each.change == "ready"]
    assert ready.reason == "recovered"
    assert ready.seconds >= 0.2
