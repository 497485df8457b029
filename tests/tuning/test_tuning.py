"""callflow tune: the real recorder's decisions from frames alone, what they cost, what is suggested."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from typer.testing import CliRunner

from callflow.cli import app_for
from callflow.cli.tune import advice, system_change
from callflow.documents.settings import load_settings
from callflow.errors import AudioFileError, SettingsError
from callflow.media.messages import Side, TapPoint
from callflow.recording.messages import FileFormat, RecordingSpec, SilenceRule, StartOn, Target
from callflow.recording.recorder import Recorder, Step
from callflow.tuning.chart import chart
from callflow.tuning.frames import Frames, channels_of, look, together
from callflow.tuning.grid import Setting, grid, values
from callflow.tuning.replay import Stop, replay
from callflow.tuning.verdict import Cost, Result, best, cost, speech_of

ROOT = Path(__file__).resolve().parents[2]
USUAL = Setting(200, 5.0, 0.0, "energy", 10800.0)


def _noise(pattern: list[tuple[float, int]], rate: int, channels: int) -> NDArray[np.int16]:
    """Noise of these lengths and loudnesses (mean absolute sample)."""
    random = np.random.default_rng(7)
    parts = [random.uniform(-2 * level, 2 * level, (round(s * rate), channels)) for s, level in pattern]
    return np.concatenate(parts).astype(np.int16)


def _frames(sound: NDArray[np.int16], rate: int, folder: Path) -> Frames:
    path = folder / "sound.wav"
    soundfile.write(path, sound, rate)
    return together([look(path, channel, 2) for channel in range(sound.shape[1])])


def _recorded(sound: NDArray[np.int16], rate: int, setting: Setting) -> tuple[int, str]:
    """What the recorder does with the sound itself: samples kept, and why it ended."""
    rule = SilenceRule(
        round(setting.initial_s * 1000), round(setting.final_s * 1000), setting.threshold, setting.detector, 2
    )
    taps = tuple(TapPoint(str(channel), Side.READ) for channel in range(sound.shape[1]))
    recorder = Recorder(
        RecordingSpec(
            id="x", call_id="x", account_id="x", taps=taps, rate=rate, start=StartOn.NOW,
            time_limit_s=setting.limit_s, min_s=0, silence=rule, format=FileFormat("wav", 0, 32, 5),
            follow_transfer=True, target=Target("local"), origin="x",
        )
    )  # fmt: skip
    recorder.apply(Step.BEGIN, 0.0)
    at, reason = 0, ""
    while at < len(sound) and not reason:
        taken, reason = recorder.take(np.ascontiguousarray(sound[at : at + 1600].T))
        at += taken
    return at, reason


@settings(max_examples=25, deadline=None)
@given(
    pattern=st.lists(
        st.tuples(st.sampled_from([0.25, 0.5, 1.3, 2.02]), st.sampled_from([0, 40, 150, 900])),
        min_size=1,
        max_size=8,
    ),
    threshold=st.sampled_from([50, 100, 200]),
    final=st.sampled_from([0.0, 0.5, 1.0]),
    initial=st.sampled_from([0.0, 0.7]),
    detector=st.sampled_from(["energy", "vad"]),
    limit=st.sampled_from([10800.0, 2.5]),
    shape=st.sampled_from([(8000, 1), (8000, 2), (16000, 2), (11025, 1)]),
)
def test_a_replay_ends_where_the_recorder_ends(
    tmp_path_factory: pytest.TempPathFactory,
    pattern: list[tuple[float, int]],
    threshold: int,
    final: float,
    initial: float,
    detector: str,
    limit: float,
    shape: tuple[int, int],
) -> None:
    rate, channels = shape
    sound = _noise(pattern, rate, channels)
    setting = Setting(threshold, final, initial, detector, limit)
    kept, reason = _recorded(sound, rate, setting)
    frames = _frames(sound, rate, tmp_path_factory.mktemp("sound"))
    stop = replay(frames, setting)
    assert stop.reason == reason
    assert stop.seconds == pytest.approx(kept / rate, abs=1 / rate)


def test_mp3_wav_and_stereo_are_read(tmp_path: Path) -> None:
    sound = _noise([(1.0, 0), (1.0, 500)], 8000, 2)
    frames = _frames(sound, 8000, tmp_path)
    assert frames.loudness.shape == frames.speech.shape == (2, 100)
    assert frames.loudness[:, :50].max() == 0 and frames.loudness[:, 50:].min() > 300
    soundfile.write(tmp_path / "sound.mp3", sound, 8000, format="MP3")
    assert channels_of(tmp_path / "sound.mp3")[0] == 2
    (tmp_path / "no.wav").write_bytes(b"RIFFnothing")
    with pytest.raises(AudioFileError, match="no\\.wav"):
        channels_of(tmp_path / "no.wav")


def test_what_a_stop_costs() -> None:
    loudness = np.full((1, 500), 1000, np.int16)
    speech = np.zeros((1, 500), np.bool_)
    speech[0, 50:100] = speech[0, 300:350] = True  # said from 1 to 2 s and from 6 to 7 s
    speech[0, 200:205] = True  # a click of 0.1 s is no word
    frames = Frames("x", 8000, 80000, 160, loudness, speech)
    said = speech_of(frames)
    assert said.sum() == 100
    assert cost(frames, said, Stop(5.0, 250, "silence")) == Cost(5.0, 1.0, 3.0, "silence")
    assert cost(frames, said, Stop(10.0, 500, "")) == Cost(10.0, 0.0, 3.0, "")
    assert cost(frames, said, Stop(0.5, 25, "no_speech")) == Cost(0.5, 2.0, 0.5, "no_speech")
    loudness[0, 300:350] = 10  # so faint that it is nobody
    assert speech_of(frames).sum() == 50


def _result(setting: Setting, cut: float, kept: float) -> Result:
    return Result(setting, (Cost(10, cut, kept, "silence"),))


def test_the_best_cuts_off_nothing_then_keeps_little_then_is_careful() -> None:
    cuts = _result(replace(USUAL, final_s=2), 1.5, 0.1)
    long = _result(replace(USUAL, final_s=9), 0, 6.0)
    right = _result(replace(USUAL, final_s=4), 0, 4.0)
    assert best([cuts, long, right]) is right
    careful = _result(replace(USUAL, final_s=8, threshold=50), 0, 4.0)
    assert best([right, careful]) is careful
    assert best([cuts]) is cuts


def test_values_and_ranges() -> None:
    assert values("--x", "50..800", doubling=True) == [50, 100, 200, 400, 800]
    assert values("--x", "2..10") == [2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert values("--x", "2..10:4,1.5,2") == [2, 6, 10, 1.5]
    assert values("--x", "0..100:40") == [0, 40, 80, 100]
    for wrong in ("", "a", "5..2", "1..5:0", "-3", "1,,2", "nan", "1..1e9:1", "inf", "0..30:1"):
        with pytest.raises(SettingsError, match="--x"):
            values("--x", wrong)
    assert len(grid([1, 2], [3], [0], ["energy", "vad"], [10])) == 4


def test_the_change_of_system_config_is_what_differs() -> None:
    known = load_settings()
    assert system_change(USUAL, known) == {}
    other = Setting(100, 2.5, 0.0, "vad", 600.0)
    assert system_change(other, known) == {
        "silence_detector": "vad",
        "max_recording_time_limit": 600,
        "silence_timeout_unit": "ms",
    }
    lines = list(advice(_result(other, 0.0, 2.5), known))
    assert '"silence_final_timeout": 2500' in lines[2] and '"silence_detector": "vad"' in lines[4]
    assert list(advice(_result(USUAL, 0, 0), known))[-1] == "system_config/media.json stays as it is."


def test_the_chart_shows_every_recording_and_setting(tmp_path: Path) -> None:
    frames = _frames(_noise([(2.0, 900), (3.0, 0), (2.0, 900)], 8000, 1), 8000, tmp_path)
    speech = frames.loudness[0] > 100
    results = [
        Result(one, (cost(frames, speech, replay(frames, one)),))
        for one in grid([200], [1, 5], [0], ["energy"], [99])
    ]
    text = chart([(replace(frames, name="<a>.wav"), speech)], results, results[1])
    root = ET.fromstring(text)
    marks = [each.get("class") for each in root.iter() if each.get("class")]
    assert marks.count("kept") == 2 and marks.count("cut") == 1 and marks.count("best") == 1
    assert "<a>.wav" in "".join(root.itertext())


def test_the_command(tmp_path: Path) -> None:
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    voice, rate = soundfile.read(ROOT / "examples/audio/caller.wav", dtype="int16")
    pause = np.zeros(4 * rate, np.int16)
    soundfile.write(recordings / "call.wav", np.concatenate([voice, pause, voice, pause, pause]), rate)
    words = ["tune", str(recordings), "--silence-threshold", "100,200", "--silence-final-timeout", "3,6"]
    plot = ["--plot", str(tmp_path / "tune.svg"), "--jobs", "1"]
    done = CliRunner().invoke(app_for("tune"), [*words, "--detector", "energy", *plot])
    assert done.exit_code == 0, done.output
    assert "Suggested: energy 100, final 6 s: cuts off no speech" in done.output
    assert '{"silence_detection": true, "silence_threshold": 100, "silence_final_timeout": 6}' in done.output
    assert ET.parse(tmp_path / "tune.svg").getroot() is not None
    found = json.loads(
        CliRunner()
        .invoke(app_for("tune"), [*words, "--detector", "energy", "-o", "json", "--jobs", "1"])
        .output
    )
    assert found["suggested"]["final_s"] == 6 and len(found["results"]) == 4
    short = next(one for one in found["results"] if one["final_s"] == 3)
    assert short["speech_cut"] > 5 and short["recordings"][0]["reason"] == "silence"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["none.wav"], "none.wav"),
        ([str(ROOT / "examples/flows")], "holds no recordings"),
        ([str(ROOT / "examples/audio/caller.wav"), "--detector", "ear"], "ear"),
        ([str(ROOT / "examples/audio/caller.wav"), "--silence-threshold", "loud"], "--silence-threshold"),
        ([str(ROOT / "examples/audio/caller.wav"), "--plot", "x.png"], "x.png"),
        ([str(ROOT / "examples/audio/make_audio.py")], "make_audio.py"),
    ],
)
def test_wrong_use_is_said(words: list[str], said: str) -> None:
    done = CliRunner().invoke(app_for("tune"), ["tune", *words, "--jobs", "1"])
    assert done.exit_code == 2 and said in done.output
