"""Any order of commands and any cutting of time, against a model that writes the file by hand."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from callflow.media.messages import Bridge, Side, TapPoint
from callflow.recording.messages import Mask, MoveTaps, Pause, RecordingCommand, Resume, Unmask
from tests.recording.harness import Bench, ramp, spec

TICK = 80
LENGTH = 600 * TICK
VOICES = {"a": ramp(LENGTH), "b": -ramp(LENGTH), "c": ramp(LENGTH, 7001)}


class Model:
    """One recording as its user thinks of it."""

    def __init__(self, limit: int) -> None:
        self.left = limit
        self.taps = ("a", "b")
        self.masked = self.paused = False
        self.file: list[np.ndarray[tuple[int, ...], np.dtype[np.int16]]] = []

    def hear(self, first: int, n: int) -> None:
        """``n`` samples pass, from the calls' sample ``first`` on."""
        if self.paused:
            return
        n = min(n, self.left)
        self.left -= n
        sound = np.stack([VOICES[leg][first : first + n] for leg in self.taps], axis=1)
        self.file.append(sound * 0 if self.masked else sound)

    def act(self, what: str) -> RecordingCommand:
        """Do it, and say it as a command."""
        match what:
            case "mask":
                self.masked = True
                return Mask("r1")
            case "unmask":
                self.masked = False
                return Unmask("r1")
            case "pause":
                self.paused = True
                return Pause("r1")
            case "resume":
                self.paused = False
                return Resume("r1")
        self.taps = (what[0], what[1])
        return MoveTaps("r1", tuple(TapPoint(leg, Side.READ) for leg in what))


STEPS = st.lists(
    st.one_of(
        st.integers(1, 90),
        st.sampled_from(["mask", "unmask", "pause", "resume", "ca", "cb", "ab", "ba"]),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(
    steps=STEPS,
    before=st.integers(0, 30),
    limit=st.sampled_from([LENGTH, 8001, 12345]),
    max_s=st.sampled_from([0.01, 0.07, 0.5]),
)
def test_the_file_is_what_the_model_wrote(
    steps: list[int | str], before: int, limit: int, max_s: float
) -> None:
    with TemporaryDirectory() as root, Bench(Path(root)) as bench:
        for name, voice in VOICES.items():
            bench.leg(name, voice)
        bench.send(Bridge("a", "b"))
        model = Model(limit)
        bench.run(before / 100, max_s)
        taps = tuple(TapPoint(leg, Side.READ) for leg in model.taps)
        bench.start(spec(taps=taps, time_limit_s=limit / 8000))
        now = before
        for step in steps:
            if isinstance(step, str):
                bench.do(model.act(step))
            else:
                bench.run(step / 100, max_s)
                model.hear(now * TICK, step * TICK)
                now += step
            if not model.left:
                break
        if model.left:
            bench.stop()
        assert bench.last().reason == ("stopped" if model.left else "time_limit")
        wanted = np.concatenate([np.zeros((0, 2), np.int16), *model.file])
        finished = bench.finish()
        assert finished.samples == len(wanted)
        assert (bench.audio(finished) == wanted).all()
