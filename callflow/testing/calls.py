"""Layer 6: a driven call as a test holds it: ``Call`` for sync tests, ``AsyncCall`` for async ones.

What the caller does takes effect at this moment; time goes on only while the test waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from callflow.channels.sim.scenario import (
    Action,
    BeQuiet,
    HangUp,
    PressDigits,
    PutOnHold,
    SayIt,
    TransferTo,
)
from callflow.engine.report import CallReport
from callflow.events import CallBridged, CallEnded, Event, Noticed, RecordingChanged, StepEnded, StepStarted
from callflow.testing.callees import Callee
from callflow.testing.driver import ANYBODY, CallDriver
from callflow.testing.outcome import Outcome, picture_of
from callflow.testing.recordings import Recording, recordings_of
from callflow.testing.sounds import Sound, as_clip

__tracebackhide__ = True  # a failure is the test's: pytest shows its lines, not ours

WITHIN_S = 600.0
"""So many seconds of virtual time something is waited for, if a test does not say ``within``."""
FINISHED = ("ready", "discarded", "cancelled", "failed")


class CallSoFar:
    """What both kinds of call share: what the caller does, whom the flow rings, what has happened so far."""

    def __init__(self, driver: CallDriver, folder: Path) -> None:
        self._driver = driver
        self._folder = folder
        self._rig = driver.rig

    # ---- the caller ----------------------------------------------------------------------------------

    def say(self, *sounds: Sound, loop: bool = False) -> Self:
        """The caller says it, after what is still being said. ``loop``: again and again."""
        return self._act(SayIt(tuple(as_clip(one, self._folder) for one in sounds), loop))

    def quiet(self) -> Self:
        """The caller stops talking at once."""
        return self._act(BeQuiet())

    def press(self, digits: str, *, in_band: bool = False) -> Self:
        """The caller presses keys (``0-9*#A-D``). ``in_band``: as sound, not as telephone-events."""
        return self._act(PressDigits(digits, in_band))

    def hold(self) -> Self:
        """The caller puts the other party on hold."""
        return self._act(PutOnHold(True))

    def unhold(self) -> Self:
        """The caller comes back to it."""
        return self._act(PutOnHold(False))

    def transfer(self, to: str, *, kind: str = "blind", consult: float = 2.0) -> Self:
        """The caller transfers the other party to a number. ``kind``: ``blind``, or ``attended`` after
        ``consult`` seconds of talk with the target.
        """
        return self._act(TransferTo(to, kind, consult))

    def hangup(self, cause: str = "NORMAL_CLEARING") -> Self:
        """The caller leaves."""
        return self._act(HangUp(cause))

    def _act(self, action: Action) -> Self:
        self._rig.do(lambda: self._driver.act(action))
        return self

    def callee(self, name: str = ANYBODY) -> Callee:
        """Whom the flow rings, by device id, user id or number; without a name: whoever is not named."""
        self._rig.do(lambda: self._driver.programme(name))
        return Callee(self._driver, name, self._folder)

    # ---- so far --------------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """The call id."""
        return self._driver.call_id

    @property
    def events(self) -> list[Event]:
        """What the call has told so far."""
        return self._rig.do(lambda: list(self._driver.events))

    def of(self, kind: type[Event]) -> list[Any]:
        """Its events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def steps(self) -> list[str]:
        """The modules that it has reached, in order."""
        return [event.module for event in self.of(StepStarted)]

    @property
    def walk(self) -> list[StepEnded]:
        """The steps that are over, with what they did."""
        return self.of(StepEnded)

    @property
    def notices(self) -> list[Noticed]:
        """What its author should know: infos, warnings and errors."""
        return self.of(Noticed)

    @property
    def errors(self) -> list[str]:
        """Codes of what went wrong."""
        return [notice.code for notice in self.notices if notice.level == "error"]

    @property
    def recordings(self) -> list[Recording]:
        """Its recordings as they stand, in the order of their starts."""
        return recordings_of(self.events, self._rig.state)

    @property
    def recording(self) -> Recording:
        """The only one. Raises AssertionError if there are none or several."""
        found = self.recordings
        if len(found) != 1:
            raise AssertionError(f"the call has {len(found)} recordings, not one\n{self.story}")
        return found[0]

    @property
    def over(self) -> bool:
        """It has ended."""
        return bool(self.of(CallEnded))

    @property
    def cause(self) -> str:
        """The hangup cause (``NORMAL_CLEARING`` ...). Raises AssertionError while it is up."""
        return self._ended.cause

    @property
    def ended_by(self) -> str:
        """Who ended it: ``party`` or ``engine``. Raises AssertionError while it is up."""
        return self._ended.by

    @property
    def seconds(self) -> float:
        """How long it took. Raises AssertionError while it is up."""
        return self._ended.duration

    @property
    def _ended(self) -> CallEnded:
        found = self.of(CallEnded)
        if not found:
            raise AssertionError(f"the call is not over\n{self.story}")
        ended: CallEnded = found[0]
        return ended

    @property
    def story(self) -> str:
        """What it has done so far, a line each."""
        return self._rig.do(self._driver.story)

    @property
    def picture(self) -> str:
        """Its flows as text, with the way that it took."""
        return self._rig.do(lambda: picture_of(self._outcome()))

    def _outcome(self) -> Outcome:
        driver = self._driver
        options = driver.rig.options
        return Outcome(
            call_id=driver.call_id,
            events=tuple(driver.events),
            state=driver.rig.state,
            flow=driver.flow,
            account=options.account,
            flows=options.flows,
        )

    def __repr__(self) -> str:
        scenario = self._driver.scenario
        return f"<call from {scenario.from_number} to {scenario.to_number}>"

    def _recording(self, event: RecordingChanged) -> Recording:
        return next(one for one in self.recordings if one.id == event.recording_id)


class Call(CallSoFar):
    """A call in a sync test: what waits returns when it has happened. All raise AssertionError, with the
    story of the call, if it does not happen ``within`` so many seconds, or before the call is over.

    The second wait for the same thing waits for its second time.
    """

    def answered(self, *, within: float = WITHIN_S) -> Self:
        """Until the caller is answered."""
        self._rig.wait(self._driver.answered(within))
        return self

    def reached(self, step: str, *, within: float = WITHIN_S) -> StepStarted:
        """Until the call reaches a module (``record_call``), or a path (``/children/_``, ``/`` the root)."""
        return self._rig.wait(self._driver.reached(step, within))

    def bridged(self, *, within: float = WITHIN_S) -> CallBridged:
        """Until two parties hear each other."""
        return self._rig.wait(self._driver.bridged(within))

    def ringing(self, name: str = ANYBODY, *, within: float = WITHIN_S) -> Callee:
        """Until a callee rings (again); gives the callee."""
        self._rig.wait(self._driver.ringing(name, within))
        return self.callee(name)

    def recording_started(self, *, within: float = WITHIN_S) -> Recording:
        """Until a recording starts."""
        return self._recording(self._rig.wait(self._driver.recorded(("started",), within)))

    def recording_finished(self, *, within: float = WITHIN_S) -> Recording:
        """Until a recording is ready, discarded, cancelled or failed."""
        return self._recording(self._rig.wait(self._driver.recorded(FINISHED, within)))

    def event(self, name: str, fields: Mapping[str, Any] | None = None, *, within: float = WITHIN_S) -> Event:
        """Until an event of that name (docs/events.md) with these fields."""
        return self._rig.wait(self._driver.happened(name, fields or {}, within))

    def said(self, *, within: float = WITHIN_S) -> Self:
        """Until the caller has nothing left to say."""
        self._rig.wait(self._driver.said(within))
        return self

    def sleep(self, seconds: float) -> Self:
        """Let so many seconds of the call go by."""
        self._rig.wait(self._rig.clock.sleep(seconds))
        return self

    def ended(self, *, within: float = WITHIN_S) -> CallReport:
        """Until the call is over and its recordings are finished."""
        return self._rig.wait(self._driver.ended(within))

    def delivered(self) -> Self:
        """Until nothing of its recordings is on the way any more. Waits between attempts are left out."""
        self._rig.wait(self._driver.delivered())
        return self


class AsyncCall(CallSoFar):
    """A call in an async test: as ``Call``, but what waits is awaited."""

    async def answered(self, *, within: float = WITHIN_S) -> Self:
        """Until the caller is answered."""
        await self._rig.wait_async(self._driver.answered(within))
        return self

    async def reached(self, step: str, *, within: float = WITHIN_S) -> StepStarted:
        """Until the call reaches a module (``record_call``), or a path (``/children/_``, ``/`` the root)."""
        return await self._rig.wait_async(self._driver.reached(step, within))

    async def bridged(self, *, within: float = WITHIN_S) -> CallBridged:
        """Until two parties hear each other."""
        return await self._rig.wait_async(self._driver.bridged(within))

    async def ringing(self, name: str = ANYBODY, *, within: float = WITHIN_S) -> Callee:
        """Until a callee rings (again); gives the callee."""
        await self._rig.wait_async(self._driver.ringing(name, within))
        return self.callee(name)

    async def recording_started(self, *, within: float = WITHIN_S) -> Recording:
        """Until a recording starts."""
        return self._recording(await self._rig.wait_async(self._driver.recorded(("started",), within)))

    async def recording_finished(self, *, within: float = WITHIN_S) -> Recording:
        """Until a recording is ready, discarded, cancelled or failed."""
        return self._recording(await self._rig.wait_async(self._driver.recorded(FINISHED, within)))

    async def event(
        self, name: str, fields: Mapping[str, Any] | None = None, *, within: float = WITHIN_S
    ) -> Event:
        """Until an event of that name (docs/events.md) with these fields."""
        return await self._rig.wait_async(self._driver.happened(name, fields or {}, within))

    async def said(self, *, within: float = WITHIN_S) -> Self:
        """Until the caller has nothing left to say."""
        await self._rig.wait_async(self._driver.said(within))
        return self

    async def sleep(self, seconds: float) -> Self:
        """Let so many seconds of the call go by."""
        await self._rig.wait_async(self._rig.clock.sleep(seconds))
        return self

    async def ended(self, *, within: float = WITHIN_S) -> CallReport:
        """Until the call is over and its recordings are finished."""
        return await self._rig.wait_async(self._driver.ended(within))

    async def delivered(self) -> Self:
        """Until nothing of its recordings is on the way any more. Waits between attempts are left out."""
        await self._rig.wait_async(self._driver.delivered())
        return self
