"""Layer 2: the states of a SIP call and what may happen in each, as a table (RFC 3261 13, 14, 15)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from callflow.errors import StateError


class State(StrEnum):
    """Where a call is."""

    OFFERED = "offered"  # an INVITE has come, and was answered by no more than 1xx
    ACCEPTED = "accepted"  # we have sent 2xx and wait for the ACK
    CALLING = "calling"  # we have sent an INVITE; nothing or 1xx has come
    CANCELLING = "cancelling"  # we have cancelled our INVITE, its final response is to come
    TALKING = "talking"  # 2xx and ACK are through
    CLOSING = "closing"  # over for the engine; our BYE waits for its ACK or its answer
    OVER = "over"


class Happening(StrEnum):
    """What changes it."""

    ACCEPT = "accept"  # we answer
    ACK = "ack"  # the ACK of our 2xx, or the time for it is over
    ACCEPTED = "accepted"  # 2xx to our INVITE
    REFUSED = "refused"  # any other final response to it, or none
    HANGUP = "hangup"  # the engine hangs up
    REPLACED = "replaced"  # another party takes the place of who was here (INVITE with Replaces)
    GONE = "gone"  # the far end has ended it (BYE, CANCEL), or a fault has
    DONE = "done"  # what was still to be sent is through


TABLE: Mapping[State, Mapping[Happening, State]] = {
    State.OFFERED: {
        Happening.ACCEPT: State.ACCEPTED,
        Happening.HANGUP: State.OVER,
        Happening.GONE: State.OVER,
    },
    State.ACCEPTED: {
        Happening.ACK: State.TALKING,
        Happening.HANGUP: State.CLOSING,
        Happening.GONE: State.OVER,
    },
    State.CALLING: {
        Happening.ACCEPTED: State.TALKING,
        Happening.REFUSED: State.OVER,
        Happening.HANGUP: State.CANCELLING,
        Happening.GONE: State.OVER,
    },
    State.CANCELLING: {
        Happening.ACCEPTED: State.CLOSING,
        Happening.REFUSED: State.OVER,
        Happening.DONE: State.OVER,
    },
    State.TALKING: {
        Happening.REPLACED: State.ACCEPTED,
        Happening.HANGUP: State.CLOSING,
        Happening.GONE: State.OVER,
    },
    State.CLOSING: {
        Happening.ACK: State.CLOSING,
        Happening.GONE: State.OVER,
        Happening.DONE: State.OVER,
    },
    State.OVER: {},
}


def apply(state: State, happening: Happening) -> State:
    """The state after ``happening``. Raises ``StateError`` for what cannot happen in ``state``."""
    after = TABLE[state].get(happening)
    if after is None:
        raise StateError(f"a SIP call that is {state.value} cannot have {happening.value}")
    return after
