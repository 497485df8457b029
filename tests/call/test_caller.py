"""The small phone: it calls another one for real, over loopback."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

import pytest

from callflow.caller import CallPlan, CallResult
from callflow.media.compare import compare
from tests.call.phones import ONE, OTHER, alone, both, phones
from tests.call.voices import voice

CALLER = voice(1)
MOSTLY = 0.7
"""On a busy machine packets come late, and the jitter buffer gives way. Another sound is below 0.25."""
CALLEE = voice(2)


def test_each_hears_what_the_other_says() -> None:
    plan = CallPlan("", audio=(CALLER,), digits=(("12#", 0.8),), hangup_after_s=2.4)
    one, other = both(plan, CallPlan("", audio=(CALLEE,), digits=(("7", 1.0),)))
    assert one.answered and one.cause == "NORMAL_CLEARING" and one.ended_by == "engine"
    assert other.answered and other.ended_by == "party"
    assert 2.3 < one.seconds < 4.0 and 0 < one.setup_s < 2.0
    assert one.sent > 100 and one.received > 100 and one.lost == 0
    assert (one.digits, other.digits) == ("7", "12#")
    there, back = compare(other.heard, one.said, 8000), compare(one.heard, other.said, 8000)
    assert there is not None and back is not None
    assert there.value > MOSTLY and back.value > MOSTLY
    # Each counts from the begin of its own leg; on a busy machine these are any time apart.
    apart = other.began - one.began
    assert 0 < there.delay_s + apart < 0.4 and 0 < back.delay_s - apart < 0.4


@pytest.mark.parametrize("codec", ["PCMA", "G722"])
def test_other_codecs(codec: str) -> None:
    rate = 16000 if codec == "G722" else 8000
    one, other = both(CallPlan("", audio=(CALLER,), hangup_after_s=1.0), one=replace(ONE, codecs=(codec,)))
    assert one.rate == other.rate == rate
    found = compare(other.heard, one.said, rate)
    assert found is not None and found.value > MOSTLY


def test_packets_are_held_for_as_long_as_is_asked() -> None:
    one, other = both(CallPlan("", audio=(CALLER,), hangup_after_s=1.0), other=replace(OTHER, jitter_ms=200))
    found = compare(other.heard, one.said, 8000)
    assert found is not None and found.value > MOSTLY
    assert 0.2 < found.delay_s + other.began - one.began < 0.54


def test_srtp_that_both_require() -> None:
    options = {"srtp": "required"}
    one, other = both(
        CallPlan("", audio=(CALLER,), hangup_after_s=1.0),
        one=replace(ONE, srtp=options["srtp"]),
        other=replace(OTHER, srtp=options["srtp"]),
    )
    found = compare(other.heard, one.said, 8000)
    assert one.answered and found is not None and found.value > MOSTLY


def test_srtp_that_only_one_requires_is_told() -> None:
    one = asyncio.run(_refused(replace(ONE, srtp="required"), replace(OTHER, srtp="off")))
    assert (one.answered, one.status) == (False, 488)
    assert "codec or encryption" in one.message and "--srtp" in one.hint


async def _refused(one: object, other: object) -> CallResult:
    async with phones(one, other) as (caller, callee):  # type: ignore[arg-type]
        return await caller.call(CallPlan(callee.contact))


def test_who_answers_transfers_to_a_bare_number_too() -> None:
    one, other = both(CallPlan("", hangup_after_s=0.8), CallPlan("", refer=("300", 0.2)))
    assert one.answered and other.answered
    assert other.message == "", "the REFER is not refused for its Refer-To"


def test_hold_and_back() -> None:
    one, other = both(CallPlan("", audio=(CALLER,), loop=True, holds=((0.3, 0.7),), hangup_after_s=1.2))
    assert one.answered and one.cause == "NORMAL_CLEARING" and other.answered


def test_it_hangs_up_when_all_is_said() -> None:
    plan = CallPlan("", audio=("silence_stream://400",), hangup_when_said=True)
    one, _ = both(plan)
    assert one.ended_by == "engine" and 1.3 < one.seconds < 3.0


def test_over_tcp() -> None:
    one, other = both(
        CallPlan("", hangup_after_s=0.3),
        one=replace(ONE, transport="tcp"),
        other=replace(OTHER, transport="tcp"),
    )
    assert one.answered and other.answered


def test_twenty_calls_at_twenty_a_second() -> None:
    async def scene() -> None:
        told: list[CallResult] = []
        async with phones() as (caller, callee):
            answered = asyncio.ensure_future(callee.answers(CallPlan("", keep_s=0), 20))
            plan = CallPlan(callee.contact, hangup_after_s=0.5, keep_s=0)
            results = await caller.calls(plan, 20, 20.0, told=told.append)
            assert len(await answered) == 20
        assert len(results) == len(told) == 20
        assert all(result.answered for result in results), [result.message for result in results]
        assert len({result.call_id for result in results}) == 20

    asyncio.run(scene())


# ---- what goes wrong -----------------------------------------------------------------------------


def test_nobody_listens_there() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    found = alone(lambda caller: caller.call(CallPlan(f"sip:x@127.0.0.1:{port}")))
    assert not found.answered and "nobody listens there" in found.message and "--tcp" in found.hint


def test_a_connection_that_is_refused() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    found = alone(lambda caller: caller.call(CallPlan(f"sip:x@127.0.0.1:{port};transport=tcp")))
    assert not found.answered and "no connection" in found.message and "is it up" in found.hint


def test_no_such_host() -> None:
    found = alone(lambda caller: caller.call(CallPlan("sip:x@nowhere.invalid")))
    assert found.message == "no such host: nowhere.invalid" and "127.0.0.1" in found.hint


@pytest.mark.parametrize("uri", ["tel:123", "sip:1@2@3@", "sip:x@", "sip:x@host:99999", "mailto:a@b"])
def test_what_is_no_sip_uri(uri: str) -> None:
    found = alone(lambda caller: caller.call(CallPlan(uri)))
    assert not found.answered and repr(uri) in found.message and "sip:USER@HOST" in found.hint


def test_nobody_answers() -> None:
    async def scene() -> CallResult:
        async with phones() as (caller, callee):
            return await caller.call(CallPlan(callee.contact, ring_s=0.4))

    found = asyncio.run(scene())
    assert (found.answered, found.cause) == (False, "NO_ANSWER") and "--ring-for" in found.hint
