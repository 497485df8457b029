"""Layer 5: where the parts become an engine: media, recordings, calls and deliveries in one process."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Collection, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from callflow.channels.channel import Channel, Dialer, DialTarget, Party
from callflow.channels.sim.call import PretendCall
from callflow.channels.sim.driven import Driver
from callflow.channels.sim.scenario import Scenario
from callflow.clock import Clock
from callflow.documents.accounts import Account
from callflow.documents.catalog import Catalog, Tenant
from callflow.documents.settings import Settings
from callflow.engine.call import Call
from callflow.engine.flow import Flow
from callflow.engine.outcome import HandOver, Outcome
from callflow.engine.report import CallReport, ReportWriter
from callflow.engine.rooms import RoomTable
from callflow.engine.router import MediaRouter
from callflow.engine.routing import find_flow
from callflow.engine.services import Calls, Services
from callflow.engine.session import CallRun, run_call
from callflow.errors import EngineError, NoFlow
from callflow.events import EventBus, Noticed
from callflow.ids import Ids
from callflow.keeping import Keeping
from callflow.livecalls import LiveCalls
from callflow.media.clips import ClipLoader
from callflow.media.port import MediaPort
from callflow.media.pump import Pump
from callflow.modules import metaflow_actions, registry
from callflow.ncco.application import Application, destination
from callflow.ncco.script import Script
from callflow.recording.host import RecordingHost
from callflow.recording.inline import InlineMedia
from callflow.recording.writer import SpoolWriter
from callflow.scripted import ScriptedCalls
from callflow.state.database import Database
from callflow.state.folder import StateFolder, safe_name
from callflow.state.records import DeliveryRow


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """What an engine runs with.

    ``account``: whose flows pretend calls walk; ``flows``: callflow documents by id, over the account's.
    ``variables``: for placeholders. ``seed``: repeat ids exactly. ``allow_loopback``: recordings may be sent
    to this machine. ``deliver`` False: what is finished stays in the outbox. ``pickled``: every media command
    and event goes through ``pickle`` (tests).
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


class EngineMedia(MediaPort, Protocol):
    """The media of an engine, wherever it runs."""

    def start(self) -> None:
        """Let it run, on the running loop."""

    async def end_recordings(self) -> None:
        """End what is still being recorded, and wait until it is on disk and told."""

    async def close(self) -> None:
        """Stop."""


MakeMedia = Callable[[Clock, Keeping, AsyncExitStack], EngineMedia]
"""``make(clock, keeping, life)``: the media of an engine, not started; ``life`` gets what must be closed."""


def inline_media(
    clock: Clock, keeping: Keeping, life: AsyncExitStack, *, pickled: bool = False
) -> InlineMedia:
    """Media in this thread: for pretend calls, demos, and a server with few calls."""
    pump = Pump(ClipLoader())
    writer = SpoolWriter(keeping.folder, patient=clock.virtual)
    life.callback(writer.close)
    host = RecordingHost(pump, writer, on_closed=keeping.desk.on_closed)
    return InlineMedia(pump, host, clock, pickled=pickled)


class Engine:
    """An engine on the running loop, whose time is ``clock``. ``async with``, or ``start`` and ``close``.

    ``media``: where its sound is made (None: in this thread). Raises StorageError from ``start`` if the state
    folder cannot be used.
    """

    def __init__(self, options: EngineOptions, clock: Clock, media: MakeMedia | None = None) -> None:
        self.bus = EventBus()
        self.clock = clock
        self._options = options
        self._make_media = media or partial(inline_media, pickled=options.pickled)
        self._modules = registry()
        self.keeping = Keeping(
            options.state,
            options.settings,
            clock,
            self.bus,
            allow_loopback=options.allow_loopback,
            deliver=options.deliver,
        )
        self.scripts = ScriptedCalls(self.keeping, self._modules)
        self.live = LiveCalls(clock, self._modules, self.scripts.take)
        self._tenants: Mapping[str, Services] = {}
        self._visitors: set[asyncio.Task[CallRun]] = set()

    async def __aenter__(self) -> Engine:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # ---- life ----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the state folder, start media and deliveries, and finish what a crash has left behind."""
        self._open = AsyncExitStack()
        try:
            await self.keeping.start(self._open)
            self._start_media()
            self._services = self._make_services()
            self._open.push_async_callback(self._end_calls)
            await self.keeping.recover()
        except BaseException:
            await self._open.aclose()
            raise

    async def close(self) -> None:
        """Finish recordings, stop media and deliveries; what is not delivered stays queued. Each part is
        closed, whatever happens at the others.
        """
        await self._open.aclose()

    async def _end_calls(self) -> None:
        await self.keeping.stop_retrying()
        await self.live.close()
        await asyncio.gather(*self._visitors, return_exceptions=True)
        await self.media.end_recordings()

    def _start_media(self) -> None:
        desk = self.keeping.desk
        self.media = self._make_media(self.clock, self.keeping, self._open)
        self.media.subscribe(desk.on_event)  # first: time is held before anybody hears of an end
        desk.start()
        self.media.start()
        self._open.push_async_callback(self.media.close)
        self._open.push_async_callback(desk.close)

    def _make_services(self) -> Services:
        self.keeping.remember([self._options.account])
        return Services(
            media=self.media,
            router=MediaRouter(self.media),
            clock=self.clock,
            ids=Ids(self._options.seed),
            bus=self.bus,
            settings=self._options.settings,
            account=self._with_changes(self._options.account),
            dialer=_Nobody(),
            http=self.keeping.http,
            hearing=self.keeping.hearing,
            database=self.database,
            fetched=self.folder.root / "fetched",
            actions=metaflow_actions(),
            variables=self._options.variables,
            flows=self._options.flows,
        )

    def with_changes(self, catalog: Catalog) -> Catalog:
        """The documents with what calls have changed in them."""
        return replace(
            catalog,
            tenants={
                id: replace(tenant, account=self._with_changes(tenant.account))
                for id, tenant in catalog.tenants.items()
            },
        )

    def _with_changes(self, account: Account) -> Account:
        """The account with what calls have changed in it: before this start, and before it was read anew."""
        return replace(account, changes=self.keeping.changes_of(account.id))

    @property
    def folder(self) -> StateFolder:
        """Its state folder."""
        return self.keeping.folder

    @property
    def database(self) -> Database:
        """Its database."""
        return self.keeping.database

    @property
    def ids(self) -> Ids:
        """Where its names come from."""
        return self._services.ids

    # ---- live calls ----------------------------------------------------------------------------

    def serve(self, tenants: Mapping[str, Tenant], dialer: Callable[[str], Dialer]) -> None:
        """Take calls for these accounts from now on, and no others; ``dialer(account_id)`` rings for them.
        Calls under way keep the documents that they began with.
        """
        settings = {tenant.account.id: tenant.settings for tenant in tenants.values()}
        self.keeping.remember([tenant.account for tenant in tenants.values()], settings)
        self._tenants = {id: self._services_of(id, tenant, dialer(id)) for id, tenant in tenants.items()}

    def _services_of(self, account_id: str, tenant: Tenant, dialer: Dialer) -> Services:
        known = self._tenants.get(account_id)
        return replace(
            self._services,
            settings=tenant.settings,
            account=self._with_changes(tenant.account),
            dialer=dialer,
            fetched=self._services.fetched / safe_name(account_id),
            calls=known.calls if known is not None else Calls(),
            rooms=known.rooms if known is not None else RoomTable(),
        )

    def services_of(self, account_id: str) -> Services | None:
        """What calls of that account share; None: it is not served."""
        return self._tenants.get(account_id)

    def take_call(self, channel: Channel, account_id: str) -> None:
        """Run the call that ``channel`` brings, in a task of its own, by the account's flow for the number
        that it called. Raises EngineError for an account that is not served.
        """
        services = self._tenants.get(account_id)
        if services is None:
            raise EngineError(f"account {account_id!r} is not served here")
        self.live.take(channel, services)

    # ---- pretend calls -------------------------------------------------------------------------

    async def place_call(
        self,
        scenario: Scenario,
        flow: Flow | None = None,
        *,
        script: Script | None = None,
        application: Application | None = None,
        driver: Driver | None = None,
    ) -> CallReport:
        """Run one pretend call through ``flow``, or by ``script`` (both None: by what the account has for the
        dialled number) to its end; come back when its recordings are finished and in the outbox. Many may run
        at once. ``application``: whose script it is, or who is asked for one. ``driver``: who drives its
        parties by hand.

        Raises NoFlow if nothing is given and nothing is found.
        """
        pretend = PretendCall(
            scenario,
            media=self.media,
            clock=self.clock,
            ids=self._services.ids,
            notice=lambda *words: self._notice(heard.call_id, *words),
            incoming=self._incoming,
            driver=driver,
        )
        heard = ReportWriter(pretend.caller.call_id)
        unsubscribe = self.bus.subscribe(heard, call_id=heard.call_id)
        try:
            call = Call(replace(self._services, dialer=pretend.dialer), pretend.caller)
            found = _given(call, flow) if flow is not None else application
            if found is None:
                found = Application.nameless() if script is not None else _route(call)
            pretend.begin()
            try:
                if isinstance(found, Flow):
                    await run_call(call, found, self._modules)
                else:
                    await self.scripts.run(self.scripts.session(call, found), script)
            finally:
                await pretend.close()
            await self.keeping.desk.settled(heard.recording_ids)
            await self.keeping.announcer.settled()
        finally:
            unsubscribe()
        return heard.report()

    def _incoming(self, channel: Channel, dialer: Dialer) -> None:
        """A pretend party makes a call of its own, on which it talks to the one it transfers to."""
        call = Call(replace(self._services, dialer=dialer), channel)
        modules = {**self._modules, _RING: _ring_number}
        flow = call.route(call.party.to_number) or Flow.parse({"module": _RING})
        visitor = asyncio.get_running_loop().create_task(run_call(call, flow, modules))
        self._visitors.add(visitor)
        visitor.add_done_callback(self._visitors.discard)

    def _notice(self, call_id: str, level: str, code: str, message: str, hint: str) -> None:
        self.bus.publish(
            Noticed(
                time=self.clock.now(), call_id=call_id, level=level, code=code, message=message, hint=hint
            )
        )

    async def deliveries_settled(
        self, recording_ids: Collection[str], wait_s: float, messages: Collection[str] = ()
    ) -> list[DeliveryRow]:
        """See ``Keeping.deliveries_settled``."""
        return await self.keeping.deliveries_settled(recording_ids, wait_s, messages)


class _Nobody:
    """The dialer of an engine without calls: each call brings its own."""

    def expand(self, target: DialTarget) -> list[DialTarget]:
        return [target]

    def resting(self, target: DialTarget) -> bool:
        return False

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


def _route(call: Call) -> Flow | Application:
    number = call.party.to_number
    found = destination(call, allow_no_match=True)
    if found is None:
        raise NoFlow(
            f"no callflow of account {call.account.id!r} has the number {number!r}",
            hint="Say which number is called: --to NUMBER.",
        )
    return found


def calm_collector() -> None:
    """Let the garbage collector look less often, and never again at what is there now. For a process that
    is an engine's own (``run``, ``serve``): among many calls a full collection costs more than it finds,
    and it would fall into a tick.
    """
    gc.freeze()  # not looked through first: what starting leaves behind is some hundred small objects
    gc.set_threshold(50_000, 20, 100)


COLLECT_EVERY_S = 20.0
"""The circles that some hundred calls leave behind take a few megabytes; finding them takes some hundredths
of a second.
"""


async def collect_regularly(clock: Clock) -> None:
    """For ever: find the circles that calls have left behind. In a process that serves for months beside
    ``calm_collector``, whose thresholds alone would let them grow for hours.
    """
    while True:
        await clock.sleep(COLLECT_EVERY_S)
        gc.collect()
