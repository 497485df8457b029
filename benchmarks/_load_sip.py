"""A light SIP phone for hundreds of calls at once (UDP, loopback), with nothing of callflow in it.

``Phones`` is one UDP socket that calls (``place``) and is called (answers at once). Requests are sent again
until they are answered (RFC 3261 17.1), so that a lost datagram is no failed call. Sound is the RTP load
generator's: the phone says which ports and tones.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from benchmarks._load_streams import Plan
from benchmarks._load_tone import TONES

T1, T2 = 0.5, 4.0
GIVE_UP_S = 32.0
_HEADER = re.compile(r"^([A-Za-z-]+)\s*:\s*(.*)$")
_COMPACT = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length"}


@dataclass(slots=True)
class Message:
    """A SIP message, read no further than a load generator needs."""

    first: str
    headers: dict[str, list[str]]
    body: str

    @property
    def status(self) -> int:
        return int(self.first[8:11]) if self.first.startswith("SIP/") else 0

    @property
    def method(self) -> str:
        return self.get("cseq").split(" ")[-1]

    def get(self, name: str) -> str:
        return self.headers.get(name, [""])[0]

    @staticmethod
    def read(data: bytes) -> Message:
        head, _, body = data.decode("utf-8", "replace").partition("\r\n\r\n")
        lines = head.split("\r\n")
        headers: dict[str, list[str]] = {}
        for line in lines[1:]:
            if found := _HEADER.match(line):
                name = found[1].lower()
                headers.setdefault(_COMPACT.get(name, name), []).append(found[2])
        return Message(lines[0], headers, body)


def where(sdp: str) -> tuple[str, int]:
    """Host and port of the sound in a description."""
    host = re.search(r"^c=IN IP4 (\S+)", sdp, re.MULTILINE)
    port = re.search(r"^m=audio (\d+)", sdp, re.MULTILINE)
    return (host[1] if host else "127.0.0.1"), (int(port[1]) if port else 0)


def _uri(address: str) -> str:
    found = re.search(r"<([^>]*)>", address)
    return found[1] if found else address.split(";")[0].strip()


@dataclass(eq=False, slots=True)
class Leg:
    """A call of a phone. ``number``: which call it is, for both its ends: the last six digits of what is
    called. It says the tones. Times are ``time.monotonic``. ``failed``: why.
    """

    number: int
    call_id: str
    caller: bool
    local: str = ""
    remote: str = ""
    target: str = ""
    routes: list[str] = field(default_factory=list)
    cseq: int = 1
    rtp: int = 0
    stream: int = -1
    asked: float = 0.0
    answered: float = 0.0
    ended: float = 0.0
    failed: str = ""
    again: int = 0
    ack: bytes = b""
    up: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Sound(Protocol):
    """What a phone needs of the RTP load generator."""

    def port(self) -> int:
        """A local port."""

    def add(self, plans: Iterable[Plan]) -> None:
        """Begin streams."""

    def drop(self, streams: Sequence[int]) -> None:
        """End streams."""


class NoSound:
    """For signalling alone."""

    def port(self) -> int:
        return 9

    def add(self, plans: Iterable[Plan]) -> None: ...

    def drop(self, streams: Sequence[int]) -> None: ...


def tone_of(number: int, caller: bool) -> int:
    """What the caller (or the one who is called) of a call says."""
    return (number + (0 if caller else len(TONES) // 2)) % len(TONES)


class Phones(asyncio.DatagramProtocol):
    """See above. ``server``: where calls are sent to."""

    def __init__(
        self, server: tuple[str, int], sound: Sound | None = None, *, host: str = "127.0.0.1"
    ) -> None:
        self.legs: dict[str, Leg] = {}
        self.on_over: Callable[[Leg], None] = lambda leg: None
        self.bridged = True
        self.hangs_up_after = 0.0
        self._server = server
        self._sound = sound or NoSound()
        self._host = host
        self._waits: dict[str, tuple[bytes, tuple[str, int], float, float]] = {}
        self._made = 0

    async def open(self, port: int = 0) -> Phones:
        """Bind."""
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, (self._host, port))
        sock = self._transport.get_extra_info("socket")
        for option in (7, 8):  # SO_SNDBUF, SO_RCVBUF
            sock.setsockopt(1, option, 4_000_000)
        self.port: int = sock.getsockname()[1]
        self._ticker = loop.create_task(self._resend())
        return self

    async def close(self) -> None:
        self._ticker.cancel()
        self._transport.close()

    # ---- calling ----------------------------------------------------------------------------------

    def place(self, number: int, digit: str) -> Leg:
        """Call ``digit`` and six digits: ``number``."""
        called = f"{digit}{number:06d}"
        call_id = f"load-{self.port}-{number}-{time.monotonic_ns():x}"
        leg = Leg(number, call_id, True, asked=time.monotonic())
        leg.local = f'"Load" <sip:{number:06d}@{self._host}:{self.port}>;tag=c{number}'
        leg.target = f"sip:{called}@{self._server[0]}:{self._server[1]}"
        leg.remote = f"<{leg.target}>"
        leg.rtp = self._sound.port()
        self.legs[call_id] = leg
        self._request(leg, "INVITE", self._sdp(leg))
        return leg

    def hang_up(self, leg: Leg) -> None:
        """Say BYE; ``leg.over`` is set when it is answered. A leg that is not up yet is only forgotten."""
        if leg.over.is_set() or leg.ended:
            return
        leg.ended = time.monotonic()
        self._silence(leg)
        leg.cseq += 1
        self._request(leg, "BYE")

    def _request(self, leg: Leg, method: str, body: str = "") -> None:
        self._made += 1
        branch = f"z9hG4bK{self.port}x{self._made}"
        data = self._text(leg, method, branch, leg.cseq, body)
        self._send(data, leg)
        self._waits[branch] = (data, self._hop(leg), time.monotonic() + T1, T1)

    def _text(self, leg: Leg, method: str, branch: str, cseq: int, body: str = "") -> bytes:
        routes = "".join(f"Route: {route}\r\n" for route in leg.routes)
        kind = "Content-Type: application/sdp\r\n" if body else ""
        return (
            f"{method} {leg.target} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {self._host}:{self.port};branch={branch};rport\r\n"
            f"{routes}Max-Forwards: 70\r\nFrom: {leg.local}\r\nTo: {leg.remote}\r\nCall-ID: {leg.call_id}\r\n"
            f"CSeq: {cseq} {method}\r\nContact: <sip:load@{self._host}:{self.port}>\r\n"
            f"{kind}Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    def _hop(self, leg: Leg) -> tuple[str, int]:
        uri = _uri(leg.routes[0]) if leg.routes else leg.target
        found = re.search(r"(?:@|:)([0-9.]+):(\d+)", uri)
        return (found[1], int(found[2])) if found else self._server

    def _send(self, data: bytes, leg: Leg) -> None:
        self._transport.sendto(data, self._hop(leg))

    def _sdp(self, leg: Leg) -> str:
        return (
            f"v=0\r\no=- {leg.number} 1 IN IP4 {self._host}\r\ns=-\r\nc=IN IP4 {self._host}\r\nt=0 0\r\n"
            f"m=audio {leg.rtp} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\n"
            f"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
        )

    # ---- what comes -------------------------------------------------------------------------------

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        if len(data) < 12:
            return
        message = Message.read(data)
        if message.status:
            self._response(message)
        else:
            self._asked(message, address)

    def _response(self, message: Message) -> None:
        found = re.search(r"branch=([^;,\s]+)", message.get("via"))
        branch = found[1] if found else ""
        leg, status = self.legs.get(message.get("call-id")), message.status
        if leg is None:
            return
        if status < 200 and message.method == "INVITE":
            self._waits.pop(branch, None)
            return
        waited = self._waits.pop(branch, None)
        if message.method == "BYE":
            self._over(leg)
        elif status < 300:
            self._up(leg, message)
        else:
            leg.remote = message.get("to")
            self._transport.sendto(self._text(leg, "ACK", branch, leg.cseq), self._server)
            if waited is not None or not leg.failed:
                self._fail(leg, f"{status} {message.first[12:]}")

    def _up(self, leg: Leg, message: Message) -> None:
        """A 2xx of our INVITE; for a copy the ACK is sent again."""
        if not leg.up.is_set():
            leg.answered = time.monotonic()
            leg.remote, leg.target = message.get("to"), _uri(message.get("contact"))
            leg.routes = message.headers.get("record-route", [])[::-1]
            leg.ack = self._text(leg, "ACK", f"z9hG4bK{self.port}a{leg.number}", leg.cseq)
            self._speak(leg, message.body)
            leg.up.set()
        self._send(leg.ack, leg)

    def _asked(self, message: Message, address: tuple[str, int]) -> None:
        leg = self.legs.get(message.get("call-id"))
        if message.first.startswith("INVITE"):
            if leg is None:
                leg = self._called(message)
            self._answer(message, address, leg, self._sdp(leg))
        elif message.first.startswith("ACK"):
            if leg is not None:
                self._waits.pop(leg.call_id, None)
                leg.up.set()
        elif message.first.startswith(("BYE", "CANCEL")):
            self._answer(message, address, leg)
            if leg is not None and not leg.over.is_set():
                leg.ended = leg.ended or time.monotonic()
                self._silence(leg)
                self._over(leg)
        else:
            self._answer(message, address, leg)

    def _called(self, message: Message) -> Leg:
        found = re.search(r"sips?:\+?\d(\d{6})@", message.first)
        leg = Leg(int(found[1]) if found else 0, message.get("call-id"), False, asked=time.monotonic())
        leg.local = f"{message.get('to')};tag=s{len(self.legs)}"
        leg.remote, leg.target = message.get("from"), _uri(message.get("contact"))
        leg.routes = message.headers.get("record-route", [])
        leg.rtp = self._sound.port()
        leg.answered = time.monotonic()
        self.legs[leg.call_id] = leg
        self._speak(leg, message.body)
        return leg

    def _answer(self, asked: Message, address: tuple[str, int], leg: Leg | None, body: str = "") -> None:
        vias = "".join(f"Via: {via}\r\n" for via in asked.headers.get("via", []))
        to = leg.local if leg is not None and not leg.caller else asked.get("to")
        routes = "".join(f"Record-Route: {route}\r\n" for route in asked.headers.get("record-route", []))
        kind = "Content-Type: application/sdp\r\n" if body else ""
        data = (
            f"SIP/2.0 200 OK\r\n{vias}{routes}From: {asked.get('from')}\r\nTo: {to}\r\n"
            f"Call-ID: {asked.get('call-id')}\r\nCSeq: {asked.get('cseq')}\r\n"
            f"Contact: <sip:load@{self._host}:{self.port}>\r\n{kind}Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()
        self._transport.sendto(data, address)
        if body and leg is not None and not leg.up.is_set():  # until the ACK (RFC 3261 13.3.1.4)
            self._waits[leg.call_id] = (data, address, time.monotonic() + T1, T1)

    def _speak(self, leg: Leg, sdp: str) -> None:
        host, port = where(sdp)
        leg.stream = leg.number * 2 + (0 if leg.caller else 1)
        expects = tone_of(leg.number, not leg.caller) if self.bridged else -1
        if port:
            plan = Plan(
                leg.stream, leg.rtp, host, port, tone=tone_of(leg.number, leg.caller), expects=expects
            )
            self._sound.add([plan])

    def _silence(self, leg: Leg) -> None:
        if leg.stream >= 0:
            self._sound.drop([leg.stream])
            leg.stream = -1

    def _fail(self, leg: Leg, why: str) -> None:
        if not leg.failed:
            leg.failed = why
            self._silence(leg)
            leg.up.set()
            self._over(leg)

    def _over(self, leg: Leg) -> None:
        if not leg.over.is_set():
            leg.over.set()
            self._loop.call_later(5.0, self.legs.pop, leg.call_id, None)  # copies may still come
            self.on_over(leg)

    async def _resend(self) -> None:
        """Timers A, E and G in one."""
        while True:
            await asyncio.sleep(0.1)
            now = time.monotonic()
            for key, (data, address, due, step) in list(self._waits.items()):
                if now < due:
                    continue
                if step > GIVE_UP_S / 2:
                    del self._waits[key]
                    leg = self.legs.get(Message.read(data).get("call-id"))
                    if leg is not None:
                        self._fail(leg, "no answer")
                    continue
                self._transport.sendto(data, address)
                self._waits[key] = (data, address, now + min(2 * step, T2), 2 * step)
