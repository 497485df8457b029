"""Layer 2: parties of a pretend call that are driven by hand, a step at a time: what tests hold on to.

A driver gets every leg of its call. ``Programme`` is what a callee is told to do: each leg that rings for it
does all of it in order, whether it was told before the leg rang or later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from callflow.channels.sim import scenario
from callflow.channels.sim.channel import SimChannel
from callflow.clock import Clock
from callflow.media.messages import Clip


class Driver(Protocol):
    """Who drives a pretend call."""

    def begins(self, caller: SimChannel) -> None:
        """The call is about to begin; this is its caller."""

    def rung(self, channel: SimChannel, names: tuple[str, ...]) -> None:
        """Somebody rings, who is known by these names (device id or number, owner's user id)."""


@dataclass(frozen=True, slots=True)
class PickUp:
    """Answer."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """Do not take the call. ``code`` 0: the SIP status that stands for ``cause``."""

    cause: str = "USER_BUSY"
    code: int = 0


@dataclass(frozen=True, slots=True)
class SendEarly:
    """Send sound before the answer (early media)."""

    clips: tuple[Clip, ...]


Deed = PickUp | Refuse | SendEarly | scenario.Action


@dataclass(frozen=True, slots=True)
class Instruction:
    """``deed``, ``after_s`` seconds after the one before it (the first: after the leg began to ring)."""

    deed: Deed
    after_s: float = 0.0


class Programme:
    """What a callee is told to do. On one loop; ``changed`` hears when a leg begins to ring, and when one has
    done something.
    """

    def __init__(self, clock: Clock, changed: Callable[[], None]) -> None:
        self.legs: list[SimChannel] = []
        self._clock = clock
        self._changed = changed
        self._told: list[Instruction] = []
        self._more: list[asyncio.Event] = []
        self._tasks: dict[SimChannel, asyncio.Task[None]] = {}

    def tell(self, instruction: Instruction) -> None:
        """One more; legs that ring or talk do it too."""
        self._told.append(instruction)
        for more in self._more:
            more.set()

    def take(self, channel: SimChannel) -> None:
        """This leg is theirs: it does all that they are told."""
        self.legs.append(channel)
        self._tasks[channel] = asyncio.get_running_loop().create_task(self._play(channel))
        self._changed()

    def let_go(self, channel: SimChannel) -> None:
        """The leg is another's from now on."""
        self.legs.remove(channel)
        self._tasks.pop(channel).cancel()

    async def close(self) -> None:
        """Stop doing it."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _play(self, channel: SimChannel) -> None:
        more = asyncio.Event()
        self._more.append(more)
        done = 0
        try:
            while channel.ended is None:
                if done == len(self._told):
                    more.clear()
                    await more.wait()
                    continue
                instruction = self._told[done]
                done += 1
                if instruction.after_s > 0:
                    await self._clock.sleep(instruction.after_s)
                perform(channel, instruction.deed)
                self._changed()
        finally:
            self._more.remove(more)


def perform(channel: SimChannel, deed: Deed) -> None:
    """Let the leg do it now."""
    match deed:
        case PickUp():
            channel.pick_up()
        case Refuse(cause=cause, code=code):
            channel.refuse(cause, code)
        case SendEarly(clips=clips):
            channel.early(clips)
        case _:
            channel.act(deed)
