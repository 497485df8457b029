"""Layer 3: PINs: compared in constant time, and wrong ones counted across calls.

A *door* is what a PIN opens (``vmbox alice-box``, ``conference 3000``). Too many wrong ones close it, for
longer each time, to whoever may have entered them: one phone of the account, or everybody outside (they can
show any number). So strangers who guess never keep the account's own phones out. A source that goes from door
to door with the same PIN is bounded, too. All of it lives in memory: a restart forgets.
"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from callflow.engine.call import Call

K = TypeVar("K")

MOST_OF_DOOR = 10
"""Wrong PINs at one door: this one closes it."""

MOST_OF_SOURCE = 30
"""Wrong PINs of one phone, or one number shown, at all doors."""

FIRST_S, LONGEST_S = 60.0, 3600.0
"""How long a door is closed first; doubled by each wrong PIN after that."""

FORGIVE_S = 1800.0
"""One wrong PIN is forgotten each time so long has gone by: who guesses for ever has 48 tries a day."""

MOST_KEPT = 10_000
"""Doors, and sources, that are remembered: the latest."""


NOBODY_KNOWS = "?"
"""No key has it."""


@dataclass(slots=True)
class _Count:
    wrong: float = 0.0
    latest: float = 0.0
    closed_until: float = 0.0


class WrongPins:
    """The wrong PINs of one account. Sans-IO: times go in. ``services.calls.pins``."""

    def __init__(self) -> None:
        self._doors: OrderedDict[tuple[str, str], _Count] = OrderedDict()
        self._sources: OrderedDict[str, _Count] = OrderedDict()

    def closed_s(self, door: str, who: str, source: str, now: float) -> float:
        """For how many seconds nothing opens ``door`` to them; 0: it may be tried. ``who``: whose wrong PINs
        count together at a door; ``source``: at all doors.
        """
        seen = (self._doors.get((door, who)), self._sources.get(source))
        return max([0.0, *(count.closed_until - now for count in seen if count is not None)])

    def wrong(self, door: str, who: str, source: str, now: float) -> None:
        """A wrong PIN was entered."""
        _note(self._doors, (door, who), MOST_OF_DOOR, now)
        _note(self._sources, source, MOST_OF_SOURCE, now)

    def right(self, door: str, who: str) -> None:
        """The PIN of the door was entered: what came before was its owner's slips."""
        self._doors.pop((door, who), None)

    def __len__(self) -> int:
        return len(self._doors) + len(self._sources)


def _note(counts: OrderedDict[K, _Count], key: K, most: int, now: float) -> None:
    count = counts.setdefault(key, _Count())
    counts.move_to_end(key)
    count.wrong, count.latest = max(0.0, count.wrong - (now - count.latest) / FORGIVE_S) + 1, now
    over = round(count.wrong) - most
    if over >= 0:
        count.closed_until = now + min(LONGEST_S, FIRST_S * 2.0 ** min(20, over))
    while len(counts) > MOST_KEPT:
        counts.popitem(last=False)


def pins_of(said: object) -> list[str]:
    """PINs as a document has them: a text or a number, or a list of those; [] if it says none. Anything else
    is a PIN that nobody can enter: a slip in a document opens no door.
    """
    if said is None or said in ("", [], [""]):
        return []
    listed = said if isinstance(said, list) else [said]
    found = [str(pin) for pin in listed if isinstance(pin, str | int) and not isinstance(pin, bool)]
    return [pin for pin in found if pin] or [NOBODY_KNOWS]


class PinDoor:
    """A door, as one call stands before it. ``shared``: several PINs open it, and one who knows one of them
    may be guessing another: a right one forgives nothing.
    """

    def __init__(self, call: Call, door: str, *, shared: bool = False) -> None:
        self._call = call
        self._door = door
        self._shared = shared
        self._who = call.party.device_id
        self._source = self._who or f"number {call.party.from_number[:80]}"

    def _closed(self) -> bool:
        """Whether it is closed to the caller for now; then a notice has said so, and no PIN is to be asked
        for.
        """
        call = self._call
        pins, now = call.services.calls.pins, call.services.clock.now()
        seconds = pins.closed_s(self._door, self._who, self._source, now)
        if seconds > 0:
            call.notice(
                "warning",
                "CF-RUN-PIN-CLOSED",
                f"{call.node.module}: too many wrong PINs: no PIN opens {self._door} for {seconds:.0f} s",
                "Somebody may be guessing: look at the calls before this one.",
            )
        return seconds > 0

    def _opens(self, entered: str, pins: Sequence[str]) -> str:
        """The one of ``pins`` that was entered, or nothing: then it counts as wrong, unless empty.
        Empty ``pins`` open nothing.
        """
        found = ""
        for pin in pins:
            if pin and hmac.compare_digest(entered.encode(), pin.encode()):
                found = pin
        counts, now = self._call.services.calls.pins, self._call.services.clock.now()
        if entered and not found:
            counts.wrong(self._door, self._who, self._source, now)
        elif found and not self._shared:
            counts.right(self._door, self._who)
        return found

    async def enter(
        self,
        ask: Callable[[], Awaitable[str]],
        pins: Sequence[str],
        *,
        tries: int,
        wrong: str,
        may_skip: bool = False,
    ) -> str | None:
        """Let the caller ``ask`` for a PIN so often, until one of ``pins`` is entered, and give it; ``wrong``
        is the prompt after one that is not. Empty: nothing was entered, and ``may_skip``. None: not let in,
        and a notice has said why. Which keys are pressed meanwhile is not told. Raises ``CallGone``.
        """
        with self._call.listening.private():
            for _ in range(tries):
                if self._closed():
                    break
                entered = await ask()
                if found := self._opens(entered, pins):
                    return found
                if not entered and may_skip:
                    return ""
                await self._call.prompt(wrong)
        self._give_up()
        return None

    def _give_up(self) -> None:
        """Tell the operator that the caller did not know the PIN."""
        call = self._call
        said = f"{call.node.module}: the PIN of {self._door} was not known: not let in"
        call.notice("warning", "CF-RUN-PIN", said)
