"""What is wanted is written down, whatever dies; how often it is tried is bounded; the outbox tells."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from callflow.documents.settings import TranscriptionSettings, load_settings
from callflow.errors import CallflowError, TranscriberGone, TranscriptionError
from callflow.media.transcribing.interface import Recogniser, Request, Transcription, Word
from callflow.recording import transcribing
from callflow.recording.erasing import erase
from callflow.recording.transcribing import Transcribed, TranscribingDesk
from callflow.state import transcripts
from callflow.state.account_documents import put_account
from callflow.state.database import Database
from callflow.state.erasing import Why
from callflow.state.events import Message, read_message
from callflow.state.folder import StateFolder
from callflow.state.lock import FileLock
from callflow.state.records import RecordingRow, finish_recording, list_deliveries
from callflow.state.transcripts import TranscriptRow, TranscriptWish

WALL = 1_790_000_000.0
URL = "http://h.test/told"
BODY = {"status": "transcribed", "transcription_url": "http://here/v1/files/t1"}
FAILED = {"status": "transcription_failed", "error": ""}
WISH = TranscriptWish("t1", "en-GB", Message(URL, "POST", BODY, "app", "key", "secret"), FAILED)
HEARD = Transcription(((Word("hello", 0.5, 1.0, 0.5),), ()), 2.0)


@dataclass
class Ears:
    """In place of a helper process: does what it is told, one after the other."""

    does: list[CallflowError | Transcription]
    asked: list[tuple[Path, Request, Recogniser, float]] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None

    def transcribe(
        self, path: Path, request: Request, recogniser: Recogniser, *, limit_s: float
    ) -> Transcription:
        self.asked.append((path, request, recogniser, limit_s))
        self.meanwhile()
        did = self.does.pop(0) if len(self.does) > 1 else self.does[0]
        if isinstance(did, CallflowError):
            raise did
        return did

    def rest(self) -> None:
        pass

    close = rest


class State:
    """A state folder with a finished recording whose transcript is wanted."""

    def __init__(self, path: Path, wish: TranscriptWish | None = WISH) -> None:
        self.folder = StateFolder.open(path)
        self.database = Database.open(self.folder.database)
        month = self.folder.media / "202609"
        month.mkdir(exist_ok=True)
        self.file = month / "r1.wav"
        self.file.write_bytes(b"sound")
        self.row = RecordingRow(
            id="r1",
            call_id="c1",
            state="READY",
            channels=2,
            rate=8000,
            samples=80000,
            bytes=5,
            sha256="x",
            file="media/202609/r1.wav",
            started_wall=WALL,
            finished_wall=WALL,
        )
        if wish is not None:
            self.database.run(lambda conn: self._ready(conn, wish))

    def _ready(self, conn: sqlite3.Connection, wish: TranscriptWish) -> None:
        finish_recording(conn, self.row, None)
        transcripts.want(conn, "r1", wish, WALL)

    def transcript(self) -> TranscriptRow | None:
        return self.database.run(lambda conn: transcripts.transcript_of(conn, "r1"))

    def bodies(self) -> list[dict[str, Any]]:
        rows = self.database.run(lambda conn: list_deliveries(conn, recording_id="r1"))
        return [dict(read_message(row)[0].body) for row in rows]


@contextmanager
def state(path: Path, wish: TranscriptWish | None = WISH) -> Iterator[State]:
    one = State(path, wish)
    try:
        yield one
    finally:
        one.database.close()


def run(state: State, ears: Ears, monkeypatch: pytest.MonkeyPatch, *, attempts: int = 3) -> list[Transcribed]:
    """Let a desk do what is wanted."""
    monkeypatch.setattr(transcribing, "Helper", lambda: ears)
    monkeypatch.setattr(transcribing, "AGAIN_S", (0.0, 0.0))
    monkeypatch.setattr(transcribing, "DRAIN_S", 0.005)
    told: list[Transcribed] = []
    desk = TranscribingDesk(state.folder, state.database, _settings(attempts), told.append)
    desk.start()
    desk.drain()
    desk.close()
    return told


def _settings(attempts: int = 3) -> TranscriptionSettings:
    return replace(load_settings().ncco.transcription, model="m", attempts=attempts, options={"a": 1})


def test_it_is_written_beside_the_recording_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with state(tmp_path) as one:
        ears = Ears([HEARD])
        (news,) = run(one, ears, monkeypatch)
        row = one.transcript()
        assert row is not None and (row.state, row.attempts, row.error) == ("DONE", 1, "")
        assert row.file == news.file == "media/202609/r1.transcript.json"
        written = json.loads((tmp_path / row.file).read_text())
        assert [len(each["transcript"]) for each in written["channels"]] == [1, 0]
        assert len(written["request_id"]) == 24 and row.bytes == (tmp_path / row.file).stat().st_size
        assert one.bodies() == [BODY] and news.delivery_id and (news.url, news.call_id) == (URL, "c1")
        ((path, request, recogniser, limit_s),) = ears.asked
        assert path == one.file and request == Request("en-GB", options={"a": 1})
        assert recogniser == Recogniser("pocketsphinx", "m") and limit_s == 30 + 4 * 10 * 2
        assert run(one, ears, monkeypatch) == [], "it is done once"


@pytest.mark.parametrize(
    ("does", "attempts", "says"),
    [
        ([TranscriptionError("no German", hint="Get a model.")], 1, "no German Get a model."),
        ([TranscriberGone("it died")], 3, "given up after 3 attempts: it died"),
        ([TranscriberGone("it died"), TranscriptionError("no", hint="")], 2, "no"),
    ],
)
def test_what_fails_is_told_as_failed(
    does: list[Any], attempts: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with state(tmp_path) as one:
        (news,) = run(one, Ears(does), monkeypatch)
        row = one.transcript()
        assert row is not None and (row.state, row.attempts, row.file) == ("FAILED", attempts, "")
        assert one.bodies() == [{"status": "transcription_failed", "error": row.error}]
        assert row.error.startswith(says) and news.error == row.error


def test_webhooks_of_the_account_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the transaction that writes the end down, whoever else is told."""
    webhook = {"uri": "http://h.test/hook", "hook": "recording", "format": "json"}
    for name, did in (("done", HEARD), ("failed", TranscriptionError("no", hint=""))):
        with state(tmp_path / name, TranscriptWish("t1", "en-GB")) as one:
            row = replace(one.row, account_id="acme")
            one.database.run(partial(finish_recording, row=row, delivery=None))
            one.database.run(lambda conn: put_account(conn, "acme", {}, {"w": webhook}))
            run(one, Ears([did]), monkeypatch)
            (body,) = one.bodies()
            action = "transcribed" if did is HEARD else "transcription_failed"
            said = {"action": action, "recording_id": "r1", "transcript_id": "t1", "language": "en-GB"}
            assert said.items() <= body.items()
            assert body.get("error") == (None if did is HEARD else "no"), "said where it failed"


def test_one_that_died_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with state(tmp_path) as one:
        run(one, Ears([TranscriberGone("it died"), HEARD]), monkeypatch)
        row = one.transcript()
        assert row is not None and (row.state, row.attempts) == ("DONE", 2) and one.bodies() == [BODY]


@pytest.mark.parametrize("file", ["media/202609/gone.wav", "", "media/202609/r1.wav.age"])
def test_sound_that_cannot_be_heard_is_not_asked_for(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with state(tmp_path) as one:
        (tmp_path / "media/202609/r1.wav.age").touch()
        one.database.run(lambda conn: finish_recording(conn, replace(one.row, file=file), None))
        ears = Ears([HEARD])
        run(one, ears, monkeypatch)
        (body,) = one.bodies()
        assert ears.asked == [] and ("sealed" in body["error"]) is file.endswith(".age")


def test_nobody_need_be_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with state(tmp_path, TranscriptWish("t1")) as one:
        (news,) = run(one, Ears([HEARD]), monkeypatch)
        assert (news.state, news.delivery_id, one.bodies()) == ("DONE", "", [])


def test_erasing_a_recording_erases_its_transcript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with state(tmp_path, TranscriptWish("t1")) as one:
        run(one, Ears([HEARD]), monkeypatch)
        proof = erase(one.folder, one.database, "r1", why=Why.CLI, by="me", wall=WALL)
        assert proof.files == ("media/202609/r1.transcript.json", "media/202609/r1.wav")
        assert list((tmp_path / "media/202609").iterdir()) == [] and one.transcript() is None


def test_one_that_is_erased_while_it_is_heard_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with state(tmp_path) as one:

        def gone() -> None:
            erase(one.folder, one.database, "r1", why=Why.CLI, by="me", wall=WALL)

        assert run(one, Ears([HEARD], meanwhile=gone), monkeypatch) == []
        assert list((tmp_path / "media/202609").iterdir()) == [] and one.bodies() == []


def test_closing_in_the_middle_costs_no_attempt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, closed = threading.Event(), threading.Event()
    ears = Ears([TranscriberGone("no more is transcribed")])
    monkeypatch.setattr(transcribing, "Helper", lambda: ears)
    with state(tmp_path) as one:

        def waits() -> None:
            begun.set()
            closed.wait(10)

        ears.meanwhile = waits
        monkeypatch.setattr(ears, "close", closed.set, raising=False)
        desk = TranscribingDesk(one.folder, one.database, _settings(1), lambda news: None)
        desk.start()
        assert begun.wait(10)
        desk.close()
        row = one.transcript()
        assert row is not None and (row.state, row.attempts) == ("WANTED", 0) and one.bodies() == []


def test_while_another_process_transcribes_nothing_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with state(tmp_path) as one:
        lock = FileLock.acquire(tmp_path / transcribing.LOCK)
        ears = Ears([HEARD])
        assert run(one, ears, monkeypatch) == [] and ears.asked == []
        lock.release()
        assert len(run(one, ears, monkeypatch)) == 1


# ---- kill -9 --------------------------------------------------------------------------------------

CHILD = """
import sys, threading
from pathlib import Path
from tests.transcribing import test_desk as t
from callflow.recording import transcribing
transcribing.Helper = lambda: t.Ears([t.HEARD])
state = t.State(Path(sys.argv[1]))
desk = t.TranscribingDesk(state.folder, state.database, t._settings(), print)
desk.start()
threading.Event().wait(30)
"""


@pytest.mark.crash
def test_a_wanted_transcript_survives_kill_9(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between its file's name and the commit: the same file is made again, and told once."""
    died = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path)],
        env={**os.environ, "CALLFLOW_CRASH_AT": "transcript-named"},
        timeout=60,
        check=False,
    )
    assert died.returncode == -signal.SIGKILL
    with state(tmp_path, None) as one:
        row = one.transcript()
        assert row is not None and (row.state, row.attempts) == ("RUNNING", 1) and one.bodies() == []
        run(one, Ears([HEARD]), monkeypatch)
        again = one.transcript()
        assert again is not None and (again.state, again.attempts) == ("DONE", 2)
        assert one.bodies() == [BODY]
        names = sorted(path.name for path in (tmp_path / "media/202609").iterdir())
        assert names == ["r1.transcript.json", "r1.wav"]


def test_one_that_kills_every_process_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was begun as often as is allowed, and none of those who began it could say what came of it."""
    with state(tmp_path) as one:
        one.database.run(lambda conn: conn.execute("UPDATE transcripts SET state = 'RUNNING', attempts = 3"))
        ears = Ears([HEARD])
        run(one, ears, monkeypatch)
        (body,) = one.bodies()
        assert ears.asked == [] and body["status"] == "transcription_failed"
