"""``/v1/calls`` and ``/v1/conversations``: what is made, listed, changed, and refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.server.vonage.house import APPLICATION, NUMBER, OTHER, House, other_keys

WAIT = [{"action": "wait", "timeout": 60}]
CORPUS = Path(__file__).with_name("call-info.json")


def types_of(value: object) -> Any:
    """The keys of an object and the types of their values."""
    if isinstance(value, dict):
        return {key: types_of(each) for key, each in value.items()}
    return type(value).__name__


def hang_up(house: House, id: str) -> None:
    answer = house.ask("PUT", f"/v1/calls/{id}", {"action": "hangup"})
    assert (answer.status_code, answer.content) == (204, b"")


def test_a_call_is_made_and_looks_like_vonages(vonage: House) -> None:
    id = vonage.call(WAIT, {"type": "phone", "number": "447700900123"})
    shown = vonage.until_status(id, "answered")
    assert shown["to"] == {"type": "phone", "number": "447700900123"}
    assert shown["from"] == {"type": "phone", "number": NUMBER}
    assert shown["_links"] == {"self": {"href": f"/v1/calls/{id}"}}
    assert vonage.ask("GET", f"/v1/calls?conversation_uuid={shown['conversation_uuid']}").json()["count"] == 1
    hang_up(vonage, id)
    ended = vonage.until_status(id, "completed")
    sample = json.loads(CORPUS.read_text())
    assert types_of(ended) == types_of(sample), "a call object of Vonage's own tests"
    assert vonage.ask("PUT", f"/v1/calls/{id}", {"action": "hangup"}).status_code == 404, "it is over"


def test_a_call_that_rings_can_be_hung_up_and_nothing_else(vonage: House) -> None:
    id = vonage.call(WAIT, {"type": "app", "user": "ann"})
    assert vonage.until_status(id, "ringing")["to"] == {"type": "app", "user": "ann"}
    for action in ({"action": "mute"}, {"action": "transfer", "destination": {"ncco": WAIT}}):
        refused = vonage.ask("PUT", f"/v1/calls/{id}", action)
        assert refused.status_code == 400
        assert refused.json()["invalid_parameters"] == {"uuid": "the call is not answered yet"}
    assert vonage.ask("PUT", f"/v1/calls/{id}/dtmf", {"digits": "1"}).status_code == 400
    hang_up(vonage, id)
    shown = vonage.until_status(id, "cancelled")
    assert "duration" not in shown


def test_a_callee_of_connect_and_a_script_from_a_url(vonage: House) -> None:
    connect = {"action": "connect", "endpoint": [{"type": "phone", "number": "447700900124"}]}
    answer = {
        "answer_url": [f"{vonage.web.url}/connect"],
        "to": [{"type": "sip", "uri": vonage.phone.contact}],
    }
    vonage.web.answers["/connect"] = [[connect, *WAIT]]
    made = vonage.ask("POST", "/v1/calls", {**answer, "random_from_number": True})
    assert made.status_code == 201, made.text
    id, conversation = made.json()["uuid"], made.json()["conversation_uuid"]

    def both() -> list[dict[str, Any]]:
        found = vonage.ask("GET", f"/v1/calls?conversation_uuid={conversation}&status=answered").json()
        return found["_embedded"]["calls"] if found["count"] == 2 else []

    mine, callee = vonage.until(both)
    assert (mine["uuid"], callee["to"]["number"], mine["from"]["number"]) == (id, "447700900124", NUMBER)
    assert vonage.web.told("/connect")[0]["uuid"] == id
    other = callee["uuid"]
    assert vonage.ask("PUT", f"/v1/calls/{other}", {"action": "mute"}).status_code == 204
    session = vonage.session(id)
    assert session is not None and session.muted == {other}
    refused = vonage.ask("PUT", f"/v1/calls/{other}", {"action": "transfer", "destination": {"ncco": WAIT}})
    assert refused.status_code == 400
    hang_up(vonage, other)
    vonage.until_status(other, "completed")
    assert vonage.ask("GET", f"/v1/calls/{id}").json()["status"] == "answered", "its script goes on"
    destination = {"type": "ncco", "url": [f"{vonage.web.url}/nothing"]}
    moved = vonage.ask("PUT", f"/v1/calls/{id}", {"action": "transfer", "destination": destination})
    assert moved.status_code == 204
    vonage.until(lambda: vonage.told("reason", conversation_uuid=conversation))
    vonage.web.answers["/away"] = [[]]
    vonage.web.answers["/away"] = [[{"action": "notify", "payload": {"here": id}, "eventUrl": ["x"]}]]
    destination = {"type": "ncco", "url": [f"{vonage.web.url}/away"]}
    assert vonage.ask("PUT", f"/v1/calls/{id}", {"action": "transfer", "destination": destination}).ok
    vonage.until_status(id, "completed")


def test_a_named_conversation_is_recorded(vonage: House) -> None:
    room = [{"action": "conversation", "name": "team"}]
    first = vonage.call(room)
    second = vonage.call(room)

    def together() -> str:
        shown = [vonage.ask("GET", f"/v1/calls/{id}").json() for id in (first, second)]
        same = {each["conversation_uuid"] for each in shown}
        return same.pop() if len(same) == 1 else ""

    path = f"/v1/conversations/{vonage.until(together)}/record"
    wanted = {
        "format": "wav",
        "channels": 2,
        "split": "conversation",
        "event_url": [f"{vonage.web.url}/file"],
    }
    vonage.web.answers["/file"] = [""]
    assert vonage.ask("PUT", path, {"action": "start", **wanted}).status_code == 204
    assert vonage.ask("PUT", f"/v1/calls/{second}", {"action": "mute"}).status_code == 204
    session = vonage.session(second)
    assert session is not None and session.call.rooms.member is not None and session.call.rooms.member.muted
    again = vonage.ask("PUT", path, {"action": "start"})
    assert (again.status_code, again.json()["code"]) == (400, "http:error:validation-fail")
    assert vonage.ask("PUT", path, {"action": "stop"}).status_code == 204
    (event,) = vonage.until(lambda: vonage.web.told("/file"))
    assert vonage.ask("GET", str(event["recording_url"])).headers["Content-Type"] == "audio/wav"
    assert vonage.ask("PUT", path, {"action": "stop"}).status_code == 400, "there is none any more"
    for id in (first, second):
        hang_up(vonage, id)
    vonage.until_status(second, "completed")
    gone = vonage.ask("PUT", path, {"action": "start"})
    assert (gone.status_code, gone.json()["code"]) == (404, "conversation:error:not-found")


def test_another_application_sees_nothing_of_it(vonage: House) -> None:
    id = vonage.call(WAIT)
    shown = vonage.until_status(id, "answered")
    keys = other_keys(vonage)

    def status(method: str, path: str, body: object = None) -> int:
        token = vonage.token(keys, application_id=OTHER)
        return vonage.ask(method, path, body, token=token).status_code

    assert status("GET", f"/v1/calls/{id}") == status("PUT", f"/v1/calls/{id}", {"action": "hangup"}) == 404
    assert status("PUT", f"/v1/calls/{id}/talk", {"text": "Hello"}) == 404
    record = f"/v1/conversations/{shown['conversation_uuid']}/record"
    assert status("PUT", record, {"action": "start"}) == 404
    token = vonage.token(keys, application_id=OTHER)
    assert vonage.ask("GET", "/v1/calls", token=token).json()["count"] == 0
    assert vonage.ask("GET", "/v1/calls", token="").status_code == 401
    hang_up(vonage, id)


def test_pages_and_what_is_asked_of_a_list(vonage: House) -> None:
    for _ in range(3):
        hang_up(vonage, vonage.call(WAIT, {"type": "app", "user": "ann"}))
    first = vonage.ask("GET", "/v1/calls?status=cancelled&page_size=2").json()
    assert first["count"] >= 3 and len(first["_embedded"]["calls"]) == 2
    links = first["_links"]
    assert links["next"]["href"].startswith(f"{vonage.http.url}/v1/calls?page_size=2&record_index=2")
    after = vonage.ask("GET", links["next"]["href"]).json()
    assert after["record_index"] == 2 and "prev" in after["_links"]
    uuids = [each["uuid"] for page in (first, after) for each in page["_embedded"]["calls"]]
    assert len(set(uuids)) == len(uuids)
    back = vonage.ask("GET", "/v1/calls?status=cancelled&order=desc&page_size=100").json()
    assert [each["uuid"] for each in back["_embedded"]["calls"]][: -1 - len(uuids) : -1] == uuids
    assert vonage.ask("GET", "/v1/calls?date_start=2999-01-01T00:00:00Z").json()["count"] == 0
    assert vonage.ask("GET", "/v1/calls?date_end=2999-01-01").json()["count"] >= 3
    for query in (
        "page_size=0",
        "page_size=x",
        "order=up",
        "status=odd",
        "date_start=soon",
        "record_index=-1",
    ):
        refused = vonage.ask("GET", f"/v1/calls?{query}")
        assert (refused.status_code, refused.json()["type"]) == (400, "VALIDATION"), query
        assert list(refused.json()["invalid_parameters"]) == [query.partition("=")[0]]


TO = [{"type": "phone", "number": "447700900123"}]
SOCKET = {"type": "websocket", "uri": "wss://127.0.0.1/"}
FROM = {"type": "phone", "number": NUMBER}


@pytest.mark.parametrize(
    ("key", "body"),
    [
        ("ncco", {}),
        ("ncco", {"ncco": WAIT, "answer_url": ["https://example.com/"]}),
        ("ncco", {"ncco": {"action": "wait"}}),
        ("ncco", {"ncco": []}),
        ("answer_url", {"answer_url": ["ftp://example.com/"]}),
        ("answer_method", {"answer_url": ["https://example.com/"], "answer_method": "PUT"}),
        ("event_url", {"ncco": WAIT, "event_url": ["https://a/", "https://b/"]}),
        ("to", {"ncco": WAIT, "to": []}),
        ("to", {"ncco": WAIT, "to": TO * 2}),
        ("to", {"ncco": WAIT, "to": [{"type": "websocket", "uri": "http://127.0.0.1/"}]}),
        (
            "to",
            {"ncco": WAIT, "to": [{**SOCKET, "authorization": {"type": "custom", "value": "secret:env:A"}}]},
        ),
        ("to", {"ncco": WAIT, "to": [{**SOCKET, "headers": {"a": "b" * 512}}]}),
        ("to", {"ncco": WAIT, "to": [{"type": "fax", "number": "447700900123"}]}),
        ("to", {"ncco": WAIT, "to": [{"type": "phone", "number": "12a"}]}),
        ("to", {"ncco": WAIT, "to": [{"type": "sip", "uri": "alice"}]}),
        ("to", {"ncco": WAIT, "to": [{"type": "app", "user": "nobody"}]}),
        ("to", {"ncco": WAIT, "to": [{"type": "sip", "uri": "sip:a@b", "headers": {"a\r\nb": "c"}}]}),
        ("to", {"ncco": WAIT, "to": [{**TO[0], "dtmfAnswer": "1;2"}]}),
        ("to", {"ncco": WAIT, "to": [{"type": "sip", "uri": "sip:a@b\r\nVia: x"}]}),
        ("to", {"ncco": WAIT, "to": [{"type": "sip", "uri": "", "user": "a", "domain": "b\r\nVia: x"}]}),
        ("from", {"ncco": WAIT, "from": {"type": "phone", "number": "1\r\nVia: x"}}),
        ("from", {"ncco": WAIT, "from": None}),
        ("from", {"ncco": WAIT, "random_from_number": True}),
        ("random_from_number", {"ncco": WAIT, "random_from_number": 0}),
        ("event_url", {"ncco": WAIT, "event_url": [None]}),
        ("length_timer", {"ncco": WAIT, "length_timer": 0}),
        ("ringing_timer", {"ncco": WAIT, "ringing_timer": 121}),
        ("machine_detection", {"ncco": WAIT, "machine_detection": "listen"}),
    ],
)
def test_calls_that_are_not_made(vonage: House, key: str, body: dict[str, Any]) -> None:
    answer = vonage.ask("POST", "/v1/calls", {"to": TO, "from": FROM, **body})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error_title"] == "Bad Request"
    assert list(answer.json()["invalid_parameters"]) == [key], answer.text


def test_bodies_that_are_none(vonage: House) -> None:
    url = f"{vonage.http.url}/v1/calls"
    for body in ("[]", "{", "null"):
        answer = vonage.session_post(url, body)
        assert (answer.status_code, answer.json()["type"]) == (400, "VALIDATION")
    assert vonage.session_post(url, " " * 2_000_000).status_code == 413


def test_what_is_asked_of_a_call_that_is_up(vonage: House) -> None:
    id = vonage.call(WAIT)
    vonage.until_status(id, "answered")
    base = f"/v1/calls/{id}"
    for path, key, body in (
        ("", "action", {"action": "dance"}),
        ("", "destination", {"action": "transfer", "destination": {"type": "app"}}),
        ("", "destination", {"action": "transfer", "destination": {"ncco": "talk"}}),
        ("/stream", "stream_url", {}),
        ("/stream", "loop", {"stream_url": ["https://example.com/a.mp3"], "loop": -1}),
        ("/talk", "text", {"text": ""}),
        ("/talk", "level", {"text": "Hello", "level": 2}),
        ("/dtmf", "digits", {"digits": "12ab"}),
        ("/input/dtmf", "event_url", {"event_url": "nowhere"}),
    ):
        answer = vonage.ask("PUT", base + path, body)
        assert (answer.status_code, list(answer.json()["invalid_parameters"])) == (400, [key]), answer.text
    assert vonage.ask("DELETE", f"{base}/input/dtmf").status_code == 400, "nobody listens"
    assert vonage.ask("PUT", f"{base}/input/dtmf", {"event_url": [f"{vonage.web.url}/event"]}).ok
    assert vonage.ask("DELETE", f"{base}/input/dtmf").json()["uuid"] == id
    assert vonage.ask("DELETE", f"{base}/talk").json() == {"message": "Talk stopped", "uuid": id}
    hang_up(vonage, id)
    assert APPLICATION not in (OTHER, id)
