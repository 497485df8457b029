"""Layer 6: a callee of a driven call: whoever rings under a name, told what to do a step at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from callflow.channels.sim.driven import Deed, Instruction, PickUp, Refuse, SendEarly
from callflow.channels.sim.scenario import BeQuiet, HangUp, PressDigits, PutOnHold, SayIt, TransferTo
from callflow.testing.driver import CallDriver
from callflow.testing.sounds import Sound, as_clip

__tracebackhide__ = True  # a failure is the test's: pytest shows its lines, not ours


class Callee:
    """Each method is one more thing to do, and gives the callee again. ``after``: seconds since the thing
    before it (the first: since it rings). Every leg that rings under this name does all of it, in order,
    whether it was said before the leg rang or later. A callee who is told nothing lets it ring.
    """

    def __init__(self, driver: CallDriver, name: str, folder: Path) -> None:
        self._driver = driver
        self._name = name
        self._folder = folder

    def answer(self, *, after: float = 0.0) -> Self:
        """Take the call."""
        return self._do(PickUp(), after)

    def reject(self, cause: str = "USER_BUSY", *, code: int = 0, after: float = 0.0) -> Self:
        """Refuse the call. ``code``: the SIP status; 0: the one that stands for the cause."""
        return self._do(Refuse(cause, code), after)

    def early(self, *sounds: Sound, after: float = 0.0) -> Self:
        """Send sound before answering (early media)."""
        return self._do(SendEarly(tuple(as_clip(one, self._folder) for one in sounds)), after)

    def say(self, *sounds: Sound, loop: bool = False, after: float = 0.0) -> Self:
        """Say it, after what is still being said."""
        return self._do(SayIt(tuple(as_clip(one, self._folder) for one in sounds), loop), after)

    def quiet(self, *, after: float = 0.0) -> Self:
        """Stop talking at once."""
        return self._do(BeQuiet(), after)

    def press(self, digits: str, *, in_band: bool = False, after: float = 0.0) -> Self:
        """Press keys. ``in_band``: as sound, not as telephone-events."""
        return self._do(PressDigits(digits, in_band), after)

    def hold(self, *, after: float = 0.0) -> Self:
        """Put the other party on hold."""
        return self._do(PutOnHold(True), after)

    def unhold(self, *, after: float = 0.0) -> Self:
        """Come back to it."""
        return self._do(PutOnHold(False), after)

    def transfer(self, to: str, *, kind: str = "blind", consult: float = 2.0, after: float = 0.0) -> Self:
        """Transfer the other party to a number. ``kind``: ``blind``, or ``attended`` after ``consult``
        seconds of talk with the target.
        """
        return self._do(TransferTo(to, kind, consult), after)

    def hangup(self, cause: str = "NORMAL_CLEARING", *, after: float = 0.0) -> Self:
        """Leave."""
        return self._do(HangUp(cause), after)

    def _do(self, deed: Deed, after: float) -> Self:
        driver = self._driver
        driver.rig.do(lambda: driver.tell(self._name, Instruction(deed, after)))
        return self
