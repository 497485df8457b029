"""Several pretend calls in one engine and one virtual time: for tests of parking, pickup and queues."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from callflow.app import Engine, EngineOptions
from callflow.channels.sim.scenario import Scenario
from callflow.clock import VirtualClock, run_virtual
from callflow.engine.flow import Flow
from callflow.engine.report import CallReport
from callflow.events import Event
from callflow.state.records import list_recordings
from tests.modules.stage import WALL, Ran, Stage


@dataclass(frozen=True)
class Coming:
    """A call that comes in ``at`` seconds: through ``flow`` (None: by the number that it dials)."""

    at: float
    scenario: Scenario
    flow: Mapping[str, Any] | None = None


def comes(at: float, number: str, scenario: Scenario, flow: Mapping[str, Any] | None = None) -> Coming:
    """A call to ``number``."""
    return Coming(at, replace(scenario, to_number=number), flow)


def run_all(stage: Stage, *calls: Coming, seed: int | None = None) -> list[Ran]:
    """Run them to their ends; each ``Ran`` has its own call's events, and those of no call. ``seed``: their
    ids are the same each time.
    """
    clock = VirtualClock(WALL)
    return run_virtual(_run_all(stage, clock, calls, seed), clock)


async def _run_all(stage: Stage, clock: VirtualClock, calls: Sequence[Coming], seed: int | None) -> list[Ran]:
    events: list[Event] = []
    options = EngineOptions(
        state=stage.state,
        settings=stage.settings,
        account=stage.account,
        flows=stage.flows,
        variables=stage.variables,
        seed=seed,
        deliver=False,
        pickled=True,
    )
    async with Engine(options, clock) as engine:
        engine.bus.subscribe(events.append)

        async def one(coming: Coming) -> CallReport:
            await clock.sleep(coming.at)
            flow = None if coming.flow is None else Flow.parse(coming.flow)
            return await engine.place_call(coming.scenario, flow)

        reports = await asyncio.gather(*(one(coming) for coming in calls))
        with clock.external():
            rows = await engine.database.arun(list_recordings)
    return [
        Ran(
            report,
            tuple(event for event in events if event.call_id in ("", report.call_id)),
            tuple(row for row in rows if row.call_id == report.call_id),
            stage.state,
        )
        for report in reports
    ]
