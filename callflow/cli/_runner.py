"""Layer 6: runs one pretend call for ``run`` and ``demo``, in virtual or in real time."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import typer

from callflow.app import Engine, EngineOptions, calm_collector
from callflow.channels.sim.scenario import Scenario
from callflow.cli._story import Patient, Teller
from callflow.clock import Clock, SystemClock, VirtualClock, run_virtual
from callflow.engine.flow import Flow
from callflow.engine.report import CallReport
from callflow.events import Event
from callflow.ncco.application import Application
from callflow.ncco.script import Script
from callflow.state.records import ACTIVE, DeliveryRow, RecordingRow, find_recording

SEEDED_WALL = 1_767_225_600.0
"""2026-01-01: when every call with a seed is, since months and moments are in ids and documents."""

TERMINATED = 128 + 15
"""The exit code of who ends by SIGTERM, as a shell has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One call and what it runs with. ``flow`` or ``script``; both None: what the account has for the dialled
    number. ``application``: whose script it is, or who is asked for one.
    """

    options: EngineOptions
    scenario: Scenario
    flow: Flow | None
    script: Script | None = None
    application: Application | None = None
    realtime: bool
    delivery_wait_s: float


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of it: the call, its recordings as they are listed, their deliveries."""

    report: CallReport
    recordings: tuple[RecordingRow, ...]
    deliveries: tuple[DeliveryRow, ...]

    @property
    def failed(self) -> bool:
        """The flow or a document was at fault, or a recording could not be made."""
        told = [event.state for event in self.report.recordings.values()]
        return bool(self.report.errors) or "FAILED" in (*told, *(row.state for row in self.recordings))

    @property
    def queued(self) -> tuple[DeliveryRow, ...]:
        """What has not been delivered, and will be tried again or must be looked at."""
        return tuple(row for row in self.deliveries if row.state in (*ACTIVE, "DEAD", "BLOCKED"))


def run_job(job: Job, teller: Teller, *also: Callable[[Event], None] | None) -> Ran:
    """Place the call, tell its events (``also`` hear them), wait for its deliveries. Raises CallflowError.

    SIGTERM is heeded as Ctrl-C is: the call is hung up, its recordings are finished, what is not delivered
    stays queued.
    """
    calm_collector()
    try:
        if job.realtime:
            return asyncio.run(_run(job, teller, SystemClock(), also))
        clock = VirtualClock(None if job.options.seed is None else SEEDED_WALL)
        return run_virtual(_run(job, teller, clock, also), clock)
    except asyncio.CancelledError:
        raise typer.Exit(TERMINATED) from None


def _heed_sigterm() -> None:
    task = asyncio.current_task()
    assert task is not None
    with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):  # Windows; a thread of a test
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


async def _run(job: Job, teller: Teller, clock: Clock, also: Sequence[Callable[[Event], None] | None]) -> Ran:
    _heed_sigterm()
    engine = Engine(job.options, clock)
    engine.bus.subscribe(Patient(teller))
    for hear in also:
        if hear is not None:
            engine.bus.subscribe(hear)
    async with engine:
        report = await engine.place_call(
            job.scenario, job.flow, script=job.script, application=job.application
        )
        ids = tuple(report.recordings)
        deliveries = await engine.deliveries_settled(ids, job.delivery_wait_s, report.messages)
        with clock.external():
            found = await engine.database.arun(lambda conn: [find_recording(conn, one) for one in ids])
        return Ran(report, tuple(row for row in found if row is not None), tuple(deliveries))
