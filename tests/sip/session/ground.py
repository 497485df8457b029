"""Far ends for SIP tests in virtual time: another endpoint of ours, and a phone that sends text."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast

from callflow.channels.channel import Channel, ChannelEvent, DialTarget, EarlyMedia, Ended, Party
from callflow.channels.sip.admission import Admission, Admitted
from callflow.channels.sip.channel import SipChannel
from callflow.channels.sip.credentials import Credentials
from callflow.channels.sip.endpoint import SipEndpoint
from callflow.channels.sip.locate import Locator, Way
from callflow.channels.sip.message import Request, Response, new_response, read_message
from callflow.channels.sip.registrar import Registrar
from callflow.channels.sip.stack import SipStack
from callflow.channels.sip.transport import Answer, Hop
from callflow.channels.sip.uri import NameAddr, SipUri
from callflow.clock import Clock, VirtualClock, run_virtual
from callflow.documents.settings import SipSettings, load_settings
from callflow.errors import NoMediaPort
from callflow.ids import Ids
from callflow.media.messages import AddLeg, RemoveLeg, RtpBegan, RtpPlace, RtpSource, RtpStream, SetStream
from callflow.media.port import MediaHandler

PATIENCE_S = 100.0


class FakeMedia:
    """Keeps every command; says what a test lets it say."""

    def __init__(self) -> None:
        self.sent: list[object] = []
        self._handlers: list[tuple[str | None, MediaHandler]] = []

    def send(self, command: object) -> None:
        self.sent.append(command)

    def subscribe(self, handler: MediaHandler, *, leg: str | None = None) -> Callable[[], None]:
        entry = (leg, handler)
        self._handlers.append(entry)
        return lambda: self._handlers.remove(entry)

    def emit(self, event: object) -> None:
        for leg, handler in tuple(self._handlers):
            if leg in (None, getattr(event, "leg", None)):
                handler(event)

    @property
    def listeners(self) -> int:
        return len(self._handlers)

    def streams(self, leg: str) -> list[RtpStream | None]:
        return [one.stream for one in self.sent if isinstance(one, SetStream) and one.leg == leg]

    def legs(self) -> set[str]:
        """Legs that are in the pump."""
        there: set[str] = set()
        for one in self.sent:
            if isinstance(one, AddLeg):
                there.add(one.leg)
            elif isinstance(one, RemoveLeg):
                there.remove(one.leg)
        return there


class FakePorts:
    """So many ports; knows which are out."""

    def __init__(self, media: FakeMedia, count: int = 1000) -> None:
        self._media = media
        self._free = [20000 + 2 * number for number in range(count)]
        self.given: list[RtpPlace] = []

    def take(self, near: str = "") -> RtpPlace:
        if not self._free:
            raise NoMediaPort("no port")
        place = RtpPlace("127.0.0.1", self._free.pop(0))
        self.given.append(place)
        return place

    def give_back(self, place: RtpPlace) -> None:
        self.given.remove(place)

    @property
    def out(self) -> int:
        """Ports that are neither free nor freed by the end of their leg."""
        legs = self._media.legs()
        ended = {
            one.source.place
            for one in self._media.sent
            if isinstance(one, AddLeg) and isinstance(one.source, RtpSource) and one.leg not in legs
        }
        return len([place for place in self.given if place not in ended])


class OpenDoor:
    """Lets everybody in, as one account."""

    def judge(self, request: Request, source: Hop) -> Admitted:
        party = Party(request.from_.uri.user, request.to.uri.user)
        return Admitted(request.get("X-Account", "acme"), party, "acme.example")

    def ignored(self, source: Hop) -> bool:
        return False


class FakeLocator:
    """Everybody is at ``hop``."""

    def __init__(self) -> None:
        self.way_to: Callable[[DialTarget], Way] = lambda target: Way(
            None, None, None, cause="NO_ROUTE_DESTINATION"
        )
        self.outcomes: list[int] = []

    def expand(self, account_id: str, target: DialTarget) -> Sequence[DialTarget]:
        return [target]

    def way(self, account_id: str, target: DialTarget, caller: Party) -> Way:
        return self.way_to(target)

    def resting(self, account_id: str, target: DialTarget) -> bool:
        return False

    def outcome(self, account_id: str, target: DialTarget, status: int) -> None:
        self.outcomes.append(status)


class LossyStack(SipStack):
    """A stack on a wire that loses what ``lose`` says."""

    lose: Callable[[bytes], bool] = staticmethod(lambda data: False)
    seen: list[bytes]

    def received(self, data: bytes, source: Hop, answer: Answer) -> None:
        if not hasattr(self, "seen"):
            self.seen = []
        if self.lose(data):
            return
        self.seen.append(data)
        super().received(data, source, answer)

    def heard(self, first: str) -> int:
        """How many messages whose first line begins so have come."""
        return sum(data.startswith(first.encode()) for data in getattr(self, "seen", []))


@dataclass
class Side:
    """An endpoint and all around it."""

    clock: Clock
    stack: LossyStack
    endpoint: SipEndpoint
    media: FakeMedia
    ports: FakePorts
    locator: FakeLocator
    hop: Hop
    calls: list[SipChannel] = field(default_factory=list)
    draining: bool = False
    on_call: Callable[[SipChannel], None] = lambda channel: None

    async def next_call(self, number: int = 1) -> SipChannel:
        """The call that has come as number so and so."""
        await until(lambda: len(self.calls) >= number)
        return self.calls[number - 1]

    def way_to(
        self, port: int, *, user: str = "200", credentials: Credentials | None = None, **more: Any
    ) -> Way:
        uri = SipUri("sip", user, "127.0.0.1", port)
        return Way(
            uri,
            NameAddr(SipUri("sip", "100", "acme.example"), "Ann"),
            NameAddr(SipUri("sip", user, "acme.example")),
            credentials=credentials,
            **more,
        )

    async def dial(self, port: int, **more: Any) -> SipChannel:
        """Call a port of this machine."""
        self.locator.way_to = lambda target: self.way_to(port, **more)
        channel: Channel = await self.endpoint.dialer("acme").dial(
            DialTarget("number", "200"),
            caller=Party("100", "200"),
            rate=8000,
            call_id=self.endpoint._ground.ids.call_id(),
        )
        return cast(SipChannel, channel)

    async def quiet(self, legs: int = 0) -> None:
        """Nothing of any call is left: no dialog, leg, port or subscription."""
        await until(lambda: self.endpoint.calls == legs)
        assert len(self.media.legs()) == legs
        assert self.ports.out == legs
        assert self.media.listeners == legs


SETTINGS = replace(load_settings().sip, srtp="off", session_expires_s=0)


@asynccontextmanager
async def side(
    clock: Clock,
    *,
    seed: int = 1,
    settings: SipSettings = SETTINGS,
    transport: str = "udp",
    ports: int = 1000,
) -> AsyncIterator[Side]:
    """An endpoint that listens on loopback; whatever is left at the end is hung up."""
    stack = LossyStack(clock)
    media = FakeMedia()
    pool = FakePorts(media, ports)
    locator = FakeLocator()
    box: list[Side] = []

    def on_call(channel: SipChannel, admitted: Admitted) -> None:
        box[0].calls.append(channel)
        box[0].on_call(channel)

    endpoint = SipEndpoint(
        stack,
        clock=clock,
        media=media,
        ports=pool,
        admission=cast(Admission, OpenDoor()),
        registrar=cast(Registrar, None),
        locator=cast(Locator, locator),
        settings=settings,
        ids=Ids(seed),
        on_call=on_call,
        draining=lambda: box[0].draining,
    )
    hop = await stack.listen(transport, "127.0.0.1", 0)
    it = Side(clock, stack, endpoint, media, pool, locator, hop)
    box.append(it)
    try:
        yield it
    finally:
        await endpoint.close()
        await stack.close()


async def until(true: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
    """Wait (virtual time) until something is so."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - what a test waits for has no event
            await asyncio.sleep(0.01)


async def event(channel: Channel, kind: type[ChannelEvent] | type = Ended, seconds: float = 400.0) -> Any:
    """The next event of that kind."""
    async with asyncio.timeout(seconds):
        while True:
            got = await channel.next_event()
            if isinstance(got, kind):
                return got
            assert not isinstance(got, Ended), got


async def early(side: Side, call: SipChannel) -> None:
    """The far end of a call out has sent SDP before the answer; its first packet comes, and is told."""
    await until(lambda: bool(side.media.streams(call.leg)))
    side.media.emit(RtpBegan(call.leg, 0.0, "127.0.0.1", 4000))
    await event(call, EarlyMedia)


def sdp(
    port: int = 4000,
    *,
    formats: str = "0 8 101",
    more: str = "",
    host: str = "127.0.0.1",
    proto: str = "RTP/AVP",
) -> bytes:
    lines = (
        "v=0",
        f"o=- 1 {port} IN IP4 {host}",
        "s=-",
        f"c=IN IP4 {host}",
        "t=0 0",
        f"m=audio {port} {proto} {formats}",
        "a=rtpmap:101 telephone-event/8000",
        *more.split(),
    )
    return "".join(f"{line}\r\n" for line in lines).encode()


class Phone(asyncio.DatagramProtocol):
    """A phone that is a script: sends requests as text, gets messages one by one."""

    def __init__(self) -> None:
        self.got: asyncio.Queue[Request | Response] = asyncio.Queue()
        self.all: list[Request | Response] = []
        self.port = 0
        self.number = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        message = read_message(data)
        self.all.append(message)
        self.got.put_nowait(message)

    def close(self) -> None:
        self._transport.close()

    def send(self, text: str | bytes, to: int) -> None:
        data = text if isinstance(text, bytes) else text.encode()
        self._transport.sendto(data, ("127.0.0.1", to))

    async def next(self, what: str | int, seconds: float = PATIENCE_S) -> Any:
        """The next message that is a request of that method, or a response of that status; others are passed
        over.
        """
        async with asyncio.timeout(seconds):
            while True:
                message = await self.got.get()
                if what == (message.method if isinstance(message, Request) else message.status):
                    return message

    def count(self, what: str | int) -> int:
        return sum(what == (one.method if isinstance(one, Request) else one.status) for one in self.all)

    def reply(
        self,
        request: Request,
        status: int,
        to: int,
        *,
        tag: str = "ph",
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        contact: bool = True,
    ) -> None:
        """Answer a request."""
        response = new_response(
            request,
            status,
            to_tag=tag if status > 100 else "",
            headers=headers,
            body=body,
            content_type="application/sdp" if body else "",
            contact=NameAddr(SipUri("sip", "phone", "127.0.0.1", self.port)) if contact else None,
        )
        self.send(response.to_bytes(), to)


@asynccontextmanager
async def phone() -> AsyncIterator[Phone]:
    _, it = await asyncio.get_running_loop().create_datagram_endpoint(Phone, local_addr=("127.0.0.1", 0))
    try:
        yield it
    finally:
        it.close()


@dataclass
class Talk:
    """A dialog as the phone sees it."""

    phone: Phone
    to: int
    call_id: str
    tag: str = "phone"
    their_tag: str = ""
    seq: int = 1

    def text(
        self,
        method: str,
        *,
        seq: int = 0,
        headers: Sequence[str] = (),
        body: bytes = b"",
        branch: str = "",
        kind: str = "",
    ) -> bytes:
        """One request."""
        phone = self.phone
        phone.number += 1
        tag = f";tag={self.their_tag}" if self.their_tag else ""
        branch = branch or f"z9hG4bK{phone.port}-{phone.number}"
        lines = [
            f"{method} sip:200@127.0.0.1:{self.to} SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1:{phone.port};branch={branch};rport",
            f"From: <sip:100@acme.example>;tag={self.tag}",
            f"To: <sip:200@acme.example>{tag}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {seq or self.seq} {method}",
            "Max-Forwards: 70",
            *([] if "Contact" in str(headers) else [f"Contact: <sip:100@127.0.0.1:{phone.port}>"]),
            *headers,
            *([f"Content-Type: {kind or 'application/sdp'}"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        return "\r\n".join((*lines, "", "")).encode() + body

    def send(self, method: str, **more: Any) -> None:
        """Send a request; every method but ACK, CANCEL and the first INVITE gets the next CSeq."""
        if method not in ("ACK", "CANCEL") and (self.their_tag or method != "INVITE"):
            self.seq += 1
        self.phone.send(self.text(method, **more), self.to)

    async def answered(self, **ack: Any) -> Response:
        """Wait for 200 and acknowledge it."""
        response = cast(Response, await self.phone.next(200))
        self.their_tag = response.to.tag
        self.send("ACK", seq=response.cseq.number, **ack)
        return response


def invite(phone: Phone, side: Side, *, call_id: str = "c1@phone", tag: str = "phone", **more: Any) -> Talk:
    """The phone calls."""
    talk = Talk(phone, side.hop.port, call_id, tag)
    more.setdefault("body", sdp())
    phone.send(talk.text("INVITE", **more), side.hop.port)
    return talk


def virtual(test: Callable[[VirtualClock], Awaitable[None]]) -> None:
    """Run a test in virtual time."""
    clock = VirtualClock()
    run_virtual(cast(Coroutine[Any, Any, None], test(clock)), clock)
