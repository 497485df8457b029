"""``eavesdrop``: one listens to a talk of others, and speaks to whom the keys say."""

from __future__ import annotations

from typing import Any

from callflow.channels.sim.scenario import HangUp, TransferTo
from callflow.events import CallBridged
from tests.modules.meeting import RECORD, Meeting, Visitor, hears, meet, singer
from tests.modules.stage import Stage, answers, caller, does, node, presses, tone

LISTEN = {"user_id": "ben", "approved_user_id": "boss"}


def house(stage: Stage) -> None:
    for name in ("ann", "ben", "boss"):
        stage.has("user", name, {})
        stage.has("device", f"{name}-desk", {"owner_id": name})


def talk(leaves: float = 40.0) -> Visitor:
    """A caller (440 Hz, recorded) talks with ben (600 Hz)."""
    flow = node("record_call", RECORD, then=node("user", {"id": "ben"}))
    facts = {"callee": answers(0, says=[tone(600, 60)])}
    return Visitor(0, caller(says=[tone(440, 60)], leaves=leaves), flow, facts)


def listener(at: float, leaves: float, *script: Any, device: str = "boss-desk", hertz: int = 1000) -> Visitor:
    visitor = singer(hertz, at, leaves, *script)
    visitor.flow = node("record_call", RECORD, then=node("eavesdrop", LISTEN))
    visitor.facts = {"device_id": device, "user_id": device.removesuffix("-desk")}
    return visitor


def ben(meeting: Meeting) -> str:
    """The leg of ben's phone."""
    peer: str = meeting.of(CallBridged)[0].peer
    return peer


def test_eavesdrop_hears_both_and_is_heard_by_whom_the_keys_say(stage: Stage) -> None:
    house(stage)
    a = talk()
    keys = (presses(5, "1"), presses(10, "2"), presses(15, "3"), presses(20, "0"))
    spy = listener(5, 30, *keys)
    meeting = meet(stage, {}, [a, spy])
    for begin, at_ben, at_caller in (
        (6, {440}, {600}),
        (11, {440, 1000}, {600}),
        (16, {440}, {600, 1000}),
        (21, {440, 1000}, {600, 1000}),
        (26, {440}, {600}),
        (36, {440}, {600}),
    ):
        assert meeting.hears(ben(meeting), begin, begin + 3.5) == at_ben, begin
        assert hears(a, begin, begin + 3.5) == at_caller, begin
    assert hears(spy, 1, 29) == {440, 600}
    assert abs(len(a.sound) / 8000 - 40) < 0.1


def test_two_listen_and_do_not_hear_each_other(stage: Stage) -> None:
    house(stage)
    a, one, two = talk(), listener(5, 30, presses(2, "3")), listener(10, 10, presses(1, "3"), hertz=1400)
    meeting = meet(stage, {}, [a, one, two])
    assert hears(one, 8, 14) == {440, 600} and hears(two, 3, 9) == {440, 600}
    assert hears(a, 12, 19) == {600, 1000, 1400}
    assert hears(a, 22, 34) == {600, 1000}
    assert meeting.hears(ben(meeting), 36, 39) == {440}


def test_eavesdrop_ends_with_the_call_and_follows_a_transfer(stage: Stage) -> None:
    house(stage)
    a = talk(leaves=20)
    spy = listener(5, 60)
    meet(stage, {}, [a, spy])
    assert abs(spy.lasted - 15) < 1
    assert spy.did == "listened to ben-desk until that call was over"
    b = talk(leaves=60)
    b.party = caller(does(20, TransferTo("2009")), says=[tone(440, 60)], leaves=60)
    b.facts = {
        "callee": answers(0, says=[tone(600, 60)]),
        "endpoints": {"2009": answers(0, says=[tone(1400, 60)], leaves=20)},
    }
    spy = listener(5, 60)
    meeting = meet(stage, {}, [b, spy])
    assert hears(spy, 1, 14) == {440, 600}
    assert hears(spy, 18, 30) == {600, 1400}
    assert len(meeting.of(CallBridged)) == 2


def test_only_who_is_approved_may_listen(stage: Stage) -> None:
    house(stage)
    a = talk()
    stranger = listener(5, 30, device="ann-desk")
    early = listener(0.0, 30)
    early.flow = node("eavesdrop", {"device_id": "ann-desk", "approved_device_id": "boss-desk"})
    nobody = listener(5, 30)
    nobody.flow = node("eavesdrop", {"user_id": "ben"})
    missing = listener(5, 30)
    missing.flow = node("eavesdrop", {"user_id": "zoe", "approved_user_id": "boss"})
    meet(stage, {}, [a, stranger, early, nobody, missing])
    assert stranger.did == nobody.did == "the caller may not listen"
    assert early.did == "found no talk to listen to"
    assert missing.did == "there are no such devices"
    assert hears(a, 6, 39) == {600}


def test_eavesdrop_feature_listens_to_the_extension(stage: Stage) -> None:
    house(stage)
    stage.has("callflow", "ben", {"numbers": ["2002"], "flow": node("user", {"id": "ben"})})
    stage.has("group", "sales", {"endpoints": {"ben": {"type": "user"}}})
    stage.has("group", "others", {"endpoints": {"ann": {"type": "user"}}})

    def code(**data: Any) -> dict[str, Any]:
        feature = node("eavesdrop_feature", {"approved_user_id": "boss", **data})
        return {"patterns": ["^\\*88([0-9]+)$"], "flow": node("record_call", RECORD, then=feature)}

    a, good, bad, wrong = talk(), listener(5, 10), listener(5, 10), listener(5, 10)
    for visitor, data, number in (
        (good, {"group_id": "sales"}, "2002"),
        (bad, {"group_id": "others"}, "2002"),
    ):
        visitor.flow = code(**data)
        visitor.facts = {**visitor.facts, "to_number": f"*88{number}"}
    wrong.flow, wrong.facts = code(), {**wrong.facts, "to_number": "*887777"}
    meet(stage, {}, [a, good, bad, wrong])
    assert hears(good, 1, 9) == {440, 600}
    assert bad.did == "may not listen to '2002'" and wrong.did == "may not listen to '7777'"


def test_a_listener_who_hangs_up_leaves_the_talk_alone(stage: Stage) -> None:
    house(stage)
    a, spy = talk(), listener(5, 60, does(10, HangUp()))
    meeting = meet(stage, {}, [a, spy])
    assert hears(a, 16, 39) == {600} and meeting.hears(ben(meeting), 16, 39) == {440}
