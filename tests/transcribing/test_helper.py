"""The helper process and the recognisers: real words at the right times, and what breaks stays in there."""

from __future__ import annotations

import itertools
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

from callflow.errors import CallflowError, TranscriberGone, TranscriptionError
from callflow.media.transcribing import hearing, plugins, sound
from callflow.media.transcribing import helper as helper_module
from callflow.media.transcribing.child import NICE
from callflow.media.transcribing.hearing import Hearing
from callflow.media.transcribing.helper import Helper
from callflow.media.transcribing.interface import Recogniser, Request, Transcription, Word
from tests.transcribing.conftest import LEAD_S
from tests.transcribing.plugin import HERE

POCKET = Recogniser("pocketsphinx")
MINE = Recogniser(f"{HERE}:make", "ours")
DIGITS = "#JSGF V1.0; grammar digits; public <d> = ( two | seven | nine )+;"


# ---- pocketsphinx -----------------------------------------------------------------------------


def test_words_of_a_grammar_with_their_times(call_file: Path, spoken_s: float, helper: Helper) -> None:
    heard = helper.transcribe(call_file, Request(grammar=DIGITS), POCKET, limit_s=30)
    assert heard.seconds == pytest.approx(LEAD_S + spoken_s + 1.0, abs=0.01)
    left, right = heard.channels
    assert left == () and right and {word.text for word in right} <= {"two", "seven", "nine"}
    _in_order(right, LEAD_S - 0.35, LEAD_S + spoken_s + 0.35)
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, helper.pid) == min(own + NICE, 19)  # nobody is nicer than 19


def test_hints_are_what_can_be_heard_and_unknown_ones_do_no_harm(call_file: Path, helper: Helper) -> None:
    request = Request(hints=("Seven!", "two", "Xyzzyqux", "nine", ""))
    helper.transcribe(call_file, Request(grammar=DIGITS), POCKET, limit_s=30)
    before = helper.pid
    _, right = helper.transcribe(call_file, request, POCKET, limit_s=30).channels
    assert right and {word.text for word in right} <= {"two", "seven", "nine"}
    assert helper.pid == before, "the model was loaded twice"


def _in_order(words: Sequence[Word], first: float, last: float) -> None:
    assert words[0].start >= first and words[-1].end <= last
    for word, following in itertools.pairwise(words):
        assert word.start < word.end <= following.start + 1e-6
    assert all(0 <= word.confidence <= 1 for word in words)


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (Request("de-DE"), "no model for de-DE"),
        (Request(grammar="public <d> = ;;"), "grammar cannot be used"),
    ],
)
def test_what_it_cannot_do_is_told_and_it_goes_on(
    request_: Request, says: str, call_file: Path, helper: Helper
) -> None:
    with pytest.raises(TranscriptionError, match=says) as raised:
        helper.transcribe(call_file, request_, POCKET, limit_s=30)
    assert raised.value.hint and not raised.value.retryable


def test_a_file_that_is_no_sound(tmp_path: Path, helper: Helper) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    with pytest.raises(TranscriptionError, match="cannot be read"):
        helper.transcribe(tmp_path / "a.wav", Request(), POCKET, limit_s=30)


# ---- plug-ins, and the process ------------------------------------------------------------------


def test_a_plug_in_hears_for_each_channel_and_what_breaks_in_it_is_told(
    call_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(helper_module, "START_S", 20.0)
    one = Helper()
    try:
        heard = one.transcribe(call_file, Request(), MINE, limit_s=10)
        assert heard.channels == ((Word("ours", 0.25, 0.5, 1.0),),) * 2
        for do, says in {
            "refuse": "not this one",
            "break": "RuntimeError: out of luck",
            "miscount": "of 0 ch",
        }.items():
            with pytest.raises(TranscriptionError, match=says):
                one.transcribe(call_file, Request(options={"do": do}), MINE, limit_s=10)
        with pytest.raises(TranscriptionError, match="no model in 'x'"):
            one.transcribe(call_file, Request(), Recogniser(f"{HERE}:broken", "x"), limit_s=10)
        process = one._process
        with pytest.raises(TranscriberGone, match="killed") as raised:
            one.transcribe(call_file, Request(options={"do": "hang"}), MINE, limit_s=0.05)
        assert raised.value.retryable and process is not None and process.poll() is not None
        with pytest.raises(TranscriberGone, match="exit code 3"):
            one.transcribe(call_file, Request(options={"do": "die"}), MINE, limit_s=10)
        assert one.transcribe(call_file, Request(), MINE, limit_s=10) == heard
    finally:
        one.close()
    with pytest.raises(TranscriberGone, match="ends"):
        one.transcribe(call_file, Request(), MINE, limit_s=10)


def test_the_one_that_the_docs_show(call_file: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "transcription.md"
    _, _, rest = page.read_text(encoding="utf-8").partition("```python\n")
    names: dict[str, Any] = {}
    exec(rest.partition("```")[0], names)
    heard = names["make"]("").transcribe(call_file, Request())
    assert heard[0] == heard[1] and [word.text for word in heard[0]] == ["hello"]
    assert heard[0][0].end == pytest.approx(sound.shape(call_file)[1])


@pytest.mark.parametrize(
    ("name", "says"),
    [("none", "turned off"), ("vosk", "vosk is not"), ("nobody", "no transcriber 'nobody'")],
)
def test_who_is_not_there_is_told_without_a_process(
    name: str, says: str, call_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugins, "installed", lambda: ["pocketsphinx"])
    one = Helper()
    with pytest.raises(TranscriptionError, match=says) as raised:
        one.transcribe(call_file, Request(), Recogniser(name), limit_s=1)
    assert "pip install" in raised.value.hint or "pocketsphinx" in raised.value.hint
    assert one.pid == 0


def test_entry_points_are_found_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import EntryPoint, EntryPoints

    points = EntryPoints([EntryPoint("mine", f"{HERE}:make", "callflow.transcribers")])
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **wanted: points.select(**wanted))
    assert "mine" in plugins.installed() and plugins.missing("mine") is None
    assert type(plugins.make(Recogniser("mine"))).__name__ == "Scripted"
    with pytest.raises(CallflowError, match="cannot be loaded"):
        plugins.make(Recogniser("tests.transcribing.plugin:nothing"))


def test_a_channel_comes_in_pieces_at_the_wanted_rate(tmp_path: Path) -> None:
    file = tmp_path / "a.wav"
    seconds = 12
    wave = (8000 * np.sin(2 * np.pi * 440 * np.arange(seconds * 8000) / 8000)).astype(np.int16)
    soundfile.write(file, np.stack([np.zeros_like(wave), wave], axis=1), 8000, subtype="PCM_16")
    assert sound.shape(file) == (2, seconds)
    pieces = list(sound.blocks(file, 1))
    whole = np.concatenate(pieces).astype(np.float64)
    assert len(pieces) >= 3 and len(whole) == seconds * sound.RATE
    spectrum = np.abs(np.fft.rfft(whole))
    assert abs(int(spectrum.argmax()) / seconds - 440) < 1
    quiet = np.concatenate(list(sound.blocks(file, 0)))
    assert np.abs(quiet).max() <= 1  # (dither)


# ---- callers --------------------------------------------------------------------------------------


def test_callers_wait_for_their_turn_and_only_so_many(
    call_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, heard = threading.Event(), Transcription((), 1.0)

    class Waits:
        def transcribe(self, *asked: object, limit_s: float) -> Transcription:
            assert go.wait(10)
            return heard

        def close(self) -> None:
            go.set()

    monkeypatch.setattr(hearing, "Helper", Waits)
    monkeypatch.setattr(hearing, "MOST_WAITING", 4)
    ears = Hearing()
    under_way = [ears.submit(call_file, Request(), POCKET, 1.0) for _ in range(4)]
    with pytest.raises(TranscriptionError, match="too many callers"):
        ears.submit(call_file, Request(), POCKET, 1.0)
    assert under_way[3].cancel(), "who hangs up frees his place"
    under_way[3] = ears.submit(call_file, Request(), POCKET, 1.0)
    go.set()
    assert [work.result(10) for work in under_way] == [heard] * 4
    ears.submit(call_file, Request(), POCKET, 1.0).result(10)
    ears.close()


# ---- the adapters of models that are not here -----------------------------------------------------


def _module(monkeypatch: pytest.MonkeyPatch, name: str, **inside: Any) -> None:
    module = ModuleType(name)
    module.__dict__.update(inside)
    monkeypatch.setitem(sys.modules, name, module)
    for adapter in ("vosk", "whisper"):
        monkeypatch.delitem(sys.modules, f"callflow.media.transcribing.{adapter}", raising=False)


def test_vosk(call_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a stand-in with vosk's interface: results are JSON texts, at each pause and at the end."""
    word = '{"result": [{"conf": 0.5, "end": 0.9, "start": 0.3, "word": "hello"}], "text": "hello"}'
    fed: list[int] = []

    class Decoder:
        def __init__(self, model: object, rate: float) -> None:
            assert rate == 16000.0

        def SetWords(self, on: bool) -> None:
            assert on

        def AcceptWaveform(self, data: bytes) -> bool:
            fed.append(len(data))
            return len(fed) == 1

        def Result(self) -> str:
            return word

        def FinalResult(self) -> str:
            return '{"text": ""}'

    _module(
        monkeypatch,
        "vosk",
        SetLogLevel=lambda level: None,
        Model=lambda model_path: model_path,
        KaldiRecognizer=Decoder,
    )
    monkeypatch.setattr(plugins, "installed", lambda: ["vosk"])
    with pytest.raises(TranscriptionError, match="needs a model"):
        plugins.make(Recogniser("vosk"))
    recogniser = plugins.make(Recogniser("vosk", str(tmp_path)))
    heard = recogniser.transcribe(call_file, Request())
    assert heard == [[Word("hello", 0.3, 0.9, 0.5)], []]
    assert sum(fed) == 2 * 2 * round(sound.shape(call_file)[1] * 16000)
    with pytest.raises(TranscriptionError, match="no JSGF"):
        recogniser.transcribe(call_file, Request(grammar=DIGITS))


def test_faster_whisper(call_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a stand-in with its interface: segments with words, from floats at 16 kHz."""
    asked: list[dict[str, Any]] = []

    class Model:
        def __init__(self, path: str, **settings: object) -> None:
            assert settings["local_files_only"] is True

        def transcribe(self, piece: Any, **settings: Any) -> tuple[list[Any], None]:
            assert piece.dtype == np.float32 and abs(piece).max() <= 1.0
            asked.append(settings)
            words = [SimpleNamespace(word=" Hello", start=0.1, end=0.4, probability=0.75)]
            return [SimpleNamespace(words=words), SimpleNamespace(words=None)], None

    _module(monkeypatch, "faster_whisper", WhisperModel=Model)
    monkeypatch.setattr(plugins, "installed", lambda: ["faster-whisper"])
    with pytest.raises(TranscriptionError, match="needs a model"):
        plugins.make(Recogniser("faster-whisper", "small.en"))
    recogniser = plugins.make(Recogniser("faster-whisper", str(tmp_path)))
    request = Request("de-DE", ("Hallo", "ja"), options={"beam_size": 2, "language": "fr"})
    monkeypatch.setattr("callflow.media.transcribing.whisper._PIECE_S", 2)
    heard = recogniser.transcribe(call_file, request)
    pieces = len(asked) // 2
    assert len(heard) == 2 and pieces >= 1
    assert heard[0][0] == Word("Hello", 0.1, 0.4, 0.75)
    assert [round(word.start - 0.1) for word in heard[0]] == sorted(
        round(word.start - 0.1) for word in heard[0]
    )
    assert asked[0]["language"] == "de" and asked[0]["initial_prompt"] == "Hallo, ja"
    assert asked[0]["beam_size"] == 2 and asked[0]["word_timestamps"] is True
