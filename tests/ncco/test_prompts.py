"""talk and stream: what is heard, how often, how loud, and who may cut it short."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from callflow.errors import SpeechError
from callflow.media import speech
from callflow.ncco.ssml import Pause, Said, pieces
from tests.modules.stage import presses
from tests.ncco.recorded import RATE, level, one
from tests.ncco.webserver import web_server

TONE_S, HERTZ = 1.0, 440
SPLIT = {"action": "record", "split": "conversation", "format": "wav"}
ASK = {"action": "input", "type": ["dtmf"], "dtmf": {"maxDigits": 1, "timeOut": 2}}


def write_tone(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    wave = 8000 * np.sin(2 * np.pi * HERTZ * np.arange(round(TONE_S * RATE)) / RATE)
    soundfile.write(file, wave.astype(np.int16), RATE, format="WAV")


@pytest.fixture(autouse=True)
def said(monkeypatch: pytest.MonkeyPatch) -> list[speech.Speech]:
    """What was to be spoken; each text is a second of a tone."""
    found: list[speech.Speech] = []

    def speak(wanted: speech.Speech, file: Path) -> None:
        found.append(wanted)
        write_tone(file)

    monkeypatch.setattr(speech, "speak", speak)
    return found


def talk(**data: Any) -> dict[str, Any]:
    return {"action": "talk", "text": "Hello", **data}


def test_a_text_is_said_to_the_caller_as_often_as_it_says(tmp_path: Path) -> None:
    told = one(tmp_path, SPLIT, talk(loop=3))
    assert [step.seconds for step in told.steps()] == [0, 3]
    heard = told.sound()[:, 1]
    assert level(heard, HERTZ, 0.1, 2.9) > 6000


def test_a_loop_of_0_goes_on_until_the_hangup(tmp_path: Path) -> None:
    told = one(tmp_path, talk(loop=0), talk(), leaves=7.5)
    assert [(step.outcome, step.seconds) for step in told.steps()] == [("gone", 7.5)]


@pytest.mark.parametrize(("said_level", "factor"), [(-1, 0), (-0.5, 0.5), (0.4, 1.4)])
def test_a_level_is_a_factor_of_the_amplitude(tmp_path: Path, said_level: float, factor: float) -> None:
    told = one(tmp_path, SPLIT, talk(level=said_level))
    plain = level(one(tmp_path / "plain", SPLIT, talk()).sound()[:, 1], HERTZ, 0.1, 0.9)
    assert level(told.sound()[:, 1], HERTZ, 0.1, 0.9) == pytest.approx(plain * factor, rel=0.02, abs=5)


def test_language_and_style_choose_the_voice(tmp_path: Path, said: list[speech.Speech]) -> None:
    one(
        tmp_path,
        talk(language="de-DE", style=1),
        talk(text="<speak>a <lang xml:lang='fr-FR'>b</lang></speak>"),
    )
    assert [(each.text, each.language, each.voice) for each in said] == [
        ("Hello", "de-de", "male"),
        ("a", "en-us", "female"),
        ("b", "fr-fr", "female"),
    ]


def test_where_nothing_can_speak_the_script_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def mute(*_: object) -> None:
        raise SpeechError("nothing that can speak is installed", hint=speech.INSTALL)

    monkeypatch.setattr(speech, "speak", mute)
    told = one(tmp_path, talk(), {"action": "wait", "timeout": 1})
    assert told.notices() == ["CF-RUN-SPEECH"] and told.reports[0].notices[0].hint == speech.INSTALL
    assert [step.did for step in told.steps()] == ["could not speak", "waited 1 s"]


def test_a_digit_cuts_a_prompt_short_and_is_the_inputs(tmp_path: Path) -> None:
    script = (talk(loop=5, bargeIn=True), talk(text="more", bargeIn=False), ASK)
    with web_server(event=[""]) as server:
        told = one(
            tmp_path, *script[:-1], {**ASK, "eventUrl": [f"{server.url}/event"]}, does=[presses(1.5, "7")]
        )
    assert [(step.module, round(step.seconds, 1)) for step in told.steps()] == [
        ("talk", 1.5),
        ("talk", 0),
        ("input", 0),
    ]
    (result,) = server.told("/event")
    assert result["dtmf"] == {"digits": "7", "timed_out": False}


def test_without_an_input_to_come_nothing_is_cut_short(tmp_path: Path) -> None:
    told = one(tmp_path, talk(loop=3, bargeIn=True), {"action": "wait", "timeout": 1}, does=[presses(1, "7")])
    assert [step.seconds for step in told.steps()] == [3, 1]


def test_a_file_is_fetched_and_played(tmp_path: Path) -> None:
    write_tone(tmp_path / "tone.wav")
    with web_server(**{"tone.wav": ["x"]}) as server:
        server.raw["/tone.wav"] = (tmp_path / "tone.wav").read_bytes()
        told = one(tmp_path, SPLIT, {"action": "stream", "streamUrl": [f"{server.url}/tone.wav"], "loop": 2})
        gone = one(tmp_path / "gone", {"action": "stream", "streamUrl": [f"{server.url}/gone.wav"]}, talk())
    assert level(told.sound()[:, 1], HERTZ, 0.1, 1.9) > 6000 and told.steps()[1].seconds == 2
    assert gone.notices() == ["CF-RUN-NCCO"] and gone.steps()[1].did == "said 5 characters"
    assert [body["reason"] for body in gone.bodies("reason")] == [
        gone.reports[0].errors[0].message.partition(": ")[2]
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("plain & simple", [Said("plain & simple")]),
        ("<speak>a <break time='1.5s'/>b</speak>", [Said("a"), Pause(1.5), Said("b")]),
        ("a <break strength='x-strong'/> b", [Said("a"), Pause(1.0), Said("b")]),
        ("<speak><break time='500ms'/></speak>", [Pause(0.5)]),
        ("<speak><break time='600s'/></speak>", [Pause(10.0)]),
        ("<speak><p>a</p><s>b</s></speak>", [Said("a"), Pause(0.6), Said("b"), Pause(0.3)]),
        ("<speak><say-as interpret-as='digits'>12 3</say-as> x</speak>", [Said("1 2 3 x")]),
        ("<speak><sub alias='World Wide Web'>W3</sub>!</speak>", [Said("World Wide Web !")]),
        ("<speak><prosody rate='fast'>a <emphasis>b</emphasis></prosody></speak>", [Said("a b")]),
    ],
)
def test_ssml_as_far_as_it_goes(text: str, found: list[Any]) -> None:
    assert pieces(text) == (tuple(found), "")


def test_what_is_no_xml_is_said_without_its_tags() -> None:
    found, fault = pieces("<speak>Fish & <b>chips</speak>")
    assert found == (Said("Fish & chips"),) and fault
    assert pieces("<!DOCTYPE a [<!ENTITY b 'c'>]><speak>&b;</speak>")[1] == "it has a document type"


def test_long_texts_are_divided_between_sentences() -> None:
    text = " ".join(f"This is sentence number {number}." for number in range(100))
    found, _ = pieces(text)
    assert len(found) == 4 and all(isinstance(each, Said) and len(each.text) <= 900 for each in found)
    assert " ".join(each.text for each in found if isinstance(each, Said)) == text
    deep = "<speak>" + "<prosody>" * 900 + "x" + "</prosody>" * 900 + "</speak>"
    assert pieces(deep) == ((Said("x"),), "")
