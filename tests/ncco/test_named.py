"""Named conversations in virtual time: who hears whom, when the recording begins and ends, who is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from callflow.events import RoomJoined, RoomLeft
from callflow.ncco.named import MOST_MEMBERS
from tests.modules.stage import caller, tone
from tests.ncco.recorded import RATE, Comes, Told, level, loudest, take

ANN, BOB, EVE = 440, 1000, 700


def room(**data: Any) -> list[dict[str, Any]]:
    return [{"action": "conversation", "name": "room", **data}]


def heard(**data: Any) -> list[dict[str, Any]]:
    """Comes in, and records in stereo what it says and hears."""
    return [{"action": "record", "split": "conversation", "format": "wav"}, *room(**data)]


def test_from_the_first_attendee_to_the_last_leg(tmp_path: Path) -> None:
    told = take(
        tmp_path,
        Comes(room(record=True), caller(says=[tone(ANN, 4)], leaves=10), at=2),
        Comes(room(), caller(says=[tone(BOB, 4)], leaves=12), at=5),
    )
    row = told.row()
    assert (row.seconds, row.format, row.channels) == (15.0, "mp3", 1)
    (mono,) = told.sound().T
    assert [round(level(mono, ANN, at, at + 1), -3) for at in (0, 3, 5)] == [10000, 10000, 0]
    assert [round(level(mono, BOB, at, at + 1), -3) for at in (0, 3, 8)] == [0, 10000, 0]
    (body,) = told.bodies()
    assert body["start_time"] == "2026-09-21T14:13:22Z"


def test_with_a_moderator_it_begins_when_that_one_comes(tmp_path: Path) -> None:
    told = take(
        tmp_path,
        Comes(room(record=True, startOnEnter=False), caller(says=[tone(ANN, 9)], leaves=30)),
        Comes(room(endOnExit=True), caller(says=[tone(BOB, 2)], leaves=8), at=5),
    )
    assert told.row().seconds == 8.0
    (mono,) = told.sound().T
    assert level(mono, ANN, 0.1, 1) > 7000 < level(mono, BOB, 0.1, 1)
    assert [e.reason for e in told.events if isinstance(e, RoomLeft)] == ["left", "ended"]
    assert told.lasted() == pytest.approx(8.0)  # told of first: the moderator's


def test_it_outlives_the_call_that_asked_for_it(tmp_path: Path) -> None:
    told = take(
        tmp_path,
        Comes(room(record=True), caller(leaves=3)),
        Comes(room(), caller(says=[tone(BOB, 9)], leaves=9), at=1),
    )
    assert told.row().seconds == 10.0
    assert told.lasted() == pytest.approx(3.0)
    assert level(told.sound()[:, 0], BOB, 5, 9) > 9000


def test_nobody_records_what_nobody_wants_recorded(tmp_path: Path) -> None:
    told = take(tmp_path, Comes(room(), caller(leaves=3)), Comes(room(), caller(leaves=3)))
    assert (told.rows, told.bodies()) == ((), [])


def test_a_muted_leg_is_neither_heard_nor_recorded(tmp_path: Path) -> None:
    told = take(
        tmp_path,
        Comes(heard(), caller(says=[tone(ANN, 1)], leaves=10)),
        Comes(room(mute=True, record=True), caller(says=[tone(BOB, 4)], leaves=9)),
        Comes(room(canSpeak=[]), caller(says=[tone(EVE, 4)], leaves=9)),
    )
    stereo = next(row for row in told.rows if row.origin == "ncco record")
    mono = next(row for row in told.rows if row.origin == "ncco conversation")
    assert loudest(told.sound(stereo)[:, 1], 0, 10) == 0
    assert level(told.sound(mono)[:, 0], ANN, 0.1, 0.9) > 9000
    assert level(told.sound(mono)[:, 0], BOB, 1, 3) < 10 > level(told.sound(mono)[:, 0], EVE, 1, 3)


def test_can_hear_names_legs_also_those_that_come_later(tmp_path: Path) -> None:
    """Ann hears Bob only, who comes after her; his uuid is the one that the same seed gave before."""

    def meet(state: Path, *, can_hear: list[str]) -> Told:
        return take(
            state,
            Comes(heard(canHear=can_hear), caller(says=[tone(ANN, 1)], leaves=12)),
            Comes(room(), caller(says=[tone(EVE, 3)], leaves=9), at=1),
            Comes(room(), caller(says=[tone(BOB, 3)], leaves=9), at=2),
            seed=7,
        )

    first = meet(tmp_path / "1", can_hear=[])
    assert loudest(first.sound()[:, 1], 0, 10) == 0
    bob = first.reports[2].call_id
    second = meet(tmp_path / "2", can_hear=[bob])
    assert second.reports[2].call_id == bob
    right = second.sound()[:, 1]
    assert level(right, BOB, 2.1, 4) > 9000 and level(right, EVE, 1.1, 4) < 10


def test_music_while_it_is_waited_for(tmp_path: Path) -> None:
    music = tmp_path / "music.wav"
    soundfile.write(music, (9000 * np.sin(np.arange(16000) * 0.6)).astype(np.int16), 8000, subtype="PCM_16")
    told = take(
        tmp_path / "state",
        Comes(
            heard(startOnEnter=False, musicOnHoldUrl=[f"tone_stream://%(60000,0,{EVE})"]), caller(leaves=9)
        ),
        Comes(room(), caller(says=[tone(BOB, 2)], leaves=4), at=3),
    )
    stereo = told.sound()
    assert level(stereo[:, 1], EVE, 0.5, 2.5) > 1000
    assert level(stereo[:, 1], EVE, 3.1, 5) < 10 and level(stereo[:, 1], BOB, 3.1, 5) > 9000
    assert loudest(stereo[:, 1], 7.2, 9) == 0  # alone again: no music once it has begun


def test_a_room_takes_fifty(tmp_path: Path) -> None:
    calls = [Comes(room(), caller(leaves=3)) for _ in range(MOST_MEMBERS + 1)]
    told = take(tmp_path, *calls)
    assert sum(isinstance(event, RoomJoined) for event in told.events) == MOST_MEMBERS == 50
    (body,) = told.bodies("reason")
    assert "50 members" in body["reason"]


def test_a_name_keeps_its_conversation_and_each_application_has_its_own(tmp_path: Path) -> None:
    told = take(
        tmp_path,
        Comes(room(record=True), caller(leaves=2)),
        Comes(room(record=True), caller(leaves=2), at=5),
        Comes([{"action": "conversation", "name": "other", "record": True}], caller(leaves=2), at=5),
    )
    one_uuid, again, other = (body["conversation_uuid"] for body in sorted(told.bodies(), key=_start))
    assert one_uuid in (again, other)
    assert len({one_uuid, again, other}) == 2
    assert len({body["recording_uuid"] for body in told.bodies()}) == 3


def _start(body: dict[str, Any]) -> str:
    return str(body["start_time"])


def test_a_leg_that_leaves_and_others_that_come_keep_their_channels(tmp_path: Path) -> None:
    told = take(
        tmp_path,
        Comes(
            [{"action": "record", "channels": 3, "split": "conversation"}, *room()],
            caller(says=[tone(ANN, 1)], leaves=14),
        ),
        Comes(room(), caller(says=[tone(BOB, 2)], leaves=3), at=2),
        Comes(room(), caller(says=[tone(EVE, 2)], leaves=3), at=6),
        Comes(room(), caller(says=[tone(BOB, 2)], leaves=3), at=10),
    )
    sound = told.sound()
    assert sound.shape == (14 * RATE, 3)
    assert level(sound[:, 1], BOB, 2, 4) > 9000 and loudest(sound[:, 1], 5.1, 14) < 10
    assert level(sound[:, 2], EVE, 6, 8) > 9000 and level(sound[:, 2], BOB, 10, 12) > 9000


def test_thirty_two_legs_on_thirty_two_channels_for_two_minutes(tmp_path: Path) -> None:
    """Each leg says a tone of its own, whole; every channel is exact and of equal length."""
    legs = 32
    calls = [
        Comes(
            [{"action": "record", "channels": 32, "split": "conversation"}, *room()] if n == 0 else room(),
            caller(says=[tone(300 + 50 * n, 1.0)], leaves=120.0),
            at=0.0 if n == 0 else 2.0 + n,
            rate=RATE,
        )
        for n in range(legs)
    ]
    told = take(tmp_path, *calls)
    row = told.row()
    sound = told.sound()
    assert (row.channels, row.seconds, sound.shape) == (legs, 120.0, (120 * RATE, legs))
    for n, channel in enumerate(np.ascontiguousarray(sound.T)):
        at = 0.0 if n == 0 else 2.0 + n
        assert level(channel, 300 + 50 * n, at, at + 1) > 9000
        edges = np.flatnonzero(channel > 200)
        assert abs(edges[0] / RATE - at) < 0.005 and abs(edges[-1] / RATE - at - 1) < 0.005
