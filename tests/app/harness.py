"""One way to run whole calls in a test: flow and scenario in, events, report, files and uploads out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import soundfile
from numpy.typing import NDArray

from callflow.app import Engine, EngineOptions
from callflow.channels.sim.read import parse_scenario
from callflow.clock import OutsideLoop, SystemClock, VirtualClock, run_virtual
from callflow.delivery.receiver import Received, Receiver
from callflow.delivery.receiver_faults import Faults
from callflow.documents.accounts import Account
from callflow.documents.settings import load_settings
from callflow.engine.flow import Flow
from callflow.engine.report import CallReport
from callflow.events import Event, RecordingChanged, as_json

T = TypeVar("T")
E = TypeVar("E", bound=Event)

WALL = 1_795_000_000.0
"""2026-11-18: virtual clocks of tests begin here."""


def tone(hz: int, seconds: float) -> str:
    """A scenario's word for a tone."""
    return f"tone_stream://%({round(seconds * 1000)},0,{hz})"


def silence(seconds: float) -> str:
    """A scenario's word for nothing."""
    return f"silence_stream://{round(seconds * 1000)}"


def node(module: str, then: Mapping[str, Any] | None = None, /, **data: Any) -> dict[str, Any]:
    """A node of a flow; ``then`` is its ``_``."""
    made: dict[str, Any] = {"module": module, "data": data}
    if then is not None:
        made["children"] = {"_": dict(then)}
    return made


def chain(*nodes: Mapping[str, Any]) -> dict[str, Any]:
    """Nodes one after the other by ``_``."""
    made: dict[str, Any] = {}
    for one in reversed(nodes):
        made = {**one, "children": {**one.get("children", {}), **({"_": made} if made else {})}}
    return made


@dataclass
class Played:
    """One call that is over."""

    report: CallReport
    events: list[Event]
    state: Path

    def of(self, kind: type[E]) -> list[E]:
        """The events of one kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    def changes(self) -> list[tuple[str, str]]:
        """What became of recordings: change and reason, in order."""
        return [(event.change, event.reason) for event in self.of(RecordingChanged)]

    @property
    def recordings(self) -> list[RecordingChanged]:
        """The last change of each recording."""
        return list(self.report.recordings.values())

    def sound(self, index: int = 0) -> tuple[NDArray[np.int16], int]:
        """Samples ``[n, channels]`` and rate of the file of a recording in the local store."""
        file = self.recordings[index].file
        assert file is not None, self.recordings
        samples, rate = soundfile.read(self.state / file, dtype="int16", always_2d=True)
        return samples, rate

    def modules(self) -> list[str]:
        """The modules that ran, in order."""
        return [step.module for step in self.report.steps]


@dataclass
class Stage:
    """What calls of a test share."""

    state: Path
    account: Account = field(default_factory=Account.empty)
    settings: Mapping[str, object] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    flows: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    seed: int | None = 1
    deliver: bool = False
    delivery_wait_s: float = 10.0

    def options(self) -> EngineOptions:
        """For an engine whose every media message goes through pickle."""
        return EngineOptions(
            state=self.state,
            settings=load_settings(overrides=self.settings),
            account=self.account,
            flows=self.flows,
            variables=self.variables,
            seed=self.seed,
            deliver=self.deliver,
            pickled=True,
        )

    def play(self, flow: Mapping[str, Any] | None, scenario: Mapping[str, Any]) -> Played:
        """Run one call in virtual time."""
        return self.play_all([(flow, scenario)])[0]

    def play_all(self, calls: Sequence[tuple[Mapping[str, Any] | None, Mapping[str, Any]]]) -> list[Played]:
        """Run calls at once, in one engine, in virtual time; each gets the events of all."""
        clock = VirtualClock(WALL)
        return run_virtual(self._play(Engine(self.options(), clock), calls), clock)

    def play_live(self, flow: Mapping[str, Any], scenario: Mapping[str, Any]) -> Played:
        """Run one call in real time."""
        return asyncio.run(self._play(Engine(self.options(), SystemClock()), [(flow, scenario)]))[0]

    async def _play(
        self, engine: Engine, calls: Sequence[tuple[Mapping[str, Any] | None, Mapping[str, Any]]]
    ) -> list[Played]:
        events: list[Event] = []
        engine.bus.subscribe(events.append)
        async with engine:
            reports = await asyncio.gather(
                *(
                    engine.place_call(
                        parse_scenario(dict(scenario), Path()), None if flow is None else Flow.parse(flow)
                    )
                    for flow, scenario in calls
                )
            )
            if self.deliver:
                ids = [name for report in reports for name in report.recordings]
                await engine.deliveries_settled(ids, self.delivery_wait_s)
        return [Played(report, events, self.state) for report in reports]


def with_receiver(
    folder: Path, use: Callable[[str], T], faults: Faults | None = None
) -> tuple[T, list[Received]]:
    """Call ``use`` with the base url of a real receiver; gives what it returned, and what arrived."""
    outside = OutsideLoop()
    receiver = Receiver(folder, faults)
    try:
        url = outside.submit(receiver.start()).result(10)
        return use(url), list(receiver.received)
    finally:
        outside.submit(receiver.close()).result(10)
        outside.close()


def told(events: Sequence[Event]) -> list[dict[str, Any]]:
    """Events as ``-o json`` prints them, without those of deliveries, which come in real time."""
    return [body for body in map(as_json, events) if body["event"] != "delivery"]


def loudness(samples: NDArray[np.int16], rate: int, start: float, end: float, hz: int) -> float:
    """How much of ``hz`` there is in one channel between two moments: 1 is a full-scale sine."""
    part = samples[round(start * rate) : round(end * rate)].astype(np.float64)
    turn = np.exp(-2j * np.pi * hz * np.arange(len(part)) / rate)
    return float(abs(np.vdot(turn.conj(), part)) * 2 / len(part) / 32767)
