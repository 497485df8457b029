"""The record action on pretend calls in virtual time: when it waits, what ends it, what is in the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from callflow.documents.settings import load_settings
from callflow.events import RecordingChanged
from callflow.media.mp3tag import read_info
from tests.modules.stage import answers, presses, tone
from tests.ncco.recorded import RATE, level, loudest, one

LOW, HIGH = 440, 1000
TALKS = {"action": "connect", "endpoint": [{"type": "phone", "number": "447700900001"}]}
WAIT = {"action": "wait", "timeout": 2}


def record(**data: Any) -> dict[str, Any]:
    return {"action": "record", **data}


def test_without_a_condition_the_script_goes_on_and_the_last_record_keeps_the_call(tmp_path: Path) -> None:
    told = one(tmp_path, WAIT, record(format="wav"), says=[tone(LOW, 5)], leaves=9.0)
    assert told.steps()[-1].seconds == 0
    assert (told.row().reason, told.row().seconds) == ("hangup", 7.0)
    assert len(told.sound()) == 7 * RATE
    assert level(told.sound()[:, 0], LOW, 0, 3) > 9000 > 10 > loudest(told.sound()[:, 0], 3.1, 7)


def test_a_record_that_is_not_the_last_does_not_keep_the_call(tmp_path: Path) -> None:
    told = one(tmp_path, record(format="wav"), WAIT)
    assert (told.row().reason, told.row().seconds) == ("hangup", 2.0)


@pytest.mark.parametrize(
    ("data", "says", "does", "reason", "seconds"),
    [
        ({"endOnSilence": 3}, [tone(LOW, 4)], (), "silence", 7.0),
        ({"endOnSilence": 5}, [], (), "no_speech", 5.0),  # from the start, where nothing is said
        ({"endOnSilence": "3"}, [tone(LOW, 1)], (), "silence", 4.0),
        ({"endOnKey": "#"}, [], (presses(2.5, "1"), presses(4.0, "#")), "digit", 4.0),
        ({"endOnKey": "0", "timeOut": 6}, [], (presses(2.0, "5"),), "time_limit", 6.0),
        ({"timeOut": "4"}, [], (), "time_limit", 4.0),
        ({"endOnSilence": 3, "endOnKey": "*", "timeOut": 3}, [tone(LOW, 9)], (), "time_limit", 3.0),
    ],
)
def test_a_condition_holds_the_script_and_the_event_is_there_before_the_next_action(
    tmp_path: Path, data: dict[str, Any], says: list[Any], does: tuple[Any, ...], reason: str, seconds: float
) -> None:
    told = one(tmp_path, record(format="wav", **data), WAIT, says=says, does=does)
    assert told.reason() == reason
    assert told.row().seconds == pytest.approx(seconds, abs=0.2 if reason == "digit" else 0)
    assert [step.module for step in told.steps()] == ["record", "wait"]
    began = told.steps()[1].time - told.steps()[1].seconds
    (ready,) = (e for e in told.events if isinstance(e, RecordingChanged) and e.change == "ready")
    assert ready.time <= began  # and with it, in one transaction, its event
    (body,) = told.bodies()
    assert body["size"] == told.row().bytes


def test_timeout_alone_may_be_read_as_the_older_documentation_has_it(tmp_path: Path) -> None:
    settings = load_settings(overrides={"ncco.timeout_alone": "async"})
    told = one(tmp_path, record(format="wav", timeOut=4), WAIT, leaves=8.0, settings=settings)
    assert told.steps()[0].seconds == 0
    told = one(tmp_path / "2", record(format="wav", timeOut=4), leaves=8.0, settings=settings)
    assert (told.row().reason, told.row().seconds) == ("time_limit", 4.0)
    assert told.lasted() == pytest.approx(8.0)


def test_a_sync_record_at_the_end_ends_the_call(tmp_path: Path) -> None:
    told = one(tmp_path, record(timeOut=3))
    assert told.lasted() == pytest.approx(3.0, abs=0.01)


@pytest.mark.parametrize("leaves", [0.1, 0.25, 1.0, 4.5])
def test_a_hang_up_in_every_state_ends_it_and_no_action_follows(tmp_path: Path, leaves: float) -> None:
    told = one(
        tmp_path,
        record(format="wav", endOnSilence=3, beepStart=True),
        WAIT,
        says=[tone(LOW, 2)],
        leaves=leaves,
    )
    assert [step.module for step in told.steps()] == ["record"]
    if leaves < 0.3:  # while it beeped: nothing was recorded, and nobody is told of anything
        assert (told.rows, told.bodies()) == ((), [])
    else:
        assert told.reason() == "hangup"
        assert told.row().seconds == pytest.approx(leaves - 0.3)
        assert len(told.bodies()) == 1


def test_the_beep_is_heard_before_the_first_sample(tmp_path: Path) -> None:
    told = one(tmp_path, record(format="wav", split="conversation", timeOut=3, beepStart="true"))
    assert told.sound().shape == (3 * RATE, 2)
    assert loudest(told.sound(), 0, 3) == 0
    assert told.steps()[0].seconds == pytest.approx(3.3, abs=0.01)


def test_the_key_that_ended_it_is_used_up(tmp_path: Path) -> None:
    listens = {"action": "input", "type": ["dtmf"], "dtmf": {"timeOut": 1, "maxDigits": 1}}
    told = one(tmp_path, record(endOnKey="#"), listens, does=(presses(1.0, "#"),), leaves=30)
    assert told.steps()[1].seconds == 1.0  # nobody has pressed anything for it


def test_split_is_the_first_caller_and_what_he_hears(tmp_path: Path) -> None:
    told = one(
        tmp_path,
        record(format="wav", split="conversation"),
        TALKS,
        says=[tone(LOW, 6)],
        callee=answers(1.0, says=[tone(HIGH, 2)], leaves=5),
    )
    left, right = told.sound().T
    assert level(left, LOW, 2, 3) > 9000 and level(left, HIGH, 2, 3) < 10
    assert level(right, HIGH, 2, 3) > 9000 and level(right, LOW, 2, 3) < 10
    assert len(left) == len(right)


def test_mono_is_both_and_nothing_is_cut_off(tmp_path: Path) -> None:
    told = one(
        tmp_path,
        record(format="wav"),
        TALKS,
        says=[tone(LOW, 6)],
        callee=answers(1.0, says=[tone(HIGH, 2)], leaves=5),
    )
    (mono,) = told.sound().T
    assert level(mono, LOW, 1.5, 2.5) > 7000 and level(mono, HIGH, 1.5, 2.5) > 7000
    assert loudest(mono, 0, 5) < 32767


def test_a_channel_a_leg_in_joining_order_and_those_beyond_share_the_last(tmp_path: Path) -> None:
    other = {"action": "connect", "endpoint": [{"type": "phone", "number": "447700900002"}]}
    third = {"action": "connect", "endpoint": [{"type": "phone", "number": "447700900003"}]}
    told = one(
        tmp_path,
        record(split="conversation", channels=3),
        TALKS,
        other,
        third,
        says=[tone(LOW, 1)],
        leaves=30,
        callee=answers(1.0, says=[tone(HIGH, 2)], leaves=4),
    )
    sound = told.sound()
    assert told.row().format == "wav"
    assert len(sound) == 15 * RATE
    talk = [[round(level(sound[:, n], HIGH, at, at + 2)) > 9000 for at in (1, 6, 11)] for n in range(3)]
    assert talk == [[False, False, False], [True, False, False], [False, True, True]]
    assert level(sound[:, 0], LOW, 0, 1) > 9000 and loudest(sound[:, 0], 1.1, 15) < 10


def test_channels_without_split_imply_it_and_unused_ones_are_silent(tmp_path: Path) -> None:
    told = one(tmp_path, record(channels="4", timeOut=3), says=[tone(LOW, 3)])
    assert "CF-RUN-NCCO-SPLIT" in told.notices()
    assert told.sound().shape == (3 * RATE, 4)
    assert loudest(told.sound()[:, 1:], 0, 3) == 0


@pytest.mark.parametrize(
    ("data", "format", "channels", "warned"),
    [
        ({}, "mp3", 1, False),
        ({"split": "conversation"}, "mp3", 2, False),
        ({"split": "conversation", "channels": 1}, "mp3", 1, False),
        ({"split": "conversation", "channels": 3}, "wav", 3, False),
        ({"split": "conversation", "channels": 3, "format": "mp3"}, "wav", 3, True),
        ({"split": "conversation", "channels": 32, "format": "ogg"}, "wav", 32, True),
        ({"format": "ogg"}, "ogg", 1, False),
    ],
)
def test_formats(tmp_path: Path, data: dict[str, Any], format: str, channels: int, warned: bool) -> None:
    told = one(tmp_path, record(timeOut=3, **data), says=[tone(LOW, 1)])
    row = told.row()
    assert (row.format, row.channels) == (format, channels)
    assert told.sound().shape == (3 * RATE, channels)
    assert ("CF-RUN-NCCO-FORMAT" in told.notices()) is warned
    if format == "mp3":
        info = read_info(tmp_path / row.file)
        assert info is not None and (info.rate, info.samples) == (RATE, 3 * RATE)
        assert row.bytes == pytest.approx(channels * 4000 * 3, rel=0.1)  # 32 kbit/s a channel, constant


def test_one_recording_of_a_conversation_at_a_time(tmp_path: Path) -> None:
    told = one(tmp_path, record(format="wav"), record(format="wav", timeOut=3), WAIT)
    assert len(told.rows) == 1
    assert [body["reason"] for body in told.bodies("reason")] == [
        "the conversation is being recorded already"
    ]


def test_one_after_the_other(tmp_path: Path) -> None:
    told = one(tmp_path, record(timeOut=3), record(timeOut=4))
    assert sorted(row.seconds for row in told.rows) == [3.0, 4.0]
    assert len({body["recording_uuid"] for body in told.bodies()}) == 2
