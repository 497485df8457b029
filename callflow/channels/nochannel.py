"""Layer 2: an outbound leg that cannot be."""

from __future__ import annotations

import asyncio

from callflow.channels.channel import ChannelEvent, Direction, Ended, Party


class NoChannel:
    """An outbound leg that never was: it has ended before it began."""

    answered = False
    direction = Direction.OUTBOUND

    def __init__(self, call_id: str, rate: int, party: Party, ended: Ended) -> None:
        self.call_id = self.leg = call_id
        self.rate = rate
        self.party = party
        self.ended: Ended | None = ended
        self._told = False

    async def next_event(self) -> ChannelEvent:
        if self._told or self.ended is None:
            await asyncio.get_running_loop().create_future()
        self._told = True
        assert self.ended is not None
        return self.ended

    async def progress(self) -> None:
        """There is nothing to do it with."""

    async def answer(self) -> None:
        """There is nothing to do it with."""

    async def hangup(self, cause: str, code: int = 0, message: str = "") -> None:
        """It is over already."""
