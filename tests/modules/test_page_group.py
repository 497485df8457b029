"""``page_group``: one speaks to many phones."""

from __future__ import annotations

from typing import Any

from callflow.channels.sim.scenario import Callee
from callflow.events import CallBridged, CallRinging, RoomJoined, RoomLeft
from tests.modules.meeting import RECORD, Meeting, Visitor, meet, singer
from tests.modules.stage import NEVER, Stage, answers, caller, node, presses, rejects, tone


def house(stage: Stage) -> None:
    """Three devices of three users, in a group."""
    for name in ("ann", "ben", "cid"):
        stage.has("user", name, {})
        stage.has("device", f"{name}-desk", {"owner_id": name})
    stage.has("group", "all", {"endpoints": {name: {"type": "user"} for name in ("ann", "ben", "cid")}})


ALL = [{"id": "all", "endpoint_type": "group"}]


def page(**data: Any) -> dict[str, Any]:
    return node(
        "record_call", RECORD, then=node("page_group", {"endpoints": ALL, **data}, then=node("hangup"))
    )


def pager(leaves: float, flow: dict[str, Any], *script: Any, **callees: Callee) -> Visitor:
    """One who pages and sings; ``callees``: by user, the others never answer."""
    visitor = singer(440, 0, leaves, *script)
    visitor.flow = flow
    visitor.facts = {"endpoints": callees, "callee": NEVER}
    return visitor


def legs(meeting: Meeting) -> dict[str, str]:
    """The leg of each phone that rang."""
    return {event.endpoint.removeprefix("device "): event.leg for event in meeting.of(CallRinging)}


def test_page_group_one_way_lets_all_hear_the_caller_and_nobody_else(stage: Stage) -> None:
    house(stage)
    sings = {"ann": answers(1, says=[tone(600, 60)]), "ben": answers(3, says=[tone(1000, 60)], leaves=10)}
    one = pager(20, page(), **sings)
    meeting = meet(stage, page(), [one])
    phones = legs(meeting)
    assert set(phones) == {"ann-desk", "ben-desk", "cid-desk"}
    assert meeting.hears(phones["ann-desk"], 4, 19) == {440}
    assert meeting.hears(phones["ben-desk"], 4, 12) == {440}
    assert phones["cid-desk"] not in meeting.heard
    assert not one.sound[:, 1].any()
    assert [event.members for event in meeting.of(RoomJoined)] == [1, 2, 3]
    assert one.report is not None and [step.module for step in one.report.steps][-1] == "page_group"


def test_page_group_two_way_lets_all_hear_all_and_ends_with_the_last_phone(stage: Stage) -> None:
    house(stage)
    sings = {
        "ann": answers(0, says=[tone(600, 60)], leaves=20),
        "ben": answers(0, says=[tone(1000, 60)], leaves=10),
        "cid": rejects("USER_BUSY"),
    }
    one = pager(60, page(audio="two-way"), **sings)
    meeting = meet(stage, page(), [one])
    phones = legs(meeting)
    assert meeting.hears(phones["ann-desk"], 1, 9) == {440, 1000}
    assert meeting.hears(phones["ben-desk"], 1, 9) == {440, 600}
    assert one.did == "paged 2 of 3 phones"
    assert abs(one.lasted - 20) < 0.5
    assert [event.reason for event in meeting.of(RoomLeft)] == ["left", "left", "ended"]


def test_page_group_that_nobody_answers_goes_on(stage: Stage) -> None:
    house(stage)
    one = pager(60, page(timeout=7))
    meet(stage, page(), [one])
    assert one.did != "" and one.report is not None
    assert [(step.module, step.did) for step in one.report.steps][1] == (
        "page_group",
        "paged 3 phones, and none answered",
    )
    assert one.report.steps[-1].module == "hangup" and abs(one.lasted - 7) < 0.5
    empty = pager(60, page(endpoints=[{"id": "nobody", "endpoint_type": "user"}]))
    meet(stage, page(), [empty])
    assert empty.report is not None
    assert [step.did for step in empty.report.steps][1] == "found nobody to page"
    assert [notice.level for notice in empty.report.notices] == ["error"]


def test_page_group_ends_with_the_key_and_leaves_talks_alone_unless_it_may_barge(stage: Stage) -> None:
    house(stage)
    talk = Visitor(0, caller(says=[tone(1400, 60)], leaves=40), node("device", {"id": "ann-desk"}))
    talk.facts = {"callee": answers(0, says=[tone(600, 60)])}
    calm = pager(30, page(), presses(8, "#"), ann=answers(0), ben=answers(0))
    calm.at = 5
    meeting = meet(stage, page(), [talk, calm])
    rung = [event.endpoint for event in meeting.of(CallRinging)]
    assert rung == ["device ann-desk", "device ben-desk", "device cid-desk"]
    assert calm.did == "paged 1 of 2 phones" and abs(calm.lasted - 8) < 0.5
    assert len(meeting.of(CallBridged)) == 1
    loud = pager(30, page(barge_calls=True), ann=answers(0), ben=answers(0))
    loud.at = 5
    assert len(meet(stage, page(), [talk, loud]).of(CallRinging)) == 4
