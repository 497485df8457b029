"""A room's table of members, and the keys that they press."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from callflow.engine.call import Call
from callflow.engine.rooms import Member, Out, RoomRules
from callflow.engine.roomseat import KEYS, read_keys
from callflow.events import RoomChanged, RoomLeft
from callflow.media.messages import (
    AddLeg,
    JoinRoom,
    LeaveRoom,
    Play,
    RemoveLeg,
    Say,
    SetMember,
    StopPlay,
    ToneClip,
)
from tests.engine.harness import world

BEEP, MUSIC = ToneClip("beep"), ToneClip("ringback")


def pressed(text: str, keys: Mapping[str, str]) -> list[str]:
    """What comes of keys pressed one after the other, and then of nothing more."""
    rest, found = "", list[str]()
    for digit in (*text, None):
        rest, more = read_keys(rest, digit, keys)
        found += more
    assert rest == ""
    return found


def test_keys_of_several_digits_are_waited_for_and_the_longest_counts() -> None:
    keys = {"0": "mute", "*": "deaf mute", "*1": "lock", "12": "hangup"}
    assert pressed("0", keys) == ["0"]
    assert pressed("*", keys) == ["*"]
    assert pressed("*1", keys) == ["*1"]
    assert pressed("*0", keys) == ["*", "0"]
    assert pressed("13120", keys) == ["12", "0"]
    assert pressed("77*1*", keys) == ["*1", "*"]
    assert read_keys("", "*", keys) == ("*", [])
    assert read_keys("", "0", keys) == ("", ["0"])


@given(st.text("0123456789*#", max_size=12))
def test_the_usual_keys_are_told_at_once_in_order(text: str) -> None:
    assert pressed(text, KEYS) == [digit for digit in text if digit in KEYS]


def test_a_room_lives_from_its_first_member_to_its_last(tmp_path: Path) -> None:
    with world(tmp_path) as here:

        async def work(call: Call) -> None:
            rooms, media = call.services.rooms, here.media
            rules = RoomRules(most=2, entry=(BEEP,), exit=(BEEP,), music=(MUSIC,))
            room = rooms.open(call.services, "team", rules, 8000)
            one, two = Member("one", "c1"), Member("two", "c2", moderator=True)
            room.enter(one)
            assert rooms.find("team") is room and rooms.open(call.services, "team", RoomRules(), 8000) is room
            assert len(media.commands(Play)) == 1  # alone: music
            assert room.refuses(moderator=False) is None
            room.enter(two)
            assert len(media.commands(StopPlay)) == 1
            assert len(media.commands(Say)) == 2  # both came with a beep
            assert room.refuses(moderator=True) is Out.FULL and room.moderators == 1
            assert room.member("two") is two and room.member("three") is None
            room.change(one, muted=True, hears_from=["two"])
            assert media.commands(SetMember)[-1] == SetMember("one", speaks=False, hears_from=("two",))
            room.moved(one, "uno")
            assert media.commands(JoinRoom)[-1] == JoinRoom(
                "uno", room.media, speaks=False, hears_from=("two",)
            )
            ear = room.listener()
            assert room.listener() == ear
            assert media.commands(JoinRoom)[-1] == JoinRoom(ear, room.media, speaks=False)
            room.leave(two)
            room.leave(two)
            assert two.out.result() is Out.LEFT and len(media.commands(Say)) == 3
            room.leave(one, Out.REMOVED)
            assert rooms.find("team") is None
            own = [leg.leg for leg in media.commands(AddLeg) if isinstance(leg, AddLeg) and "/" in leg.leg]
            gone = [leg.leg for leg in media.commands(RemoveLeg) if isinstance(leg, RemoveLeg)]
            assert sorted(own) == sorted(gone) and len(own) == 2

        here.with_call(work)
        assert [event.reason for event in here.of(RoomLeft)] == ["left", "removed"]
        assert len(here.of(RoomChanged)) == 1


def test_a_room_that_waits_lets_nobody_hear_and_ends_with_its_moderator(tmp_path: Path) -> None:
    with world(tmp_path) as here:

        async def work(call: Call) -> None:
            media = here.media
            room = call.services.rooms.open(call.services, "team", RoomRules(wait=True, end=True), 8000)
            members = [Member(name, name) for name in ("a", "b")]
            for member in members:
                room.enter(member)
            assert media.commands(JoinRoom) == []
            chair = Member("chair", "chair", moderator=True)
            room.enter(chair)
            assert [each.leg for each in media.commands(JoinRoom) if isinstance(each, JoinRoom)] == [
                "a", "b", "chair",
            ]  # fmt: skip
            room.lock(chair, True)
            assert room.refuses(moderator=False) is Out.LOCKED and room.refuses(moderator=True) is None
            room.leave(chair)
            assert [member.out.result() for member in members] == [Out.ENDED, Out.ENDED]
            assert len(media.commands(LeaveRoom)) == 3 and call.services.rooms.find("team") is None

        here.with_call(work)
