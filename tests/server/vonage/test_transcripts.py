"""The transcript of a real call: told once it is there, and the application's alone."""

from __future__ import annotations

import time

from callflow.recording.erasing import erase
from callflow.state.erasing import Why
from tests.server.vonage.house import APPLICATION, OTHER, House, other_keys

RECORD = {
    "action": "record",
    "timeOut": 2,
    "split": "conversation",
    "format": "wav",
    "transcription": {"language": "en-US"},
}


def test_what_was_said_on_a_call_is_fetched_and_erased_with_its_recording(vonage: House) -> None:
    id = vonage.call([RECORD])
    conversation = vonage.ask("GET", f"/v1/calls/{id}").json()["conversation_uuid"]
    (recorded,) = vonage.until(lambda: vonage.told("recording_url", conversation_uuid=conversation))
    told = vonage.until(lambda: vonage.told("transcription_url", conversation_uuid=conversation), within_s=60)
    (event,) = told
    assert (event["status"], event["recording_uuid"]) == ("transcribed", recorded["recording_uuid"])
    url = event["transcription_url"]
    assert url.startswith(f"{vonage.http.url}/v1/files/") and url != recorded["recording_url"]
    answer = vonage.ask("GET", url)
    assert (answer.status_code, answer.headers["Content-Type"].partition(";")[0]) == (200, "application/json")
    document = answer.json()
    assert (
        document["request_id"]
        and [channel["duration"] > 1.5 for channel in document["channels"]] == [True] * 2
    )
    assert vonage.ask("GET", url, token="").status_code == 401
    foreign = vonage.token(other_keys(vonage), application_id=OTHER)
    assert vonage.ask("GET", url, token=foreign).status_code == 404
    vonage.until_status(id, "completed")
    engine = vonage.exchange.engine
    kept = recorded["recording_url"].rpartition("/")[2]
    row = vonage.database(
        lambda conn: conn.execute("SELECT document FROM recordings WHERE id = ?", (kept,)).fetchone()
    )
    assert APPLICATION in row[0]
    erase(engine.folder, engine.database, kept, why=Why.API, by="a test", wall=time.time(), force=True)
    assert (
        vonage.ask("GET", url).status_code == vonage.ask("GET", recorded["recording_url"]).status_code == 404
    )
    assert not list(engine.folder.media.glob(f"*/{kept}*"))
