"""What tells whether the server is well, and its figures."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from callflow import events as ev
from callflow.errors import StorageError
from callflow.media.messages import RtpReport
from callflow.server import meter as metering
from callflow.server.meter import Meter
from callflow.server.standing import LEAST_FREE_BYTES
from callflow.state.records import DeliveryRow, RecordingRow, begin_recording, finish_recording
from tests.server.stage import Stage, on_stage


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_it_is_alive_and_ready_without_a_token(tmp_path: Path) -> None:
    async def main(stage: Stage) -> None:
        assert (await stage.get("/healthz", token="")).body == b"ok\n"
        ready = await stage.get("/readyz", token="")
        assert (ready.status, ready.json) == (200, {"ready": True, "troubles": {}})
        missing = await stage.get("/v2/nothing")
        assert (missing.status, missing.json["message"]) == (404, "not_found")

    on_stage(tmp_path, main)


def test_it_says_why_it_is_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(stage: Stage) -> None:
        monkeypatch.setattr("callflow.server.standing.KEPT_S", -1.0)

        async def troubles() -> dict[str, str]:
            answer = await stage.get("/readyz", token="")
            assert (answer.status, answer.json["ready"]) == (503, False)
            told: dict[str, str] = answer.json["troubles"]
            return told

        monkeypatch.setattr("shutil.disk_usage", lambda path: Usage(10**9, 10**9, LEAST_FREE_BYTES - 1))
        assert await troubles() == {"disk": "only 99 MB are free"}
        monkeypatch.undo()
        monkeypatch.setattr("callflow.server.standing.KEPT_S", -1.0)

        other = sqlite3.connect(stage.parts.folder.database, isolation_level=None)
        monkeypatch.setattr("callflow.server.standing.ANSWER_S", 0.05)
        other.execute("BEGIN IMMEDIATE")  # another process holds it, and does not let go
        assert await troubles() == {"database": "nothing can be written for 0.05 s"}
        other.execute("ROLLBACK")
        other.close()
        monkeypatch.undo()

        stage.exchange.draining = True
        await stage.parts.clock.sleep(0)
        monkeypatch.setattr("callflow.server.standing.KEPT_S", -1.0)
        assert list(await troubles()) == ["sip"]

    on_stage(tmp_path, main)


def test_a_crowd_that_asks_costs_one_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []

    def look(conn: sqlite3.Connection) -> None:
        looks.append(1)
        raise StorageError("no room")

    monkeypatch.setattr("callflow.server.standing._write", look)

    async def main(stage: Stage) -> None:
        answers = await asyncio.gather(*(stage.get("/readyz") for _ in range(20)))
        assert {each.status for each in answers} == {503}
        assert answers[0].json["troubles"] == {"database": "it cannot be written: CF-STO-000"}
        assert len(looks) == 1

    on_stage(tmp_path, main)


# ---- figures -------------------------------------------------------------------------------------


def figures(text: str) -> dict[str, float]:
    """By name and labels: ``name{a=b}``."""
    found = {}
    for family in read_text(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[sample.name + (f"{{{labels}}}" if labels else "")] = sample.value
    return found


def test_metrics_tell_what_is_there_and_what_happened(tmp_path: Path) -> None:
    async def main(stage: Stage) -> None:
        def fill(conn: sqlite3.Connection) -> None:
            for number in range(3):
                row = RecordingRow(id=f"r{number}", call_id="c", account_id="acme", state="READY")
                begin_recording(conn, row)
                finish_recording(conn, row, queued(number))

        await stage.parts.database.arun(fill)
        (stage.parts.folder.spool / "one").mkdir()
        (stage.parts.folder.spool / "one" / "audio.s16").write_bytes(b"x" * 640)
        tell(stage.parts.meter)
        refused = await stage.get("/metrics", token=stage.token_for("acme", "*"))
        assert refused.status == 403 and "all accounts" in refused.json["data"]["message"]
        answer = await stage.get("/metrics", token=stage.token_for("*", "metrics:read"))
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        found = figures(answer.body.decode())
        assert found["callflow_recordings{state=READY}"] == 3
        assert found["callflow_deliveries{state=QUEUED}"] == found["callflow_outbox_depth"] == 3
        assert stage.exchange.clock.wall() - 1e9 - found["callflow_outbox_oldest_seconds"] < 5
        assert (found["callflow_spool_recordings"], found["callflow_spool_bytes"]) == (1, 640)
        assert found["callflow_disk_bytes"] > found["callflow_disk_free_bytes"] > 0
        assert found["callflow_calls_live"] == found["callflow_registrations"] == 0
        assert found["callflow_calls_ended_total{cause=NORMAL_CLEARING}"] == 1
        assert found["callflow_recorded_seconds_total"] == 2.5
        assert found["callflow_transcript_changes_total{change=transcribed}"] == 0
        assert found["callflow_transcript_changes_total{change=failed}"] == 1
        assert found["callflow_rtp_packets_lost_total"] == 3
        assert found["process_open_fds"] > 3
        assert "callflow_media_ticks_late_total" in found
        again = figures((await stage.get("/metrics")).body.decode())
        assert again["callflow_http_requests_total{method=GET,status=200}"] == 1

    on_stage(tmp_path, main)


def queued(number: int) -> DeliveryRow:
    return DeliveryRow(
        id=f"d{number}", recording_id=f"r{number}", kind="http", url="http://192.0.2.1/", file="",
        content_type="audio/mpeg", sha256="", bytes=0, created_wall=1e9 + number, host="192.0.2.1",
    )  # fmt: skip


def tell(meter: Meter) -> None:
    """What a call tells."""
    about: dict[str, Any] = {"time": 1.0, "call_id": "c"}
    meter.on_event(ev.CallStarted(**about, from_number="1", to_number="2"))
    meter.on_event(ev.CallEnded(**about, cause="NORMAL_CLEARING", by="caller", duration=4.0))
    ready = ev.RecordingChanged(**about, recording_id="r", change="ready", state="READY", seconds=2.5)
    meter.on_event(ready)
    meter.on_event(ev.TranscriptChanged(**about, recording_id="r", change="failed", error="no words"))
    meter.on_media(RtpReport("l", 4.0, 200, 197, 3, 0, 0, 0, 1.0))


def test_metrics_are_for_those_who_may(tmp_path: Path) -> None:
    async def main(stage: Stage) -> None:
        statuses = [
            (await stage.get("/metrics", token=token)).status
            for token in ("", stage.token_for("*", "events:read"), stage.token_for("acme"))
        ]
        assert statuses == [401, 403, 403]
        accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
        answer = await stage.get("/metrics", headers=accept)
        families = read_openmetrics(answer.body.decode())  # type: ignore[no-untyped-call]
        names = [family.name for family in families]
        assert "callflow_calls_started" in names
        assert len(names) == len(set(names))

    on_stage(tmp_path, main)


def test_labels_do_not_grow_for_ever() -> None:
    meter = Meter()
    for number in range(metering.MOST_VALUES + 50):
        meter.on_event(ev.CallEnded(time=0.0, call_id="c", cause=f"C{number}", by="caller", duration=0.0))
        meter.on_request(f"M{number}", 405)
    assert len(meter.calls_ended) == metering.MOST_VALUES + 1
    assert meter.calls_ended["other"] == 50
    assert meter.requests == {("OTHER", "405"): metering.MOST_VALUES + 50}
