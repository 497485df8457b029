"""A peer that goes away in the middle of something leaves nothing behind."""

from __future__ import annotations

from callflow.channels.channel import Ended
from callflow.channels.sip.session_path import PATIENCE_S
from callflow.clock import VirtualClock
from tests.sip.session.ground import SETTINGS, event, invite, phone, sdp, side, virtual


def test_a_re_invite_that_is_never_answered_for_good_is_cancelled() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            talk = invite(ann, bob)
            call = await bob.next_call()
            await call.answer()
            await talk.answered()
            await clock.sleep(0.1)
            await call.hold(True)
            asked = await ann.next("INVITE")
            ann.reply(asked, 180, bob.hop.port)
            await clock.sleep(PATIENCE_S - 1)
            assert ann.count("CANCEL") == 0
            await ann.next("CANCEL")
            ended = await event(call, Ended)
            assert ended.cause == "RECOVERY_ON_TIMER_EXPIRE"
            await clock.sleep(70)
            assert bob.stack.transactions == 0
            await bob.quiet()

    virtual(main)


def test_a_re_invite_that_is_refused_after_its_cancel_costs_no_call() -> None:
    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            talk = invite(ann, bob)
            call = await bob.next_call()
            await call.answer()
            await talk.answered()
            await clock.sleep(0.1)
            await call.hold(True)
            asked = await ann.next("INVITE")
            ann.reply(asked, 180, bob.hop.port)
            ann.reply(await ann.next("CANCEL"), 200, bob.hop.port)
            ann.reply(asked, 487, bob.hop.port)
            await clock.sleep(100)
            assert call.ended is None and bob.stack.transactions == 0

    virtual(main)


def test_a_call_that_is_held_from_the_beginning_does_not_last_for_ever() -> None:
    """Nobody sends a sound, there is no session timer, and the phone loses its power."""

    async def main(clock: VirtualClock) -> None:
        async with side(clock) as bob, phone() as ann:
            talk = invite(ann, bob, body=sdp(more="a=inactive"))
            call = await bob.next_call()
            await call.answer()
            await talk.answered()
            assert (await event(call, Ended, 1000.0)).cause == "MEDIA_TIMEOUT"
            assert clock.now() >= SETTINGS.rtp_hold_timeout_s
            await bob.quiet()

    virtual(main)
