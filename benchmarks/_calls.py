"""The child of ``hour`` and ``flat``: places pretend calls with looped speech and tells what they took."""

from __future__ import annotations

import asyncio
import json
import resource
import tempfile
from pathlib import Path

from benchmarks.table import Measured, options, peak_mb
from callflow.app import Engine, EngineOptions, calm_collector
from callflow.channels.sim.scenario import Callee, HangUp, Party, Scenario, Timed
from callflow.clock import VirtualClock, run_virtual
from callflow.documents.settings import load_settings
from callflow.documents.shipped import examples_dir
from callflow.engine.flow import Flow
from callflow.media.messages import FileClip

AUDIO = examples_dir() / "audio"


def flow(bridged: bool, file_format: str) -> Flow:
    """Record, then talk to a user or to nobody."""
    user = {"module": "user", "data": {"id": "alice", "timeout": 20}, "children": {}}
    alone = {"module": "dead_air", "data": {}, "children": {}}
    start = {"action": "start", "format": file_format, "time_limit": 10800}
    children = {"_": user if bridged else alone}
    return Flow.parse({"module": "record_call", "data": start, "children": children})


def scenario(seconds: float) -> Scenario:
    """A caller who talks all the time and hangs up after ``seconds``; a callee who does the same."""
    caller = Party(
        clips=(FileClip(str(AUDIO / "caller.wav")),),
        loop=True,
        speaks_since="start",
        script=(Timed(seconds, HangUp(), since="start"),),
    )
    callee = Party(clips=(FileClip(str(AUDIO / "callee.wav")),), loop=True)
    return Scenario(caller=caller, callee=Callee(party=callee))


async def run(calls: int, at_once: int, seconds: float, bridged: bool, file_format: str) -> dict[str, float]:
    """Place ``calls``, ``at_once`` at a time; give what they took beyond the start of the engine."""
    with tempfile.TemporaryDirectory() as state:
        made = EngineOptions(state=Path(state), settings=load_settings(), seed=1, deliver=False)
        walked = flow(bridged, file_format)
        async with Engine(made, CLOCK) as engine:
            await engine.place_call(scenario(1.0), walked)  # imports, caches
            calm_collector()  # as the command line does
            base = peak_mb()
            reports = []
            with Measured() as measured:
                for _ in range(0, calls, at_once):
                    some = (engine.place_call(scenario(seconds), walked) for _ in range(at_once))
                    reports += await asyncio.gather(*some)
            ready = sum(len(report.recordings) for report in reports)
            files = list((Path(state) / "media").rglob(f"*.{file_format}"))
    assert ready == calls and len(files) == calls + 1, (ready, len(files))
    used = measured.used
    return {"wall": used.wall_s, "cpu": used.cpu_s, "peak": used.peak_mb, "base": base}


CLOCK = VirtualClock()

if __name__ == "__main__":
    asked = options()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    work = run(asked["calls"], asked["at_once"], asked["seconds"], asked["bridged"], asked["format"])
    print(json.dumps(run_virtual(work, CLOCK)))
