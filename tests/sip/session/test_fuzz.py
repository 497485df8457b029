"""Whatever a phone sends in whatever order: nothing is raised, and nothing is left in the end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import given, settings
from hypothesis import strategies as st

from callflow.channels.sip.message import Request
from callflow.clock import VirtualClock
from callflow.log import logger
from tests.sip.session.ground import Talk, invite, phone, sdp, side, virtual

METHODS = [
    "INVITE",
    "UPDATE",
    "ACK",
    "CANCEL",
    "PRACK",
    "REFER",
    "INFO",
    "OPTIONS",
    "NOTIFY",
    "MESSAGE",
    "BYE",
]
HEADERS = [
    *(
        "Supported: 100rel, timer",
        "Session-Expires: 90;refresher=uas",
        "Session-Expires: 5",
        "Reason: Q.850;cause=17",
    ),
    *(
        "Refer-To: <sip:300@x>",
        "Refer-To: <sip:300@x?Replaces=c1%3Bto-tag%3Da%3Bfrom-tag%3Db>",
        "RAck: 1 1 INVITE",
    ),
    *("Replaces: c1;to-tag=a;from-tag=b", "Min-SE: x", "Expires: 3", "Require: timer", "Contact: <sip:@@>"),
]
BODIES = [b"", sdp(), sdp(0), sdp(4, more="a=inactive"), sdp(4, formats="18"), b"v=0\r\nm=", b"Signal=5"]
OURS = ["progress", "answer", "hangup", "hold", "wait"]

STEP = st.one_of(
    st.tuples(
        st.sampled_from(METHODS), st.lists(st.sampled_from(HEADERS), max_size=2), st.sampled_from(BODIES)
    ),
    st.sampled_from(OURS),
    st.integers(100, 699),
)


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(self.format(record))


@contextmanager
def nothing_raised() -> Iterator[None]:
    """What a user of the stack raises is logged as an error: there must be none."""
    kept = _Kept()
    logger.addHandler(kept)
    try:
        yield
    finally:
        logger.removeHandler(kept)
    assert kept.records == []


@settings(max_examples=60)
@given(st.lists(STEP, min_size=1, max_size=8), st.booleans())
def test_any_order_of_anything(steps: list[object], calls_out: bool) -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            if calls_out:
                call = await bob.dial(ann.port)
                asked = await ann.next("INVITE")
                talk = Talk(ann, bob.hop.port, asked.call_id, "ph", asked.from_.tag)
            else:
                talk = invite(ann, bob, branch="z9hG4bKfirst")
                call = await bob.next_call()
            for step in steps:
                if isinstance(step, tuple):
                    method, headers, body = step
                    branch = "z9hG4bKfirst" if method == "CANCEL" else ""
                    talk.send(method, headers=headers, body=body, branch=branch)
                elif isinstance(step, int):
                    requests = [one for one in ann.all if isinstance(one, Request) and one.method != "ACK"]
                    if requests:
                        body = sdp() if requests[-1].method == "INVITE" else b""
                        rel = [("Require", "100rel"), ("RSeq", str(step))] if step in range(150, 200) else []
                        ann.reply(requests[-1], step, bob.hop.port, body=body, headers=rel)
                elif step == "hangup":
                    await call.hangup("NORMAL_CLEARING")
                elif step == "hold":
                    await call.hold(True)
                elif step == "wait":
                    await asyncio.sleep(35)
                else:
                    work = call.progress() if step == "progress" else call.answer()
                    tasks.append(asyncio.ensure_future(work))
                await asyncio.sleep(0.02)
                for one in ann.all:
                    talk.their_tag = talk.their_tag or ("" if calls_out else one.to.tag)
            await call.hangup("NORMAL_CLEARING")
            await asyncio.wait_for(asyncio.gather(*tasks), 1)
            await bob.quiet()

    tasks: list[asyncio.Future[None]] = []
    with nothing_raised():
        virtual(main)
