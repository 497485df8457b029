"""Layer 3: the run of one call, from its coming in to the last thing that belongs to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from callflow.channels.channel import Ended
from callflow.engine.call import Call
from callflow.engine.flow import Flow
from callflow.engine.restricting import refuse_restricted
from callflow.engine.walker import Module, WalkEnd, Walker
from callflow.errors import CallGone
from callflow.events import CallEnded, CallStarted


@dataclass(frozen=True, slots=True)
class CallRun:
    """How a call went. ``duration``: seconds from its coming in to its end."""

    walk: WalkEnd
    cause: str
    by: str
    duration: float


async def run_call(call: Call, flow: Flow, modules: Mapping[str, Module]) -> CallRun:
    """Walk ``flow``; see ``run_walk``."""
    return await run_walk(
        call, lambda: _walk(call, flow, modules), flow_id=flow.id, flow_name=call.flow_name or flow.name
    )


async def run_walk(
    call: Call, walk: Callable[[], Awaitable[WalkEnd]], *, flow_id: str, flow_name: str
) -> CallRun:
    """Carry out ``walk`` and wait until the call has ended, what it started beside the walk is done and
    nothing is recorded any more. If it is cancelled, the call is hung up.
    """
    services = call.services
    start = services.clock.now()
    call.flow_id = flow_id
    call.flow_name = flow_name
    services.bus.publish(
        CallStarted(
            time=start,
            call_id=call.id,
            from_number=call.party.from_number,
            to_number=call.party.to_number,
            account_id=call.account.id,
            flow_id=flow_id,
            flow_name=flow_name,
        )
    )
    call.start()
    run: CallRun | None = None
    try:
        end = await walk()
        if end is WalkEnd.HANDED_OVER:
            await call.line.until_gone()
        run = _ended(call, end, start)
        await call.recordings.all_ended()
        await call.endings.start(run.cause, run.by, run.duration)
        await call.background.finish()
        await call.recordings.all_ended()
    finally:
        await call.hangup("NORMAL_TEMPORARY_FAILURE")
        if run is None:  # cancelled: the call has ended all the same, and is told to have
            _ended(call, WalkEnd.HANGUP, start)
        await call.close()
    return run


async def _walk(call: Call, flow: Flow, modules: Mapping[str, Module]) -> WalkEnd:
    try:
        if await refuse_restricted(call):
            return WalkEnd.HANGUP
        await call.begin(flow)
    except CallGone:
        return WalkEnd.GONE
    return await Walker(call, modules).run(flow, preflow_of(call))


def preflow_of(call: Call) -> Flow | None:
    """The callflow that the account wants before each (``preflow.always``, kazoo.md 2.6); None: none."""
    preflow = call.account.document.get("preflow")
    flow_id = str(preflow.get("always") or "") if isinstance(preflow, Mapping) else ""
    flow = call.find_callflow(flow_id) if flow_id else None
    if flow_id and flow is None:
        call.notice(
            "error",
            "CF-RUN-CALLFLOW",
            f"preflow: there is no callflow {flow_id!r}",
            "account.json names it in preflow.always; ids are file names in the callflows folder.",
        )
    return flow


def _ended(call: Call, walk: WalkEnd, start: float) -> CallRun:
    ended = call.line.ended or Ended("NORMAL_CLEARING", by="engine")
    now = call.services.clock.now()
    call.services.bus.publish(
        CallEnded(time=now, call_id=call.id, cause=ended.cause, by=ended.by, duration=now - start)
    )
    return CallRun(walk, ended.cause, ended.by, now - start)
