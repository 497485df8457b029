"""Layer 2: writes down what is said in finished recordings: takes what is wanted, one after the other.

Threads of its own, each with a helper process; calls and their event loop never wait for it. Of all processes
that use a state folder one at a time transcribes: the one that holds its lock. What it was at when it was
killed is begun again at the next start; how often is bounded. A file is whole and named before the
transaction that lists it and puts the webhook into the outbox; meanwhile the lock of its recording's spool is
held, so that nobody erases the recording in between.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from callflow.clock import SystemClock
from callflow.documents.settings import TranscriptionSettings
from callflow.errors import CallflowError, StorageError, TranscriberGone
from callflow.ids import Ids
from callflow.log import logger
from callflow.media.transcribing.helper import Helper
from callflow.media.transcribing.interface import Recogniser, Request, Transcription
from callflow.media.transcribing.paper import document
from callflow.recording.crashpoints import crash_point
from callflow.recording.messages import SEALED
from callflow.state import transcripts
from callflow.state.database import Database
from callflow.state.folder import StateFolder, safe_name, sync_folder
from callflow.state.lock import FileLock
from callflow.state.records import RecordingRow, find_recording
from callflow.state.transcripts import TranscriptRow

LOCK = "transcribing.lock"
LEAST_S = 30.0
"""What any recording may take, beside ``longest`` times its length."""

AGAIN_S = (5.0, 60.0)
"""After so many seconds it is tried again; later attempts as the last."""

LOOK_S = 15.0
"""Another process holds the lock, or has put something in: after so long we look again."""

DRAIN_S = 0.1
"""How often who waits for all of it looks."""

REST_S = 120.0
"""Nothing was to do for so long: the helper's memory is given back."""


@dataclass(frozen=True, slots=True)
class Transcribed:
    """News: the transcript of a recording is there (``state`` ``DONE``), or never will be (``FAILED``, why).
    ``delivery_id``, ``url``, ``method``: the webhook that is in the outbox now; empty: nobody wants one.
    """

    id: str
    recording_id: str
    call_id: str
    state: str
    file: str = ""
    error: str = ""
    delivery_id: str = ""
    url: str = ""
    method: str = ""


class TranscribingDesk:
    """``tell`` (from its threads) hears of each end. ``wall``: seconds since 1970."""

    def __init__(
        self,
        folder: StateFolder,
        database: Database,
        settings: TranscriptionSettings,
        tell: Callable[[Transcribed], None],
        *,
        wall: Callable[[], float] | None = None,
    ) -> None:
        self._folder = folder
        self._database = database
        self._settings = settings
        self._tell = tell
        self._wall = wall or SystemClock().wall
        self._ids = Ids()
        self._news = threading.Condition()
        self._woken = 0
        self._closed = False
        self._looked = False
        self._lock: FileLock | None = None
        self._owed: dict[str, tuple[TranscriptRow, str]] = {}
        self._threads: list[threading.Thread] = []
        self._helpers: list[Helper] = []

    # ---- life ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Go on with what is wanted since an earlier run, if anything is. Raises StorageError."""
        if self._database.run(transcripts.any_wanted):
            self.wake()

    def wake(self) -> None:
        """Something is wanted now. From any thread; the first time it costs starting the threads."""
        with self._news:
            if self._closed:
                return
            self._woken += 1
            self._news.notify_all()
            for number in range(len(self._threads), self._settings.at_once):
                helper = Helper()
                self._helpers.append(helper)
                thread = threading.Thread(
                    target=self._main, args=(helper,), name=f"callflow-transcribe-{number}", daemon=True
                )
                self._threads.append(thread)
                thread.start()

    def drain(self) -> None:
        """Wait until nothing is wanted any more, or another process is at it. Blocks. Raises StorageError."""
        while not self._closed and self._database.run(transcripts.any_wanted):
            with self._news:
                self._news.wait(DRAIN_S)
                if self._lock is None and self._looked:
                    return

    def close(self) -> None:
        """Stop now; what is being transcribed is wanted again. Blocks, not for long."""
        with self._news:
            self._closed = True
            self._news.notify_all()
        for helper in self._helpers:
            helper.close()
        for thread in self._threads:
            thread.join()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    # ---- a thread ------------------------------------------------------------------------------

    def _main(self, helper: Helper) -> None:
        idle_s = 0.0
        while not self._closed:
            woken = self._woken
            wait_s = LOOK_S
            try:
                self._pay()
                row = self._next()
                if row is not None:
                    idle_s = 0.0
                    self._try(row, helper)
                    continue
                wait_s = self._until_due()
            except (CallflowError, OSError) as error:
                logger.warning("transcription goes on later: %s", error)
            if idle_s >= REST_S:
                helper.rest()
            idle_s += wait_s
            with self._news:
                if self._woken == woken and not self._closed:
                    self._news.wait(wait_s)

    def _next(self) -> TranscriptRow | None:
        """What is due first; None: nothing is, or another process does it. Raises StorageError, OSError."""
        with self._news:
            if self._closed:
                return None
            if self._lock is None:
                self._lock = FileLock.try_acquire(self._folder.root / LOCK)
                self._looked = True
                if self._lock is None:
                    return None
                self._database.run(transcripts.take_back)
        return self._database.run(lambda conn: transcripts.claim(conn, self._wall()))

    def _until_due(self) -> float:
        due = self._database.run(transcripts.next_due) if self._lock is not None else None
        return LOOK_S if due is None else min(LOOK_S, max(0.05, due - self._wall()))

    # ---- one recording -------------------------------------------------------------------------

    def _try(self, row: TranscriptRow, helper: Helper) -> None:
        """``_transcribe``; if the disk or the database refuses, it is wanted again, and that attempt does not
        count. A fault of ours does.
        """
        try:
            self._transcribe(row, helper)
        except (StorageError, OSError) as error:
            self._owed[row.id] = replace(row, attempts=row.attempts - 1), str(error)
            raise
        except Exception as error:  # a thread that ends would transcribe nothing any more
            logger.exception("transcription of %s: a fault of callflow's own", row.recording_id)
            self._owed[row.id] = row, f"a fault of callflow's own: {error!r}"

    def _pay(self) -> None:
        """Give back what was claimed and came to no end. Raises StorageError: then it is still owed."""
        for id, (row, error) in tuple(self._owed.items()):
            next_wall = self._wall() + AGAIN_S[-1]
            self._database.run(
                partial(transcripts.again, id=id, next_wall=next_wall, error=error, attempts=row.attempts)
            )
            self._owed.pop(id, None)

    def _transcribe(self, row: TranscriptRow, helper: Helper) -> None:
        recording = self._database.run(lambda conn: find_recording(conn, row.recording_id))
        if recording is None:  # it was erased just now, and its row of here went with it
            return
        if not recording.file or not (self._folder.root / recording.file).is_file():
            self._settle(row, recording, error="the recording's file is not here any more")
            return
        if row.attempts > self._settings.attempts:
            self._settle(row, recording, error=f"given up: {row.attempts - 1} processes died over it")
            return
        if recording.file.endswith(SEALED):
            self._settle(
                row, recording, error="the recording is sealed: only the owner of its key can read it"
            )
            return
        try:
            heard = self._heard(row, recording, helper)
        except TranscriberGone as error:
            self._gone(row, recording, error)
        except CallflowError as error:
            self._settle(row, recording, error=" ".join((error.message, error.hint)).strip())
        else:
            spool = self._folder.spool_of(recording.id)
            lock = FileLock.acquire(self._folder.lock_of(spool))
            try:
                self._keep(row, recording, heard)
            finally:
                lock.release(remove=not spool.is_dir())

    def _heard(self, row: TranscriptRow, recording: RecordingRow, helper: Helper) -> Transcription:
        settings = self._settings
        crash_point("transcribing")
        return helper.transcribe(
            self._folder.root / recording.file,
            Request(language=row.wish.language, options=settings.options),
            Recogniser(settings.transcriber, settings.model),
            limit_s=LEAST_S + settings.longest * recording.seconds * max(1, recording.channels),
        )

    def _keep(self, row: TranscriptRow, recording: RecordingRow, heard: Transcription) -> None:
        """The transcript's file, whole, and then its row; nothing if the recording was erased meanwhile. The
        lock of its spool is held. Raises StorageError, OSError.
        """
        if self._database.run(lambda conn: find_recording(conn, recording.id)) is None:
            return
        path = (self._folder.root / recording.file).with_name(f"{safe_name(recording.id)}.transcript.json")
        part = path.with_name(f".{path.name}.part")
        try:
            with part.open("wb") as file:
                file.write(json.dumps(document(heard, self._ids.hex32()[:24]), ensure_ascii=False).encode())
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except OSError:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
        crash_point("transcript-named")
        self._settle(row, recording, file=path)

    def _gone(self, row: TranscriptRow, recording: RecordingRow, error: TranscriberGone) -> None:
        """The process died or hung. Our own end is not the recording's fault: that attempt does not count."""
        if self._closed:
            self._database.run(
                lambda conn: transcripts.again(conn, row.id, 0.0, "", attempts=row.attempts - 1)
            )
            return
        logger.warning("transcription of %s, attempt %d: %s", recording.id, row.attempts, error.message)
        if row.attempts >= self._settings.attempts:
            self._settle(row, recording, error=f"given up after {row.attempts} attempts: {error.message}")
            return
        next_wall = self._wall() + AGAIN_S[min(row.attempts, len(AGAIN_S)) - 1]
        self._database.run(
            lambda conn: transcripts.again(conn, row.id, next_wall, error.message, attempts=row.attempts)
        )

    def _settle(
        self, row: TranscriptRow, recording: RecordingRow, *, file: Path | None = None, error: str = ""
    ) -> None:
        size = file.stat().st_size if file is not None else 0
        name = self._folder.relative(file) if file is not None else ""
        delivery_id = self._database.run(
            lambda conn: transcripts.settle(
                conn, row, call_id=recording.call_id, wall=self._wall(), file=name, bytes=size, error=error
            )
        )
        if delivery_id is None:  # erased meanwhile
            return
        event = row.wish.event
        self._tell(
            Transcribed(
                id=row.id,
                recording_id=recording.id,
                call_id=recording.call_id,
                state=transcripts.FAILED if error else transcripts.DONE,
                file=name,
                error=error,
                delivery_id=delivery_id,
                url=event.url if event is not None else "",
                method=event.method if event is not None else "",
            )
        )
