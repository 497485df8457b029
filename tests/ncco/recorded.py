"""Calls by NCCO in virtual time, and what was recorded of them: what the tests of recordings stand on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from callflow.app import Engine, EngineOptions
from callflow.channels.sim.scenario import Callee, Party, Scenario
from callflow.clock import VirtualClock, run_virtual
from callflow.documents.settings import Settings, load_settings
from callflow.engine.report import CallReport
from callflow.events import CallEnded, DeliveryChanged, Event, RecordingChanged, StepEnded
from callflow.ncco.application import Application, Webhook
from callflow.ncco.script import Script
from callflow.state.events import read_message
from callflow.state.records import DeliveryRow, RecordingRow, list_deliveries, list_recordings
from tests.modules.stage import WALL, caller

RATE = 16000
EVENTS = "http://127.0.0.1:9/event"
SECRET = "a secret of thirty-two characters"
APPLICATION = Application(id="app", event=Webhook(EVENTS), signature_secret=SECRET, api_key="main")


@dataclass(frozen=True)
class Comes:
    """One who calls: ``at`` seconds after the first, by ``script``."""

    script: Sequence[Mapping[str, Any]]
    party: Party
    at: float = 0.0
    callee: Callee = field(default_factory=Callee)
    number: str = "1000"
    rate: int = 8000
    endpoints: Mapping[str, Callee] = field(default_factory=dict)


@dataclass(frozen=True)
class Told:
    """What came of it all."""

    reports: tuple[CallReport, ...]
    events: tuple[Event, ...]
    rows: tuple[RecordingRow, ...]
    deliveries: tuple[DeliveryRow, ...]
    state: Path

    def row(self) -> RecordingRow:
        """The only recording."""
        (row,) = self.rows
        return row

    def sound(self, row: RecordingRow | None = None) -> NDArray[np.int16]:
        """A finished file, [samples, channels]."""
        samples, rate = soundfile.read(self.state / (row or self.row()).file, dtype="int16", always_2d=True)
        assert rate == RATE
        found: NDArray[np.int16] = samples
        return found

    def bodies(self, key: str = "recording_url") -> list[dict[str, Any]]:
        """The events with that key, in the order in which they entered the outbox."""
        rows = sorted(self.deliveries, key=lambda row: row.created_wall)
        found = (dict(read_message(row)[0].body) for row in rows if row.kind == "event")
        return [body for body in found if key in body]

    def steps(self, call: int = 0) -> list[StepEnded]:
        return list(self.reports[call].steps)

    def notices(self, call: int = 0) -> list[str]:
        return [notice.code for notice in self.reports[call].notices if notice.level != "info"]

    def changes(self) -> list[str]:
        return [event.change for event in self.events if isinstance(event, RecordingChanged)]

    def lasted(self) -> float:
        """Seconds of the first call."""
        return next(event.duration for event in self.events if isinstance(event, CallEnded))

    def reason(self) -> str:
        """Why the only recording ended."""
        return self.row().reason

    def sent(self) -> list[DeliveryChanged]:
        return [event for event in self.events if isinstance(event, DeliveryChanged)]


def take(
    state: Path,
    *calls: Comes,
    settings: Settings | None = None,
    application: Application = APPLICATION,
    seed: int | None = None,
) -> Told:
    """Let these call; come back when all is over."""
    clock = VirtualClock(WALL)
    return run_virtual(_take(state, clock, calls, settings or load_settings(), application, seed), clock)


async def _take(
    state: Path,
    clock: VirtualClock,
    calls: Sequence[Comes],
    settings: Settings,
    application: Application,
    seed: int | None,
) -> Told:
    events: list[Event] = []
    options = EngineOptions(state=state, settings=settings, deliver=False, pickled=True, seed=seed)

    async def call(engine: Engine, each: Comes) -> CallReport:
        await clock.sleep(each.at)
        scenario = Scenario(
            from_number=each.number,
            caller=each.party,
            callee=each.callee,
            endpoints=each.endpoints,
            end_when_quiet_s=None,
            rate=each.rate,
        )
        script = Script.parse(json.loads(json.dumps(each.script)))
        return await engine.place_call(scenario, script=script, application=application)

    async with Engine(options, clock) as engine:
        engine.bus.subscribe(events.append)
        reports = await asyncio.gather(*(call(engine, each) for each in calls))
        await clock.sleep(1.0)
        with clock.external():
            rows = await engine.database.arun(list_recordings)
            deliveries = await engine.database.arun(list_deliveries)
    return Told(tuple(reports), tuple(events), tuple(rows), tuple(deliveries), state)


def one(
    state: Path,
    *script: Mapping[str, Any],
    says: Sequence[Any] = (),
    leaves: float | None = 60.0,
    does: Sequence[Any] = (),
    callee: Callee | None = None,
    settings: Settings | None = None,
) -> Told:
    """One call by ``script``."""
    party = caller(*does, says=says, leaves=leaves)
    return take(state, Comes(script, party, callee=callee or Callee()), settings=settings)


def level(sound: NDArray[np.int16], hertz: int, begin_s: float, end_s: float) -> float:
    """How loud one frequency is in one channel between two moments; 0..32767."""
    part = sound[round(begin_s * RATE) : round(end_s * RATE)].astype(np.float64)
    wave = np.exp(-2j * np.pi * hertz * np.arange(len(part)) / RATE)
    return float(2 * abs(np.dot(part, wave)) / max(len(part), 1))


def loudest(sound: NDArray[np.int16], begin_s: float, end_s: float) -> int:
    """The greatest sample between two moments of one channel."""
    return int(np.abs(sound[round(begin_s * RATE) : round(end_s * RATE)].astype(np.int64)).max())
