"""Layer 1: a process that transcribes: started when it is needed, killed when it hangs, started again.

It blocks: give it a thread. A recogniser that crashes or eats memory takes that process with it, and no call.
"""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any

from callflow.errors import TranscriberGone, TranscriptionError
from callflow.media.transcribing.interface import Recogniser, Request, Transcription, Word
from callflow.media.transcribing.plugins import missing

START_S = 60.0
"""What loading a model may take, beside the work."""

_COMMAND = (sys.executable, "-m", "callflow.media.transcribing.child")
_CLOSE_S = 2.0
_MOST_CONFIDENT = 1.0


class Helper:
    """One such process, for one job at a time; who comes meanwhile waits. Any thread may call it."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._warm = False
        self._closed = False

    @property
    def pid(self) -> int:
        """Of the process; 0: there is none now."""
        return self._process.pid if self._process is not None else 0

    def transcribe(
        self, path: Path, request: Request, recogniser: Recogniser, *, limit_s: float
    ) -> Transcription:
        """What is said in ``path``, within ``limit_s`` seconds. Raises TranscriptionError: trying again will
        not help. Raises TranscriberGone: the process has died, or was killed.
        """
        why = missing(recogniser.name)
        if why is not None:
            raise why
        job = {
            "path": str(path),
            "name": recogniser.name,
            "model": recogniser.model,
            "language": request.language,
            "hints": list(request.hints),
            "grammar": request.grammar,
            "options": dict(request.options),
        }
        with self._turn:
            return self._ask(json.dumps(job), limit_s)

    def close(self) -> None:
        """End the process, and whatever it does; who waits for it gets TranscriberGone."""
        self._closed = True
        self._kill()
        with self._turn:
            self._kill()

    def rest(self) -> None:
        """End the process, which frees its memory: the next job starts it again."""
        with self._turn:
            self._kill()

    # ---- inside ----

    def _ask(self, job: str, limit_s: float) -> Transcription:
        process = self._started()
        try:
            assert process.stdin is not None
            process.stdin.write(job + "\n")
            process.stdin.flush()
            line = self._lines.get(timeout=limit_s if self._warm else limit_s + START_S)
        except queue.Empty:
            self._kill()
            raise TranscriberGone(f"it was not done within {limit_s:.0f} s, and was killed") from None
        except OSError:
            line = ""
        if not line:
            self._kill()
            raise TranscriberGone(f"its process has ended (exit code {process.poll()})")
        self._warm = True
        return _read(json.loads(line))

    def _started(self) -> subprocess.Popen[str]:
        if self._closed:
            raise TranscriberGone("no more is transcribed: this process ends")
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._kill()
        try:
            process = subprocess.Popen(
                _COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
            )
        except OSError as error:
            raise TranscriberGone(f"its process cannot be started: {error}") from error
        assert process.stdout is not None
        self._process, self._lines, self._warm = process, queue.SimpleQueue(), False
        threading.Thread(target=_pass_on, args=(process.stdout, self._lines), daemon=True).start()
        return process

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_CLOSE_S)
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()


def _pass_on(answers: IO[str], lines: queue.SimpleQueue[str]) -> None:
    """Each answer; at the end of the process an empty one."""
    with contextlib.suppress(OSError, ValueError), answers:
        for line in answers:
            lines.put(line)
    lines.put("")


def _read(answer: dict[str, Any]) -> Transcription:
    if "error" in answer:
        raise TranscriptionError(str(answer["error"]), hint=str(answer.get("hint", "")))
    channels = tuple(
        tuple(
            Word(text, start, max(start, end), min(_MOST_CONFIDENT, max(0.0, confidence)))
            for text, start, end, confidence in sorted(words, key=lambda word: word[1])
            if text.strip()
        )
        for words in answer["channels"]
    )
    return Transcription(channels, float(answer["seconds"]))
