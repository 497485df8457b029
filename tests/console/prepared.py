"""A server with things to see: recordings with a sound that is known, deliveries, flows; for tests of the
console and for its screenshots.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from callflow.media.wav import wav_header
from callflow.state.records import AttemptRow, DeliveryRow, RecordingRow, add_attempt, finish_recording
from tests.server.stage import Stage

RATE = 8000
Sound = NDArray[np.int16]


def half_and_half(seconds: float = 4.0, level: int = 16000) -> Sound:
    """The caller is heard in the first half, the callee (half as loud) in the second; else silence."""
    count = round(seconds * RATE)
    wave = np.sin(np.arange(count) * 2 * np.pi * 440 / RATE)
    first = np.arange(count) < count // 2
    made: Sound = np.stack((wave * first * level, wave * ~first * level / 2), axis=1).astype("<i2")
    return made


def talk(seconds: float, seed: int) -> Sound:
    """Two people who speak in turns: noise with the rise and fall of syllables."""
    rng = np.random.default_rng(seed)
    count = round(seconds * RATE)
    times = np.arange(count) / RATE
    sides = np.zeros((count, 2))
    at, side = 0.3, 0
    while at < seconds - 0.5:
        lasts = min(float(rng.gamma(3.0, 0.9)) + 0.5, seconds - at - 0.2)
        for _ in range(max(1, int(lasts * 3.6))):
            middle, width = at + rng.uniform(0, lasts), rng.uniform(0.05, 0.13)
            sides[:, side] += np.exp(-(((times - middle) / width) ** 2)) * rng.uniform(0.25, 1.0)
        at += lasts + float(rng.uniform(0.05, 0.7))
        side = 1 - side if rng.random() < 0.8 else side
    noise = rng.normal(size=(count, 2)) * 0.28
    loud = np.array([11500.0, 8500.0])
    mixed: Sound = np.clip(np.tanh(sides) * noise * loud * 3 + noise * 60, -32000, 32000).astype("<i2")
    return mixed


def keep(
    stage: Stage,
    id: str,
    sound: Sound,
    wall: float,
    facts: Mapping[str, Any] | None = None,
    *,
    account_id: str = "acme",
    delivery: DeliveryRow | None = None,
    more: Mapping[str, Any] | None = None,
) -> RecordingRow:
    """A finished recording of this sound, with its file; ``delivery`` with its id, url and state is of it."""
    folder = stage.parts.folder
    wav = wav_header(RATE, sound.shape[1], sound.nbytes) + sound.tobytes()
    path = folder.media / "202611" / f"{id}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(wav)
    row = RecordingRow(
        id=id,
        call_id=f"call-{id}",
        account_id=account_id,
        state="READY",
        reason="hangup",
        format="wav",
        channels=sound.shape[1],
        rate=RATE,
        samples=len(sound),
        bytes=len(wav),
        sha256=hashlib.sha256(wav).hexdigest(),
        file=folder.relative(path),
        target_kind="http" if delivery else "local",
        url=delivery.url if delivery else "",
        started_wall=wall,
        finished_wall=wall + len(sound) / RATE,
        document=facts or {},
    )
    row = replace(row, **(more or {}))
    if delivery is not None:
        delivery = replace(
            delivery,
            recording_id=id,
            file=row.file,
            content_type="audio/wav",
            sha256=row.sha256,
            bytes=row.bytes,
            created_wall=row.finished_wall,
        )
    stage.parts.database.run(lambda conn: finish_recording(conn, row, delivery))
    return row


def to_url(id: str, url: str, state: str = "QUEUED", **more: Any) -> DeliveryRow:
    """A delivery to be filled in by ``keep``."""
    row = DeliveryRow(
        id=id,
        recording_id="",
        kind="http",
        url=url,
        file="",
        content_type="",
        sha256="",
        bytes=0,
        created_wall=0.0,
        state=state,
    )
    return replace(row, **more)


def tried(stage: Stage, delivery_id: str, attempts: Sequence[AttemptRow]) -> None:
    """What came of its attempts."""

    def write(conn: sqlite3.Connection) -> None:
        for number, each in enumerate(attempts, 1):
            add_attempt(conn, replace(each, delivery_id=delivery_id, number=number))

    stage.parts.database.run(write)
