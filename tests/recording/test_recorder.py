"""The recorder's table, and a model of it that hypothesis plays against."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from callflow.errors import StateError
from callflow.recording.messages import SilenceRule, StartOn
from callflow.recording.recorder import OPEN, RUNNING, TABLE, Recorder, State, Step, too_short
from tests.recording.harness import spec, stereo


def test_the_table_knows_every_state() -> None:
    assert set(TABLE) == set(State)


def test_every_open_state_can_end_and_fail() -> None:
    for state in OPEN:
        assert TABLE[state][Step.END] in (State.FINISHING, State.CANCELLED)
        assert TABLE[state][Step.FAIL] is State.FAILED


def test_nothing_follows_an_end() -> None:
    assert not TABLE[State.READY]
    assert not TABLE[State.DISCARDED]


@pytest.mark.parametrize(
    ("state", "step"),
    [pair for pair in itertools.product(State, Step) if pair[1] not in TABLE[pair[0]]],
)
def test_a_step_that_is_not_in_the_table_names_both_and_changes_nothing(state: State, step: Step) -> None:
    recorder = Recorder(spec())
    recorder.state = state
    with pytest.raises(StateError, match=rf"{state}.*{step}"):
        recorder.apply(step, 0.0)
    assert recorder.state is state
    assert (recorder.masked, recorder.paused, recorder.samples) == (False, False, 0)


def test_when_it_may_begin() -> None:
    def due(start: StartOn, answered: bool, bridged: bool) -> bool:
        return Recorder(spec(start=start)).due(answered=answered, bridged=bridged)

    assert due(StartOn.NOW, False, False)
    assert not due(StartOn.ANSWER, False, True)
    assert due(StartOn.ANSWER, True, False)
    assert not due(StartOn.BRIDGE, True, False)
    assert due(StartOn.BRIDGE, False, True)


def test_a_mask_outlasts_a_pause_and_may_come_before_the_begin() -> None:
    recorder = Recorder(spec(start=StartOn.ANSWER))
    states = [
        recorder.apply(step, 0.0).state
        for step in (Step.MASK, Step.BEGIN, Step.PAUSE, Step.RESUME, Step.UNMASK)
    ]
    assert states == ["WAITING", "MASKED", "PAUSED", "MASKED", "RECORDING"]


def test_the_minimum_length_is_counted_in_samples() -> None:
    assert too_short(spec(min_s=3), 23999)
    assert not too_short(spec(min_s=3), 24000)
    assert not too_short(spec(min_s=0), 0)


def test_a_limit_of_nothing_is_no_limit() -> None:
    for seconds in (0.0, float("inf")):
        recorder = Recorder(spec(time_limit_s=seconds))
        recorder.apply(Step.BEGIN, 0.0)
        assert recorder.horizon(10**9) == 10**9
        assert recorder.take(np.zeros((2, 100_000), np.int16)) == (100_000, "")


LIMIT = 4000
FLAGS = {Step.MASK: ("masked", True), Step.UNMASK: ("masked", False)} | {
    Step.PAUSE: ("paused", True),
    Step.RESUME: ("paused", False),
}


class RecorderModel(RuleBasedStateMachine):
    """What a recording is to its user: a few facts, no table."""

    def __init__(self) -> None:
        super().__init__()
        self.recorder = Recorder(
            spec(
                start=StartOn.ANSWER,
                time_limit_s=LIMIT / 8000,
                silence=SilenceRule(0, 100, 200, "energy", 2),
            )
        )
        self.begun = self.over = self.masked = self.paused = False
        self.samples = 0
        self.quiet = -1  # samples of silence after speech; -1: nobody has spoken
        self.time = 0.0

    @rule(step=st.sampled_from(sorted(FLAGS)))
    def flag(self, step: Step) -> None:
        name, value = FLAGS[step]
        allowed = not self.over and getattr(self, name) is not value
        if allowed:
            event = self.recorder.apply(step, self.time)
            assert event.samples == self.samples
            setattr(self, name, value)
        else:
            with pytest.raises(StateError):
                self.recorder.apply(step, self.time)

    @rule()
    def begin(self) -> None:
        if self.begun or self.over:
            with pytest.raises(StateError):
                self.recorder.apply(Step.BEGIN, self.time)
        else:
            assert self.recorder.apply(Step.BEGIN, self.time).change == "started"
            self.begun = True

    @rule(reason=st.sampled_from(["stopped", "hangup"]))
    def end(self, reason: str) -> None:
        if self.over:
            with pytest.raises(StateError):
                self.recorder.apply(Step.END, self.time, reason)
            return
        event = self.recorder.apply(Step.END, self.time, reason)
        assert (event.change, event.reason) == ("finishing" if self.begun else "cancelled", reason)
        self.over = True

    @rule(leg=st.sampled_from(["b", "c"]), channels=st.sampled_from([1, 2]))
    def move(self, leg: str, channels: int) -> None:
        before = self.recorder.points
        points = stereo(leg)[:channels]
        if self.over or channels != 2:
            with pytest.raises(StateError):
                self.recorder.move(points, self.time)
            assert self.recorder.points is before
        else:
            assert self.recorder.move(points, self.time).change == "moved"
            assert self.recorder.leg == leg

    @precondition(lambda self: self.begun and not self.over and not self.paused)
    @rule(frames=st.integers(1, 12), loud=st.booleans())
    def sound(self, frames: int, loud: bool) -> None:
        """Whole frames of 20 ms, so that the model needs no frames of its own."""
        block = np.full((2, 160 * frames), 1000 if loud else 0, np.int16)
        silent = self.recorder.horizon(block.shape[1])
        assert 1 <= silent <= block.shape[1]
        expected, reason = block.shape[1], ""
        if expected >= LIMIT - self.samples:
            expected, reason = LIMIT - self.samples, "time_limit"
        if not self.masked:
            if loud:
                self.quiet = 0
            elif self.quiet >= 0:
                if self.quiet + expected >= 800:
                    expected, reason = 800 - self.quiet, "silence"
                self.quiet += expected
        assert self.recorder.take(block) == (expected, reason)
        self.samples += expected
        self.time += expected / 8000
        if reason:
            assert self.recorder.apply(Step.END, self.time, reason).samples == self.samples
            self.over = True

    @invariant()
    def agrees(self) -> None:
        state = self.recorder.state
        assert self.recorder.samples == self.samples <= LIMIT
        if self.over:
            assert state is (State.FINISHING if self.begun else State.CANCELLED)
        elif not self.begun:
            assert state is State.WAITING
        else:
            assert state in RUNNING
            wanted = State.PAUSED if self.paused else State.MASKED if self.masked else State.RECORDING
            assert state is wanted


TestRecorderModel = RecorderModel.TestCase
TestRecorderModel.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
