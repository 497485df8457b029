"""A gateway must show a sign of life in time (``progress_timeout``), or the next one is tried."""

from __future__ import annotations

import pytest

from callflow.channels.channel import Answered, Ended
from callflow.clock import VirtualClock
from tests.sip.session.ground import event, phone, sdp, side, virtual


@pytest.mark.parametrize("trying", [False, True])
def test_nothing_but_100_is_no_sign_of_life(trying: bool) -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as ann, phone() as bob:
            call = await ann.dial(bob.port, progress_timeout_s=3.0)
            asked = await bob.next("INVITE")
            if trying:
                bob.reply(asked, 100, ann.hop.port)
            assert await event(call, Ended) == Ended("NO_USER_RESPONSE", 408)
            assert clock.now() == pytest.approx(3.0, abs=0.1)
            assert ann.locator.outcomes == [0], "the gateway rests"
            if trying:
                bob.reply(await bob.next("CANCEL"), 200, ann.hop.port)
                bob.reply(asked, 487, ann.hop.port)
            else:  # it wakes up: nobody wants its answer any more
                bob.reply(asked, 200, ann.hop.port, body=sdp(4000))
                await bob.next("ACK")
                bob.reply(await bob.next("BYE"), 200, ann.hop.port)
            await ann.quiet()

    virtual(main)


def test_ringing_is_one() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as ann, phone() as bob:
            call = await ann.dial(bob.port, progress_timeout_s=3.0)
            asked = await bob.next("INVITE")
            bob.reply(asked, 180, ann.hop.port)
            await clock.sleep(10)
            bob.reply(asked, 200, ann.hop.port, body=sdp(4000))
            await event(call, Answered)
            await call.hangup("NORMAL_CLEARING")
            await bob.next("ACK")
            bob.reply(await bob.next("BYE"), 200, ann.hop.port)
            await ann.quiet()
            assert ann.locator.outcomes == [200]

    virtual(main)
