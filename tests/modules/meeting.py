"""Several callers in one engine and one virtual time, and what each leg hears: for tests of rooms."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from callflow.app import Engine, EngineOptions
from callflow.channels.sim.scenario import Party, Scenario
from callflow.clock import VirtualClock, run_virtual
from callflow.engine.flow import Flow
from callflow.engine.report import CallReport
from callflow.events import CallBridged, CallEnded, Event, RoomJoined
from callflow.media.messages import Side, TapPoint
from callflow.recording.inline import InlineMedia
from callflow.state.records import list_recordings
from tests.media.listening import KeepingTap
from tests.modules.stage import WALL, Stage, caller, level, tone

TONES = (440, 600, 1000, 1400)
RECORD: Mapping[str, Any] = {"action": "start", "format": "wav"}


@dataclass
class Visitor:
    """A caller who comes ``at`` so many seconds; ``party``'s script counts from then."""

    at: float
    party: Party
    flow: Mapping[str, Any] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    report: CallReport | None = None
    lasted: float = 0.0
    sound: NDArray[np.int16] = field(default_factory=lambda: np.zeros((0, 2), np.int16))

    @property
    def did(self) -> str:
        assert self.report is not None
        return self.report.steps[-1].did


@dataclass(frozen=True)
class Meeting:
    """``heard``: by leg, since when and what it has heard: from its first room or bridge on."""

    events: tuple[Event, ...]
    heard: Mapping[str, KeepingTap]

    def hears(self, leg: str, begin: float, end: float) -> set[int]:
        """Which of the tones a leg hears between two moments of the engine's time."""
        tap = self.heard[leg]
        first = tap.starts[0]
        return {hertz for hertz in TONES if level(tap.sound[0], hertz, begin - first, end - first) > 2000}

    def of(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


def meet(stage: Stage, flow: Mapping[str, Any], visitors: Sequence[Visitor]) -> Meeting:
    """All of them call one engine; each's recording, if its flow makes one, is its ``sound``."""
    clock = VirtualClock(WALL)
    return run_virtual(_meet(stage, clock, flow, visitors), clock)


async def _meet(
    stage: Stage, clock: VirtualClock, flow: Mapping[str, Any], visitors: Sequence[Visitor]
) -> Meeting:
    events: list[Event] = []
    heard: dict[str, KeepingTap] = {}
    options = EngineOptions(
        state=stage.state, settings=stage.settings, account=stage.account, deliver=False, pickled=True
    )
    async with Engine(options, clock) as engine:
        engine.bus.subscribe(events.append)
        media = engine._services.media
        assert isinstance(media, InlineMedia)

        def listen(event: Event) -> None:
            legs = {getattr(event, "leg", ""), getattr(event, "peer", "")} - {"", *heard}
            for leg in legs if isinstance(event, CallBridged | RoomJoined) else ():
                heard[leg] = KeepingTap(TapPoint(leg, Side.WRITE))
                media._pump.attach(heard[leg])

        engine.bus.subscribe(listen)

        async def come(visitor: Visitor) -> None:
            await clock.sleep(visitor.at)
            scenario = Scenario(caller=visitor.party, **visitor.facts)
            visitor.report = await engine.place_call(scenario, Flow.parse(visitor.flow or flow))
            with clock.external():
                call_id = visitor.report.call_id
                rows = await engine.database.arun(lambda conn: list_recordings(conn, call_id=call_id))
            (visitor.lasted,) = (
                event.duration
                for event in events
                if isinstance(event, CallEnded) and event.call_id == visitor.report.call_id
            )
            for row in rows:
                visitor.sound, _ = soundfile.read(stage.state / row.file, dtype="int16", always_2d=True)

        await asyncio.gather(*map(come, visitors))
        assert not engine._services.rooms._rooms
    return Meeting(tuple(events), heard)


def singer(hertz: int, at: float, leaves: float, *script: Any) -> Visitor:
    """Comes at ``at``, sings until it leaves, so many seconds later."""
    return Visitor(at, caller(*script, says=[tone(hertz, 60)], leaves=leaves))


def hears(visitor: Visitor, begin: float, end: float) -> set[int]:
    """Which of the tones it hears all the time between two moments of its call."""
    return {hertz for hertz in TONES if level(visitor.sound[:, 1], hertz, begin, end) > 2000}
