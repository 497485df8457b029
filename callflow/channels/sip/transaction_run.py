"""Layer 2: a transaction that runs: its machine, its timers on the event loop, its actions carried out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from callflow.channels.sip.transaction import Action, Cause, Do, Machine, SetTimer, State, Stop, Timer
from callflow.channels.sip.transaction_timers import Timers, Wait
from callflow.log import logger


class Running(ABC):
    """Carries out what the machine asks for."""

    __slots__ = ("_clockwork", "_machine", "_timers")

    def __init__(self, machine: Machine, clockwork: Timers) -> None:
        self._machine = machine
        self._clockwork = clockwork
        self._timers: dict[Timer, Wait] = {}

    @property
    def state(self) -> State:
        return self._machine.state

    @property
    def is_over(self) -> bool:
        return self._machine.state is State.TERMINATED

    def happens(self, event: Cause) -> None:
        """An event. Raises StateError if it cannot be now."""
        for action in self._machine.apply(event):
            self._perform(action)

    def _perform(self, action: Action) -> None:
        if type(action) is SetTimer:
            self._stop(action.timer)
            self._timers[action.timer] = self._clockwork.later(action.seconds, self._ran_out, action.timer)
        elif type(action) is Stop:
            self._stop(action.timer)
        elif action is Do.END:
            self.forget()
            self._ended()
        else:
            assert isinstance(action, Do)
            self._do(action)

    def _stop(self, timer: Timer) -> None:
        handle = self._timers.pop(timer, None)
        if handle is not None:
            handle.cancel()

    def _ran_out(self, timer: Timer) -> None:
        self._timers.pop(timer, None)
        self.happens(timer)

    def forget(self) -> None:
        """No timer runs any more."""
        for handle in self._timers.values():
            handle.cancel()
        self._timers.clear()

    @abstractmethod
    def _do(self, action: Do) -> None:
        """Carry out one action."""

    @abstractmethod
    def _ended(self) -> None:
        """The transaction is terminated."""


def guarded(call: Callable[[], None]) -> bool:
    """Call a user: what it raises is logged and ends nothing else. Whether it went well."""
    try:
        call()
    except Exception:
        logger.exception("a SIP user raised")
        return False
    return True
