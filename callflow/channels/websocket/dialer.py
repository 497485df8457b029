"""Layer 2: outbound WebSocket legs of an account, beside those of another ``Dialer``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from callflow.channels.channel import Channel, Dialer, DialTarget, Ended, Party
from callflow.channels.nochannel import NoChannel
from callflow.channels.websocket.channel import Far, WebSocketChannel, WebSocketGround
from callflow.channels.websocket.wire import rate_of
from callflow.errors import MediaError, NoMediaPort
from callflow.log import logger, mask_url, one_line

KIND = "websocket"
"""``DialTarget.endpoint`` of such a leg; its ``id`` is the url, its ``headers`` are those of the opening
handshake, its document has ``content-type`` and ``headers`` (of the first message) as in an NCCO endpoint.
"""


class WithWebSockets:
    """Rings WebSocket servers itself, and everybody else by ``other``."""

    def __init__(self, other: Dialer, ground: WebSocketGround) -> None:
        self._other = other
        self._ground = ground

    def expand(self, target: DialTarget) -> Sequence[DialTarget]:
        return [target] if target.endpoint == KIND else self._other.expand(target)

    def resting(self, target: DialTarget) -> bool:
        return target.endpoint != KIND and self._other.resting(target)

    async def dial(
        self, target: DialTarget, *, caller: Party, rate: int, call_id: str, near: str = ""
    ) -> Channel:
        if target.endpoint != KIND:
            return await self._other.dial(target, caller=caller, rate=rate, call_id=call_id, near=near)
        party = replace(
            caller, to_number=one_line(mask_url(target.id), 200), user_id="", device_id="", trunk=""
        )
        own = target.document.get("headers")
        try:
            far = Far(
                target.id,
                rate_of(str(target.document.get("content-type") or "")),
                own if isinstance(own, dict) else {},
                target.headers,
            )
            place = self._ground.ports.take(near)
        except NoMediaPort as error:
            return self._none(call_id, rate, party, "SWITCH_CONGESTION", error)
        except MediaError as error:
            return self._none(call_id, rate, party, "INCOMPATIBLE_DESTINATION", error)
        channel = WebSocketChannel(self._ground, place, far, call_id=call_id, rate=rate, party=party)
        channel.begin()
        return channel

    def _none(self, call_id: str, rate: int, party: Party, cause: str, error: MediaError) -> NoChannel:
        logger.warning("no WebSocket leg to %s: %s", party.to_number, one_line(error))
        return NoChannel(call_id, rate, party, Ended(cause, 503 if cause == "SWITCH_CONGESTION" else 488))
