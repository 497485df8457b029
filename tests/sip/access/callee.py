"""A phone or carrier that is called: real UDP, plain text, does as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import count

from callflow.channels.sip.credentials import Credentials
from callflow.channels.sip.digest import DigestServer, Proof
from callflow.channels.sip.digest_client import DigestAnswers
from callflow.channels.sip.message import Request, Response, new_response, read_message
from tests.sip.access.support import register, with_headers

SDP = (
    "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"
    "a=rtpmap:0 PCMU/8000\r\n"
)

_NUMBERS = count()


class Callee(asyncio.DatagramProtocol):
    """Answers each INVITE with ``statuses``, one after the other. ``asks``: user and password that it wants
    to see first. ``invites``: what came.
    """

    def __init__(self, statuses: Sequence[int], *, asks: tuple[str, str] | None = None) -> None:
        self.statuses = statuses
        self.invites: list[Request] = []
        self.cancelled = 0
        self._asks = asks
        self._digest = DigestServer(lifetime_s=60)
        self._answers: asyncio.Queue[Response] = asyncio.Queue()
        self._seen: set[str] = set()
        self._transport: asyncio.DatagramTransport | None = None

    async def start(self, host: str = "127.0.0.2") -> Callee:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(host, 0))
        self._transport = transport
        self.host, self.port = transport.get_extra_info("sockname")[:2]
        return self

    def close(self) -> None:
        assert self._transport is not None
        self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str | int, int]) -> None:
        read = read_message(data)
        if isinstance(read, Response):
            self._answers.put_nowait(read)
            return
        for response in self._answers_to(read):
            assert self._transport is not None
            self._transport.sendto(response.to_bytes(), addr)

    def _answers_to(self, request: Request) -> list[Response]:
        if request.method == "ACK":
            return []
        if request.method != "INVITE":
            self.cancelled += request.method == "CANCEL"
            return [new_response(request, 200, to_tag="callee")]
        if request.via.branch in self._seen:
            return []
        self._seen.add(request.via.branch)
        self.invites.append(request)
        if self._asks and not self._proved(request):
            values = self._digest.challenges("carrier", 0.0, host="")
            return [new_response(request, 407, headers=[("Proxy-Authenticate", value) for value in values])]
        return [self._answer(request, status) for status in self.statuses]

    def _proved(self, request: Request) -> bool:
        assert self._asks is not None
        said = request.get("Proxy-Authorization")
        return self._digest.judge(said, "INVITE", self._asks[1], 0.0, host="").proof is Proof.GOOD

    def _answer(self, request: Request, status: int) -> Response:
        rows = [("Contact", f"<sip:callee@{self.host}:{self.port}>")]
        if status not in (183, 200):
            return new_response(request, status, to_tag="callee", headers=rows)
        body = SDP.format(host=self.host, port=40_000).encode()
        kind = "application/sdp"
        return new_response(request, status, to_tag="callee", headers=rows, body=body, content_type=kind)

    async def register(self, server: str, user: str, password: str, realm: str) -> list[int]:
        """Register this phone; the statuses of the answers."""
        host, port = server.rsplit(":", 1)
        contact = f"<sip:{user}@{self.host}:{self.port}>"
        answers, statuses = DigestAnswers(Credentials(user, password)), list[int]()
        for cseq in (1, 2):
            asked = register(contact, expires="300", to=f"<sip:{user}@{realm}>", cseq=cseq)
            sent = with_headers(asked, answers.headers("REGISTER", str(asked.uri)))
            assert self._transport is not None
            self._transport.sendto(_fresh_via(sent, self.host, self.port), (host, int(port)))
            async with asyncio.timeout(5):
                answer = await self._answers.get()
            statuses.append(answer.status)
            if not answers.answer(answer):
                break
        return statuses


def _fresh_via(request: Request, host: str, port: int) -> bytes:
    via = f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{next(_NUMBERS)}\r\n".encode()
    rows = request.to_bytes().split(b"\r\n")
    return b"\r\n".join([rows[0], via.rstrip(), *(row for row in rows[1:] if not row.startswith(b"Via:"))])
