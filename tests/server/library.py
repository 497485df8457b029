"""Recordings with files in the state folder of a stage, for tests of the library over HTTP."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from callflow.media.wav import wav_header
from callflow.state.records import DeliveryRow, RecordingRow, finish_recording
from tests.server.stage import Stage

SECONDS = 2
RATE = 8000
SOUND = (np.random.default_rng(5).normal(size=(SECONDS * RATE, 2)) * 3000).astype("<i2")
WAV = wav_header(RATE, 2, SOUND.nbytes) + SOUND.tobytes()
FIRST_WALL = 1_763_632_800.0
"""2025-11-20T10:00:00Z."""


def keep(
    stage: Stage,
    recording_id: str,
    *,
    account_id: str = "acme",
    minutes: int = 0,
    file: bool = True,
    facts: Mapping[str, Any] | None = None,
    url: str = "",
) -> RecordingRow:
    """A finished recording, begun ``minutes`` after FIRST_WALL; with a ``url``, to be delivered there."""
    folder = stage.parts.folder
    path = folder.media / "202511" / f"{recording_id}.wav"
    if file:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(WAV)
    started = FIRST_WALL + 60 * minutes
    row = RecordingRow(
        id=recording_id,
        call_id=f"call-{recording_id}",
        account_id=account_id,
        state="READY",
        reason="hangup",
        format="wav",
        channels=2,
        rate=RATE,
        samples=SECONDS * RATE,
        bytes=len(WAV),
        sha256=hashlib.sha256(WAV).hexdigest(),
        file=folder.relative(path) if file else "",
        target_kind="http" if url else "local",
        url=url,
        started_wall=started,
        finished_wall=started + SECONDS,
        document=facts or {},
    )
    delivery = None
    if url:
        delivery = DeliveryRow(
            id=f"d-{recording_id}",
            recording_id=recording_id,
            kind="http",
            url=url,
            file=row.file,
            content_type="audio/wav",
            sha256=row.sha256,
            bytes=row.bytes,
            created_wall=row.finished_wall,
            next_wall=stage.parts.clock.wall() + 3600,
        )
    stage.parts.database.run(lambda conn: finish_recording(conn, row, delivery))
    return row
