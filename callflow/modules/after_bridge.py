"""Layer 4, module ``after_bridge``: what becomes of the caller when the next talk is over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.flow import Flow
from callflow.engine.outcome import Continue, Outcome

PARK = Flow.parse({"module": "park", "data": {"action": "direct_park"}})
"""Where a caller waits who is to be parked: the next free slot."""


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Note it for the next talk of the call, once, in place of an earlier wish; then ``_``.

    The other party must have ended the talk: a caller who hangs up is gone.
    """
    action, about = str(data.get("action") or ""), data.get("data")
    if action == "transfer" and isinstance(about, str) and about:
        return _after(call, lambda: _transfer(about, call), f"will transfer the caller to {about}")
    if action in ("park", "hangup"):
        if not _is_true(about):
            call.bridging.after_talk = None
            return Continue(did=f"will not {action} the caller")
        if action == "park":
            return _after(call, lambda: _park(call), "will park the caller")
        return _after(call, lambda: _hang_up(call), "will hang up")
    call.notice(
        "error",
        "CF-RUN-AFTER-BRIDGE",
        f"after_bridge: nothing can be done for {action!r} with {about!r}",
        'Write action "transfer" with a number in data, or "park" or "hangup" with true.',
    )
    return Continue(did="noted nothing")


def _after(call: Call, wish: Callable[[], Awaitable[bool]], did: str) -> Outcome:
    call.bridging.after_talk = wish
    return Continue(did=did)


async def _transfer(number: str, call: Call) -> bool:
    await call.transfer(number)
    return True


async def _park(call: Call) -> bool:
    call.bridging.redirect(PARK)
    return True


async def _hang_up(call: Call) -> bool:
    await call.hangup()
    return False


def _is_true(value: object) -> bool:
    return value is True or (isinstance(value, str) and value.strip().lower() == "true")
