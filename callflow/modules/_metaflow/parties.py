"""Layer 4: the parties of a call as a metaflow sees them: who has pressed the digits, and the other one."""

from __future__ import annotations

from callflow.engine.call import Call
from callflow.engine.line import Leg
from callflow.engine.metaflows import Pressed

SELF, PEER, BOTH = "self", "peer", "both"


def presser(call: Call, pressed: Pressed) -> Leg:
    """The leg that has pressed; if it has gone meanwhile, the one on the line."""
    peer = call.bridging.peer
    return peer if peer is not None and peer.name == pressed.leg else call.line.leg


def other(call: Call, pressed: Pressed) -> Leg | None:
    """Who talks with it, if anybody does."""
    peer = call.bridging.peer
    if peer is None or not call.bridging.bridged:
        return None
    return call.line.leg if peer.name == pressed.leg else peer


def legs(call: Call, pressed: Pressed, which: str) -> list[str]:
    """The names of the legs that ``self``, ``peer`` or ``both`` means."""
    mine, theirs = presser(call, pressed), other(call, pressed)
    found = [mine] if which in (SELF, BOTH) else []
    if theirs is not None and which in (PEER, BOTH):
        found.append(theirs)
    return [leg.name for leg in found]
