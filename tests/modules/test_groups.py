"""ring_group and group: who is rung, when, in which order (kazoo.md 3)."""

from __future__ import annotations

from collections import Counter

import pytest

from callflow.channels.channel import DialTarget
from callflow.channels.sim.scenario import Answers, Callee, Party, Scenario
from callflow.engine.dialling.endpoints import Member
from callflow.events import CallBridged, CallRinging
from callflow.ids import Ids
from callflow.modules._group import drawn_by_weight
from tests.modules.stage import NEVER, Ran, Stage, answers, caller, keyed, level, node, rejects, tone

STAYS = caller(leaves=300.0)
ALICE: dict[str, object] = {"id": "alice", "endpoint_type": "user"}
BOB: dict[str, object] = {"id": "bob-desk", "endpoint_type": "device"}


def _rung(ran: Ran) -> list[tuple[float, str]]:
    return [(round(event.time, 1), event.endpoint.removeprefix("device ")) for event in ran.of(CallRinging)]


def _group(*endpoints: dict[str, object], **data: object) -> dict[str, object]:
    return node("ring_group", {"endpoints": list(endpoints), **data}, then=node("noop"))


def test_ring_group_rings_all_devices_of_all_members_once(demo: Stage) -> None:
    demo.has("group", "sales", {"name": "Sales", "endpoints": {"bob-desk": {}, "alice-desk": {}}})
    again: dict[str, object] = {"id": "alice-desk", "endpoint_type": "device"}
    sales: dict[str, object] = {"id": "sales", "endpoint_type": "group"}
    ran = demo.run(_group(ALICE, again, sales, timeout=5), Scenario(caller=STAYS, callee=NEVER))
    assert _rung(ran) == [(0.0, "alice-desk"), (0.0, "alice-mobile"), (0.0, "bob-desk")]
    assert ran.step("ring_group").seconds == pytest.approx(5.0, abs=0.05)
    assert ran.modules == ["ring_group", "noop"]


def test_ring_group_keeps_delays_and_times_of_each(demo: Stage) -> None:
    first = {**BOB, "timeout": 3}
    late = {"id": "alice-desk", "endpoint_type": "device", "delay": 4, "timeout": 60}
    never = {"id": "alice-mobile", "endpoint_type": "device", "delay": 9}
    ran = demo.run(_group(first, late, never, timeout=8), Scenario(caller=STAYS, callee=NEVER))
    assert _rung(ran) == [(0.0, "bob-desk"), (4.0, "alice-desk")]
    assert ran.step("ring_group").seconds == pytest.approx(8.0, abs=0.05), "no longer than the group"


def test_ring_group_single_tries_one_after_the_other(demo: Stage) -> None:
    endpoints = {
        "alice-desk": rejects("USER_BUSY"),
        "alice-mobile": NEVER,
        "bob-desk": answers(1.0, leaves=2.0),
    }
    flow = _group({**ALICE, "timeout": 6}, BOB, strategy="single")
    ran = demo.run(flow, Scenario(caller=STAYS, endpoints=endpoints))
    assert _rung(ran) == [(0.0, "alice-desk"), (0.0, "alice-mobile"), (6.0, "bob-desk")]
    assert ran.walk == [("ring_group", "stop")]


def test_ring_group_failure_leads_to_the_cause(demo: Stage) -> None:
    flow = keyed(_group(BOB), USER_BUSY=node("answer"))
    ran = demo.run(flow, Scenario(caller=STAYS, callee=rejects("USER_BUSY", 486)))
    assert ran.walk[0] == ("ring_group", "attempt USER_BUSY")


def test_ring_group_repeats_its_rounds(demo: Stage) -> None:
    ran = demo.run(_group(BOB, timeout=4, repeats=3), Scenario(caller=STAYS, callee=NEVER))
    assert _rung(ran) == [(0.0, "bob-desk"), (4.0, "bob-desk"), (8.0, "bob-desk")]


def test_ring_group_ends_with_one_rejection_if_told(demo: Stage) -> None:
    endpoints = {"alice-desk": rejects("CALL_REJECTED", 603), "alice-mobile": NEVER, "bob-desk": NEVER}
    flow = _group(ALICE, BOB, fail_on_single_reject=True, repeats=5)
    ran = demo.run(flow, Scenario(caller=STAYS, endpoints=endpoints))
    assert ran.step("ring_group").seconds == pytest.approx(0.0, abs=0.1)
    assert len(_rung(ran)) == 3, "one round, not five"


def test_ring_group_leaves_out_the_caller_and_who_wants_no_calls(demo: Stage) -> None:
    calls = Scenario(caller=STAYS, device_id="alice-desk", callee=answers(0.0, leaves=1.0))
    assert [name for _, name in _rung(demo.run(_group(ALICE, BOB), calls))] == ["bob-desk"]
    demo.has("device", "bob-desk", {**demo.account.all("device")["bob-desk"], "enabled": False})
    assert _rung(demo.run(_group(ALICE, BOB), calls)) == []


def test_ring_group_of_groups_in_a_circle_comes_to_an_end(demo: Stage) -> None:
    demo.has(
        "group", "a", {"name": "A", "endpoints": {"b": {"type": "group"}, "bob-desk": {"type": "device"}}}
    )
    demo.has("group", "b", {"name": "B", "endpoints": {"a": {"type": "group"}, "alice": {"type": "user"}}})
    ran = demo.run(
        _group({"id": "a", "endpoint_type": "group"}, timeout=1), Scenario(caller=STAYS, callee=NEVER)
    )
    assert sorted(name for _, name in _rung(ran)) == ["alice-desk", "alice-mobile", "bob-desk"]


def test_ring_group_tells_members_that_are_not_there(demo: Stage) -> None:
    missing: list[dict[str, object]] = [
        {"id": "zoe", "endpoint_type": kind} for kind in ("user", "device", "group")
    ]
    ran = demo.run(_group(*missing), Scenario(caller=STAYS))
    assert [notice.code for notice in ran.notices("error")] == ["CF-DOC-003"] * 3
    assert ran.walk == [("ring_group", "continue _"), ("noop", "stop")]


def test_ring_group_draws_an_order_by_weight(demo: Stage) -> None:
    light, heavy = (
        Member(DialTarget("device", name), weight) for name, weight in (("light", 10), ("heavy", 90))
    )
    first = Counter(drawn_by_weight([light, heavy], Ids(seed).fraction)[0].target.id for seed in range(300))
    assert 240 < first["heavy"] < 295 and first["light"] + first["heavy"] == 300
    flow = _group(ALICE, BOB, strategy="weighted_random", timeout=1)
    rung = _rung(demo.run(flow, Scenario(caller=STAYS, callee=NEVER)))
    assert [at for at, _ in rung] == [0.0, 1.0, 2.0] and len({name for _, name in rung}) == 3


@pytest.mark.parametrize("ignored", [True, False])
def test_ring_group_early_media_is_heard_only_if_wanted(demo: Stage, ignored: bool) -> None:
    """What the caller hears before the answer is ringback, or the phone's own sound."""
    demo.set(media__record_stereo=True)
    early = Callee(Answers(4.0, early=(tone(1000, 4.0),)), Party())
    ring = _group(BOB, ignore_early_media=ignored, timeout=3)
    flow = node("record_call", {"action": "start", "format": "wav"}, then=ring)
    ran = demo.run(flow, Scenario(caller=STAYS, callee=early))
    heard = ran.sound(ran.row())[:, 1]
    assert (level(heard, 1000, 0.5, 1.5) > 1000) is not ignored
    assert (level(heard, 440, 0.5, 1.5) > 500) is ignored


def test_group_rings_its_members_by_weight(demo: Stage) -> None:
    members = {"alice-desk": {"weight": 2}, "bob-desk": {"weight": 1, "timeout": 2}, "alice-mobile": {}}
    demo.has("group", "sales", {"name": "Sales", "endpoints": members})
    flow = node("group", {"id": "sales", "strategy": "single", "timeout": 3}, then=node("noop"))
    ran = demo.run(flow, Scenario(caller=STAYS, callee=NEVER))
    assert _rung(ran) == [(0.0, "bob-desk"), (2.0, "alice-desk"), (5.0, "alice-mobile")]


def test_group_with_endpoints_of_its_own_rings_these(demo: Stage) -> None:
    flow = node("group", {"id": "nobody", "endpoints": [BOB]})
    ran = demo.run(flow, Scenario(caller=STAYS, callee=answers(0.0, leaves=1.0)))
    (bridged,) = ran.of(CallBridged)
    assert bridged.endpoint == "device bob-desk"


def test_group_that_is_not_there_is_passed_over(demo: Stage) -> None:
    ran = demo.run(node("group", {"id": "nobody"}, then=node("noop")), Scenario(caller=STAYS))
    assert ran.modules == ["group", "noop"] and len(ran.notices("error")) == 1
