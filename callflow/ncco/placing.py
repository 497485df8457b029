"""Layer 4: a call that REST begins: rung, and run by its script once somebody has answered (ncco.md 4.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from callflow.channels.channel import DialTarget, Party
from callflow.documents.caller_id import clean_number
from callflow.engine.call import Call
from callflow.engine.dialling.originating import NobodyYet, ring_out
from callflow.engine.services import Services
from callflow.engine.session import CallRun
from callflow.ncco.application import Application
from callflow.ncco.calling import groups_of, name_of
from callflow.ncco.pressing import press
from callflow.ncco.runner import ActionFunction, run_call
from callflow.ncco.script import Script
from callflow.ncco.session import Session
from callflow.ncco.uuids import new_uuid

NARROW, WIDE = 8000, 16000


@dataclass(frozen=True, slots=True)
class Placement:
    """A call that is wanted. ``endpoint``: whom to ring, as ``connect`` has it; ``from_number`` empty: none
    is shown. ``ringing_s``: how long it rings; ``length_s``: how long it may last from its answer on.
    ``script`` None: the application is asked for one. ``asks_machine``: answering machines were to be told
    from people, which nothing here does.
    """

    endpoint: Mapping[str, Any]
    from_number: str = ""
    ringing_s: float = 60.0
    length_s: float = 7200.0
    script: Script | None = None
    asks_machine: bool = False


def chosen_number(said: str, *, random: bool, application: Application, services: Services) -> str:
    """Who is shown as calling: what was said, or one of the application's numbers."""
    numbers = application.numbers
    if random and numbers:
        return numbers[min(len(numbers) - 1, int(services.ids.fraction() * len(numbers)))]
    return clean_number(said)


def begun(services: Services, placement: Placement) -> Call:
    """The call, with nobody on its line yet."""
    endpoint = placement.endpoint
    rate = NARROW if endpoint.get("type") == "phone" else WIDE
    party = Party(placement.from_number, name_of(endpoint))
    return Call(services, NobodyYet(new_uuid(services.ids), rate, party))


def reachable(call: Call, placement: Placement, application: Application) -> list[list[DialTarget]]:
    """Whom to ring, group after group; none: nobody. Raises MissingDocument for who is not there."""
    return groups_of(placement.endpoint, call.party, call, application)


async def run_placed(
    session: Session,
    placement: Placement,
    groups: Sequence[Sequence[DialTarget]],
    actions: Mapping[str, ActionFunction],
) -> CallRun:
    """Ring, and run the script with who answers; to the end of it all."""
    call = session.call
    beside: list[asyncio.Task[None]] = []

    def start(work: Coroutine[Any, Any, None]) -> None:
        beside.append(asyncio.ensure_future(work))

    async def ring() -> bool:
        if placement.asks_machine:
            call.notice(
                "warning",
                "CF-RUN-NCCO-MACHINE",
                "nothing here listens for answering machines: whoever answers is connected",
                "Take machine_detection out, or let people press a key.",
            )
        if not await ring_out(call, groups, timeout_s=placement.ringing_s):
            return False
        first = session.conversation.members[0]
        session.conversation.members[0] = replace(first, leg=call.leg)
        start(_end(call, placement.length_s))
        digits = str(placement.endpoint.get("dtmfAnswer") or "")
        if digits:
            start(press(call, call.leg, digits))
        return True

    try:
        return await run_call(session, placement.script, actions, ring=ring)
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)


async def _end(call: Call, after_s: float) -> None:
    await call.services.clock.sleep(after_s)
    await call.hangup()
