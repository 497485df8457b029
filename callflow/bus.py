"""Layer 0: who hears what happens: every subscriber, at once, on the thread that tells it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar


class OfACall(Protocol):
    """What may be told: it belongs to a call."""

    @property
    def call_id(self) -> str:
        """The call's id; empty: no call."""


E = TypeVar("E", bound=OfACall)


class Bus(Generic[E]):
    """Hands each event to every subscriber, in order, at once: first those of its call, then those of all."""

    def __init__(self) -> None:
        self._all: list[Callable[[E], None]] = []
        # By call, so that an event costs the same among 1,000 calls.
        self._by_call: dict[str, list[Callable[[E], None]]] = {}

    def subscribe(self, subscriber: Callable[[E], None], *, call_id: str | None = None) -> Callable[[], None]:
        """Add a subscriber to all events, or to those of one call; call what comes back to remove it."""
        if call_id is None:
            self._all.append(subscriber)
            return lambda: self._all.remove(subscriber)
        self._by_call.setdefault(call_id, []).append(subscriber)
        return lambda: self._leave(call_id, subscriber)

    def _leave(self, call_id: str, subscriber: Callable[[E], None]) -> None:
        left = self._by_call[call_id]
        left.remove(subscriber)
        if not left:
            del self._by_call[call_id]

    def publish(self, event: E) -> None:
        """Tell everybody. A subscriber that raises is a bug and is not hidden."""
        for subscriber in tuple(self._by_call.get(event.call_id, ())):
            subscriber(event)
        for subscriber in tuple(self._all):
            subscriber(event)
