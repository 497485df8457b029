"""Layer 4: agents of the queues: who is logged in, where. Not a module of its own.

Kept for good as documents of the kind ``acdc_agent``, by user id: ``status``, ``paused_until`` (seconds since
1970) and ``queues`` (``{queue id: whether they take its calls}``). An agent whom a queue's document names is
logged in until they log out: a queue works from its document alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.dialling.endpoints import user_targets
from callflow.engine.meeting.joining import Doing
from callflow.engine.meeting.queueing import QueueRules
from callflow.errors import MissingDocument
from callflow.events import AgentChanged

KIND = "acdc_agent"
READY, PAUSED, LOGGED_OUT = "ready", "paused", "logged_out"


def find_queue(id: str, call: Call) -> QueueRules | None:
    """The rules of a queue; None (after an error notice) if the account has none of that id."""
    document = call.account.get("queue", id)
    if document is not None:
        return QueueRules.read(document)
    error = MissingDocument(
        f"no queue {id!r} in account {call.account.id!r}",
        hint="Put its JSON document into the account's queues folder, and run with --account.",
    )
    call.notice("error", error.code, f"{call.node.module}: {error}", error.hint)
    return None


def kept(agent: str, call: Call) -> Mapping[str, Any]:
    """What is kept of an agent."""
    return call.account.get(KIND, agent) or {}


def status_of(agent: str, call: Call) -> str:
    """``ready``, ``paused`` or ``logged_out``. A pause ends by itself."""
    said = kept(agent, call)
    status = said.get("status", READY)
    if status == PAUSED and pause_left(agent, call) <= 0:
        return READY
    return str(status)


def pause_left(agent: str, call: Call) -> float:
    """Seconds until the agent's pause ends; 0 or less: it has ended."""
    until = kept(agent, call).get("paused_until")
    return float(until) - call.services.clock.wall() if isinstance(until, int | float) else 0.0


def agents_in(queue_id: str, rules: QueueRules, call: Call) -> list[str]:
    """Whoever takes calls of the queue and is not logged out, those of its document first."""
    said = {
        agent: queues.get(queue_id)
        for agent, record in call.account.all(KIND).items()
        if isinstance(queues := record.get("queues"), Mapping)
    }
    names = [*rules.agents, *(agent for agent, member in sorted(said.items()) if member is True)]
    return [
        agent
        for agent in dict.fromkeys(names)
        if said.get(agent) is not False and status_of(agent, call) != LOGGED_OUT
    ]


def on_the_phone(agent: str, call: Call) -> bool:
    """Whether a phone of the agent's is in a call already."""
    try:
        devices = {target.id for target in user_targets(call.services, agent)}
    except MissingDocument:
        return False
    busy = (seen.party.device_id for seen in call.joins.seen() if seen.doing is not Doing.RINGING)
    return any(device in devices for device in busy)


async def set_status(agent: str, status: str, call: Call, *, pause_s: float = 0.0) -> None:
    """Keep an agent's status; ``pause_s``: how long a pause lasts."""
    until = call.services.clock.wall() + pause_s if status == PAUSED else None
    await call.change(KIND, agent, {"status": status, "paused_until": until})
    _told(agent, status, call)


async def set_member(agent: str, queue_id: str, takes: bool, call: Call) -> None:
    """Keep whether an agent takes the calls of a queue."""
    await call.change(KIND, agent, {"queues": {queue_id: takes}})
    _told(agent, READY if takes else LOGGED_OUT, call, queue_id)


def _told(agent: str, status: str, call: Call, queue_id: str = "") -> None:
    services = call.services
    services.bus.publish(
        AgentChanged(
            time=services.clock.now(), call_id=call.id, agent=agent, status=status, queue_id=queue_id
        )
    )
    services.calls.queues.wake()
