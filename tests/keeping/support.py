"""Recordings in a state folder, as they are after their calls."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from callflow.media.wav import unfinished_header
from callflow.recording.messages import RecordingSpec
from callflow.recording.spool import AUDIO, JOURNAL, META, line_bytes, meta_bytes
from callflow.state.account_documents import put_keeping
from callflow.state.database import Database
from callflow.state.folder import StateFolder
from callflow.state.records import (
    DeliveryRow,
    RecordingRow,
    begin_recording,
    finish_recording,
    reserve_url,
)
from tests.recording.harness import WALL, ramp, spec

DAY = 86_400.0
STARTED: Mapping[str, object] = {"what": "started", "time": 10.0, "samples": 0}
ENDED: Mapping[str, object] = {"what": "finishing", "time": 11.0, "samples": 8000, "reason": "hangup"}


class House:
    """A state folder and its database. ``now``: seconds since 1970 that everything is asked at."""

    def __init__(self, root: Path) -> None:
        self.folder = StateFolder.open(root)
        self.database = Database.open(self.folder.database)
        self.now = WALL

    def recording(
        self, id: str, *, age_days: float = 0.0, content: bytes = b"sound", delivery: str = "", **facts: Any
    ) -> Path:
        """A finished one with its file. ``delivery``: it has one, in this state."""
        place = self.folder.outbox if delivery else self.folder.media / "202609"
        place.mkdir(exist_ok=True)
        path = place / f"{id}.wav"
        path.write_bytes(content)
        wall = self.now - age_days * DAY
        row = RecordingRow(
            id=id,
            call_id=f"call-{id}",
            account_id="acme",
            state="READY",
            rate=8000,
            samples=16000,
            bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            file=self.folder.relative(path),
            started_wall=wall - 2.0,
            finished_wall=wall,
            target_kind="http" if delivery else "local",
        )
        row = replace(row, **facts)
        sent = DeliveryRow(
            id=f"d-{id}",
            recording_id=id,
            kind="http",
            url=f"http://user:hunter2@rec.test/{id}.wav",
            file=row.file,
            content_type="audio/wav",
            sha256=row.sha256,
            bytes=row.bytes,
            created_wall=wall,
            state=delivery or "QUEUED",
        )

        def put(conn: Any) -> None:
            begin_recording(conn, replace(row, state="RECORDING", finished_wall=0.0))
            reserve_url(conn, [sent.url], id)
            finish_recording(conn, row, sent if delivery else None)

        self.database.run(put)
        return path

    def spool(self, **changes: Any) -> RecordingSpec:
        """One second in stereo, ended, and not finished yet."""
        what = spec(**changes)
        folder = self.folder.spool_of(what.id)
        folder.mkdir()
        (folder / META).write_bytes(meta_bytes(what, 10.0))
        (folder / JOURNAL).write_bytes(line_bytes(STARTED) + line_bytes(ENDED))
        pcm = np.stack([ramp(8000), -ramp(8000)], axis=1)
        (folder / AUDIO).write_bytes(unfinished_header(8000, 2) + pcm.tobytes())
        return what

    def rules(
        self, account_id: str = "acme", *, ttl: Mapping[str, float] | None = None, **rules: Any
    ) -> None:
        """How the account keeps recordings."""
        self.database.run(lambda conn: put_keeping(conn, account_id, rules, ttl or {}))

    def left(self) -> set[str]:
        """The recordings that there are."""
        return {
            row[0] for row in self.database.run(lambda c: c.execute("SELECT id FROM recordings").fetchall())
        }
