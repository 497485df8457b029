"""An endpoint under fire, in virtual time: valid dialogs with spoilt messages. Nothing is raised, nothing is
sent that cannot be read, and afterwards no call, leg, port, transaction or task is left.

By hand, longer: ``FUZZ_ROUNDS=5000 pytest tests/sip/fuzz``; a failure names its seed.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

import pytest

from callflow.channels.sip.admission import Admission
from callflow.channels.sip.channel import SipChannel
from callflow.channels.sip.message import Request, Response, read_message
from callflow.channels.sip.registrar import Registrar
from callflow.clock import VirtualClock
from callflow.errors import MalformedMessage
from callflow.media.messages import RtpLost
from tests.sip.access.support import ACME, accounts
from tests.sip.access.support import settings as sip_settings
from tests.sip.fuzz.attacks import METHODS, Attacker
from tests.sip.session.ground import Phone, Side, Talk, sdp, side, virtual
from tests.sip.session.test_fuzz import nothing_raised

ROUNDS = int(os.environ.get("FUZZ_ROUNDS", "40"))
FIRST = int(os.environ.get("FUZZ_SEED", "1"))
CALM_S = 200.0
"""After so long without a word from anybody every transaction and call is over."""


class Critic(Phone):
    """Notes what we have sent and cannot read ourselves; an answer to nonsense repeats it."""

    def __init__(self) -> None:
        super().__init__()
        self.nonsense: list[bytes] = []

    def datagram_received(self, data: bytes, addr: tuple[object, ...]) -> None:
        try:
            message = read_message(data)
        except MalformedMessage:
            if data[:9] not in (b"SIP/2.0 4", b"SIP/2.0 5"):
                self.nonsense.append(data)
            return
        self.all.append(message)
        self.got.put_nowait(message)


class Fight:
    """One attacker with some dialogs, and the endpoint's side, which answers and hangs up at random."""

    def __init__(self, luck: random.Random, bob: Side, ann: Critic) -> None:
        self.luck, self.bob, self.ann = luck, bob, ann
        self.attacker = Attacker(luck)
        self.talks: list[Talk] = []
        self.work: set[asyncio.Future[None]] = set()
        self.seen = 0
        self.plainly = ann.send

    def send(self, data: bytes) -> None:
        if self.luck.random() < 0.6:
            data = self.attacker.spoil(data)
        if len(data) < 60_000:
            for _ in range(self.luck.choice((1, 1, 1, 2))):
                self.plainly(data, self.bob.hop.port)

    def reply(self, text: str | bytes, to: int) -> None:
        """In the place of the phone's ``send``."""
        self.send(text if isinstance(text, bytes) else text.encode())

    def begin(self) -> None:
        talk = Talk(self.ann, self.bob.hop.port, f"c{len(self.talks)}@x", f"t{len(self.talks)}")
        self.talks.append(talk)
        self.request(talk, "INVITE")

    def request(self, talk: Talk, method: str) -> None:
        if talk.their_tag and method not in ("ACK", "CANCEL"):
            talk.seq += 1
        kind, body = self.attacker.body(sdp)
        branch = f"z9hG4bK{talk.call_id}" if method == "CANCEL" or not talk.their_tag else ""
        headers = [one for one in self.attacker.headers() if "\r" not in one]
        self.send(talk.text(method, headers=headers, body=body, branch=branch, kind=kind))

    def answer(self, request: Request) -> None:
        """Whatever, to a request of theirs."""
        status = self.luck.choice(
            (100, 180, 183, 200, 200, 200, 202, 302, 401, 407, 422, 481, 486, 491, 500, 699)
        )
        more = [("Require", "100rel"), ("RSeq", self.luck.choice(("1", "2", "x")))] if status == 183 else []
        if status == 302:
            more = [("Contact", f"<sip:x@127.0.0.1:{self.ann.port}>;q=0.{self.luck.randrange(10)}")]
        if status in (401, 407):
            asks = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
            more = [(asks, 'Digest realm="r", nonce="n", qop="auth", algorithm=MD5')]
        self.ann.send = self.reply  # type: ignore[method-assign]
        try:
            body = self.attacker.body(sdp)[1] if request.method in ("INVITE", "UPDATE") else b""
            tag = self.luck.choice(("ph", "ph", "ph2"))
            self.ann.reply(request, status, 0, tag=tag, headers=more, body=body, contact=status != 302)
        finally:
            self.ann.send = self.plainly  # type: ignore[method-assign]

    def ours(self, call: SipChannel) -> None:
        """What an engine might do."""
        match self.luck.randrange(6):
            case 0:
                self.do(call.progress())
            case 1 | 2:
                self.do(call.answer())
            case 3:
                self.do(call.hold(self.luck.random() < 0.5))
            case 4:
                self.do(call.hangup(self.luck.choice(("NORMAL_CLEARING", "USER_BUSY", "BLIND_TRANSFER"))))
            case _:
                self.bob.media.emit(RtpLost(call.leg, 1.0, 60.0))

    def do(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self.work.add(task)

    async def step(self) -> None:
        match self.luck.randrange(8):
            case 0:
                self.begin()
            case 1 | 2 | 3 if self.talks:
                talk = self.luck.choice(self.talks)
                self.request(talk, self.luck.choice(METHODS))
            case 4 if self.bob.calls:
                self.ours(self.luck.choice(self.bob.calls))
            case 5 if len(self.bob.calls) < 5:
                self.bob.calls.append(await self.bob.dial(self.ann.port))
            case _:
                asked = [one for one in self.ann.all if isinstance(one, Request) and one.method != "ACK"]
                if asked:
                    self.answer(self.luck.choice(asked))
        await asyncio.sleep(self.luck.choice((0.01, 0.01, 0.3, 3.0)))
        self.listen()

    def listen(self) -> None:
        """Learn their tags; acknowledge now and then."""
        for message in self.ann.all[self.seen :]:
            for talk in self.talks:
                if message.call_id != talk.call_id or not isinstance(message, Response):
                    continue
                if message.status < 300 and message.to.tag and not talk.their_tag:
                    talk.their_tag = message.to.tag
                if message.status >= 200 and message.cseq.method == "INVITE" and self.luck.random() < 0.7:
                    self.send(talk.text("ACK", seq=message.cseq.number))
        self.seen = len(self.ann.all)


async def calm(bob: Side, fight: Fight) -> None:
    """Hang up, wait, and see what is left."""
    for call in bob.calls:
        await call.hangup("NORMAL_CLEARING")
    await asyncio.sleep(CALM_S)
    await asyncio.wait_for(asyncio.gather(*fight.work), 1)
    await bob.quiet()
    stack = bob.stack
    assert stack.transactions == 0 and not stack._merged and not stack._per_address and not stack._pending
    table = bob.endpoint._table
    assert not (table._by_tag or table._keys or table._invites or table._opened or +table._inbound)
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert {task.get_name() for task in others} == set() or all(task.done() for task in others), others


@asynccontextmanager
async def critic() -> AsyncIterator[Critic]:
    loop = asyncio.get_running_loop()
    _, it = await loop.create_datagram_endpoint(Critic, local_addr=("127.0.0.1", 0))
    try:
        yield it
    finally:
        it.close()


async def nobody(*_: object, **__: object) -> None:
    raise OSError("no such name")


async def fought(clock: VirtualClock, seed: int, guarded: bool) -> None:
    luck = random.Random(seed)
    async with side(clock, seed=seed) as bob, critic() as ann:
        if guarded:
            settings = sip_settings(failed_auth_per_minute=5)
            bob.endpoint._admission = Admission(accounts(ACME), settings, clock)
        bob.endpoint._registrar = Registrar(sip_settings(), clock)
        # Looking up names takes real time: here nobody has one.
        asyncio.get_running_loop().getaddrinfo = nobody  # type: ignore[method-assign,assignment]
        fight = Fight(luck, bob, ann)
        for _step in range(luck.randint(3, 25)):
            await fight.step()
        await calm(bob, fight)
        assert ann.nonsense == []


@pytest.mark.parametrize("guarded", [False, True])
def test_nothing_is_raised_and_nothing_is_left(guarded: bool) -> None:
    for seed in range(FIRST, FIRST + ROUNDS):
        try:
            with nothing_raised():
                virtual(lambda clock, seed=seed: fought(clock, seed, guarded))  # type: ignore[misc]
        except BaseException as error:
            error.add_note(f"FUZZ_SEED={seed} FUZZ_ROUNDS=1")
            raise


def test_the_shots_hit() -> None:
    """Not everything is turned away at the door: dialogs begin, calls are answered, re-INVITEs are taken."""
    seen: set[tuple[str, int]] = set()

    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, critic() as ann:
            fight = Fight(random.Random(3), bob, ann)
            for _ in range(300):
                await fight.step()
            seen.update((one.cseq.method, one.status) for one in ann.all if isinstance(one, Response))
            await calm(bob, fight)

    virtual(main)
    wanted = {("INVITE", 200), ("INVITE", 400), ("INVITE", 488), ("BYE", 200), ("OPTIONS", 200), ("BYE", 481)}
    assert wanted <= seen, wanted - seen
