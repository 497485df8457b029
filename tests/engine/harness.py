"""One call in virtual time, on fakes: what most engine tests need."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from callflow.channels.channel import ChannelEvent, Direction, Ended, Party
from callflow.clock import VirtualClock, run_virtual
from callflow.documents.accounts import Account
from callflow.documents.record_settings import RecordSettings, resolve_record
from callflow.documents.settings import Settings, load_settings
from callflow.engine.call import Call
from callflow.engine.flow import Flow
from callflow.engine.outcome import Continue, Outcome
from callflow.engine.router import MediaRouter
from callflow.engine.services import Services
from callflow.engine.session import CallRun, run_call
from callflow.engine.walker import Module
from callflow.events import Event, EventBus, Noticed, RecordingChanged, StepEnded
from callflow.ids import Ids
from callflow.recording.messages import RecordingSpec, StartRecording
from callflow.state.database import Database
from tests.engine.fakes import FakeChannel, FakeDialer, FakeHttp, FakeMedia

E = TypeVar("E", bound=Event)
WALL = 1_763_600_000.0  # 2025-11-20

CALLER = Party("1001", "2000", from_name="Alice", user_id="u1", device_id="d1")


def settings(overrides: Mapping[str, object] | None = None) -> Settings:
    """The shipped settings with some changed; the user's folder plays no part."""
    with tempfile.TemporaryDirectory() as nothing:
        return load_settings(Path(nothing), overrides)


class World:
    """An engine's services on fakes, and one caller."""

    def __init__(self, database: Database, folder: Path, *, account: Account, config: Settings) -> None:
        self.clock = VirtualClock(wall_start=WALL)
        self.media = FakeMedia(self.clock)
        self.dialer = FakeDialer(self.media, self.clock)
        self.http = FakeHttp()
        self.events: list[Event] = []
        self._plans: list[tuple[float, Callable[[], object]]] = []
        self.database = database
        bus = EventBus()
        bus.subscribe(self.events.append)
        self.services = Services(
            media=self.media,
            router=MediaRouter(self.media),
            clock=self.clock,
            ids=Ids(seed=1),
            bus=bus,
            settings=config,
            account=account,
            dialer=self.dialer,
            http=self.http,
            database=database,
            fetched=folder / "fetched",
        )
        self.caller = FakeChannel(self.media, "call-1", Direction.INBOUND, CALLER)

    # ---- running -----------------------------------------------------------------------------

    def with_services(self, **changes: Any) -> None:
        self.services = replace(self.services, **changes)

    def caller_does(self, at: float, event: ChannelEvent) -> None:
        """The caller does something at a time of the run."""
        self.at(at, lambda: self.caller.happen(event))

    def at(self, when: float, action: Callable[[], object]) -> None:
        """Do something at a time of the run; to be called while it runs or before."""
        self._plans.append((when, action))

    def run(self, flow: object, modules: Mapping[str, Module], *, flow_id: str = "") -> CallRun:
        """Run a call through ``flow`` to its end."""

        async def main() -> CallRun:
            loop = asyncio.get_running_loop()
            for when, action in self._plans:
                loop.call_later(when, action)
            call = Call(self.services, self.caller)
            return await asyncio.wait_for(run_call(call, Flow.parse(flow, flow_id=flow_id), modules), 10_000)

        return run_virtual(main(), self.clock)

    def with_call(self, work: Callable[[Call], Awaitable[Outcome | None]], *, answer: bool = True) -> CallRun:
        """Run ``work`` as the one module of a flow. What it asserts fails the test, not the module."""
        failures: list[AssertionError] = []

        async def module(data: Mapping[str, Any], call: Call) -> Outcome:
            if answer:
                await call.answer()
            try:
                return await work(call) or Continue()
            except AssertionError as failure:
                failures.append(failure)
                raise

        run = self.run({"module": "work", "data": {}}, {"work": module})
        for failure in failures:
            raise failure
        return run

    # ---- looking -----------------------------------------------------------------------------

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def steps(self) -> list[tuple[str, str, str]]:
        return [(step.path, step.module, step.outcome) for step in self.of(StepEnded)]

    @property
    def notices(self) -> list[tuple[str, str]]:
        return [(notice.level, notice.code) for notice in self.of(Noticed)]

    @property
    def changes(self) -> list[tuple[str, str]]:
        return [(change.change, change.reason) for change in self.of(RecordingChanged)]

    @property
    def specs(self) -> list[RecordingSpec]:
        return [
            command.spec
            for command in self.media.commands(StartRecording)
            if isinstance(command, StartRecording)
        ]


@contextmanager
def world(
    folder: Path, *, account: Account | None = None, overrides: Mapping[str, object] | None = None
) -> Iterator[World]:
    """A world with a database of its own."""
    database = Database.open(folder / "callflow.sqlite3")
    try:
        yield World(database, folder, account=account or Account.empty("acc"), config=settings(overrides))
    finally:
        database.close()


def record(config: Settings, **data: object) -> RecordSettings:
    """The settings of a ``record_call`` start node."""
    return resolve_record({"action": "start", **data}, config)


HANGS_UP = Ended("NORMAL_CLEARING", 200)
