"""Vonage's own Python SDK, pointed at this server: what its users do with calls and recordings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile
from vonage import Auth, HttpClientOptions, Vonage
from vonage_http_client.errors import HttpRequestError
from vonage_voice.models import (
    AudioStreamOptions,
    CreateCallRequest,
    ListCallsFilter,
    Phone,
    Sip,
    Talk,
    TtsStreamOptions,
)

from tests.server.vonage.house import APPLICATION, NUMBER, House, level, tone_file


@pytest.fixture
def sdk(vonage: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vonage]:
    """The SDK with the application's key; it trusts the server's certificate."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(vonage.ca))
    made = Vonage(
        Auth(application_id=APPLICATION, private_key=vonage.keys.private),
        HttpClientOptions(api_host=vonage.host),
    )
    yield made
    made.http_client._session.close()


def test_a_call_from_its_begin_to_its_recording(vonage: House, sdk: Vonage, tmp_path: Path) -> None:
    voice = sdk.voice
    made = voice.create_call(
        CreateCallRequest(
            to=[Sip(uri=vonage.phone.contact)], from_=Phone(number=NUMBER), ncco=[Talk(text="Hello")]
        )
    )
    assert (made.status, made.direction) == ("started", "outbound")
    id = made.uuid
    vonage.until(lambda: voice.get_call(id).status == "answered")
    voice.transfer_call_ncco(id, [Talk(text="One moment", loop=0)])
    moved = vonage.until(lambda: vonage.told("conversation_uuid_to", uuid=id))
    conversation = voice.get_call(id).conversation_uuid
    assert moved[0]["conversation_uuid_from"] == made.conversation_uuid
    assert moved[0]["conversation_uuid_to"] == conversation != made.conversation_uuid
    path = f"/v1/conversations/{conversation}/record"
    sdk.http_client.put(vonage.host, path, {"action": "start", "format": "wav", "split": "conversation"})
    with pytest.raises(HttpRequestError, match="being recorded already"):
        sdk.http_client.put(vonage.host, path, {"action": "start"})
    vonage.web.put("/tone.wav", tone_file(1000, 20))
    stream = AudioStreamOptions(stream_url=[f"{vonage.web.url}/tone.wav"], level=0.5)
    assert voice.play_audio_into_call(id, stream).message == "Stream started"
    assert voice.play_tts_into_call(id, TtsStreamOptions(text="Good day", language="en-GB")).uuid == id
    assert voice.play_dtmf_into_call(id, "12p#").message == "DTMF sent"
    voice.mute(id)
    voice.unmute(id)
    voice.earmuff(id)
    voice.unearmuff(id)
    vonage.until(lambda: "12#" in vonage.digits())
    assert voice.stop_audio_stream(id).message == "Stream stopped"
    assert voice.stop_tts(id).message == "Talk stopped"
    sdk.http_client.put(vonage.host, path, {"action": "stop"})
    event = vonage.until(lambda: vonage.told("recording_url", conversation_uuid=conversation))[0]
    assert str(event["recording_url"]).startswith(f"{vonage.http.url}/v1/files/")
    # The SDK downloads from hosts with vonage.com in the url only: ours may have it in its query.
    voice.download_recording(f"{event['recording_url']}?for=vonage.com", str(tmp_path / "recording.wav"))
    assert (tmp_path / "recording.wav").stat().st_size == event["size"]
    sound, rate = soundfile.read(tmp_path / "recording.wav", dtype="int16")
    assert rate == 16000 and sound.shape[1] == 2
    assert level(sound[:, 0], 440, rate) > 2000, "left: what the callee says"
    assert level(sound[:, 1], 1000, rate) > 2000, "right: what he hears"
    voice.hangup(id)
    vonage.until(lambda: voice.get_call(id).status == "completed")
    calls, more = voice.list_calls(ListCallsFilter(conversation_uuid=conversation))
    assert [call.uuid for call in calls] == [id] and more is None
    assert calls[0].start_time and calls[0].duration is not None
