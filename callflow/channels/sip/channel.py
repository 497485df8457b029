"""Layer 2: one SIP call as the engine's ``Channel`` (see ``channels/channel.py``)."""

from __future__ import annotations

from callflow.channels.channel import ChannelEvent, Direction, Ended, Party


class SipChannel:
    """A leg whose far end is a SIP phone or trunk. Made by ``SipEndpoint`` only."""

    @property
    def call_id(self) -> str:
        """The SIP Call-ID of a call that came in (bounded; unique in this process)."""
        raise NotImplementedError

    @property
    def leg(self) -> str:
        raise NotImplementedError

    @property
    def rate(self) -> int:
        raise NotImplementedError

    @property
    def direction(self) -> Direction:
        raise NotImplementedError

    @property
    def party(self) -> Party:
        raise NotImplementedError

    @property
    def answered(self) -> bool:
        raise NotImplementedError

    @property
    def ended(self) -> Ended | None:
        raise NotImplementedError

    async def next_event(self) -> ChannelEvent:
        raise NotImplementedError

    async def progress(self) -> None:
        raise NotImplementedError

    async def answer(self) -> None:
        raise NotImplementedError

    async def hangup(self, cause: str, code: int = 0, message: str = "") -> None:
        raise NotImplementedError
