"""A phone that is rung answers with another number of the account: the caller is sent there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from callflow.channels.channel import DialTarget, Ended
from callflow.documents.accounts import Account
from callflow.engine.call import Call
from callflow.engine.dialling.bridging import MOST_FORWARDS
from callflow.engine.outcome import Continue, HandOver, Outcome
from callflow.events import CallTransferred
from tests.engine.fakes import FakeChannel, FakeDialer, Plan
from tests.engine.harness import CALLER, World, world

AWAY = Ended("NORMAL_UNSPECIFIED", 302, forward="300")


async def ring(data: Mapping[str, Any], call: Call) -> Outcome:
    targets = [DialTarget("device", id) for id in data["ids"]]
    result = await call.bridge(targets, timeout_s=20, follow_forwards=data.get("follow", True))
    return HandOver() if result.transferred else Continue()


async def visit(data: Mapping[str, Any], call: Call) -> Outcome:
    await call.sleep(2)
    return Continue()


MODULES = {"ring": ring, "visit": visit}


class Devices(FakeDialer):
    """Whose targets are devices of the account, unless they are numbers."""

    async def dial(self, target: DialTarget, **more: Any) -> FakeChannel:
        channel = await super().dial(target, **more)
        device = target.id if target.endpoint == "device" else ""
        channel.party = replace(CALLER, device_id=device)
        return channel


def run(
    folder: Path,
    there: Mapping[str, Any],
    plans: Mapping[str, Plan],
    data: Mapping[str, Any],
    at: str = "300",
) -> World:
    """Ring what ``data`` says; the number ``at`` has the flow ``there``."""
    account = Account(id="acc", documents={"callflow": {"there": {"numbers": [at], "flow": there}}})
    with world(folder, account=account) as here:
        dialer = Devices(here.media, here.clock)
        dialer.plans.update(plans)
        here.dialer = dialer
        here.with_services(dialer=dialer)
        here.run({"module": "ring", "data": dict(data), "children": {"_": {"module": "visit"}}}, MODULES)
        return here


def test_the_caller_is_sent_to_the_number_that_the_phone_names(tmp_path: Path) -> None:
    plans = {"d2": Plan(then=((3, AWAY),)), "d3": Plan(answer_s=1, end=(9, "NORMAL_CLEARING", 200))}
    here = run(tmp_path, {"module": "ring", "data": {"ids": ["d3"]}}, plans, {"ids": ["d2"]})
    assert here.dialer.dialled == [(0, "d2"), (3, "d3")]
    [told] = here.of(CallTransferred)
    assert (told.time, told.kind, told.target, told.kept) == (3, "forward", "300", "leg-call-1")
    assert told.leg == here.dialer.channels["d2"].leg
    assert [module for _, module, _ in here.steps] == ["ring", "ring"], "not the child of the failure"


def test_who_still_rings_may_answer_and_then_nobody_is_sent_anywhere(tmp_path: Path) -> None:
    plans = {"d2": Plan(then=((3, AWAY),)), "d4": Plan(answer_s=5, end=(9, "NORMAL_CLEARING", 200))}
    here = run(tmp_path, {"module": "visit"}, plans, {"ids": ["d2", "d4"]})
    assert here.of(CallTransferred) == []


def test_nobody_answers_and_one_has_forwarded(tmp_path: Path) -> None:
    plans = {"d2": Plan(then=((3, AWAY),)), "d4": Plan(end=(7, "USER_BUSY", 486))}
    here = run(tmp_path, {"module": "visit"}, plans, {"ids": ["d2", "d4"]})
    assert [told.time for told in here.of(CallTransferred)] == [7]


@pytest.mark.parametrize("why", ["ignored", "no such number"])
def test_a_forward_that_is_not_followed_is_a_failure(tmp_path: Path, why: str) -> None:
    data = {"ids": ["d2"], "follow": why != "ignored"}
    at = "300" if why == "ignored" else "301"
    here = run(tmp_path, {"module": "ring", "data": data}, {"d2": Plan(then=((3, AWAY),))}, data, at)
    assert here.of(CallTransferred) == []
    assert [module for _, module, _ in here.steps] == ["ring", "visit"]


def test_forwards_in_a_circle_end(tmp_path: Path) -> None:
    circle = {"module": "ring", "data": {"ids": ["d2"]}, "children": {"_": {"module": "visit"}}}
    here = run(tmp_path, circle, {"d2": Plan(then=((1, AWAY),))}, {"ids": ["d2"]})
    assert len(here.of(CallTransferred)) == MOST_FORWARDS
    assert len(here.dialer.dialled) == MOST_FORWARDS + 1
    assert ("error", "CF-ENG-002") in here.notices
    assert here.steps[-1][1] == "visit", "the last one is a failure like others"


@pytest.mark.parametrize(("endpoint", "sent"), [("device", 1), ("number", 0)])
def test_only_a_device_of_the_account_forwards_to_no_match(tmp_path: Path, endpoint: str, sent: int) -> None:
    async def out(data: Mapping[str, Any], call: Call) -> Outcome:
        result = await call.bridge([DialTarget(endpoint, "d2")], timeout_s=20)
        return HandOver() if result.transferred else Continue()

    account = Account(
        id="acc", documents={"callflow": {"any": {"numbers": ["no_match"], "flow": {"module": "visit"}}}}
    )
    with world(tmp_path, account=account) as here:
        dialer = Devices(here.media, here.clock)
        dialer.plans["d2"] = Plan(then=((3, AWAY),))
        here.with_services(dialer=dialer)
        here.run({"module": "out"}, {"out": out, "visit": visit})
        assert len(here.of(CallTransferred)) == sent
