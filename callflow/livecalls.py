"""Layer 5: the calls that an engine runs at this moment, each in a task of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from callflow.channels.channel import Channel
from callflow.clock import Clock
from callflow.engine.call import Call
from callflow.engine.flow import Flow
from callflow.engine.services import Services
from callflow.engine.session import run_call
from callflow.engine.walker import FAULT, Module
from callflow.errors import CallflowError, NoFlow
from callflow.log import logger, one_line
from callflow.ncco.application import Application, destination

Scripted = Callable[[Call, Application], Awaitable[object]]
"""``scripted(call, application)``: run a call by NCCO, to its end."""

CLOSE_S = 10.0
CALL_ID_IN_USE = ("NORMAL_TEMPORARY_FAILURE", 482)


@dataclass(frozen=True, slots=True)
class LiveCall:
    """A call as it is now. ``path`` and ``module``: the node it is at; ``since``: seconds since 1970 of its
    coming in; ``seconds``: how long it has been there.
    """

    call_id: str
    account_id: str
    from_number: str
    from_name: str
    to_number: str
    flow_id: str
    flow_name: str
    path: str
    module: str
    answered: bool
    bridged: bool
    since: float
    seconds: float


@dataclass(slots=True)
class _Running:
    call: Call
    since: float
    since_wall: float
    task: asyncio.Task[None] | None = None


class LiveCalls:
    """Takes calls, routes them by number, and runs each so that what goes wrong in one stays in it.
    ``scripted`` runs those for an application's number.
    """

    def __init__(self, clock: Clock, modules: Mapping[str, Module], scripted: Scripted) -> None:
        self._clock = clock
        self._modules = modules
        self._scripted = scripted
        self._running: dict[str, _Running] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._fewer = asyncio.Event()

    def __len__(self) -> int:
        return len(self._running)

    def list(self) -> list[LiveCall]:
        """Every call that is up, the oldest first."""
        now = self._clock.now()
        return [_seen(each, now) for each in self._running.values()]

    def of(self, account_id: str) -> dict[str, Call]:
        """The account's calls by call id, the oldest first."""
        calls = (each.call for each in self._running.values())
        return {call.id: call for call in calls if call.account.id == account_id}

    def take(self, channel: Channel, services: Services) -> None:
        """Run the call that ``channel`` brings, by the flow of ``services.account`` that has its number: its
        task begins at once. A number without a flow is answered 404; a call id that is in use, 482.
        """
        call = Call(services, channel)
        self.begin(call, lambda: self._routed(call))

    def begin(self, call: Call, work: Callable[[], Awaitable[object]]) -> None:
        """Run a call, one that begins here perhaps: ``work()`` takes it to its end, in a task of its own."""
        running = _Running(call, self._clock.now(), self._clock.wall())
        taken = call.id in self._running
        if not taken:
            self._running[call.id] = running
        task = asyncio.get_running_loop().create_task(
            self._refuse_twin(call) if taken else self._run(call, work), name=f"call {one_line(call.id, 60)}"
        )
        running.task = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def empty(self, within_s: float) -> bool:
        """Wait, at most so many seconds, until no call is up any more; False: some still are."""
        try:
            async with asyncio.timeout(within_s):
                while self._running:
                    self._fewer.clear()
                    await self._fewer.wait()
        except TimeoutError:
            return False
        return True

    async def close(self, cause: str = FAULT, within_s: float = CLOSE_S) -> None:
        """Hang up every call, and wait until each has come to its end; what they still do beside the call
        after ``within_s`` seconds (a webhook that nobody answers) is given up.
        """
        await asyncio.gather(
            *(each.call.hangup(cause) for each in tuple(self._running.values())), return_exceptions=True
        )
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=within_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    # ---- one call ----------------------------------------------------------------------------

    async def _run(self, call: Call, work: Callable[[], Awaitable[object]]) -> None:
        try:
            await work()
        except CallflowError as error:
            call.notice("error", error.code, error.message, error.hint)
        except Exception:  # whatever it is, it is this call's, and no other's
            logger.exception("call %s ended in a fault", one_line(call.id, 100))
        finally:
            self._running.pop(call.id, None)
            self._fewer.set()
            await call.hangup(FAULT)

    async def _routed(self, call: Call) -> None:
        found = self._route(call)
        if found is None:
            await call.respond(404, "Not Found")
        elif isinstance(found, Application):
            await self._scripted(call, found)
        else:
            await run_call(call, found, self._modules)

    async def _refuse_twin(self, call: Call) -> None:
        cause, code = CALL_ID_IN_USE
        call.notice(
            "warning", "CF-RUN-CALL-ID", "there is a call with this call id already: this one is refused"
        )
        await call.line.channel.hangup(cause, code, "Loop Detected")

    def _route(self, call: Call) -> Flow | Application | None:
        number = call.party.to_number
        # kazoo.md 2.5: no_match, which often leads out to a carrier, is not for calls that come from one.
        found = destination(call, allow_no_match=not call.party.trunk)
        if found is None:
            call.notice(
                "warning",
                NoFlow.code,
                f"no callflow of account {one_line(call.account.id, 60)} has the number "
                f"{one_line(number, 60)!r}: answered 404",
                NoFlow.fix,
            )
        return found


def _seen(each: _Running, now: float) -> LiveCall:
    call = each.call
    return LiveCall(
        call_id=call.id,
        account_id=call.account.id,
        from_number=call.party.from_number,
        from_name=call.party.from_name,
        to_number=call.party.to_number,
        flow_id=call.flow_id,
        flow_name=call.flow_name,
        path=call.node.path,
        module=call.node.module,
        answered=call.answered,
        bridged=call.bridged,
        since=each.since_wall,
        seconds=now - each.since,
    )
