"""Who has proved nothing makes us keep nothing, and gets no more than one answer to each request."""

from __future__ import annotations

import pytest

from callflow.channels.sip.admission import Admission
from callflow.clock import VirtualClock
from callflow.ids import Ids
from tests.sip.access.support import ACME, accounts, settings
from tests.sip.session.ground import Phone, Side, Talk, invite, phone, side, until, virtual


def _guard(bob: Side, clock: VirtualClock) -> Admission:
    """A door with a lock: the account has passwords."""
    admission = Admission(accounts(ACME), settings(failed_auth_per_minute=2), clock)
    bob.endpoint._admission = admission
    return admission


def _many(ann: Phone, bob: Side, method: str, count: int) -> None:
    for number in range(count):
        talk = Talk(ann, bob.hop.port, f"{method}-{number}@x")
        ann.send(talk.text(method), bob.hop.port)


@pytest.mark.parametrize("method", ["INVITE", "REGISTER", "OPTIONS"])
def test_who_is_ignored_leaves_nothing_behind(method: str) -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            admission = _guard(bob, clock)
            for _ in range(2):
                admission._throttle.failed("127.0.0.1", clock.now())
            _many(ann, bob, method, 20)
            await until(lambda: bob.stack.heard(method) == 20)
            assert bob.stack.transactions == 0
            await clock.sleep(40.0)
            assert ann.all == [] and bob.stack.transactions == 0

    virtual(main)


@pytest.mark.parametrize(
    ("method", "status"),
    [
        *(("INVITE", 401), ("REGISTER", 401), ("OPTIONS", 200), ("REFER", 403), ("SUBSCRIBE", 489)),
        *(("MESSAGE", 405), ("BYE", 481), ("DANCE", 501)),
    ],
)
def test_a_stranger_is_answered_once_and_forgotten(method: str, status: int) -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            _guard(bob, clock)
            _many(ann, bob, method, 1)
            response = await ann.next(status)
            assert response.to.tag and bob.stack.transactions == 0
            await clock.sleep(40.0)
            assert len(ann.all) == 1, "who is forged as the sender would get the copies"
            _many(ann, bob, method, 1)
            assert (await ann.next(status)).to.tag == response.to.tag, "a copy has the same answer"

    virtual(main)


def test_an_invite_of_a_dialog_that_is_not_there_is_answered_once() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            ann.send(Talk(ann, bob.hop.port, "c9", their_tag="guess").text("INVITE"), bob.hop.port)
            await ann.next(481)
            await clock.sleep(40.0)
            assert len(ann.all) == 1 and bob.stack.transactions == 0

    virtual(main)


def test_who_says_the_password_is_answered_until_he_says_so() -> None:
    """What a caller is refused who has been let in is still sent until its ACK comes."""

    async def main(clock: VirtualClock) -> None:
        async with side(clock, ports=0) as bob, phone() as ann:
            invite(ann, bob)
            await ann.next(503)
            await clock.sleep(40.0)
            assert ann.count(503) > 5

    virtual(main)


def test_ids_of_a_live_process_come_from_the_system() -> None:
    """A Mersenne twister can be continued by who has seen 2,500 bytes of it: and tags are in every answer."""
    with pytest.raises(NotImplementedError):
        Ids()._random.getstate()
    assert Ids(7).hex32() == Ids(7).hex32()
