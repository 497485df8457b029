"""100,000 recordings of an account, as they are after months: what the benchmark of the library looks in.

``python -m benchmarks._library_rows '{"folder": ..., "count": ...}'`` fills a state folder, and says how long
that took. Rows only: no list reads a file.
"""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from benchmarks.table import Measured, options
from callflow.clock import GREGORIAN_OFFSET_S
from callflow.state.database import Database
from callflow.state.folder import StateFolder
from callflow.state.records import RecordingRow, begin_recording

ACCOUNT = "load"
FIRST_WALL = 1_760_000_000.0
"""When the first one began; then one each minute."""
BATCH = 2000
ORIGINS = ("callflow : office", "inbound from offnet to account", "voicemail", "ncco record")
NAMES = ("Smith", "Jones", "Müller", "Garcia", "Lee", "Ng")


def rows(count: int) -> Iterator[RecordingRow]:
    """The same each time."""
    chance = random.Random(1)
    for index in range(count):
        yield _row(chance, FIRST_WALL + 60.0 * index + chance.random())


def _row(chance: random.Random, started: float) -> RecordingRow:
    name = f"{chance.getrandbits(128):032x}"
    user = str(200 + chance.randrange(100))
    number = f"+49{30_000_000 + 37 * chance.randrange(20_000)}"
    seconds = chance.expovariate(1 / 120)
    return RecordingRow(
        id=f"202611-{name}",
        call_id=f"{chance.getrandbits(64):016x}@192.0.2.1",
        account_id=ACCOUNT,
        state=chance.choices(("READY", "DISCARDED", "FAILED"), (970, 25, 5))[0],
        origin=chance.choice(ORIGINS),
        label=chance.choice(("", "", "sales", "support")),
        media_name=f"{name}.mp3",
        format="mp3",
        channels=2,
        rate=8000,
        samples=int(8000 * seconds),
        bytes=int(8000 * seconds),
        sha256=name + name,
        file=f"media/202611/202611-{name}.mp3",
        started_wall=started,
        finished_wall=started + seconds,
        document={
            "name": f"{name}.mp3",
            "content_type": "audio/mpeg",
            "from": f"{number}@load.example",
            "to": f"{user}@load.example",
            "caller_id_number": number,
            "caller_id_name": f"{chance.choice(NAMES)} {chance.randrange(5000)}",
            "callee_id_number": user,
            "callee_id_name": user,
            "owner_id": f"user{user}",
            "callflow_id": f"flow{chance.randrange(50)}",
            "start": int(started) + GREGORIAN_OFFSET_S,
            "duration": int(seconds),
            "duration_ms": int(1000 * seconds),
            "custom_channel_vars": {"owner_id": f"user{user}", "account_id": ACCOUNT},
        },
    )


def _fill(folder: StateFolder, count: int) -> None:
    database = Database.open(folder.database)
    waiting: list[RecordingRow] = []

    def put(conn: sqlite3.Connection) -> None:
        for row in waiting:
            begin_recording(conn, row)

    for row in rows(count):
        waiting.append(row)
        if len(waiting) == BATCH:
            database.run(put)
            waiting.clear()
    database.run(put)
    database.close()


if __name__ == "__main__":
    asked = options()
    with Measured() as measured:
        _fill(StateFolder.open(Path(asked["folder"])), asked["count"])
    print(json.dumps({"wall_s": measured.used.wall_s}))
