"""Layer 2: outbound SIP legs of one account (``Dialer`` in ``channels/channel.py``)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from callflow.channels.channel import Channel, ChannelEvent, DialTarget, Direction, Ended, Party
from callflow.channels.sip.locate import Locator, Way


class Places(Protocol):
    """Who places calls: the endpoint."""

    async def call(
        self,
        way: Way,
        *,
        caller: Party,
        rate: int,
        call_id: str,
        near: str = "",
        account_id: str = "",
        on_status: Callable[[int], None],
    ) -> Channel:
        """See ``SipEndpoint.call``."""


class SipDialer:
    """Calls the devices, gateways and numbers of an account."""

    def __init__(self, endpoint: Places, locator: Locator, account_id: str) -> None:
        self._endpoint = endpoint
        self._locator = locator
        self._account_id = account_id

    def expand(self, target: DialTarget) -> Sequence[DialTarget]:
        return self._locator.expand(self._account_id, target)

    def resting(self, target: DialTarget) -> bool:
        """A gateway that failed a moment ago."""
        return self._locator.resting(self._account_id, target)

    async def dial(
        self, target: DialTarget, *, caller: Party, rate: int, call_id: str, near: str = ""
    ) -> Channel:
        way = self._locator.way(self._account_id, target, caller)
        return await self._endpoint.call(
            way,
            caller=caller,
            rate=rate,
            call_id=call_id,
            near=near,
            account_id=self._account_id,
            on_status=lambda status: self._locator.outcome(self._account_id, target, status),
        )


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
