"""Layer 6: one driven call, on the engine's loop: what it has told so far; waiting for what comes next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from callflow.channels.sim.channel import SimChannel
from callflow.channels.sim.driven import Instruction, Programme
from callflow.channels.sim.scenario import Action, Callee, NeverAnswers, Party, Scenario
from callflow.engine.flow import Flow
from callflow.engine.report import CallReport
from callflow.events import CallAnswered, CallBridged, DeliveryChanged, Event, RecordingChanged, StepStarted
from callflow.ncco.script import Script
from callflow.testing.rig import Rig
from callflow.testing.telling import story

__tracebackhide__ = True  # a failure is the test's: pytest shows its lines, not ours

T = TypeVar("T")

ANYBODY = ""
"""The callee who is whoever rings and is not told anything by name."""
MOST_HURRIED = 8
"""So many attempts at a delivery are made without waiting for the schedule."""


def driven(scenario: Scenario) -> Scenario:
    """The scenario without what parties do by themselves: callees ring until a test lets them answer."""
    return replace(
        scenario,
        caller=Party(speaks_since="start", loss=scenario.caller.loss),
        callee=Callee(NeverAnswers()),
        endpoints={},
        end_when_quiet_s=None,
    )


@dataclass
class _Delivery:
    """What is known of a delivery that goes on."""

    change: str = "queued"
    attempts: int = 0


@dataclass
class CallDriver:
    """Place it with ``begin()``. All of it lives on the engine's loop; a test's thread may read ``events``
    while it does not wait.
    """

    rig: Rig
    scenario: Scenario
    flow: Flow | Script | None
    by_hand: bool = True
    events: list[Event] = field(default_factory=list)
    report: CallReport | None = None

    def __post_init__(self) -> None:
        self.call_id = ""
        self.begun = self.rig.clock.now()
        self._caller: SimChannel | None = None
        self._programmes: dict[str, Programme] = {}
        self._names: dict[SimChannel, tuple[str, ...]] = {}
        self._deaf: Callable[[], None] = _nothing
        self._waiting: list[asyncio.Future[None]] = []
        self._told: dict[str, int] = {}
        self._deliveries: dict[str, _Delivery] = {}
        self._hurrying: set[asyncio.Task[None]] = set()

    # ---- the driver of a pretend call --------------------------------------------------------------

    def begin(self) -> None:
        """Place the call: it has begun when time goes on."""
        self.task = asyncio.get_running_loop().create_task(self._run())
        self.rig.calls.append(self.task)

    def begins(self, caller: SimChannel) -> None:
        self._caller = caller
        self.call_id = caller.call_id
        self.rig.engine.bus.subscribe(self._hear, call_id=caller.call_id)
        self._deaf = self.rig.engine.media.subscribe(lambda event: self._changed(), leg=caller.leg)

    def rung(self, channel: SimChannel, names: tuple[str, ...]) -> None:
        if self.by_hand:
            self._names[channel] = names
            named = next((self._programmes[name] for name in names if name in self._programmes), None)
            (named or self.programme(ANYBODY)).take(channel)

    async def _run(self) -> CallReport:
        try:
            script = self.flow if isinstance(self.flow, Script) else None
            flow = self.flow if isinstance(self.flow, Flow) else None
            self.report = await self.rig.engine.place_call(self.scenario, flow, script=script, driver=self)
            return self.report
        finally:
            self._deaf()
            for programme in self._programmes.values():
                await programme.close()
            asyncio.get_running_loop().call_soon(self._changed)

    def _hear(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, DeliveryChanged):
            self._on_delivery(event)
        self._changed()

    def _changed(self) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.done():
                one.set_result(None)

    # ---- what parties do -----------------------------------------------------------------------------

    def act(self, action: Action) -> None:
        """The caller does it now. Raises AssertionError if the call is over."""
        if self._caller is None or self._caller.ended is not None:
            raise AssertionError(f"the call is over: the caller can do nothing more\n{self.story()}")
        self._caller.act(action)

    def programme(self, name: str) -> Programme:
        """What the callee of that name is told to do; legs of that name that nobody has named so far are
        theirs from now on.
        """
        found = self._programmes.get(name)
        if found is None:
            found = self._programmes[name] = Programme(self.rig.clock, self._changed)
            anybody = self._programmes.get(ANYBODY, found)
            for leg in [leg for leg in anybody.legs if name in self._names[leg] and leg.ended is None]:
                anybody.let_go(leg)
                found.take(leg)
        return found

    def tell(self, name: str, instruction: Instruction) -> None:
        """A callee is told to do something."""
        if self.task.done():
            raise AssertionError(f"the call is over: nobody can do anything more\n{self.story()}")
        self.programme(name).tell(instruction)

    # ---- waiting -------------------------------------------------------------------------------------

    async def until(self, find: Callable[[], T | None], wanted: str, within: float) -> T:
        """Wait, at most ``within`` seconds of virtual time, until ``find`` gives something. Raises
        AssertionError, with the story of the call, if it is over before, and what the call itself raised.
        """
        end = self.rig.clock.now() + within
        while True:
            found = find()
            if found is not None:
                return found
            if self.task.done():
                self.task.result()
                raise AssertionError(f"{wanted}: it did not come, and the call is over\n{self.story()}")
            left = end - self.rig.clock.now()
            if left <= 0:
                raise AssertionError(f"{wanted}: it did not come within {within:g} s\n{self.story()}")
            await self._change(left)

    async def _change(self, most: float) -> None:
        change = asyncio.get_running_loop().create_future()
        self._waiting.append(change)
        await asyncio.wait((change,), timeout=most)

    async def nth(self, key: str, of: Callable[[Event], bool], wanted: str, within: float) -> Event:
        """The event after the one that was waited for under the same ``key`` before."""
        number = self._told.get(key, 0)

        def find() -> Event | None:
            found = [event for event in self.events if of(event)]
            return found[number] if len(found) > number else None

        event = await self.until(find, wanted, within)
        self._told[key] = number + 1
        return event

    async def reached(self, what: str, within: float) -> StepStarted:
        """A step of that module, or at that path (a JSON pointer, which begins with a stroke)."""

        def is_it(event: Event) -> bool:
            return isinstance(event, StepStarted) and what in (event.module, event.path or "/")

        found = await self.nth(f"step {what}", is_it, f"waited until the call reaches {what}", within)
        assert isinstance(found, StepStarted)
        return found

    async def answered(self, within: float) -> None:
        """The caller is answered."""
        await self.until(lambda: self._first(CallAnswered), "waited until the call is answered", within)

    async def bridged(self, within: float) -> CallBridged:
        """Two legs of the call hear each other."""
        found = await self.nth(
            "bridged", lambda event: isinstance(event, CallBridged), "waited for a bridge", within
        )
        assert isinstance(found, CallBridged)
        return found

    async def recorded(self, changes: Sequence[str], within: float) -> RecordingChanged:
        """A recording has changed in one of these ways."""

        def is_it(event: Event) -> bool:
            return isinstance(event, RecordingChanged) and event.change in changes

        words = " or ".join(changes)
        found = await self.nth(f"recording {words}", is_it, f"waited until a recording is {words}", within)
        assert isinstance(found, RecordingChanged)
        return found

    async def happened(self, name: str, fields: Mapping[str, Any], within: float) -> Event:
        """An event of that name with these fields."""

        def is_it(event: Event) -> bool:
            return name == event.NAME and all(getattr(event, key, None) == fields[key] for key in fields)

        key = f"event {name} {sorted(fields.items(), key=str)}"
        return await self.nth(key, is_it, f"waited for {name} {dict(fields) or ''}", within)

    async def ringing(self, name: str, within: float) -> SimChannel:
        """The callee's next leg rings."""
        programme = self.programme(name)
        key = f"ringing {name}"
        number = self._told.get(key, 0)

        def find() -> SimChannel | None:
            return programme.legs[number] if len(programme.legs) > number else None

        leg = await self.until(find, f"waited until {name or 'somebody'} rings", within)
        self._told[key] = number + 1
        return leg

    async def said(self, within: float) -> None:
        """The caller has nothing left to say."""
        caller = self._caller
        await self.until(
            lambda: None if caller is not None and caller.talking else True,
            "waited until the caller has said all",
            within,
        )

    async def ended(self, within: float) -> CallReport:
        """The call is over, and its recordings are finished."""
        done, _ = await asyncio.wait((self.task,), timeout=within)
        if not done:
            raise AssertionError(f"the call did not end within {within:g} s\n{self.story()}")
        return self.task.result()

    def _first(self, kind: type[Event]) -> Event | None:
        return next((event for event in self.events if isinstance(event, kind)), None)

    # ---- deliveries ----------------------------------------------------------------------------------

    def _on_delivery(self, event: DeliveryChanged) -> None:
        known = self._deliveries.setdefault(event.delivery_id, _Delivery())
        known.change = event.change
        if event.change == "waiting":
            known.attempts += 1
            if known.attempts < MOST_HURRIED:
                task = asyncio.get_running_loop().create_task(
                    self.rig.engine.keeping.hurry(event.recording_id)
                )
                self._hurrying.add(task)
                task.add_done_callback(self._hurrying.discard)

    async def delivered(self) -> None:
        """Nothing is on its way any more, but for what has failed ``MOST_HURRIED`` times. The engine's time
        stands still; what a receiver takes is real.
        """
        with self.rig.clock.external():
            while any(
                one.change in ("queued", "sending")
                or (one.change == "waiting" and one.attempts < MOST_HURRIED)
                for one in self._deliveries.values()
            ):
                change = asyncio.get_running_loop().create_future()
                self._waiting.append(change)
                await change

    def story(self) -> str:
        """The call so far, in a few lines."""
        return story(self.events, self.rig.clock.now())


def _nothing() -> None:
    """Stands for a subscription that is not made yet."""
