"""Layer 5: where the parts become an engine: media, recordings, calls and deliveries in one process."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import threading
from collections.abc import Collection, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from callflow.channels.channel import Channel, Dialer, DialTarget, Party
from callflow.channels.sim.call import PretendCall
from callflow.channels.sim.scenario import Scenario
from callflow.clock import Clock, OutsideLoop, SystemClock, monotonic
from callflow.delivery.deliverer import Deliverer
from callflow.delivery.guard import Guard
from callflow.delivery.http import GuardedHttp
from callflow.delivery.outside import OutsideHttp
from callflow.documents.accounts import Account
from callflow.documents.settings import Settings
from callflow.engine.call import Call
from callflow.engine.flow import Flow
from callflow.engine.outcome import HandOver, Outcome
from callflow.engine.report import CallReport, ReportWriter
from callflow.engine.router import MediaRouter
from callflow.engine.routing import find_flow
from callflow.engine.services import Services
from callflow.engine.session import CallRun, run_call
from callflow.errors import EngineError, NoFlow
from callflow.events import DeliveryChanged, EventBus, Noticed
from callflow.ids import Ids
from callflow.media.clips import ClipLoader
from callflow.media.pump import Pump
from callflow.modules import registry
from callflow.recording.closing import ClosingDesk
from callflow.recording.crashpoints import crash_point
from callflow.recording.finish import Finished, Finisher
from callflow.recording.host import RecordingHost
from callflow.recording.inline import InlineMedia
from callflow.recording.recover import recover
from callflow.recording.writer import SpoolWriter
from callflow.state.database import Database
from callflow.state.folder import StateFolder
from callflow.state.records import ACTIVE, DeliveryRow, list_deliveries


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """What an engine runs with.

    ``flows``: callflow documents by id, over the account's. ``variables``: for placeholders. ``seed``: repeat
    ids exactly. ``allow_loopback``: recordings may be sent to this machine. ``deliver`` False: what is
    finished stays in the outbox. ``pickled``: every media command and event goes through ``pickle`` (tests).
    """

    state: Path
    settings: Settings
    account: Account = field(default_factory=Account.empty)
    flows: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    seed: int | None = None
    allow_loopback: bool = True
    deliver: bool = True
    pickled: bool = False


class Engine:
    """An engine on the running loop, whose time is ``clock``. ``async with``, or ``start`` and ``close``.

    Raises StorageError from ``start`` if the state folder cannot be used.
    """

    def __init__(self, options: EngineOptions, clock: Clock) -> None:
        self.bus = EventBus()
        self.clock = clock
        self._options = options
        self._modules = registry()
        networks = options.settings.delivery.allow_networks
        self._guard = Guard(networks, allow_loopback=options.allow_loopback)
        self._visitors: set[asyncio.Task[CallRun]] = set()

    async def __aenter__(self) -> Engine:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # ---- life ----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the state folder, start media and deliveries, and finish what a crash has left behind."""
        self._loop = asyncio.get_running_loop()
        self.folder = StateFolder.open(self._options.state)
        self._open = AsyncExitStack()
        try:
            self.database = Database.open(self.folder.database)
            self._open.callback(self.database.close)
            self._outside = OutsideLoop()
            self._open.callback(self._outside.close)
            self._start_delivery()
            self._start_media()
            self._services = self._make_services()
            self._open.push_async_callback(self._end_calls)
            await self._recover()
        except BaseException:
            await self._open.aclose()
            raise

    async def close(self) -> None:
        """Finish recordings, stop media and deliveries; what is not delivered stays queued. Each part is
        closed, whatever happens at the others.
        """
        await self._open.aclose()

    async def _end_calls(self) -> None:
        await asyncio.gather(*self._visitors, return_exceptions=True)
        await self._media.end_recordings()

    def _start_media(self) -> None:
        pump = Pump(ClipLoader())
        self._writer = SpoolWriter(self.folder, patient=self.clock.virtual)
        self._desk = ClosingDesk(Finisher(self.folder, self.database), self.clock, self._on_finished)
        host = RecordingHost(pump, self._writer, on_closed=self._desk.on_closed)
        self._media = InlineMedia(pump, host, self.clock, pickled=self._options.pickled)
        self._media.subscribe(self._desk.on_event)  # first: time is held before anybody hears of an end
        self._desk.start()
        self._media.start()
        self._open.callback(self._writer.close)
        self._open.push_async_callback(self._media.close)
        self._open.push_async_callback(self._desk.close)

    def _start_delivery(self) -> None:
        settings = self._options.settings
        self._http = GuardedHttp(
            self._guard,
            connect_timeout_s=settings.delivery.connect_timeout_s,
            progress_timeout_s=settings.delivery.progress_timeout_s,
        )
        self._deliverer = Deliverer(
            self.database,
            self.folder,
            settings.delivery,
            SystemClock(),
            self._on_delivery,
            allow_loopback=self._options.allow_loopback,
            url_metadata=settings.media.call_recording.url_metadata,
            halfway=partial(crash_point, "sending"),
        )
        self._open.push_async_callback(self._close_outside)
        if self._options.deliver:
            self._open.callback(self._outside.submit(self._deliverer.run()).cancel)

    async def _close_outside(self) -> None:
        await self._outside.run(self._deliverer.close(), self.clock)
        await self._outside.run(self._http.close(), self.clock)

    def _make_services(self) -> Services:
        return Services(
            media=self._media,
            router=MediaRouter(self._media),
            clock=self.clock,
            ids=Ids(self._options.seed),
            bus=self.bus,
            settings=self._options.settings,
            account=self._options.account,
            dialer=_Nobody(),
            http=OutsideHttp(self._http, self._outside, self.clock),
            database=self.database,
            fetched=self.folder.root / "fetched",
            variables=self._options.variables,
            flows=self._options.flows,
        )

    async def _recover(self) -> None:
        with self.clock.external():
            recovered = await asyncio.to_thread(recover, self.folder, self._desk.finisher)
        for finished in recovered:
            self._on_finished(finished)

    # ---- calls ---------------------------------------------------------------------------------

    async def place_call(self, scenario: Scenario, flow: Flow | None = None) -> CallReport:
        """Run one pretend call through ``flow`` (None: the account's flow for the dialled number) to its
        end; come back when its recordings are finished and in the outbox. Many may run at once.

        Raises NoFlow if no flow is given and none is found.
        """
        pretend = PretendCall(
            scenario,
            media=self._media,
            clock=self.clock,
            ids=self._services.ids,
            notice=lambda *words: self._notice(heard.call_id, *words),
            incoming=self._incoming,
        )
        heard = ReportWriter(pretend.caller.call_id)
        unsubscribe = self.bus.subscribe(heard, call_id=heard.call_id)
        try:
            call = Call(replace(self._services, dialer=pretend.dialer), pretend.caller)
            found = _route(call) if flow is None else _given(call, flow)
            pretend.begin()
            try:
                await run_call(call, found, self._modules)
            finally:
                await pretend.close()
            await self._desk.settled(heard.recording_ids)
        finally:
            unsubscribe()
        return heard.report()

    def _incoming(self, channel: Channel, dialer: Dialer) -> None:
        """A pretend party makes a call of its own, on which it talks to the one it transfers to."""
        call = Call(replace(self._services, dialer=dialer), channel)
        modules = {**self._modules, _RING: _ring_number}
        flow = call.route(call.party.to_number) or Flow.parse({"module": _RING})
        visitor = self._loop.create_task(run_call(call, flow, modules))
        self._visitors.add(visitor)
        visitor.add_done_callback(self._visitors.discard)

    def _notice(self, call_id: str, level: str, code: str, message: str, hint: str) -> None:
        self.bus.publish(
            Noticed(
                time=self.clock.now(), call_id=call_id, level=level, code=code, message=message, hint=hint
            )
        )

    # ---- recordings and deliveries -------------------------------------------------------------

    def _on_finished(self, finished: Finished) -> None:
        """A recording has come to its end (``cancelled`` was told already, by the recorder)."""
        if finished.change != "cancelled":
            self.bus.publish(finished.event(self.clock.now()))
        if finished.delivery_id is not None:
            self.bus.publish(
                DeliveryChanged(
                    time=self.clock.now(),
                    call_id=finished.call_id,
                    delivery_id=finished.delivery_id,
                    recording_id=finished.id,
                    change="queued",
                    method=finished.method,
                    url=finished.url or "",
                )
            )
            self._deliverer.wake()

    def _on_delivery(self, event: DeliveryChanged) -> None:
        """From the outside loop: told on the engine's, at the engine's time."""
        self._loop.call_soon_threadsafe(self._tell_delivery, event)

    def _tell_delivery(self, event: DeliveryChanged) -> None:
        self.bus.publish(replace(event, time=self.clock.now()))

    async def deliveries_settled(self, recording_ids: Collection[str], wait_s: float) -> list[DeliveryRow]:
        """Wait, at most ``wait_s`` seconds of real time, until nothing of these recordings is on its way any
        more; gives their deliveries as they then are, the first first.
        """
        changed = threading.Event()
        unsubscribe = self.bus.subscribe(
            lambda event: changed.set() if isinstance(event, DeliveryChanged) else None
        )
        deadline = monotonic() + wait_s
        try:
            while True:
                changed.clear()
                rows = await self._deliveries_of(recording_ids)
                left = deadline - monotonic()
                if left <= 0 or not any(row.state in ACTIVE for row in rows):
                    return rows
                with self.clock.external():
                    await asyncio.to_thread(changed.wait, min(left, 1.0))
        finally:
            unsubscribe()

    async def _deliveries_of(self, recording_ids: Collection[str]) -> list[DeliveryRow]:
        def find(conn: sqlite3.Connection) -> list[DeliveryRow]:
            return [row for one in recording_ids for row in list_deliveries(conn, recording_id=one)]

        with self.clock.external():
            rows = await self.database.arun(find)
        return sorted(rows, key=lambda row: (row.created_wall, row.id))


class _Nobody:
    """The dialer of an engine without calls: each call brings its own."""

    def expand(self, target: DialTarget) -> list[DialTarget]:
        return [target]

    async def dial(
        self, target: DialTarget, *, caller: Party, rate: int, call_id: str, near: str = ""
    ) -> Channel:
        raise EngineError(f"nobody can be rung: {target.endpoint} {target.id}")


CONSULT_RING_S = 60.0
_RING = "ring_number"
"""Stands for a flow where a consultation call's number has none: it rings the number."""


async def _ring_number(data: Mapping[str, Any], call: Call) -> Outcome:
    target = DialTarget("number", call.party.to_number)
    result = await call.bridge([target], timeout_s=CONSULT_RING_S)
    return HandOver(did=f"talked to {target.id}" if result.answered else f"{target.id}: {result.cause}")


def _given(call: Call, flow: Flow) -> Flow:
    """``flow``, with the capture groups that its own patterns find in the dialled number."""
    match = find_flow(call.party.to_number, {flow.id: flow.document})
    if match is not None:
        call.capture_group, call.capture_groups = match.capture_group, match.capture_groups
    return flow


def _route(call: Call) -> Flow:
    number = call.party.to_number
    flow = call.route(number, allow_no_match=True)
    if flow is None:
        raise NoFlow(
            f"no callflow of account {call.account.id!r} has the number {number!r}",
            hint="Say which number is called: --to NUMBER.",
        )
    return flow


def calm_collector() -> None:
    """Let the garbage collector look less often, and never again at what is there now. For a process that
    is an engine's own (``run``, ``serve``): among many calls a full collection costs more than it finds,
    and it would fall into a tick.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
