"""tts, audio_macro: text, numbers, prompts and tones as sound; with eSpeak NG, and where there is none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import soundfile

from callflow.channels.sim.scenario import Scenario
from callflow.documents.accounts import Account
from callflow.errors import SpeechError
from callflow.media import speech
from callflow.media.speech import Speech
from tests.modules.stage import Stage, caller, loud, node, presses
from tests.peers import require


def _without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech, "installed", lambda: "")


def _seconds(file: Path) -> float:
    return float(soundfile.info(file).duration)


@pytest.mark.peer
def test_tts_speaks_and_remembers(stage: Stage) -> None:
    require("espeak-ng")
    flow = node(
        "tts", {"text": "Welcome to the office.", "voice": "male", "language": "en-gb"}, then=node("noop")
    )
    ran = stage.run(node("record_call", {"action": "start", "format": "wav"}, then=flow))
    assert ran.notices() == [] and ran.step("tts").did == "said 22 characters"
    assert 0.8 < ran.step("tts").seconds < 4.0
    assert loud(ran.sound(ran.row())[:, 1], 0.2, 1.0) > 300, "the caller hears it"
    (kept,) = (stage.state / "fetched").iterdir()
    before = kept.stat().st_mtime_ns
    stage.run(flow)
    assert [file.stat().st_mtime_ns for file in (stage.state / "fetched").iterdir()] == [before]


@pytest.mark.peer
def test_tts_says_that_a_language_is_not_there(stage: Stage) -> None:
    require("espeak-ng")
    ran = stage.run(node("tts", {"text": "Hello", "language": "xx"}, then=node("noop")))
    (notice,) = ran.notices()
    assert notice.code == "CF-RUN-SPEECH" and "xx+f3" in notice.message and ran.modules[-1] == "noop"


def test_tts_without_a_synthesizer_says_what_to_install(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    _without(monkeypatch)
    ran = stage.run(node("tts", {"text": "Hello"}, then=node("noop")))
    (notice,) = ran.notices()
    assert (notice.level, notice.code) == (
        "warning",
        "CF-RUN-SPEECH",
    ) and "apt-get install espeak-ng" in notice.hint
    assert ran.walk == [("tts", "continue _"), ("noop", "stop")]
    digits = stage.run(node("tts", {"text": "12"}, then=node("noop")))
    assert digits.notices() == [] and digits.step("tts").seconds > 0.3, "digits are prompts"
    assert [notice.code for notice in stage.run(node("tts", {"text": " "})).notices()] == ["CF-RUN-TTS"]


def test_tts_is_ended_by_a_terminator(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    _without(monkeypatch)
    flow = node(
        "tts", {"text": "1234567890", "terminators": ["#"], "endless_playback": True}, then=node("noop")
    )
    ran = stage.run(flow, Scenario(caller=caller(presses(2.0, "1"), presses(20.0, "#"), leaves=60.0)))
    assert ran.step("tts").did == "said 10 characters, ended by digit #"
    assert ran.step("tts").seconds == pytest.approx(20.0, abs=0.3)


def test_the_library_of_the_extra_speaks_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech, "installed", lambda: "espeakng-loader")
    file = tmp_path / "kept" / "a.wav"
    speech.speak(Speech("Guten Tag.", "de-de"), file)
    assert 0.4 < _seconds(file) < 3.0 and list(file.parent.iterdir()) == [file]
    with pytest.raises(SpeechError, match="no voice xx"):
        speech.speak(Speech("Hello", "xx"), tmp_path / "b.wav")


def test_a_synthesizer_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "espeak-ng"
    program.write_text("#!/bin/sh\nexec sleep 60\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path) + os.pathsep + os.environ["PATH"])
    monkeypatch.setattr(speech, "TIME_LIMIT_S", 0.05)
    with pytest.raises(SpeechError, match="not done within"):
        speech.speak(Speech("Hello", "en"), tmp_path / "a.wav")
    assert not list(tmp_path.glob("a.wav*"))


def test_what_documents_say_never_reaches_a_command_line() -> None:
    assert Speech("x", "en_US", "MALE").voices() == ["en-us+m3", "en+m3"]
    assert Speech("x", "en", "en-gb+f2").voices() == ["en-gb+f2"]
    assert Speech("x", "en", "--help").voices() == ["en+f3"]
    assert Speech("x", "en", "Polly.Amy").voices() == ["en+f3"]
    for language in ("", "-w/etc/passwd", "../de", "en us", "x" * 99):
        with pytest.raises(SpeechError):
            Speech("x", language).voices()
    assert Speech("a\x00b\n c" + "d" * 5000, "en").bounded.startswith("a b cd")
    assert len(Speech("d" * 5000, "en").bounded) == speech.MAX_TEXT
    with pytest.raises(SpeechError):
        speech.speak(Speech("\n", "en"), Path("never.wav"))


# ---- audio_macro ----------------------------------------------------------------------------


def _macro(stage: Stage, *macros: Any, **data: Any) -> Any:
    return stage.run(node("audio_macro", {"macros": list(macros), **data}, then=node("noop")))


def test_audio_macro_plays_everything_in_order(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    _without(monkeypatch)
    prompt = {"macro": "prompt", "id": "vm-goodbye"}
    tone = {"macro": "tone", "frequencies": ["440"], "duration_on": "500", "duration_off": "0"}
    number = {"macro": "say", "text": "4711", "type": "number", "method": "pronounced"}
    silence = {"macro": "play", "id": "silence_stream://700", "loop_count": 2}
    alone = [_macro(stage, each).step("audio_macro").seconds for each in (prompt, tone, number, silence)]
    ran = _macro(stage, prompt, tone, number, silence)
    assert ran.notices() == [] and ran.step("audio_macro").did == "played 4 of 4"
    assert ran.step("audio_macro").seconds == pytest.approx(sum(alone), abs=0.1)
    assert alone[1] == pytest.approx(0.5, abs=0.05) and alone[3] == pytest.approx(1.4, abs=0.05)


def test_audio_macro_leaves_out_what_it_cannot_play(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    _without(monkeypatch)
    bad = [
        {"macro": "sing"},
        {"macro": "prompt", "id": "no-such"},
        {"macro": "play", "id": "no-such"},
        {"macro": "tone"},
        "x",
    ]
    ran = _macro(
        stage,
        *bad,
        {"macro": "tts", "text": "hello"},
        {"macro": "say", "text": "abc", "type": "name_spelled"},
    )
    codes = [notice.code for notice in ran.notices()]
    assert codes == ["CF-CHK-071"] + ["CF-RUN-MACRO"] * 4 + ["CF-RUN-SPEECH"] * 2
    assert ran.step("audio_macro").did == "played 0 of 6" and ran.modules[-1] == "noop"


def test_audio_macro_is_ended_by_a_terminator(stage: Stage) -> None:
    sounds = [
        {"macro": "play", "id": "silence_stream://5000", "terminators": ["#"]},
        {"macro": "play", "id": "silence_stream://9000"},
    ]
    flow = node("audio_macro", {"macros": sounds}, then=node("noop"))
    ran = stage.run(flow, Scenario(caller=caller(presses(2.0, "1"), presses(7.0, "2"), leaves=60.0)))
    assert ran.step("audio_macro").did == "played 2 of 2, ended by digit 2"


SAID = [
    ({"text": "12", "method": "iterated"}, "en-us", ""),  # by prompts
    ({"text": "a1", "type": "account_number"}, "en-us", "a, 1"),
    ({"text": "12", "method": "iterated"}, "de-de", "1 2"),
    ({"text": "12", "type": "number"}, "de-de", "12"),
    ({"text": "0", "type": "current_date_time"}, "en-us", "Thursday, January 01, 1970, 01:00"),
    ({"text": "9" * 30, "type": "current_date"}, "en-us", "Friday, January 01, 2100"),
    ({"text": "Acme", "type": "persons"}, "en-us", "Acme"),
]


@pytest.mark.parametrize(("macro", "language", "text"), SAID, ids=range(len(SAID)))
def test_audio_macro_says_by_type_and_method(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, macro: dict[str, str], language: str, text: str
) -> None:
    said: list[str] = []

    def note(wanted: Speech, file: Path) -> None:
        said.append(wanted.text)
        raise SpeechError("not in this test")

    monkeypatch.setattr(speech, "speak", note)
    stage.account = Account("acme", document={"timezone": "Europe/Berlin"})
    _macro(stage, {"macro": "say", **macro}, language=language)
    assert said == ([text] if text else [])
