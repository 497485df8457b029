"""``group_pickup``, ``intercept``, the features, ``call_pickup``, ``move``, with recordings on both sides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from callflow.channels.sim.scenario import Answers, Callee, Party, Scenario, Timed, TransferTo
from callflow.engine.call import Call
from callflow.events import CallBridged, CallEnded, CallUnbridged, StepEnded
from tests.modules.several import comes, run_all
from tests.modules.stage import HIGH, LOW, NEVER, Ran, Stage, caller, level, node, tone

THIRD = 1500
"""What the one who picks up sings, in Hz."""

RECORD = {"action": "start", "format": "wav"}


@pytest.fixture
def office(stage: Stage) -> Stage:
    """Three users with a phone each, bob with two; 2002 rings bob, recorded; bob and carol are sales."""
    for name in ("alice", "bob", "carol"):
        stage.has("user", name, {"first_name": name})
        stage.has("device", f"{name}-desk", {"owner_id": name, "sip": {"username": f"{name}1"}})
    stage.has("device", "bob-soft", {"owner_id": "bob", "sip": {"username": "bob2"}})
    members = {"bob": {"type": "user"}, "carol-desk": {"type": "device"}}
    stage.has("group", "sales", {"name": "Sales", "endpoints": members})
    bob = node("record_call", RECORD, then=node("user", {"id": "bob"}))
    stage.flows = {
        "bob": {"numbers": ["2002"], "flow": bob},
        "desk": {"numbers": ["2003"], "flow": node("device", {"id": "bob-desk"})},
    }
    return stage


def calling(device: str = "", *, leaves: float | None = None, hz: int = LOW, **parts: Any) -> Scenario:
    return Scenario(caller=caller(says=[tone(hz, 60.0)], leaves=leaves), device_id=device, **parts)


def feature(module: str, **data: Any) -> dict[str, Any]:
    """A flow of one node whose pattern captures what comes after ``*8``."""
    return {"patterns": ["^\\*8([a-z0-9]+)$"], "flow": node(module, data)}


def recorded(module: str, **data: Any) -> dict[str, Any]:
    return {"numbers": ["*8"], "flow": node("record_call", RECORD, then=node(module, data))}


def cause(ran: Ran) -> str:
    (ended,) = ran.of(CallEnded)
    return str(ended.cause)


def did(ran: Ran) -> str:
    steps: list[StepEnded] = ran.of(StepEnded)
    return steps[-1].did


ANSWERS = Callee(Answers(1.0), Party(clips=(tone(HIGH, 60.0),)))


def test_group_pickup_connects_the_ringing_caller_and_both_recordings_go_on(office: Stage) -> None:
    rung, taker = run_all(
        office,
        comes(0, "2002", calling(callee=NEVER)),
        comes(
            5, "*8", calling("carol-desk", leaves=15.0, hz=THIRD), recorded("group_pickup", group_id="sales")
        ),
    )
    assert [(e.time, e.leg) for e in rung.of(CallBridged)] == [(5, rung.report.call_id)]
    assert [(e.time, e.peer) for e in taker.of(CallBridged)] == [(5, rung.report.call_id)]
    assert [e.time for e in taker.of(CallUnbridged)] == [20]
    assert cause(rung) == cause(taker) == "NORMAL_CLEARING"
    assert rung.walk[-1] == ("user", "stop") and rung.row().samples == 20 * 8000
    sound = rung.sound(rung.row())
    assert level(sound[:, 0], LOW, 0.1, 19.9) > 3000
    assert level(sound[:, 1], THIRD, 0, 4.9) < 30 and level(sound[:, 1], THIRD, 5.1, 19.9) > 3000
    own = taker.sound(taker.row())
    assert taker.row().samples == 15 * 8000 and taker.row().call_id == taker.report.call_id
    assert level(own[:, 0], THIRD, 0.1, 14.9) > 3000 and level(own[:, 1], LOW, 0.1, 14.9) > 3000


def test_group_pickup_of_nothing_and_by_nobody_of_the_approved(office: Stage) -> None:
    silent, refused, unknown = run_all(
        office,
        comes(0, "*8", calling("carol-desk"), recorded("group_pickup", user_id="bob")),
        comes(
            0, "*8", calling("alice-desk"), recorded("group_pickup", user_id="bob", approved_group_id="sales")
        ),
        comes(0, "*8", calling("alice-desk"), recorded("group_pickup", user_id="dave")),
    )
    assert did(silent) == "found no call to take" and cause(silent) == "NORMAL_CLEARING"
    assert did(refused) == "the caller may not do this"
    assert did(unknown) == "there are no such devices" and len(unknown.notices("error")) == 1


def test_the_caller_hangs_up_and_the_one_who_picked_up_is_hung_up(office: Stage) -> None:
    rung, taker = run_all(
        office,
        comes(0, "2002", calling(callee=NEVER, leaves=12.0)),
        comes(5, "*8", calling("carol-desk"), recorded("group_pickup", device_id="bob-soft")),
    )
    assert taker.row().samples == 7 * 8000 and rung.row().samples == 12 * 8000
    assert cause(taker) == "NORMAL_CLEARING"


def test_who_picked_up_can_transfer_the_caller(office: Stage) -> None:
    """Carol picks up, and transfers the caller to 2003, where bob's desk phone answers this time."""
    script = (Timed(8.0, TransferTo("2003"), since="start"),)
    carol = Scenario(caller=Party(clips=(tone(THIRD, 60.0),), script=script), device_id="carol-desk")
    slow = Callee(Answers(6.0), Party(clips=(tone(HIGH, 60.0),)))
    rung, taker = run_all(
        office,
        comes(0, "2002", calling(callee=slow, leaves=30.0)),
        comes(5, "*8", carol, recorded("group_pickup", user_id="bob")),
    )
    assert cause(taker) == "BLIND_TRANSFER" and rung.modules == ["record_call", "user", "device"]
    sound = rung.sound(rung.row())
    assert rung.row().samples == 30 * 8000
    assert level(sound[:, 1], THIRD, 5.1, 12.9) > 3000 and level(sound[:, 1], HIGH, 19.1, 29.9) > 3000
    # Carol's own recording follows the caller: her channel is whoever the caller talks with now.
    own = taker.sound(taker.row())
    assert taker.row().samples == 25 * 8000
    assert level(own[:, 1], LOW, 0.1, 24.9) > 3000 and level(own[:, 0], HIGH, 14.1, 24.9) > 3000


@pytest.mark.parametrize(
    ("kind", "digits"), [("extension", "2002"), ("device", "bob1"), ("user", "bob"), ("group", "sales")]
)
def test_group_pickup_feature_reads_the_digits(office: Stage, kind: str, digits: str) -> None:
    _rung, taker = run_all(
        office,
        comes(0, "2002", calling(callee=NEVER)),
        comes(
            5, f"*8{digits}", calling("alice-desk", leaves=5.0), feature("group_pickup_feature", type=kind)
        ),
    )
    assert len(taker.of(CallBridged)) == 1


def test_group_pickup_feature_of_nobody(office: Stage) -> None:
    (taker,) = run_all(office, comes(0, "*8999", calling(), feature("group_pickup_feature", type="device")))
    assert did(taker) == "'999' is no device" and taker.walk == [("group_pickup_feature", "stop")]


def test_intercept_takes_the_place_of_the_callee(office: Stage) -> None:
    talk, taker = run_all(
        office,
        comes(0, "2002", calling("alice-desk", callee=ANSWERS)),
        comes(10, "*8", calling("carol-desk", leaves=10.0, hz=THIRD), recorded("intercept", user_id="bob")),
    )
    assert [(e.time, e.cause) for e in talk.of(CallUnbridged)] == [
        (10, "PICKED_OFF"),
        (20, "NORMAL_CLEARING"),
    ]
    sound = talk.sound(talk.row())
    assert talk.row().samples == 20 * 8000 and talk.changes(talk.row().id)[-1] == "ready"
    assert level(sound[:, 0], LOW, 0.1, 19.9) > 3000
    assert level(sound[:, 1], HIGH, 1.1, 9.9) > 3000 and level(sound[:, 1], THIRD, 10.1, 19.9) > 3000
    assert level(sound[:, 1], HIGH, 10.1, 19.9) < 30
    assert cause(talk) == cause(taker) == "NORMAL_CLEARING" and taker.row().samples == 10 * 8000


@pytest.mark.parametrize("follows", [True, False])
def test_intercept_takes_the_place_of_the_caller(office: Stage, follows: bool) -> None:
    tree = node(
        "record_call", {**RECORD, "should_follow_transfer": follows}, then=node("user", {"id": "bob"})
    )
    office.flows["bob"] = {"numbers": ["2002"], "flow": tree}
    talk, taker = run_all(
        office,
        comes(0, "2002", calling("alice-desk", callee=ANSWERS)),
        comes(10, "*8", calling("carol-desk", leaves=10.0, hz=THIRD), recorded("intercept", user_id="alice")),
    )
    row = talk.row()
    assert (row.samples, row.reason) == ((20 * 8000, "hangup") if follows else (10 * 8000, "transfer"))
    sound = talk.sound(row)
    assert level(sound[:, 0], LOW, 0.1, 9.9) > 3000 and level(sound[:, 1], HIGH, 1.1, 9.9) > 3000
    if follows:  # each side on its channel: carol where alice was
        assert level(sound[:, 0], THIRD, 10.1, 19.9) > 3000 and level(sound[:, 1], HIGH, 10.1, 19.9) > 3000
    assert cause(taker) == "NORMAL_CLEARING"


def test_intercept_that_leaves_answered_calls_alone(office: Stage) -> None:
    flow = recorded("intercept", user_id="bob", unanswered_only=True)
    talk, taker = run_all(
        office,
        comes(0, "2002", calling("alice-desk", callee=ANSWERS, leaves=15.0)),
        comes(10, "*8", calling("carol-desk"), flow),
    )
    assert did(taker) == "found no call to take" and talk.row().samples == 15 * 8000


def test_intercept_feature_is_for_ones_own_phones(office: Stage) -> None:
    own = comes(5, "*8bob1", calling("bob-soft", leaves=5.0), feature("intercept_feature", type="device"))
    other = comes(3, "*8bob1", calling("carol-desk"), feature("intercept_feature", type="device"))
    approved = feature("intercept_feature", type="device", approved_user_id="carol")
    last = comes(12, "*8bob1", calling("carol-desk"), approved)
    talk, mine, refused, late = run_all(
        office, comes(0, "2003", calling("alice-desk", callee=ANSWERS)), own, other, last
    )
    assert did(refused) == "the caller may take only their own calls"
    assert [e.time for e in mine.of(CallBridged)] == [5] and cause(talk) == "NORMAL_CLEARING"
    assert did(late) == "found no call to take"


@pytest.mark.parametrize("answered", [False, True])
def test_call_pickup_takes_the_call_of_an_id(office: Stage, answered: bool) -> None:
    first = comes(0, "2002", calling("alice-desk", callee=ANSWERS if answered else NEVER, leaves=20.0))
    (found,) = run_all(office, first, seed=7)
    flow = recorded("call_pickup", target_call_id=found.report.call_id)
    talk, taker = run_all(office, first, comes(5, "*8", calling("carol-desk", hz=THIRD), flow), seed=7)
    assert talk.report.call_id == found.report.call_id
    sound = taker.sound(taker.row())
    assert taker.row().samples == 15 * 8000 and cause(taker) == "NORMAL_CLEARING"
    assert level(sound[:, 0], THIRD, 0.1, 14.9) > 3000 and level(sound[:, 1], LOW, 0.1, 14.9) > 3000


def test_call_pickup_of_an_id_that_nobody_has(office: Stage) -> None:
    (lost,) = run_all(office, comes(0, "*8", calling(), recorded("call_pickup", target_call_id="nobody")))
    assert did(lost) == "there is no call 'nobody' to take"


def test_move_takes_the_talk_to_another_phone_without_a_gap(office: Stage) -> None:
    talk, mover = run_all(
        office,
        comes(
            0,
            "2003",
            calling("alice-desk", callee=ANSWERS),
            {
                "numbers": ["2003"],
                "flow": node("record_call", RECORD, then=node("device", {"id": "bob-desk"})),
            },
        ),
        comes(10, "*8", calling("bob-soft", leaves=10.0, hz=THIRD), recorded("move")),
    )
    sound = talk.sound(talk.row())
    assert level(sound[:, 1], HIGH, 1.1, 9.98) > 3000 and level(sound[:, 1], THIRD, 10.02, 19.9) > 3000
    assert talk.row().samples == 20 * 8000 and mover.row().samples == 10 * 8000


def test_move_of_nothing_and_of_too_much(office: Stage) -> None:
    nobody, early, both, *_talks = run_all(
        office,
        comes(0, "*8", calling(), recorded("move")),
        comes(0, "*8", calling("bob-soft"), recorded("move")),
        comes(10, "*8", calling("bob-soft"), recorded("move")),
        comes(1, "2003", calling("alice-desk", callee=ANSWERS, leaves=20.0)),
        comes(1, "2003", calling("carol-desk", callee=ANSWERS, leaves=20.0)),
    )
    assert [did(ran) for ran in (nobody, early, both)] == [
        "the caller's device has no owner",
        "bob has no talk to move",
        "bob has 2 talks",
    ]


@pytest.mark.parametrize(
    "tree",
    [
        node("group_pickup", {"user_id": "bob"}),
        node("intercept", {"user_id": "bob"}),
        node("call_pickup", {"target_call_id": "{TARGET}"}),
    ],
)
@pytest.mark.parametrize("bob", [NEVER, ANSWERS])
def test_a_caller_from_a_carrier_takes_no_call(
    office: Stage, tree: dict[str, Any], bob: Callee, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However it has found the number of the feature; ringing or answered, the call goes on as it was."""
    begin = Call.start

    def start(call: Call) -> None:
        if call.party.from_number == "+15550166":
            call.party = replace(call.party, trunk="carrier")
            running = next(other for other in call.services.calls.all() if other is not call)
            call.services.variables["TARGET"] = running.id  # type: ignore[index]
        begin(call)

    monkeypatch.setattr(Call, "start", start)
    office.flows["take"] = {"numbers": ["*8"], "flow": tree}
    stranger = replace(calling(leaves=20.0), from_number="+15550166")
    first, taker = run_all(
        office,
        comes(0.0, "2003", calling("alice-desk", leaves=15.0, callee=bob, endpoints={"bob-desk": bob})),
        comes(3.0, "*8", stranger),
    )
    assert did(taker) == "the caller may not do this"
    assert not taker.of(CallBridged) and len(first.of(CallBridged)) == (bob is ANSWERS)
