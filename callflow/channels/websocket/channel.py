"""Layer 2: a WebSocket leg as the engine's ``Channel`` (see ``channels/channel.py``)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from callflow.channels.channel import CAUSE_CODES, Answered, ChannelEvent, Direction, Ended, Party
from callflow.channels.websocket.gateway import CODECS, EVENTS, SOUND, Gateway, Web, door
from callflow.clock import OutsideLoop
from callflow.errors import CallflowError
from callflow.log import logger, one_line
from callflow.media.messages import AddLeg, RemoveLeg, RtpPlace, RtpSource, RtpStream, SetStream
from callflow.media.port import MediaPort, RtpPorts

JITTER_MS = 40
"""Its packets come from this machine: they are held only as long as a loop may be late."""

Opens = Callable[[str, Mapping[str, str]], Awaitable[Web]]
"""``opens(url, headers)`` on a loop of real time: a WebSocket to ``url``. Raises CallflowError."""


@dataclass(frozen=True, slots=True)
class WebSocketGround:
    """Shared by all such legs. ``host``: the address of this machine at which the media's ports are reached.
    ``outside``: where sockets are.
    """

    media: MediaPort
    ports: RtpPorts
    host: str
    outside: OutsideLoop
    opens: Opens


@dataclass(frozen=True, slots=True)
class Far:
    """Whom to connect to. ``rate``: samples a second; ``headers``: of the first message; ``request``: of the
    opening handshake (they may hold a secret).
    """

    url: str
    rate: int
    headers: Mapping[str, object] = field(default_factory=dict)
    request: Mapping[str, str] = field(default_factory=dict, repr=False)


class WebSocketChannel:
    """An outbound leg; in the pump from ``begin`` on."""

    answered = False
    direction = Direction.OUTBOUND

    def __init__(
        self, ground: WebSocketGround, place: RtpPlace, far: Far, *, call_id: str, rate: int, party: Party
    ) -> None:
        self.call_id = self.leg = call_id
        self.rate = rate
        self.party = party
        self.ended: Ended | None = None
        self._ground = ground
        self._place = place
        self._far = far
        self._events: asyncio.Queue[ChannelEvent] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._cause = ""

    # ---- what the engine sees (Channel) ------------------------------------------------------

    async def next_event(self) -> ChannelEvent:
        return await self._events.get()

    async def progress(self) -> None:
        """It is no inbound leg."""

    async def answer(self) -> None:
        """It is no inbound leg."""

    async def hangup(self, cause: str, code: int = 0, message: str = "") -> None:
        if self.ended is None and self._task is not None and not self._cause:
            self._cause = cause
            self._task.cancel()

    # ---- its life ----------------------------------------------------------------------------

    def begin(self) -> None:
        """Put the leg into the pump and connect."""
        source = RtpSource(self._place, jitter_ms=JITTER_MS)
        self._ground.media.send(AddLeg(self.leg, self.rate, source))
        self._task = asyncio.get_running_loop().create_task(self._live())

    async def closed(self) -> None:
        """Wait until nothing of it is left."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _live(self) -> None:
        cause, by = "NORMAL_CLEARING", "party"
        try:
            await asyncio.wrap_future(self._ground.outside.submit(self._talk(asyncio.get_running_loop())))
        except asyncio.CancelledError:
            cause, by = self._cause or "NORMAL_CLEARING", "engine"
        except Exception as error:  # whatever it is, the leg ends and the call goes on
            cause = "DESTINATION_OUT_OF_ORDER"
            if not isinstance(error, CallflowError | OSError):
                logger.exception("a WebSocket leg broke")
            logger.warning("no WebSocket leg to %s: %s", self.party.to_number, one_line(error))
        finally:
            self._ground.media.send(RemoveLeg(self.leg))
            self.ended = Ended(cause, 0 if self.answered else CAUSE_CODES.get(cause, 480), by)
            self._events.put_nowait(self.ended)

    async def _talk(self, engine: asyncio.AbstractEventLoop) -> None:
        """On the outside loop: from the handshake until one side closes."""
        far, ground = self._far, self._ground
        web = await ground.opens(far.url, far.request)
        sock: socket.socket | None = None
        try:
            sock = door(ground.host)
            sock.connect((ground.host, self._place.port))
            port = sock.getsockname()[1]
            engine.call_soon_threadsafe(self._answer, port)
            await Gateway(web, sock, far.rate, dict(far.headers)).run()
        finally:
            if sock is not None:
                sock.close()
            await web.close()

    def _answer(self, port: int) -> None:
        """The server has taken the call."""
        if self.ended is not None or self._cause:
            return
        codec = CODECS[self._far.rate]
        stream = RtpStream(
            codec,
            SOUND,
            ((SOUND, codec),),
            self._ground.host,
            port,
            event_payload=EVENTS,
            latch=False,
            rtcp_mux=True,
        )
        self._ground.media.send(SetStream(self.leg, stream))
        self.answered = True
        self._events.put_nowait(Answered())
