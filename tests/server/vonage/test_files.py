"""``GET /v1/files/ID``: a recording is its application's alone, as long as it is kept."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from callflow.server.vonage.files import DAY_S
from callflow.state.records import RecordingRow, begin_recording
from tests.server.vonage.house import APPLICATION, OTHER, House

SOUND = bytes(range(256)) * 4
GONE = {"type": "NOT_FOUND", "error_title": "Not Found"}


def keep(house: House, id: str, days_old: float = 0, **more: Any) -> str:
    """A recording that was made so long ago."""
    root = house.exchange.engine.folder.root
    (root / "media").mkdir(exist_ok=True)
    (root / "media" / f"{id}.mp3").write_bytes(SOUND)
    then = time.time() - days_old * DAY_S
    row = RecordingRow(
        id=id,
        call_id="call",
        account_id="acme",
        state="READY",
        format="mp3",
        bytes=len(SOUND),
        file=f"media/{id}.mp3",
        sha256="5" * 64,
        started_wall=then,
        finished_wall=then,
        document={"application_id": APPLICATION, "recording_uuid": f"not-{id}"},
    )
    house.database(lambda conn: begin_recording(conn, replace(row, **more)))
    return f"/v1/files/{id}"


def test_a_file_whole_and_in_parts(vonage: House) -> None:
    path = keep(vonage, "whole")
    answer = vonage.ask("GET", path)
    assert (answer.status_code, answer.content) == (200, SOUND)
    assert answer.headers["Content-Type"] == "audio/mpeg"
    part = vonage.ask("GET", path, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, SOUND[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(SOUND)}"
    last = vonage.ask("GET", path, headers={"Range": "bytes=-5"})
    assert (last.status_code, last.content) == (206, SOUND[-5:])
    assert vonage.ask("GET", path, headers={"Range": "bytes=5000-"}).status_code == 416
    head = vonage.ask("HEAD", path)
    assert (head.status_code, head.content, head.headers["Content-Length"]) == (200, b"", str(len(SOUND)))
    assert vonage.ask("GET", path, token="").status_code == 401


@pytest.mark.parametrize(
    ("id", "days", "more"),
    [
        ("old", 30.01, {}),
        ("others", 0, {"document": {"application_id": OTHER}}),
        ("nobodys", 0, {"document": {}}),
        ("elsewhere", 0, {"account_id": "other"}),
        ("running", 0, {"state": "RECORDING"}),
        ("erased", 0, {"file": ""}),
        ("lost", 0, {"file": "media/never.mp3"}),
        ("outside", 0, {"file": "../accounts/acme/account.json"}),
    ],
)
def test_what_is_not_there_for_who_asks(vonage: House, id: str, days: float, more: dict[str, Any]) -> None:
    answer = vonage.ask("GET", keep(vonage, id, days, **more))
    assert (answer.status_code, answer.json()) == (404, GONE)


def test_unknown_files(vonage: House) -> None:
    for id in ("unknown", "not-whole", "%2e%2e%2fcallflow.db", "a" * 200):
        answer = vonage.ask("GET", f"/v1/files/{id}")
        assert (answer.status_code, answer.json()) == (404, GONE), id


def test_it_is_there_for_thirty_days(vonage: House) -> None:
    assert vonage.ask("GET", keep(vonage, "young", 29.99)).status_code == 200


def test_the_url_in_events(vonage: House) -> None:
    assert vonage.exchange.engine.scripts.sessions.base_url == vonage.http.url
