"""Layer 4, module ``call_forward``: the caller says where calls to it go.

The caller's user is changed, else its phone. The number is the captured one (``*72`` and a number as the
pattern), else it is asked for. Ringing follows it: ``callflow/engine/dialling/reaching.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Continue, Outcome, Stop
from callflow.modules._feature import Mine, ask, owner_or_phone
from callflow.modules._saying import digit_clips, say

KEY = "call_forward"
TOGGLE, CHANGE = "1", "2"
"""The keys of the menu."""

MIN_DIGITS, MAX_DIGITS = 3, 20
LONGEST = 128
"""Characters of a captured number."""

NUMBER_S = 8.0
"""How long the first digit of a number, or a choice of the menu, may take."""

TRIES = 3
"""How often a number is asked for that comes too short or not at all."""


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Switch forwarding on or off, or change its number; then ``_``."""
    mine = owner_or_phone(call)
    if mine is None:
        await call.prompt("cf-not_available")
        return Stop(did="found nobody whose calls to forward")
    await call.answer()
    action = str(data.get("action") or "")
    desk = _Desk(mine, data, call)
    match action:
        case "activate":
            await desk.activate()
        case "deactivate":
            await desk.deactivate()
        case "update":
            await desk.update()
        case "toggle":
            await desk.toggle()
        case "menu":
            await desk.menu()
        case _:
            await call.prompt("cf-not_available")
            return Continue(did="had no action")
    return Continue(did=desk.did)


def _as_number(captured: str) -> str:
    """What was dialled behind the code, if a number or address can be that long; it is kept for good."""
    return captured if len(captured) <= LONGEST and captured.isprintable() else ""


class _Desk:
    """One caller's dealing with one document."""

    def __init__(self, mine: Mine, data: Mapping[str, Any], call: Call) -> None:
        self._mine = mine
        self._data = data
        self._call = call
        said = mine.part(KEY)
        self._on = said.get("enabled") is True
        self._number = str(said.get("number") or "")

    @property
    def did(self) -> str:
        """In words, how it is now."""
        to = f"on, to {self._number}" if self._on else "off"
        return f"forwarding of {self._mine.kind} {self._mine.id} is {to}"

    async def activate(self) -> None:
        """On, to the captured number, else to one that is asked for."""
        number = _as_number(self._call.capture_group) or await self._ask()
        if number:
            await self._set(on=True, number=number)
            await self._say_where()

    async def deactivate(self) -> None:
        """Off; the number is remembered."""
        await self._set(on=False)
        await self._call.prompt("cf-disabled")

    async def update(self) -> None:
        """Another number; on or off as before."""
        number = _as_number(self._call.capture_group) or await self._ask()
        if number:
            await self._set(number=number)
            await self._call.prompt("vm-saved")

    async def toggle(self) -> None:
        """Off if it is on; else on, to the number from before if there is one."""
        if self._on:
            await self.deactivate()
        elif self._number:
            await self._set(on=True)
            await self._say_where()
        else:
            await self.activate()

    async def menu(self) -> None:
        """Say how it is, and let the caller choose, until nothing is chosen."""
        wrong = 0
        while wrong < int(self._data["menu_retries"]):
            prompt = "cf-enabled_menu" if self._on else "cf-disabled_menu"
            chosen = await ask(self._call, prompt, self._data, max_digits=1, timeout_s=NUMBER_S)
            if chosen.digits == TOGGLE:
                await self.toggle()
            elif chosen.digits == CHANGE:
                await self.update()
            elif not chosen.digits:
                return
            else:
                wrong += 1

    async def _ask(self) -> str:
        """A number, or "" if none came."""
        for _ in range(TRIES):
            entered = await ask(
                self._call, "cf-enter_number", self._data, max_digits=MAX_DIGITS, timeout_s=NUMBER_S
            )
            if len(entered.digits) >= MIN_DIGITS:
                return entered.digits
        return ""

    async def _set(self, *, on: bool | None = None, number: str = "") -> None:
        self._on = self._on if on is None else on
        self._number = number or self._number
        said: dict[str, Any] = {"enabled": self._on}
        if self._number:
            said["number"] = self._number
        await self._call.change(self._mine.kind, self._mine.id, {KEY: said})

    async def _say_where(self) -> None:
        await say(self._call, "cf-now_forwarded_to", digit_clips(self._number, self._call))
