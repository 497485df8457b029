"""Layer 1: short clips of live calls, transcribed beside everything else: few at once, few that wait."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from callflow.errors import TranscriptionError
from callflow.media.transcribing.helper import Helper
from callflow.media.transcribing.interface import Recogniser, Request, Transcription
from callflow.media.transcribing.plugins import missing

AT_ONCE = 2
"""Helper processes: a caller waits for each of them, and each has a model in memory."""

MOST_WAITING = 50


class Hearing:
    """What listens to callers. Nothing is started before the first clip."""

    def __init__(self) -> None:
        self._count = threading.Lock()
        self._waiting = 0
        self._free: list[Helper] = [Helper() for _ in range(AT_ONCE)]
        self._helpers = tuple(self._free)
        self._threads: ThreadPoolExecutor | None = None

    def submit(
        self, path: Path, request: Request, recogniser: Recogniser, limit_s: float
    ) -> Future[Transcription]:
        """What is said in ``path``, from a thread: TranscriptionError and TranscriberGone come out of the
        future. Raises TranscriptionError if too many wait, or there is no such recogniser.
        """
        why = missing(recogniser.name)
        if why is not None:
            raise why
        with self._count:
            if self._waiting >= MOST_WAITING:
                raise TranscriptionError("too many callers are listened to at this moment")
            self._waiting += 1
            if self._threads is None:
                self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="callflow-hearing")
            work = self._threads.submit(self._hear, path, request, recogniser, limit_s)
        work.add_done_callback(self._over)  # a caller who hangs up takes his back before its turn
        return work

    def close(self) -> None:
        """End the processes; what is under way raises TranscriberGone."""
        for helper in self._helpers:
            helper.close()
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)

    def _hear(self, path: Path, request: Request, recogniser: Recogniser, limit_s: float) -> Transcription:
        with self._count:
            helper = self._free.pop()  # the last one that was used: it has its model loaded
        try:
            return helper.transcribe(path, request, recogniser, limit_s=limit_s)
        finally:
            with self._count:
                self._free.append(helper)

    def _over(self, work: Future[Transcription]) -> None:
        with self._count:
            self._waiting -= 1
