"""record with transcription: what is wanted, who is told, and once the whole way with real words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from callflow.app import Engine, EngineOptions
from callflow.channels.sim.scenario import Scenario
from callflow.clock import VirtualClock, run_virtual
from callflow.documents.settings import load_settings
from callflow.events import Event, TranscriptChanged
from callflow.media.messages import Clip, FileClip, SilenceClip
from callflow.media.speech import Speech, speak
from callflow.ncco.application import Application, Webhook
from callflow.ncco.script import Script
from callflow.state import transcripts
from callflow.state.database import Database
from callflow.state.transcripts import TranscriptRow
from tests.modules.stage import WALL, caller, tone
from tests.ncco.recorded import EVENTS, SECRET, Told, one
from tests.ncco.webserver import web_server

OWN = "http://h.test/transcribed"


def _transcript(told: Told) -> TranscriptRow | None:
    database = Database.open(told.state / "callflow.db")
    try:
        return database.run(lambda conn: transcripts.transcript_of(conn, told.row().id))
    finally:
        database.close()


@pytest.mark.parametrize(
    ("asked", "url", "method", "language"),
    [
        ({}, "http://h.test/rec", "POST", "en-US"),
        ({"eventUrl": OWN, "language": "de-DE"}, OWN, "POST", "de-DE"),
        ({"eventUrl": [OWN], "eventMethod": "GET"}, OWN, "GET", "en-US"),
    ],
)
def test_it_is_wanted_with_the_recording_and_waits(
    asked: dict[str, Any], url: str, method: str, language: str, tmp_path: Path
) -> None:
    record = {"action": "record", "timeOut": 3, "eventUrl": ["http://h.test/rec"], "transcription": asked}
    told = one(tmp_path, record, says=[tone(440, 2)])
    row, made = told.row(), _transcript(told)
    assert made is not None and (made.state, made.attempts) == ("WANTED", 0)
    event = made.wish.event
    assert event is not None and (event.url, event.method, event.secret) == (url, method, SECRET)
    assert made.wish.language == language and "secret" not in repr(made).replace("secrets", "")
    names = {key: row.document[key] for key in ("recording_uuid", "conversation_uuid")}
    here = f"http://127.0.0.1:8080/v1/files/{made.id}"
    assert event.body == {**names, "type": "record", "status": "transcribed", "transcription_url": here}
    assert made.wish.failed == {**names, "type": "record", "status": "transcription_failed", "error": ""}
    assert made.id not in (row.id, row.document["recording_uuid"])


def test_without_urls_the_application_is_told_and_without_the_key_nothing_is_wanted(tmp_path: Path) -> None:
    usual = _transcript(one(tmp_path / "a", {"action": "record", "timeOut": 3, "transcription": {}}))
    assert usual is not None and usual.wish.event is not None and usual.wish.event.url == EVENTS
    assert _transcript(one(tmp_path / "b", {"action": "record", "timeOut": 3})) is None


def test_what_has_no_effect_is_told(tmp_path: Path) -> None:
    asked = {"sentimentAnalysis": True, "provider": "deepgram"}
    settings = load_settings(overrides={"ncco.transcription.transcriber": "none"})
    told = one(tmp_path, {"action": "record", "timeOut": 3, "transcription": asked}, settings=settings)
    assert told.notices() == ["CF-RUN-NCCO-TRANSCRIPTION"] * 3


def test_the_whole_way(tmp_path: Path) -> None:
    """A caller says digits: they are written down where they were said, and told; on real processes."""
    clock = VirtualClock(WALL)
    run_virtual(_whole_way(tmp_path, clock), clock)


async def _whole_way(path: Path, clock: VirtualClock) -> None:
    spoken, events = path / "spoken.wav", list[Event]()
    speak(Speech("two seven nine", "en-us"), spoken)
    says: list[Clip] = [SilenceClip(1.0), FileClip(str(spoken)), SilenceClip(5.0)]
    scenario = Scenario(caller=caller(says=says, leaves=20), end_when_quiet_s=None)
    options = EngineOptions(state=path / "state", settings=load_settings())
    with web_server(rec=[""], event=[""], told=[""]) as server:
        wanted = {"eventUrl": [f"{server.url}/told"]}
        record = {"action": "record", "endOnSilence": 3, "split": "conversation", "transcription": wanted}
        application = Application(id="app", event=Webhook(f"{server.url}/event"))
        async with Engine(options, clock) as engine:
            engine.bus.subscribe(events.append)
            report = await engine.place_call(scenario, script=Script.parse([record]), application=application)
            ids = list(report.recordings)
            await engine.deliveries_settled(ids, 60.0)
            row = await engine.database.arun(lambda conn: transcripts.transcript_of(conn, ids[0]))
    assert row is not None and (row.state, row.error) == ("DONE", "")
    (body,) = server.told("/told")
    assert body["status"] == "transcribed" and body["transcription_url"].endswith(f"/v1/files/{row.id}")
    (event,) = (event for event in events if isinstance(event, TranscriptChanged))
    assert (event.change, event.file, event.recording_id) == ("transcribed", row.file, ids[0])
    document = json.loads((path / "state" / row.file).read_text())
    left, right = document["channels"]
    assert right["transcript"] == [] and left["duration"] == right["duration"] > 4
    for segment in left["transcript"]:
        words = segment["words"]
        assert segment["timestamp"] == words[0]["start_time"] >= 600
        assert words[-1]["end_time"] <= segment["timestamp"] + segment["duration"] <= 3500
    assert left["transcript"], "nothing was heard where somebody spoke"
