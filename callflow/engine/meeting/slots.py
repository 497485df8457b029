"""Layer 3: the parking slots of an account, as values. No input or output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from callflow.engine.call import Call

FIRST_SLOT = 101
"""The first slot that is given out where nobody names one (cf_park)."""


@dataclass(eq=False, slots=True)
class Parked:
    """A slot that is taken."""

    slot: str
    call: Call
    reserved: bool


class ParkingLot:
    """The slots of one account that are taken. ``services.calls.parking``."""

    def __init__(self) -> None:
        self._slots: dict[str, Parked] = {}

    def find(self, slot: str) -> Parked | None:
        """Who is in the slot."""
        return self._slots.get(slot)

    def free_slot(self) -> str:
        """The lowest number from 101 on whose slot is free."""
        number = FIRST_SLOT
        while str(number) in self._slots:
            number += 1
        return str(number)

    def take(self, parked: Parked) -> bool:
        """Put a call into its slot; False: the slot is taken."""
        if parked.slot in self._slots:
            return False
        self._slots[parked.slot] = parked
        return True

    def leave(self, parked: Parked) -> bool:
        """The slot is free again; False: it was already."""
        if self._slots.get(parked.slot) is not parked:
            return False
        del self._slots[parked.slot]
        return True
