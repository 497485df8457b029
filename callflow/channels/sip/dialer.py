"""Layer 2: outbound SIP legs of one account (``Dialer`` in ``channels/channel.py``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from callflow.channels.channel import Channel, DialTarget, Party
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
