"""Recordings on a real pump: what starts, ends and changes them, and what is in the file, to the sample."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from callflow.media.messages import Bridge, Press, RemoveLeg, Side, TapPoint
from callflow.recording.messages import (
    LegNotice,
    Mask,
    MoveTaps,
    Pause,
    RecordingCommand,
    Resume,
    SilenceRule,
    StartOn,
    Unmask,
)
from tests.recording.harness import WALL, Bench, ramp, spec, stereo


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path) as made:
        yield made


def call(bench: Bench, seconds: float = 8.0) -> None:
    """A bridged call: ``a`` counts samples from 1, ``b`` says them negated."""
    pcm = ramp(round(8000 * seconds))
    bench.leg("a", pcm)
    bench.leg("b", -pcm)
    bench.send(Bridge("a", "b"))


@pytest.mark.parametrize("max_s", [0.01, 0.03, 0.5])
def test_stereo_has_the_one_left_and_the_other_right_however_time_is_cut(bench: Bench, max_s: float) -> None:
    call(bench)
    bench.run(1.0, max_s)
    bench.start(spec())
    bench.run(2.57, max_s)
    pcm = bench.stopped_audio()
    assert pcm.shape == (round(2.57 * 8000), 2)
    assert (pcm[:, 0] == ramp(len(pcm), 8001)).all()
    assert (pcm[:, 1] == -pcm[:, 0]).all()
    assert bench.changes() == ["started", "finishing"]
    assert bench.last().samples == len(pcm)
    assert bench.last().time == 3.57


def test_the_row_and_the_document_say_when_and_how_long(bench: Bench) -> None:
    call(bench)
    bench.run(1.0)
    bench.start(spec(start=StartOn.ANSWER, document={"from": "1@x"}), answered=False)
    bench.run(2.0)
    bench.do(LegNotice("a", "answered"))
    bench.run(1.5)
    bench.stop(reason="hangup")
    finished = bench.finish()
    row = bench.row()
    assert row is not None
    assert (row.state, row.reason, row.seconds, row.channels) == ("READY", "hangup", 1.5, 2)
    assert (row.started_wall, row.finished_wall) == (WALL + 2.0, WALL + 3.5), "asked for at WALL"
    assert row.document == {
        "from": "1@x",
        "start": int(WALL) + 2 + 62_167_219_200,
        "duration": 1,
        "duration_ms": 1500,
    }
    assert (finished.change, finished.seconds, finished.file) == ("ready", 1.5, "media/202609/r1.wav")
    assert finished.sha256 == row.sha256


# ---- starting -------------------------------------------------------------------------------


@pytest.mark.parametrize(("start", "what"), [(StartOn.ANSWER, "answered"), (StartOn.BRIDGE, "bridged")])
def test_it_waits_for_its_leg_and_then_begins_on_that_sample(bench: Bench, start: StartOn, what: str) -> None:
    call(bench)
    bench.start(spec(start=start), answered=False)
    bench.run(0.5)
    other = "bridged" if what == "answered" else "answered"
    bench.do(LegNotice("a", other))
    bench.do(LegNotice("b", what))
    assert bench.changes() == ["waiting"]
    bench.run(0.25)
    bench.do(LegNotice("a", what))
    bench.do(LegNotice("a", what))
    bench.run(1.0)
    pcm = bench.stopped_audio()
    assert (pcm[:, 0] == ramp(8000, 6001)).all()
    assert bench.changes() == ["waiting", "started", "finishing"]


def test_what_has_been_already_is_not_waited_for(bench: Bench) -> None:
    call(bench)
    bench.start(spec("r1", start=StartOn.ANSWER), answered=True)
    bench.start(spec("r2", start=StartOn.BRIDGE), answered=True, bridged=True)
    assert bench.changes("r1") == bench.changes("r2") == ["started"]


def test_a_stop_while_it_waits_cancels_it(bench: Bench) -> None:
    call(bench)
    bench.start(spec(start=StartOn.BRIDGE), bridged=False)
    bench.run(1.0)
    bench.stop()
    bench.do(LegNotice("a", "bridged"))
    bench.run(1.0)
    assert bench.changes() == ["waiting", "cancelled"]
    finished = bench.finish()
    assert (finished.change, finished.reason, finished.file) == ("cancelled", "stopped", None)
    assert list(bench.folder.spool.iterdir()) == []


def test_a_caller_who_leaves_while_it_waits_cancels_it(bench: Bench) -> None:
    call(bench)
    bench.start(spec(start=StartOn.BRIDGE), bridged=False)
    bench.run(0.1)
    bench.send(RemoveLeg("a"))
    assert (bench.last().change, bench.last().reason) == ("cancelled", "hangup")


@pytest.mark.parametrize(
    ("taps", "rate"), [((), 8000), (stereo("a") * 17, 8000), (stereo("a"), 0), (stereo("a"), 11025)]
)
def test_what_can_never_be_recorded_fails_and_comes_to_its_end(
    bench: Bench, taps: tuple[TapPoint, ...], rate: int
) -> None:
    (failed,) = bench.start(spec(taps=taps, rate=rate))
    assert (failed.change, failed.reason) == ("failed", "impossible")
    finished = bench.finish()
    assert (finished.id, finished.change, finished.reason) == ("r1", "failed", "impossible")
    assert finished.message == failed.message
    assert list(bench.folder.spool.iterdir()) == []


def test_one_id_is_one_recording(bench: Bench) -> None:
    call(bench)
    bench.start(spec())
    assert [event.change for event in bench.start(spec())] == ["refused"]
    bench.run(1.0)
    assert len(bench.stopped_audio()) == 8000


# ---- ending ---------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1.0, 1.23456, 0.0001])
def test_the_limit_is_a_number_of_samples(bench: Bench, limit: float) -> None:
    call(bench)
    bench.run(0.5)
    bench.start(spec(time_limit_s=limit))
    bench.run(3.0)
    samples = max(1, round(limit * 8000))
    assert (bench.last().reason, bench.last().samples) == ("time_limit", samples)
    assert bench.last().time == pytest.approx(0.5 + samples / 8000)
    assert (bench.audio(bench.finish())[:, 0] == ramp(samples, 4001)).all()


def test_masked_time_counts_towards_the_limit_and_paused_time_does_not(bench: Bench) -> None:
    call(bench)
    bench.start(spec(time_limit_s=2))
    bench.run(0.5)
    bench.do(Pause("r1"))
    bench.run(3.0)
    bench.do(Resume("r1"))
    bench.run(0.5)
    bench.do(Mask("r1"))
    bench.run(3.0)
    assert (bench.last().reason, bench.last().time, bench.last().samples) == ("time_limit", 5.0, 16000)


def test_mask_is_silence_and_pause_is_nothing(bench: Bench) -> None:
    call(bench)
    bench.start(spec())
    steps: list[RecordingCommand] = [
        Mask("r1"),
        Unmask("r1"),
        Pause("r1"),
        Mask("r1"),
        Resume("r1"),
        Unmask("r1"),
    ]
    for step in steps:
        bench.run(0.33)
        bench.do(step)
    bench.run(0.33)
    pcm = bench.stopped_audio()
    part = round(0.33 * 8000)
    nothing = np.zeros(part, np.int16)
    wanted = [ramp(part), nothing, ramp(part, 2 * part + 1), nothing, ramp(part, 6 * part + 1)]
    # said: 0 sound, 1 masked, 2 sound, 3 paused, 4 paused and masked, 5 masked, 6 sound
    assert (pcm[:, 0] == np.concatenate(wanted)).all()
    assert (pcm[:, 1] == -pcm[:, 0]).all()
    assert bench.changes() == [
        "started", "masked", "unmasked", "paused", "masked", "resumed", "unmasked", "finishing",
    ]  # fmt: skip


def test_what_does_not_fit_is_refused_and_told(bench: Bench) -> None:
    call(bench)
    bench.start(spec())
    commands: list[RecordingCommand] = [Unmask("r1"), Resume("r1"), MoveTaps("r1", stereo("a")[:1])]
    for command in commands:
        (event,) = bench.do(command)
        assert (event.change, event.state) == ("refused", "RECORDING")
        assert event.message
    bench.do(Mask("r1"))
    assert bench.do(Mask("r1"))[0].change == "refused"
    bench.stop()
    assert bench.stop()[0].change == "refused"
    assert bench.stop("nobody")[0].change == "refused"


SILENCE = SilenceRule(initial_ms=700, final_ms=500, threshold=200, detector="energy", vad_mode=2)


def test_no_speech_at_all_ends_it(bench: Bench) -> None:
    bench.leg("a")
    bench.run(0.25)
    bench.start(spec(silence=SILENCE))
    bench.run(5)
    assert (bench.last().reason, bench.last().samples) == ("no_speech", 5600)
    assert bench.last().time == 0.95


def test_silence_after_speech_ends_it_on_its_sample(bench: Bench) -> None:
    bench.leg("a", np.full(8000, 1000, np.int16))
    bench.run(0.47)
    bench.start(spec(silence=SILENCE))
    bench.run(5)
    # 0.53 s of speech end inside the frame that ends at 0.54 s: it is loud still
    assert (bench.last().reason, bench.last().samples) == ("silence", round(1.04 * 8000))


def test_silence_timers_freeze_while_masked_or_paused(bench: Bench) -> None:
    bench.leg("a")
    bench.start(spec(silence=SILENCE))
    bench.run(0.5)
    bench.do(Mask("r1"))
    bench.run(2.0)
    bench.do(Unmask("r1"))
    bench.run(0.1)
    bench.do(Pause("r1"))
    bench.run(2.0)
    bench.do(Resume("r1"))
    assert bench.last().change == "resumed"
    bench.run(1.0)
    assert (bench.last().reason, bench.last().samples) == ("no_speech", round(2.7 * 8000))
    assert bench.last().time == pytest.approx(4.7)


@pytest.mark.parametrize(("first", "change"), [("a", "finishing"), ("b", "started")])
def test_it_ends_with_its_own_leg(bench: Bench, first: str, change: str) -> None:
    """The callee may leave: what the caller goes through next is recorded as well."""
    call(bench)
    bench.start(spec())
    bench.run(1.01)
    bench.send(RemoveLeg(first))
    assert bench.last().change == change
    if first == "a":
        assert (bench.last().reason, bench.last().samples) == ("hangup", 8080)
    else:
        bench.run(1.0)
        pcm = bench.stopped_audio()
        assert (pcm[:8080, 1] == -ramp(8080)).all()
        assert not pcm[8080:, 1].any()
        assert (pcm[:, 0] == ramp(16080)).all()


def test_a_digit_ends_it_on_its_sample(bench: Bench) -> None:
    call(bench)
    bench.start(spec("r1", dtmf_stop="#"))
    bench.start(spec("r2", dtmf_stop="1"))
    bench.run(0.4)
    bench.send(Press("a", "5#"), Press("b", "1"))
    bench.run(2.0)
    assert (bench.last("r1").change, bench.last("r1").reason) == ("finishing", "digit")
    assert bench.last("r1").samples == round(bench.last("r1").time * 8000)
    assert bench.changes("r2") == ["started"], "another leg's digit is not meant"


@pytest.mark.parametrize(("seconds", "change"), [(1.99, "discarded"), (2.0, "ready")])
def test_the_minimum_length_really_deletes(bench: Bench, seconds: float, change: str) -> None:
    call(bench)
    bench.start(spec(min_s=2))
    bench.run(seconds)
    bench.stop()
    finished = bench.finish()
    assert finished.change == change
    if change == "discarded":
        row = bench.row()
        assert row is not None
        assert (row.state, row.reason, row.file, row.seconds) == ("DISCARDED", "too_short", "", 1.99)
        assert [path.name for path in bench.folder.root.rglob("*.wav")] == []
        assert list(bench.folder.spool.iterdir()) == []


def test_shutdown_ends_all(bench: Bench) -> None:
    call(bench)
    bench.start(spec("r1"))
    bench.start(spec("r2", start=StartOn.BRIDGE))
    assert [(view.id, view.state) for view in bench.host.recordings] == [
        ("r1", "RECORDING"),
        ("r2", "WAITING"),
    ]
    events = bench.host.end_all("shutdown")
    assert [(event.id, event.change) for event in events] == [("r1", "finishing"), ("r2", "cancelled")]
    assert bench.host.recordings == ()
    assert not bench.host.busy


# ---- several channels, several recordings ----------------------------------------------------


@pytest.mark.parametrize("channels", [1, 2, 3, 5, 16, 32])
def test_1_to_32_channels(bench: Bench, channels: int) -> None:
    for i in range(channels):
        bench.leg(f"leg{i}", ramp(12000, 1 + 100 * i))
    bench.start(spec(taps=tuple(TapPoint(f"leg{i}", Side.READ) for i in range(channels))))
    bench.run(1.3)
    pcm = bench.stopped_audio()
    assert pcm.shape == (10400, channels)
    for i in range(channels):
        assert (pcm[:, i] == ramp(10400, 1 + 100 * i)).all()


def test_mono_mixes_at_half_gain_and_an_unknown_leg_is_silence(bench: Bench) -> None:
    bench.leg("a", np.full(16000, 30000, np.int16))
    bench.leg("b", np.full(16000, 20000, np.int16))
    bench.send(Bridge("a", "b"))
    bench.start(spec(taps=(TapPoint("a", Side.MIX), TapPoint("nobody", Side.READ), TapPoint("", Side.READ))))
    bench.run(1.0)
    pcm = bench.stopped_audio()
    assert abs(pcm[:, 0].astype(int) - 25000).max() <= 1
    assert not pcm[:, 1:].any()


def test_several_recordings_of_a_call_do_not_mind_each_other(bench: Bench) -> None:
    call(bench, 12)
    for i in range(1, 9):
        bench.start(spec(f"r{i}", time_limit_s=i * 0.77, taps=stereo("ab"[i % 2])))
        bench.run(0.31)
    bench.do(Mask("r8"))
    bench.run(8)
    for i in range(1, 9):
        assert (bench.last(f"r{i}").reason, bench.last(f"r{i}").samples) == ("time_limit", round(i * 6160))
    finished = {done.id: done for done in (bench.finish() for _ in range(8))}
    for i in range(1, 8):
        pcm = bench.audio(finished[f"r{i}"])
        sign = -1 if "ab"[i % 2] == "b" else 1
        assert (sign * pcm[:, 0] == ramp(len(pcm), 1 + (i - 1) * 2480)).all()


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
def test_the_calls_own_rate(bench: Bench, rate: int) -> None:
    bench.leg("a", ramp(3 * rate), rate)
    bench.start(spec(rate=rate))
    bench.run(1.23)
    pcm = bench.stopped_audio()
    assert (pcm[:, 0] == ramp(round(1.23 * rate))).all()


# ---- transfers ------------------------------------------------------------------------------


def test_it_follows_a_transfer_without_losing_a_sample(bench: Bench) -> None:
    """``a`` transfers ``b`` to ``c``: the channel of ``a``'s voice is ``c``'s from now on."""
    call(bench)
    bench.leg("c", ramp(64000, 15001))
    bench.start(spec(time_limit_s=4))
    bench.run(1.0)
    bench.do(MoveTaps("r1", (TapPoint("c", Side.READ), TapPoint("b", Side.READ))))
    bench.send(Bridge("b", "c"), RemoveLeg("a"))
    assert bench.changes() == ["started", "moved"]
    bench.run(1.0)
    bench.send(RemoveLeg("b"))
    bench.run(0.5)
    bench.send(RemoveLeg("c"))
    assert (bench.last().reason, bench.last().samples) == ("hangup", 20000), "c is its leg now"
    pcm = bench.audio(bench.finish())
    assert (pcm[:8000, 0] == ramp(8000)).all()
    assert (pcm[8000:, 0] == ramp(12000, 15001 + 8000)).all()
    assert (pcm[:16000, 1] == -ramp(16000)).all()
    assert not pcm[16000:, 1].any()


def test_one_that_does_not_follow_ends_with_the_transfer(bench: Bench) -> None:
    call(bench)
    bench.start(spec(follow_transfer=False))
    bench.run(1.0)
    bench.do(MoveTaps("r1", stereo("b")))
    assert (bench.last().change, bench.last().reason) == ("finishing", "transfer")
    assert len(bench.audio(bench.finish())) == 8000
