"""Layer 4: the walk of a call through an NCCO: carries out the moves that actions make."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from callflow.documents.ncco import NO_CODE, prepare_action
from callflow.engine.call import Call
from callflow.engine.flow import Node
from callflow.engine.session import CallRun, run_walk
from callflow.engine.walker import FAULT, WalkEnd, Walker
from callflow.errors import CallflowError, CallGone
from callflow.events import StepEnded, StepStarted
from callflow.ncco import events
from callflow.ncco.answering import first_script
from callflow.ncco.moves import End, Left, Move, Next, Replace
from callflow.ncco.script import Action, Script
from callflow.ncco.session import NO_ACTION, Session
from callflow.ncco.states import LegStates

logger = logging.getLogger(__name__)

ActionFunction = Callable[[Mapping[str, Any], Call, Session], Awaitable[Move]]
"""An action: ``run(data, call, session)``; ``data`` has proper types and its schema's defaults. It may raise
``CallGone``; any other ``CallflowError`` becomes a notice and an error event, and the script goes on.
"""

MAX_SCRIPTS = 500
"""So often a call's script may be replaced: a web server that answers itself must not keep a call."""


async def run_call(
    session: Session,
    script: Script | None,
    actions: Mapping[str, ActionFunction],
    *,
    ring: Callable[[], Awaitable[bool]] | None = None,
) -> CallRun:
    """The whole run of a call by a script, from its coming in to the last thing that belongs to it.
    ``script`` None: the application's web server is asked for it. ``ring``: of a call that goes out, waits
    for its answer; False: there is none, and the call has ended.
    """
    states = LegStates(session)

    async def walk() -> WalkEnd:
        await states.begin()
        try:
            if ring is not None and not await ring():
                return WalkEnd.HANGUP
            first = script if script is not None else await first_script(session)
        except CallGone:
            return WalkEnd.GONE
        if first is None:
            await session.call.hangup(FAULT)
            return WalkEnd.HANGUP
        return await run_script(session, first, actions)

    name = session.application.name or session.application.id
    session.sessions.add(session)
    try:
        return await run_walk(
            session.call, walk, flow_id=script.name if script is not None else name, flow_name=name
        )
    finally:
        session.sessions.remove(session)
        session.stop_digits()
        states.close()


async def run_script(session: Session, script: Script, actions: Mapping[str, ActionFunction]) -> WalkEnd:
    """Run ``script`` on ``session.call`` until the call has ended or somebody else drives it. Publishes
    ``StepStarted`` and ``StepEnded`` for each action (``path`` ``/0``, ``module`` its name).
    """
    return await _Walk(session, actions).run(script)


class _Walk:
    """One walk; scripts may replace each other on the way."""

    def __init__(self, session: Session, actions: Mapping[str, ActionFunction]) -> None:
        self._session = session
        self._call = session.call
        self._actions = actions

    async def run(self, script: Script) -> WalkEnd:
        """Until the end. The end of a script hangs up, unless its last action wants the call to stay."""
        call = self._call
        for _ in range(MAX_SCRIPTS):
            move = await self._script(script)
            match move:
                case Replace(script=other):
                    script = other
                    continue
                case Left():
                    return WalkEnd.GONE if call.gone else WalkEnd.HANDED_OVER
                case End(cause=cause):
                    await call.hangup(cause)
                    return WalkEnd.HANGUP
                case Next():
                    raise AssertionError("a script does not end with Next")
        await self._session.report(
            f"the script was replaced {MAX_SCRIPTS} times: the call ends", "Does the server answer itself?"
        )
        await call.hangup(FAULT)
        return WalkEnd.HANGUP

    async def _script(self, script: Script) -> Move:
        """One script, to the move that ends it."""
        session = self._session
        session.script = script
        stay = False
        for action in script.actions:
            if self._call.gone:
                return Left()
            session.action, session.ahead = action, script.actions[action.index + 1 :]
            move = await self._step(action)
            redirected = await self._redirected()
            if redirected is not None:
                return redirected
            if not isinstance(move, Next):
                return move
            stay = move.stay
        session.action, session.ahead = NO_ACTION, ()
        if self._call.gone:
            return Left()
        if stay:
            return await self._interruptible(self._until_gone())
        return End()

    async def _until_gone(self) -> Move:
        await self._call.wait_for_hangup()
        return Left(did="recorded until the hang-up")

    async def _redirected(self) -> Move | None:
        """A party has transferred the caller to a number that has a callflow: that one goes on."""
        flow = self._call.bridging.take_redirect()
        if flow is None:
            return None
        await Walker(self._call, self._session.modules).run(flow)
        return Left(did="went on in a callflow")

    # ---- one action ----------------------------------------------------------------------------

    async def _step(self, action: Action) -> Move:
        call, script = self._call, self._session.script
        call.node = Node(action.name, action.data, {}, action.path)
        call.flow_id = script.name
        started = call.services.clock.now()
        call.services.bus.publish(
            StepStarted(
                time=started, call_id=call.id, path=action.path, module=action.name, flow_id=script.name
            )
        )
        move = await self._interruptible(self._carried_out(action))
        now = call.services.clock.now()
        call.services.bus.publish(
            StepEnded(
                time=now,
                call_id=call.id,
                path=action.path,
                module=action.name,
                outcome=describe(move, gone=call.gone),
                did=move.did,
                seconds=now - started,
            )
        )
        return move

    async def _interruptible(self, work: Awaitable[Move]) -> Move:
        """Do ``work``, unless somebody outside wants something else (``Session.interrupt``)."""
        session = self._session
        if session.interruption is None:
            session.interruption = asyncio.get_running_loop().create_future()
        wanted = session.interruption
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait({task, wanted}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, CallGone):
                    await task
        if wanted.done():
            session.interruption = None
            return wanted.result()
        return task.result()

    async def _carried_out(self, action: Action) -> Move:
        call, session = self._call, self._session
        run = self._actions.get(action.name)
        if action.problem or run is None:
            return await self._passed_over(action)
        prepared = prepare_action(action.name, action.data)
        for note in prepared.notes:
            call.notice("info" if note.level == "note" else note.level, note.code, note.message, note.hint)
        missing = [key for key in _required(action.name) if key not in prepared.data]
        if missing:
            await session.report(f"the key {missing[0]} is missing", "`callflow check` shows where.")
            return Next(did="cannot be run")
        try:
            return await run(prepared.data, call, session)
        except CallGone:
            return Left()
        except CallflowError as error:
            await session.report(str(error), error.hint)
        except Exception as error:
            logger.exception("action %s failed", action.name)
            call.notice(
                "error",
                "CF-RUN-ACTION",
                f"action {action.name} failed: {type(error).__name__}: {error}",
                "The script goes on; this is a fault of the action, please report it.",
            )
        return Next(did="failed")

    async def _passed_over(self, action: Action) -> Move:
        session = self._session
        if action.name in NO_CODE:
            await session.report("pay is not carried out here", "Vonage withdraw it; use a payment service.")
            webhook = session.webhook(prepare_action(action.name, action.data).data)
            await session.send(events.payment(session.party, session.wall), webhook)
        else:
            why = action.problem or f"there is no action {action.name!r}"
            await session.report(f"NCCO syntax error: {why}: passed over", "`callflow check` shows where.")
        return Next(did="passed over")


def _required(name: str) -> tuple[str, ...]:
    from callflow.documents.ncco import action_schema

    return tuple(action_schema(name).get("required", ()))


def describe(move: Move, *, gone: bool) -> str:
    """A move in a word, for ``StepEnded.outcome``."""
    match move:
        case Next():
            return "next"
        case Replace():
            return "replace"
        case End():
            return "end"
        case Left():
            return "gone" if gone else "hand_over"
