"""Layer 2: SIP transactions as tables (RFC 3261 17, corrected by RFC 6026): events in, actions out.

Four machines, one table each. Neither sockets nor clocks: what is to be sent, which timer is to run and
whom to tell comes out of ``apply`` as actions, and a timer that ran out comes back as an event.

Client machines get PROVISIONAL, SUCCESS and FAILURE when a response arrives, server machines when their user
sends one. An event that a state has no row for is a StateError; what the network may send at any time has a
row in every state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from callflow.errors import StateError


class State(Enum):
    """Of RFC 3261 figures 5 to 8, and Accepted of RFC 6026."""

    CALLING = auto()
    TRYING = auto()
    PROCEEDING = auto()
    COMPLETED = auto()
    CONFIRMED = auto()
    ACCEPTED = auto()
    TERMINATED = auto()


class Timer(Enum):
    """The letters of RFC 3261 17 and RFC 6026, and three of ours."""

    A = auto()
    B = auto()
    D = auto()
    E = auto()
    F = auto()
    G = auto()
    H = auto()
    I = auto()  # noqa: E741 - its name in the RFC
    J = auto()
    K = auto()
    L = auto()
    M = auto()
    TRYING = auto()
    """After 200 ms without an answer an INVITE gets 100 (RFC 3261 17.2.1)."""
    CANCEL = auto()
    """A cancelled INVITE without final response is given up after 64*T1 (RFC 3261 9.1)."""
    GIVE_UP = auto()
    """Nobody answered a request in 64*T1: its sender has stopped waiting (RFC 4320 4.2)."""


class Event(Enum):
    """What happens to a transaction; ``Timer`` members are events too."""

    START = auto()
    PROVISIONAL = auto()
    SUCCESS = auto()
    FAILURE = auto()
    REQUEST = auto()
    """The request came again."""
    ACK = auto()
    CANCEL = auto()
    """Our user cancels."""
    ERROR = auto()
    """The transport could not send."""
    DROP = auto()
    """Our user forgets a request that has no final response."""


class Do(Enum):
    """What a row asks for, but for timers."""

    SEND = auto()
    """Client: the request. Server: the last response."""
    SEND_TRYING = auto()
    SEND_ACK = auto()
    SEND_CANCEL = auto()
    TELL_RESPONSE = auto()
    TELL_TIMEOUT = auto()
    TELL_FAILED = auto()
    TELL_ACK = auto()
    TELL_NO_ACK = auto()
    END = auto()
    """Terminated: forget it. Always the last one."""


@dataclass(frozen=True, slots=True)
class Start:
    """Start a timer of a row's."""

    timer: Timer


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop a timer, if it runs."""

    timer: Timer


@dataclass(frozen=True, slots=True)
class SetTimer:
    """An action: run ``timer`` for so many seconds (anew, if it runs already)."""

    timer: Timer
    seconds: float


Action = Do | SetTimer | Stop
Cause = Event | Timer
Row = tuple[State, tuple[Do | Start | Stop, ...]]
Table = Mapping[tuple[State, Cause], Row]


@dataclass(frozen=True, slots=True)
class TimerValues:
    """T1, T2 and T4 of RFC 3261 17.1.1.1, in seconds."""

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0
    trying: float = 0.2

    def seconds(self, timer: Timer, reliable: bool, times: int) -> float | None:
        """How long ``timer`` runs the ``times``-th time (from 0); None: not at all on this transport."""
        match timer:
            case Timer.A:
                return None if reliable else self.t1 * 2**times
            case Timer.E | Timer.G:
                return None if reliable else min(self.t1 * 2 ** min(times, 16), self.t2)
            case Timer.D:
                return 0.0 if reliable else 32.0
            case Timer.I | Timer.K:
                return 0.0 if reliable else self.t4
            case Timer.J:
                return 0.0 if reliable else 64 * self.t1
            case Timer.TRYING:
                return self.trying
            case _:  # B, F, H, L, M, CANCEL, GIVE_UP
                return 64 * self.t1


TIMERS = TimerValues()
"""What all transactions of a process run with."""

_C, _T, _P = State.CALLING, State.TRYING, State.PROCEEDING
_DONE, _OK, _SURE, _END = State.COMPLETED, State.ACCEPTED, State.CONFIRMED, State.TERMINATED
_NOTHING: tuple[Do | Start | Stop, ...] = ()

_FINAL_INVITE = (Stop(Timer.A), Stop(Timer.B), Stop(Timer.CANCEL))
INVITE_CLIENT: Table = {
    (_C, Event.START): (_C, (Do.SEND, Start(Timer.A), Start(Timer.B))),
    (_C, Timer.A): (_C, (Do.SEND, Start(Timer.A))),
    (_C, Timer.B): (_END, (Stop(Timer.A), Do.TELL_TIMEOUT)),
    (_C, Event.ERROR): (_END, (Stop(Timer.A), Stop(Timer.B), Do.TELL_FAILED)),
    (_C, Event.PROVISIONAL): (_P, (Stop(Timer.A), Stop(Timer.B), Do.TELL_RESPONSE)),
    (_C, Event.SUCCESS): (_OK, (*_FINAL_INVITE, Start(Timer.M), Do.TELL_RESPONSE)),
    (_C, Event.FAILURE): (_DONE, (*_FINAL_INVITE, Do.SEND_ACK, Do.TELL_RESPONSE, Start(Timer.D))),
    (_P, Event.PROVISIONAL): (_P, (Do.TELL_RESPONSE,)),
    (_P, Event.SUCCESS): (_OK, (*_FINAL_INVITE, Start(Timer.M), Do.TELL_RESPONSE)),
    (_P, Event.FAILURE): (_DONE, (*_FINAL_INVITE, Do.SEND_ACK, Do.TELL_RESPONSE, Start(Timer.D))),
    (_P, Event.CANCEL): (_P, (Do.SEND_CANCEL, Start(Timer.CANCEL))),
    (_P, Timer.CANCEL): (_END, (Do.TELL_TIMEOUT,)),
    (_P, Event.ERROR): (_P, _NOTHING),
    (_DONE, Event.FAILURE): (_DONE, (Do.SEND_ACK,)),
    (_DONE, Event.PROVISIONAL): (_DONE, _NOTHING),
    (_DONE, Event.SUCCESS): (_DONE, _NOTHING),
    (_DONE, Event.ERROR): (_END, (Stop(Timer.D),)),
    (_DONE, Timer.D): (_END, _NOTHING),
    (_OK, Event.SUCCESS): (_OK, (Do.TELL_RESPONSE,)),
    (_OK, Event.PROVISIONAL): (_OK, _NOTHING),
    (_OK, Event.FAILURE): (_OK, _NOTHING),
    (_OK, Event.ERROR): (_OK, _NOTHING),
    (_OK, Timer.M): (_END, _NOTHING),
}

_ANSWERED = (_DONE, (Stop(Timer.E), Stop(Timer.F), Do.TELL_RESPONSE, Start(Timer.K)))
_UNSENT = (_END, (Stop(Timer.E), Stop(Timer.F), Do.TELL_FAILED))
CLIENT: Table = {
    (_T, Event.START): (_T, (Do.SEND, Start(Timer.E), Start(Timer.F))),
    (_T, Timer.E): (_T, (Do.SEND, Start(Timer.E))),
    (_T, Timer.F): (_END, (Stop(Timer.E), Do.TELL_TIMEOUT)),
    (_T, Event.ERROR): _UNSENT,
    (_T, Event.PROVISIONAL): (_P, (Do.TELL_RESPONSE,)),
    (_T, Event.SUCCESS): _ANSWERED,
    (_T, Event.FAILURE): _ANSWERED,
    (_P, Timer.E): (_P, (Do.SEND, Start(Timer.E))),
    (_P, Timer.F): (_END, (Stop(Timer.E), Do.TELL_TIMEOUT)),
    (_P, Event.ERROR): _UNSENT,
    (_P, Event.PROVISIONAL): (_P, (Do.TELL_RESPONSE,)),
    (_P, Event.SUCCESS): _ANSWERED,
    (_P, Event.FAILURE): _ANSWERED,
    (_DONE, Event.PROVISIONAL): (_DONE, _NOTHING),
    (_DONE, Event.SUCCESS): (_DONE, _NOTHING),
    (_DONE, Event.FAILURE): (_DONE, _NOTHING),
    (_DONE, Event.ERROR): (_DONE, _NOTHING),
    (_DONE, Timer.K): (_END, _NOTHING),
}

INVITE_SERVER: Table = {
    (_T, Event.START): (_T, (Start(Timer.TRYING),)),
    (_T, Timer.TRYING): (_P, (Do.SEND_TRYING,)),
    (_T, Event.REQUEST): (_P, (Stop(Timer.TRYING), Do.SEND_TRYING)),
    (_T, Event.PROVISIONAL): (_P, (Stop(Timer.TRYING), Do.SEND)),
    (_T, Event.SUCCESS): (_OK, (Stop(Timer.TRYING), Do.SEND, Start(Timer.L))),
    (_T, Event.FAILURE): (_DONE, (Stop(Timer.TRYING), Do.SEND, Start(Timer.G), Start(Timer.H))),
    (_T, Event.ACK): (_T, _NOTHING),
    (_T, Event.ERROR): (_T, _NOTHING),
    (_T, Event.DROP): (_END, (Stop(Timer.TRYING),)),
    (_P, Event.REQUEST): (_P, (Do.SEND,)),
    (_P, Event.PROVISIONAL): (_P, (Do.SEND,)),
    (_P, Event.DROP): (_END, _NOTHING),
    (_P, Event.SUCCESS): (_OK, (Do.SEND, Start(Timer.L))),
    (_P, Event.FAILURE): (_DONE, (Do.SEND, Start(Timer.G), Start(Timer.H))),
    (_P, Event.ACK): (_P, _NOTHING),
    (_P, Event.ERROR): (_P, _NOTHING),
    (_DONE, Event.REQUEST): (_DONE, (Do.SEND,)),
    (_DONE, Timer.G): (_DONE, (Do.SEND, Start(Timer.G))),
    (_DONE, Timer.H): (_END, (Stop(Timer.G), Do.TELL_NO_ACK)),
    (_DONE, Event.ACK): (_SURE, (Stop(Timer.G), Stop(Timer.H), Start(Timer.I))),
    (_DONE, Event.ERROR): (_DONE, _NOTHING),
    (_SURE, Event.REQUEST): (_SURE, _NOTHING),
    (_SURE, Event.ACK): (_SURE, _NOTHING),
    (_SURE, Event.ERROR): (_SURE, _NOTHING),
    (_SURE, Timer.I): (_END, _NOTHING),
    (_OK, Event.REQUEST): (_OK, _NOTHING),
    (_OK, Event.SUCCESS): (_OK, (Do.SEND,)),
    (_OK, Event.ACK): (_OK, (Do.TELL_ACK,)),
    (_OK, Event.ERROR): (_OK, _NOTHING),
    (_OK, Timer.L): (_END, _NOTHING),
}
"""TRYING: nothing has been sent yet (the RFC begins in Proceeding, with the 100 sent at once or soon)."""

_ENDED = (_DONE, (Stop(Timer.GIVE_UP), Do.SEND, Start(Timer.J)))
SERVER: Table = {
    (_T, Event.START): (_T, (Start(Timer.GIVE_UP),)),
    (_T, Timer.GIVE_UP): (_END, _NOTHING),
    (_T, Event.REQUEST): (_T, _NOTHING),
    (_T, Event.PROVISIONAL): (_P, (Do.SEND,)),
    (_T, Event.SUCCESS): _ENDED,
    (_T, Event.FAILURE): _ENDED,
    (_T, Event.ERROR): (_T, _NOTHING),
    (_T, Event.DROP): (_END, (Stop(Timer.GIVE_UP),)),
    (_P, Timer.GIVE_UP): (_END, _NOTHING),
    (_P, Event.DROP): (_END, (Stop(Timer.GIVE_UP),)),
    (_P, Event.REQUEST): (_P, (Do.SEND,)),
    (_P, Event.PROVISIONAL): (_P, (Do.SEND,)),
    (_P, Event.SUCCESS): _ENDED,
    (_P, Event.FAILURE): _ENDED,
    (_P, Event.ERROR): (_P, _NOTHING),
    (_DONE, Event.REQUEST): (_DONE, (Do.SEND,)),
    (_DONE, Event.ERROR): (_DONE, _NOTHING),
    (_DONE, Timer.J): (_END, _NOTHING),
}


class Machine:
    """One transaction's state; ``reliable``: on TCP or TLS."""

    __slots__ = ("_reliable", "_table", "_times", "_values", "state")

    def __init__(self, table: Table, reliable: bool, values: TimerValues) -> None:
        self.state = _C if table is INVITE_CLIENT else _T
        self._table = table
        self._reliable = reliable
        self._values = values
        self._times: dict[Timer, int] = {}

    def apply(self, event: Cause) -> list[Action]:
        """What to do now. Raises StateError for an event that the state does not allow."""
        row = self._table.get((self.state, event))
        if row is None:
            raise StateError(f"a SIP transaction in {self.state.name} does not allow {event.name}")
        to = row[0]
        if to is _P and self._table is CLIENT:
            self._times[Timer.E] = 16  # in Proceeding the request is repeated every T2
        self.state = to
        actions: list[Action] = []
        for step in row[1]:
            if type(step) is Start:
                self._start(step.timer, actions)
            else:
                actions.append(step)  # type: ignore[arg-type]
        if self.state is _END and (not actions or actions[-1] is not Do.END):
            actions.append(Do.END)
        return actions

    def _start(self, timer: Timer, actions: list[Action]) -> None:
        times = self._times.get(timer, 0)
        seconds = self._values.seconds(timer, self._reliable, times)
        if seconds is None:
            return
        if seconds == 0:  # nothing can come late on a reliable transport
            actions.extend(self.apply(timer))
            return
        self._times[timer] = times + 1
        actions.append(SetTimer(timer, seconds))
