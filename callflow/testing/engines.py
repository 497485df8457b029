"""Layer 6: the engine that tests place calls in: ``Callflow`` for sync ones, ``AsyncCallflow`` for async."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from callflow.app import EngineOptions
from callflow.channels.sim.read import parse_scenario, read_document
from callflow.channels.sim.scenario import Scenario
from callflow.documents import jsontext
from callflow.documents.accounts import Account
from callflow.documents.ncco import recognise
from callflow.documents.settings import for_account, load_settings
from callflow.engine.flow import Flow
from callflow.errors import EngineError, MissingDocument
from callflow.events import Event
from callflow.ncco.script import Script
from callflow.testing.calls import AsyncCall, Call
from callflow.testing.driver import CallDriver, driven
from callflow.testing.rig import WALL, Rig

__tracebackhide__ = True  # a failure is the test's: pytest shows its lines, not ours

FlowSource = Mapping[str, Any] | list[Any] | str | Path
"""A flow: a callflow document, a bare tree or an NCCO as JSON, or a file of one (relative to the test's
folder).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What an engine is started with. ``folder``: what paths are relative to. ``account``: a folder of
    documents. ``system_config``: a folder. ``settings``: dotted names to values, over it. ``variables``: for
    placeholders. ``seed``: repeat ids exactly. ``wall``: seconds since 1970 at which calls begin.
    ``documents``: over the account's, by kind and id.
    """

    state: Path
    folder: Path
    account: Path | None = None
    system_config: Path | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    seed: int | None = 1
    wall: float = WALL
    documents: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)

    def options(self) -> EngineOptions:
        """For the engine. Raises DocumentError, SettingsError."""
        account = Account.empty() if self.account is None else Account.load(self.folder / self.account)
        if account.broken:
            raise account.broken[0]
        kinds = {kind: dict(found) for kind, found in account.documents.items()}
        for kind, found in self.documents.items():
            kinds.setdefault(kind, {}).update({id: {"id": id, **one} for id, one in found.items()})
        folder = None if self.system_config is None else self.folder / self.system_config
        settings = load_settings(folder, self.settings)
        return EngineOptions(
            state=self.state,
            settings=for_account(settings, account.document),
            account=replace(account, documents=kinds),
            variables=self.variables,
            seed=self.seed,
        )


class EngineOfTest:
    """What both kinds share. The engine starts with its first call; until then it can be told more."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self._rig: Rig | None = None
        self._closed = False
        self._drivers: list[CallDriver] = []

    # ---- before the first call -----------------------------------------------------------------------

    def settings(self, values: Mapping[str, object]) -> None:
        """Other values of system_config: ``{"media.record_stereo": False}``."""
        self._change(settings={**self.setup.settings, **values})

    def variables(self, values: Mapping[str, str]) -> None:
        """Values of placeholders: ``{"RECEIVER": receiver.url}``."""
        self._change(variables={**self.setup.variables, **values})

    def account(self, folder: Path | str) -> None:
        """The account's folder of documents."""
        self._change(account=Path(folder))

    def document(self, kind: str, id: str, document: Mapping[str, Any]) -> None:
        """One more document of the account, or another in place of one: ``("user", "dave", {...})``."""
        documents = {name: dict(found) for name, found in self.setup.documents.items()}
        documents.setdefault(kind, {})[id] = document
        self._change(documents=documents)

    def _change(
        self,
        *,
        settings: Mapping[str, object] | None = None,
        variables: Mapping[str, str] | None = None,
        account: Path | None = None,
        documents: Mapping[str, Mapping[str, Mapping[str, Any]]] | None = None,
    ) -> None:
        if self._rig is not None:
            raise EngineError("the engine runs already", hint="say this before the test's first call")
        setup = self.setup
        self.setup = replace(
            setup,
            settings=setup.settings if settings is None else settings,
            variables=setup.variables if variables is None else variables,
            account=setup.account if account is None else account,
            documents=setup.documents if documents is None else documents,
        )

    # ---- while it runs -------------------------------------------------------------------------------

    @property
    def rig(self) -> Rig:
        """Where it runs; starts it."""
        if self._rig is None:
            self._rig = Rig(self.setup.options(), wall=self.setup.wall)
            self._rig.start()
        return self._rig

    @property
    def now(self) -> float:
        """Seconds of virtual time since the engine's start."""
        return self.rig.clock.now()

    @property
    def state(self) -> Path:
        """The state folder, where recordings are."""
        return self.setup.state

    @property
    def events(self) -> list[Event]:
        """What all calls of the test have told, call by call."""
        return self.rig.do(lambda: [event for driver in self._drivers for event in driver.events])

    def close(self) -> list[str]:
        """Hang up, stop, and say what is left behind (nothing, if all is well)."""
        closed, self._closed = self._closed, True
        return [] if self._rig is None or closed else self._rig.close()

    def _place(self, scenario: Scenario, flow: FlowSource | None, *, by_hand: bool) -> CallDriver:
        rig = self.rig
        found = None if flow is None else load_flow(flow, self.setup.folder)
        driver = CallDriver(rig, scenario, found, by_hand=by_hand)
        rig.do(driver.begin)
        self._drivers.append(driver)

        def failed_at_once() -> None:
            if driver.task.done():
                driver.task.result()

        rig.do(failed_at_once)
        return driver

    def _scenario(self, source: Mapping[str, Any] | str | Path) -> Scenario:
        folder = self.setup.folder
        if isinstance(source, Mapping):
            return parse_scenario(dict(source), folder)
        path = folder / source
        return parse_scenario(read_document(path), path.parent)


def caller(to: str, from_number: str, from_name: str, user_id: str, device_id: str, rate: int) -> Scenario:
    """A call whose parties do nothing by themselves."""
    return driven(
        Scenario(
            from_number=from_number,
            to_number=to,
            from_name=from_name,
            user_id=user_id,
            device_id=device_id,
            rate=rate,
        )
    )


class Callflow(EngineOfTest):
    """The engine of a sync test."""

    def call(
        self,
        to: str = "2000",
        *,
        flow: FlowSource | None = None,
        from_number: str = "1000",
        from_name: str = "",
        user_id: str = "",
        device_id: str = "",
        rate: int = 8000,
    ) -> Call:
        """Call ``to``: through ``flow``, else through the account's callflow for that number. ``user_id``,
        ``device_id``: who of the account calls. The call has begun; time stands still until the test waits.

        Raises NoFlow, ScenarioError, DocumentError.
        """
        scenario = caller(to, from_number, from_name, user_id, device_id, rate)
        return Call(self._place(scenario, flow, by_hand=True), self.setup.folder)

    def play(self, scenario: Mapping[str, Any] | str | Path, *, flow: FlowSource | None = None) -> Call:
        """Play a scenario (docs/scenarios.md), as JSON or a file, to its end."""
        call = Call(self._place(self._scenario(scenario), flow, by_hand=False), self.setup.folder)
        call.ended(within=LONGEST_S)
        return call

    def sleep(self, seconds: float) -> None:
        """Let so many seconds go by on all calls."""
        self.rig.wait(self.rig.clock.sleep(seconds))


class AsyncCallflow(EngineOfTest):
    """The engine of an async test. The test's event loop is its own, in real time."""

    async def call(
        self,
        to: str = "2000",
        *,
        flow: FlowSource | None = None,
        from_number: str = "1000",
        from_name: str = "",
        user_id: str = "",
        device_id: str = "",
        rate: int = 8000,
    ) -> AsyncCall:
        """As ``Callflow.call``."""
        scenario = caller(to, from_number, from_name, user_id, device_id, rate)
        return AsyncCall(self._place(scenario, flow, by_hand=True), self.setup.folder)

    async def play(
        self, scenario: Mapping[str, Any] | str | Path, *, flow: FlowSource | None = None
    ) -> AsyncCall:
        """Play a scenario (docs/scenarios.md), as JSON or a file, to its end."""
        call = AsyncCall(self._place(self._scenario(scenario), flow, by_hand=False), self.setup.folder)
        await call.ended(within=LONGEST_S)
        return call

    async def sleep(self, seconds: float) -> None:
        """Let so many seconds go by on all calls."""
        await self.rig.wait_async(self.rig.clock.sleep(seconds))


LONGEST_S = 10 * 86400.0
"""A scenario ends by itself: by its ``max_duration_s``."""


def load_flow(source: FlowSource, folder: Path) -> Flow | Script:
    """The flow, with an id, or the NCCO with a name. Raises JsonSyntaxError, MissingDocument, FlowTooDeep."""
    if isinstance(source, Mapping | list):
        document: object = source
        id = "flow"
    else:
        path = folder / source
        if not path.is_file():
            raise MissingDocument(f"no flow {source}", hint=f"Looked in {folder}.")
        document = jsontext.read(path).value
        id = path.stem
    if recognise(document):
        return Script.parse(document, name=id)
    if isinstance(document, Mapping) and "module" in document:
        document = {"name": id, "flow": json.loads(json.dumps(document))}
    found = Flow.parse(document)
    return found if found.id else Flow.parse(document, flow_id=id)
