"""``conference``: several calls in one engine meet; numbers, pins, roles, keys, tones, music, recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from callflow.channels.sim.scenario import PutOnHold, Scenario, TransferTo
from callflow.documents.moduledata import prepare_document
from callflow.events import CallTransferred, RoomChanged, RoomJoined, RoomLeft
from tests.modules.meeting import RECORD, Visitor, hears, meet, singer
from tests.modules.stage import Stage, answers, caller, does, level, loud, node, presses, tone


def open_room(stage: Stage, **more: Any) -> dict[str, Any]:
    """A conference that anybody can join, without tones; a flow that records its caller and joins it."""
    document = {
        "play_welcome": False,
        "play_entry_tone": False,
        "play_exit_tone": False,
        "member": {"join_muted": False},
        **more,
    }
    stage.has("conference", "team", prepare_document("conference", document).data)
    return node("record_call", RECORD, then=node("conference", {"id": "team"}))


def test_conference_lets_all_hear_each_other_but_not_themselves(stage: Stage) -> None:
    flow = open_room(stage)
    a, b, c = singer(440, 0, 40), singer(600, 10, 20), singer(1000, 20, 20)
    meeting = meet(stage, flow, [a, b, c])
    assert hears(a, 5, 9) == set()
    assert hears(a, 11, 19) == {600}
    assert hears(a, 21, 29) == {600, 1000}
    assert hears(a, 31, 39) == {1000}
    assert hears(b, 11, 19) == {440, 1000}
    assert hears(c, 11, 19) == {440}
    assert [event.members for event in meeting.of(RoomJoined)] == [1, 2, 3]
    assert sorted(event.members for event in meeting.of(RoomLeft)) == [0, 1, 2]
    assert level(a.sound[:, 0], 440, 1, 39) > 3000  # its recording went on from its first second
    assert abs(len(a.sound) / 8000 - 40) < 0.1


def test_conference_keys_mute_and_deafen_and_leave(stage: Stage) -> None:
    flow = open_room(stage)
    a = singer(440, 0, 60)
    b = singer(
        600, 0, 60, presses(10, "0"), presses(15, "0"), presses(20, "*"), presses(25, "*"), presses(30, "#")
    )
    meeting = meet(stage, flow, [a, b])
    assert hears(a, 5, 9) == {600}
    assert hears(a, 11, 14.5) == set()
    assert hears(b, 11, 14.5) == {440}
    assert hears(a, 16, 19.5) == {600}
    assert hears(a, 21, 24.5) == set()
    assert hears(b, 23, 24.5) == set()
    assert hears(b, 28, 29.5) == {440} and hears(a, 26, 29.5) == {600}
    assert hears(a, 31, 59) == set()
    assert b.did.endswith("the caller pressed the key to leave")
    assert abs(b.lasted - 30) < 0.2
    changes = [(event.muted, event.deaf) for event in meeting.of(RoomChanged)]
    assert changes == [(True, False), (False, False), (True, True), (False, False)]


def test_conference_members_come_in_muted_unless_the_document_says_otherwise(stage: Stage) -> None:
    flow = open_room(stage, member={}, moderator={"numbers": ["77"]})
    a = singer(440, 0, 20)
    chair = singer(600, 0, 20)
    chair.flow = node("record_call", RECORD, then=node("conference", {"id": "team", "moderator": True}))
    meet(stage, flow, [a, chair])
    assert hears(a, 5, 19) == {600}
    assert hears(chair, 5, 19) == set()


def test_conference_waits_for_a_moderator_with_music(stage: Stage, tmp_path: Path) -> None:
    music = np.rint(8000 * np.sin(2 * np.pi * 1400 * np.arange(8000) / 8000)).astype(np.int16)
    soundfile.write(tmp_path / "music.wav", music, 8000)
    flow = open_room(stage, wait_for_moderator=True, endconf=True)
    account = stage.account
    stage.account = type(account)(
        account.id,
        None,
        {"music_on_hold": {"media_id": "hold"}},
        account.documents,
        {"hold": tmp_path / "music.wav"},
    )
    a, b = singer(440, 0, 60), singer(600, 0, 60)
    chair = singer(1000, 10, 20)
    chair.flow = node("record_call", RECORD, then=node("conference", {"id": "team", "moderator": True}))
    meeting = meet(stage, flow, [a, b, chair])
    for visitor, other in ((a, 600), (b, 440)):
        assert hears(visitor, 3, 9.5) == {1400}
        assert hears(visitor, 11, 29) == {other, 1000}
        assert visitor.did.endswith("its last moderator left")
        assert abs(visitor.lasted - 30) < 0.2
    assert [event.reason for event in meeting.of(RoomLeft)] == ["left", "ended", "ended"]


def test_conference_asks_for_number_and_pin(stage: Stage) -> None:
    document = {
        "conference_numbers": ["8000"],
        "member": {"pins": ["1234"], "join_muted": False},
        "moderator": {"pins": ["9999"]},
        "play_entry_tone": False,
    }
    stage.has("conference", "team", document)
    flow = node("conference", {"welcome_prompt": {"play": False}})
    member = Visitor(0, caller(presses(1, "8000#"), presses(4, "1234#"), leaves=30))
    chair = Visitor(0, caller(presses(1, "8000#"), presses(4, "11#"), presses(9, "9999#"), leaves=30))
    guesser = Visitor(0, caller(presses(1, "8000#"), *(presses(t, "0#") for t in (4, 10, 16)), leaves=60))
    lost = Visitor(0, caller(*(presses(t, "1#") for t in (2, 8, 14)), leaves=60))
    meeting = meet(stage, flow, [member, chair, guesser, lost])
    assert [(event.moderator, event.room) for event in meeting.of(RoomJoined)] == [
        (False, "conference team"),
        (True, "conference team"),
    ]
    assert guesser.did == "was not let into conference team"
    assert lost.did == "found no conference"
    assert guesser.lasted < 40 and lost.lasted < 40


def test_conference_is_full_and_locked(stage: Stage) -> None:
    controls = {"chair": [{"digits": "*1", "action": "lock"}, {"digits": "9", "action": "dance"}]}
    flow = open_room(stage, max_participants=2, controls=controls, moderator_controls="chair")
    chair = singer(440, 0, 40, presses(20, "*1"))
    chair.flow = node("conference", {"id": "team", "moderator": True})
    early, late, third = singer(600, 5, 10), singer(600, 25, 10), singer(1000, 8, 30)
    meeting = meet(stage, flow, [chair, early, third, late])
    assert third.did == "could not join conference team: full"
    assert late.did == "could not join conference team: locked"
    assert [event.locked for event in meeting.of(RoomChanged)] == [True]
    assert chair.report is not None
    assert [notice.code for notice in chair.report.notices] == ["CF-RUN-CONFERENCE"]


def test_conference_tones_are_heard_by_all(stage: Stage) -> None:
    flow = open_room(stage, play_entry_tone=True, play_exit_tone=True)
    a = singer(440, 0, 40)
    b = Visitor(10, caller(leaves=10))
    meet(stage, flow, [a, b])
    assert level(a.sound[:, 1], 523, 10.05, 10.25) > 1000 and level(a.sound[:, 1], 783, 10.4, 11) > 1000
    assert level(a.sound[:, 1], 349, 20.4, 21) > 1000
    assert level(b.sound[:, 1], 523, 0.05, 0.25) > 1000 and level(b.sound[:, 1], 440, 5, 9) > 3000
    assert loud(a.sound[:, 1], 12, 19) < 5


def test_conference_of_its_own_by_config(stage: Stage) -> None:
    config = {"name": "ad hoc", "play_entry_tone": False, "play_welcome": False}
    flow = node("record_call", RECORD, then=node("conference", {"config": config}))
    a, b = singer(440, 0, 20), singer(600, 0, 20)
    meet(stage, flow, [a, b])
    assert hears(a, 5, 19) == {600} and hears(b, 5, 19) == {440}


def test_conference_feature_takes_the_captured_number(stage: Stage) -> None:
    open_room(stage, conference_numbers=["8000"])
    stage.has("callflow", "code", {"patterns": ["^\\*87([0-9]+)$"], "flow": node("conference_feature")})
    ran = stage.dial("*878000", Scenario(caller=caller(leaves=10), to_number="*878000"))
    assert ran.of(RoomJoined)[0].room == "conference team"
    unknown = stage.dial("*8799", Scenario(caller=caller(presses(5, "8000#"), leaves=20), to_number="*8799"))
    assert [notice.code for notice in unknown.notices()] == ["CF-RUN-CONFERENCE"]
    assert unknown.of(RoomJoined)[0].room == "conference team"


def test_conference_goes_on_when_somebody_holds_transfers_or_hangs_up(stage: Stage) -> None:
    flow = open_room(stage)
    a = singer(440, 0, 60)
    holder = singer(600, 0, 60, does(10, PutOnHold(True)), does(15, PutOnHold(False)))
    bringer = singer(1000, 0, 60, does(20, TransferTo("2009", kind="attended", consult_s=3)))
    bringer.facts = {"endpoints": {"2009": answers(0, says=[tone(1400, 60)], leaves=20)}}
    meeting = meet(stage, flow, [a, holder, bringer])
    assert hears(a, 5, 9.5) == {600, 1000}
    assert hears(a, 11, 14.5) == {1000}
    assert hears(a, 16, 19.5) == {600, 1000}
    assert hears(a, 25, 38) == {600, 1400}
    assert hears(a, 45, 59) == {600}
    assert abs(bringer.lasted - 40) < 1.0  # until the one that it has brought in left
    assert [(event.kind, event.target) for event in meeting.of(CallTransferred)] == [("attended", "2009")]


def test_conference_takes_the_party_of_a_talk_in_place_of_who_consulted_there(stage: Stage) -> None:
    flow = open_room(stage)
    stage.has("callflow", "room", {"numbers": ["2500"], "flow": node("conference", {"id": "team"})})
    a = singer(440, 0, 60)
    talk = singer(600, 0, 60, does(10, TransferTo("2500", kind="attended", consult_s=5)))
    talk.flow = node("device", {"id": "desk"})
    talk.facts = {"callee": answers(0, says=[tone(1000, 60)], leaves=30)}
    meeting = meet(stage, flow, [a, talk])
    assert [round(event.time) for event in meeting.of(RoomJoined)] == [0, 10]
    assert hears(a, 5, 14.5) == set()
    assert hears(a, 16, 29) == {1000}
    assert hears(a, 31, 59) == set()


def test_a_blind_transfer_out_of_a_conference_is_refused(stage: Stage) -> None:
    flow = open_room(stage)
    a, b = singer(440, 0, 30), singer(600, 0, 30, does(10, TransferTo("2009")))
    meet(stage, flow, [a, b])
    assert b.report is not None and [notice.code for notice in b.report.notices] == ["CF-RUN-TRANSFER"]
    assert hears(a, 11, 29) == {600} and hears(b, 11, 29) == {440}


def test_conference_callers_may_hang_up_anywhere(stage: Stage) -> None:
    open_room(stage, member={"pins": ["1"], "join_muted": False}, wait_for_moderator=True)
    flow = node("conference", {})
    ends = [Visitor(0, caller(presses(4, "8000#"), leaves=leaves)) for leaves in (0.0, 0.5, 1, 3, 5, 7)]
    into = Visitor(0, caller(presses(3, "1#"), leaves=8), node("conference", {"id": "team"}))
    meeting = meet(stage, flow, [*ends, into])
    assert all(visitor.report is not None and not visitor.report.notices for visitor in ends)
    assert [event.reason for event in meeting.of(RoomLeft)] == ["left"]
