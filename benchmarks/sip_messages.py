"""What signalling costs: a message read and answered, and whole calls through the SIP stack over UDP.

The calls are made by a plain socket with messages written beforehand, one after the other; the CPU is that of
the answering process, kernel included.
"""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

from benchmarks.table import Row
from callflow.channels.sip.message import Request, new_response, read_message
from callflow.channels.sip.stack import ServerTransaction, SipStack
from callflow.channels.sip.transport import Hop
from callflow.clock import SystemClock

CALLS = 2_000
MOST_US = 150.0
SDP = (
    "v=0\r\no=user1 53655765 2353687637 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 6000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
)


def message(method: str, call: int, to_tag: str = "") -> bytes:
    """As a phone writes it."""
    body = SDP if method == "INVITE" else ""
    branch = f"z9hG4bK-{call}-{'INVITE' if method == 'INVITE' else method}"
    return (
        f"{method} sip:service@127.0.0.1:5060 SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 127.0.0.1:5061;branch={branch};rport\r\n"
        f'From: "A Phone" <sip:phone@127.0.0.1:5061>;tag=tag{call}\r\n'
        f"To: <sip:service@127.0.0.1:5060>{to_tag}\r\n"
        f"Call-ID: {call}-8f14e45f@127.0.0.1\r\n"
        f"CSeq: {2 if method == 'BYE' else 1} {method}\r\n"
        "Contact: <sip:phone@127.0.0.1:5061>\r\nMax-Forwards: 70\r\nUser-Agent: a phone\r\n"
        "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, REFER, NOTIFY\r\nSupported: replaces, timer\r\n"
        f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def _best_us(work: object, times: int = 3, rounds: int = 5_000) -> float:
    assert callable(work)
    taken = []
    for _ in range(times):
        began = time.process_time()
        for _ in range(rounds):
            work()
        taken.append(time.process_time() - began)
    return min(taken) / rounds * 1e6


class Answerer:
    """Answers INVITE with 180 and 200, anything else with 200."""

    def __init__(self, stack: SipStack) -> None:
        stack.user = self
        self.byes = 0
        self.done = asyncio.Event()

    def on_request(self, request: Request, transaction: ServerTransaction) -> None:
        if request.method == "INVITE":
            transaction.respond(new_response(request, 180, to_tag="t"))
            answer = new_response(request, 200, to_tag="t", body=SDP.encode(), content_type="application/sdp")
        else:
            answer = new_response(request, 200)
            self.byes += 1
        transaction.respond(answer)
        if self.byes == CALLS:
            self.done.set()

    def on_ack(self, request: Request, source: Hop) -> None:
        return

    def on_cancel(self, transaction: ServerTransaction) -> None:
        return

    def on_no_ack(self, transaction: ServerTransaction) -> None:
        return


async def _serve() -> None:
    """The child: print the port, answer ``CALLS`` calls, print the CPU seconds they took."""
    stack = SipStack(SystemClock())
    answerer = Answerer(stack)
    hop = await stack.listen("udp", "127.0.0.1", 0)
    print(hop.port, flush=True)
    before = resource.getrusage(resource.RUSAGE_SELF)
    await answerer.done.wait()
    after = resource.getrusage(resource.RUSAGE_SELF)
    kernel = after.ru_stime - before.ru_stime
    print(json.dumps({"cpu": after.ru_utime - before.ru_utime + kernel, "kernel": kernel}), flush=True)
    await stack.close()


def _calls() -> dict[str, float]:
    words = [sys.executable, "-m", "benchmarks.sip_messages", "serve"]
    with (
        subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as child,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone,
    ):
        assert child.stdout is not None
        phone.settimeout(5)
        phone.connect(("127.0.0.1", int(child.stdout.readline())))
        for call in range(CALLS):
            phone.send(message("INVITE", call))
            while b" 200 " not in phone.recv(65_536)[:16]:
                pass
            phone.send(message("ACK", call, ";tag=t"))
            phone.send(message("BYE", call, ";tag=t"))
            phone.recv(65_536)
        used: dict[str, float] = json.loads(child.stdout.readline())
    return used


def measure() -> Iterator[Row]:
    """Best of three for the pieces; the whole calls once."""
    data = message("INVITE", 1)
    invite = read_message(data)
    assert isinstance(invite, Request)
    yield Row(f"an INVITE of {len(data)} bytes read", f"{_best_us(lambda: read_message(data)):.0f} µs")
    written = _best_us(lambda: new_response(invite, 200, to_tag="t", body=SDP.encode()).to_bytes())
    yield Row("a 200 made and written", f"{written:.0f} µs")
    used = _calls()
    each = used["cpu"] / (3 * CALLS) * 1e6
    figure = f"{each:.0f} µs, {used['kernel'] / used['cpu']:.0%} of it kernel"
    yield Row(
        "SIP over UDP, CPU of a message received and answered",
        figure,
        f"under {MOST_US:.0f} µs",
        each < MOST_US,
    )
    share = used["cpu"] / CALLS * 200
    yield Row(
        "200 calls a second, signalling of the stack", f"{share:.1%} of a core", "under 10 %", share < 0.1
    )


if __name__ == "__main__":
    asyncio.run(_serve())
