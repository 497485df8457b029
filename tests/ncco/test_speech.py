"""Speech input: when it ends, and why; what is heard; that nothing of it stays; what if nobody can hear."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import soundfile

from callflow.channels.sim.scenario import Timed
from callflow.documents.settings import load_settings
from callflow.errors import TranscriberGone, TranscriptionError
from callflow.media.messages import SilenceClip, ToneClip
from callflow.media.transcribing.hearing import Hearing
from callflow.media.transcribing.interface import Recogniser, Request, Transcription, Word
from callflow.ncco import speech
from tests.modules.stage import presses, tone
from tests.ncco.recorded import Told, one
from tests.ncco.webserver import WebServer, web_server

BOTH = ["dtmf", "speech"]
HEARD = Transcription(((Word("buy", 0.2, 0.5, 0.9), Word("milk", 0.5, 0.9, 0.5)),), 1.0)


@dataclass
class Ears:
    """In place of the recogniser: hears what the test says. ``lengths``: seconds of what it was given."""

    hears: Any = HEARD
    asked: list[Request] = field(default_factory=list)
    lengths: list[float] = field(default_factory=list)

    def submit(
        self, path: Path, request: Request, recogniser: Recogniser, limit_s: float
    ) -> Future[Transcription]:
        info = soundfile.info(str(path))
        assert (info.samplerate, info.channels) == (16000, 1)
        self.asked.append(request)
        self.lengths.append(info.frames / info.samplerate)
        done: Future[Transcription] = Future()
        if isinstance(self.hears, Exception):
            done.set_exception(self.hears)
        else:
            done.set_result(self.hears)
        return done


@pytest.fixture
def ears(monkeypatch: pytest.MonkeyPatch) -> Ears:
    monkeypatch.setattr(speech, "missing", lambda name: None)
    one = Ears()
    monkeypatch.setattr(Hearing, "submit", lambda self, *asked: one.submit(*asked))
    return one


def _ask(
    state: Path,
    *does: Timed,
    says: Sequence[Any] = (),
    kinds: Sequence[str] = ("speech",),
    server: WebServer | None = None,
    leaves: float = 60.0,
    settings: Any = None,
    dtmf: Mapping[str, Any] | None = None,
    **data: Any,
) -> tuple[Told, dict[str, Any]]:
    """One input; the result that the web server got."""
    with web_server(input=[""]) as server:
        asked = {"action": "input", "eventUrl": [f"{server.url}/input"], "type": list(kinds), "speech": data}
        script = [{**asked, "dtmf": dict(dtmf)} if dtmf else asked]
        told = one(state, *script, says=says, does=does, leaves=leaves, settings=settings)
    bodies = server.told("/input")
    return told, dict(bodies[0]) if bodies else {}


def _files(state: Path) -> list[Path]:
    return list((state / "media").rglob("*.*"))


# ---- when it ends ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("says", "data", "reason", "seconds", "length"),
    [
        ([SilenceClip(1), tone(440, 2)], {}, "end_on_silence_timeout", 5.0, 5.0),
        ([tone(440, 1)], {"endOnSilence": 0.4}, "end_on_silence_timeout", 1.4, 1.4),
        ([], {"startTimeout": 4}, "start_timeout", 4.0, None),
        ([SilenceClip(2), tone(440, 20)], {"maxDuration": 3}, "max_duration", 5.0, 5.0),
        ([tone(440, 1), SilenceClip(1), tone(440, 9)], {"maxDuration": 4}, "max_duration", 4.0, 4.0),
    ],
)
def test_it_ends_to_the_frame(
    says: list[Any],
    data: dict[str, Any],
    reason: str,
    seconds: float,
    length: float | None,
    tmp_path: Path,
    ears: Ears,
) -> None:
    told, body = _ask(tmp_path, says=says, **data)
    assert told.steps()[0].seconds == pytest.approx(seconds, abs=0.05)
    assert body["speech"]["timeout_reason"] == reason and "dtmf" not in body
    if length is None:
        assert ears.asked == [] and "results" not in body["speech"]
    else:
        assert ears.lengths == [pytest.approx(length, abs=0.05)]
        assert body["speech"]["results"] == [{"text": "buy milk", "confidence": "0.70"}]


@pytest.mark.parametrize(
    ("sensitivity", "reason"), [(100, "end_on_silence_timeout"), (90, "start_timeout"), (10, "start_timeout")]
)
def test_sensitivity_says_how_quiet_speech_may_be(
    sensitivity: int, reason: str, tmp_path: Path, ears: Ears
) -> None:
    """A tone of a mean of about 170, where 200 is speech as usual."""
    quiet = [ToneClip("v=-38.5;%(1000,0,440)")]
    _, body = _ask(tmp_path, says=quiet, sensitivity=sensitivity)
    assert body["speech"]["timeout_reason"] == reason


def test_context_and_language_are_passed_on(tmp_path: Path, ears: Ears) -> None:
    _ask(tmp_path, says=[tone(440, 1)], context=["milk", "bread"], language="de-DE")
    assert ears.asked == [Request("de-DE", ("milk", "bread"))]


# ---- what stays -----------------------------------------------------------------------------------


def test_nothing_of_it_stays(tmp_path: Path, ears: Ears) -> None:
    told, body = _ask(tmp_path, says=[tone(440, 1)])
    assert (told.row().state, told.row().reason, told.row().file) == ("DISCARDED", "heard", "")
    assert _files(tmp_path) == [] and "recording_url" not in body["speech"]


def test_save_audio_keeps_it(tmp_path: Path, ears: Ears) -> None:
    told, body = _ask(tmp_path, says=[tone(440, 1)], saveAudio=True)
    row = told.row()
    assert row.state == "READY" and body["speech"]["recording_url"].endswith(f"/v1/files/{row.id}")
    assert _files(tmp_path) == [tmp_path / row.file]
    assert row.document["application_id"] == "app" and "temporary" not in row.document


def test_a_caller_who_hangs_up_while_he_speaks(tmp_path: Path, ears: Ears) -> None:
    told, body = _ask(tmp_path, says=[tone(440, 9)], leaves=3.0)
    assert body == {} and ears.asked == []
    assert told.row().state == "DISCARDED" and _files(tmp_path) == []


# ---- digits beside it -----------------------------------------------------------------------------


@pytest.mark.parametrize("at", [0.0, 6.0])
def test_a_digit_ends_it(at: float, tmp_path: Path, ears: Ears) -> None:
    """Also one after the time-out of digits: whoever may speak has longer."""
    told, body = _ask(tmp_path, presses(at, "42"), says=[], kinds=BOTH, dtmf={"timeOut": 1})
    assert body["dtmf"] == {"digits": "42", "timed_out": True} and body["speech"] == {}
    assert told.steps()[0].did == "heard 2 digits" and ears.asked == []
    assert _files(tmp_path) == []


def test_speech_ends_the_wait_for_digits(tmp_path: Path, ears: Ears) -> None:
    told, body = _ask(tmp_path, says=[tone(440, 1)], kinds=BOTH)
    assert body["dtmf"] == {"digits": None, "timed_out": True}
    assert body["speech"]["results"] and told.steps()[0].did == "heard speech"


# ---- what goes wrong ------------------------------------------------------------------------------


@pytest.mark.parametrize("fails", [TranscriptionError("no German", hint="x"), TranscriberGone("it died")])
def test_a_recogniser_that_fails_is_told(fails: Exception, tmp_path: Path, ears: Ears) -> None:
    ears.hears = fails
    told, body = _ask(tmp_path, says=[tone(440, 1)])
    assert body["speech"] == {"timeout_reason": "end_on_silence_timeout", "error": str(fails.args[0])}
    assert told.notices() and _files(tmp_path) == []


def test_nothing_understood_is_an_empty_result(tmp_path: Path, ears: Ears) -> None:
    ears.hears = Transcription(((),), 1.0)
    told, body = _ask(tmp_path, says=[tone(440, 1)])
    assert body["speech"]["results"] == [] and told.steps()[0].did == "recognised no speech"


def test_a_leg_that_is_not_there(tmp_path: Path, ears: Ears) -> None:
    told, body = _ask(tmp_path, says=[tone(440, 1)], uuid=["nobody"])
    assert body["speech"]["results"] and told.notices() == ["CF-RUN-NCCO-SPEECH"]


def test_without_a_recogniser_the_result_says_so(tmp_path: Path) -> None:
    settings = load_settings(overrides={"ncco.transcription.transcriber": "none"})
    both, first = _ask(tmp_path, presses(1, "5"), kinds=BOTH, dtmf={"maxDigits": 1}, settings=settings)
    alone, second = _ask(tmp_path / "b", settings=settings, startTimeout=4)
    assert first["dtmf"]["digits"] == "5" and set(first["speech"]) == {"error"}
    assert "turned off" in first["speech"]["error"]
    assert "dtmf" not in second and second["speech"]["timeout_reason"] == "start_timeout"
    assert alone.steps()[0].seconds == 4
    assert both.notices() == alone.notices() == ["CF-RUN-NCCO-SPEECH"]
