"""Recorded conversations (NCCO): an hour of 32 legs on 32 channels, and 50 of 4 legs in a live pump's ticks.

The hour is a whole engine in virtual time, with a file at the end; every channel of it is compared with what
its leg has said. The ticks are those of a media worker, without RTP, and with the writing of the spools.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.table import Measured, Row
from callflow.app import Engine, EngineOptions
from callflow.channels.sim.scenario import HangUp, Party, Scenario, Timed
from callflow.clock import VirtualClock, run_virtual
from callflow.documents.settings import load_settings
from callflow.documents.shipped import examples_dir
from callflow.media.clips import ClipLoader
from callflow.media.live import LivePump
from callflow.media.messages import AddLeg, FileClip, JoinRoom, PretendSource, Say, Side, TapPoint, ToneClip
from callflow.ncco.script import Script
from callflow.recording.host import RecordingHost
from callflow.recording.messages import FileFormat, RecordingSpec, StartOn, StartRecording, Target
from callflow.recording.writer import SpoolWriter
from callflow.state.folder import StateFolder
from callflow.state.records import list_recordings

AUDIO = examples_dir() / "audio" / "caller.wav"
LEGS = 32
HOUR_S = 3600
RATE = 16000
STEP_S = 60
"""The leg ``n`` says a tone of a second at ``n`` seconds past every minute."""

ROOMS, OF = 50, 4
LIVE_RATE = 8000
TICKS = 2000
GOAL_P99_MS = 10.0


def measure() -> Iterator[Row]:
    """The hour, then the ticks."""
    yield from _hour()
    yield from _ticks()


# ---- the hour ------------------------------------------------------------------------------------


def _hour() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as state:
        with Measured() as took:
            clock = VirtualClock(1_790_000_000.0)
            path = run_virtual(_confer(Path(state), clock), clock)
        exact = _exact(path)
        info = soundfile.info(str(path))
    whole = exact == LEGS and info.frames == HOUR_S * RATE
    yield Row(
        f"a conversation of {LEGS} legs, an hour, as a WAV of {info.channels} channels: those that are exact",
        f"{exact} of {LEGS}, {info.frames / RATE:.4f} s each",
        f"{LEGS}, {HOUR_S} s",
        whole,
    )
    yield Row(
        "the same, to the finished file",
        f"{HOUR_S / took.used.wall_s:.0f} x real time, {took.used.peak_mb:.0f} MB",
    )


async def _confer(state: Path, clock: VirtualClock) -> Path:
    room = {"action": "conversation", "name": "all"}
    record = {"action": "record", "split": "conversation", "channels": LEGS}

    async def leg(engine: Engine, number: int) -> None:
        says = ToneClip(f"%(1000,{1000 * (STEP_S - 1)},{300 + 50 * number})")
        lead = ToneClip(f"%(0,{1000 * number},300)")
        party = Party(
            clips=((lead,) if number else ()) + (says,) * (HOUR_S // STEP_S),
            speaks_since="start",
            script=(Timed(float(HOUR_S), HangUp(), since="start"),),
        )
        script = Script.parse([record, room] if number == 0 else [room])
        await engine.place_call(
            Scenario(caller=party, rate=RATE, end_when_quiet_s=None, max_duration_s=2.0 * HOUR_S),
            script=script,
        )

    options = EngineOptions(state=state, settings=load_settings(), deliver=False)
    async with Engine(options, clock) as engine:
        await asyncio.gather(*(leg(engine, number) for number in range(LEGS)))
        with clock.external():
            [row] = await engine.database.arun(list_recordings)
    return state / row.file


def _exact(path: Path) -> int:
    """How many legs have every tone on their channel, on its second and whole, and nothing else there."""
    good = np.ones(LEGS, np.bool_)
    with soundfile.SoundFile(str(path)) as file:
        for _ in range(HOUR_S // STEP_S):
            minute = file.read(STEP_S * RATE, dtype="int16", always_2d=True)
            for leg, sound in enumerate(np.ascontiguousarray(minute.T)):
                heard = np.flatnonzero(np.abs(sound.astype(np.int32)) > 100)
                begin, end = leg * RATE, (leg + 1) * RATE
                whole = len(heard) and abs(heard[0] - begin) <= 40 and abs(heard[-1] - end) <= 40
                good[leg] &= bool(whole) and len(sound) == STEP_S * RATE
    return int(good.sum())


# ---- the ticks -----------------------------------------------------------------------------------


def _ticks() -> Iterator[Row]:
    bare, _ = _share(0)
    for channels, what in ((1, "mono"), (OF, f"{OF} channels")):
        share, p99 = _share(channels)
        yield Row(
            f"{ROOMS} conversations of {OF} talking legs in live ticks, recorded ({what}), of a core",
            f"{share:.1f} %, {share - bare:.1f} % of it for recording; p99 of a tick's CPU {p99:.2f} ms",
            f"p99 under {GOAL_P99_MS:.0f} ms",
            p99 < GOAL_P99_MS,
        )


def _share(channels: int) -> tuple[float, float]:
    """CPU of this process as percent of real time, and the p99 of a tick's own in ms. 0: not recorded."""
    with tempfile.TemporaryDirectory() as state:
        folder = StateFolder.open(Path(state))
        writer = SpoolWriter(folder, patient=False)
        pump = LivePump(ClipLoader())
        host = RecordingHost(pump, writer, on_closed=lambda closed: None)
        for room in range(ROOMS):
            legs = [f"leg{room}-{number}" for number in range(OF)]
            for name in legs:
                pump.command(AddLeg(name, LIVE_RATE, PretendSource()))
                pump.command(Say(name, (FileClip(str(AUDIO)),), loop=True))
                pump.command(JoinRoom(name, f"room{room}"))
            if channels:
                host.command(StartRecording(_spec(room, legs, channels), answered=True, bridged=False))
        pump.advance(1e9)
        took = []
        start = time.process_time()
        for _ in range(TICKS):
            began = time.thread_time()
            pump.advance(1e9)
            host.settle()
            took.append(time.thread_time() - began)
        share = (time.process_time() - start) / (TICKS / 100) * 100
        host.end_all("shutdown")
        writer.close()
        gaps = sum('"gap"' in journal.read_text() for journal in folder.spool.glob("*/journal.jsonl"))
        spools = len(list(folder.spool.glob("*/audio.wav")))
        assert (gaps, spools) == (0, ROOMS if channels else 0), (gaps, spools)
    return share, 1000 * float(np.percentile(took, 99))


def _spec(room: int, legs: list[str], channels: int) -> RecordingSpec:
    points = [TapPoint(leg, Side.READ) for leg in legs]
    taps = tuple(points) if channels > 1 else (TapPoint(legs[0], Side.READ, tuple(points[1:])),)
    return RecordingSpec(
        id=f"recording-{room}",
        call_id=f"call-{room}",
        account_id="",
        taps=taps,
        rate=LIVE_RATE,
        start=StartOn.NOW,
        time_limit_s=7200,
        min_s=0,
        silence=None,
        format=FileFormat("wav", 16000, 32, 5),
        follow_transfer=True,
        target=Target("local"),
        origin="benchmark",
        leg="",
    )
