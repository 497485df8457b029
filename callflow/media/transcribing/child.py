"""Layer 1: the helper process: a line of JSON in, a line of JSON out, as long as its parent lives.

Started by ``helper.py``. It runs at low priority, ends when its parent does (its standard input ends then),
and whatever a recogniser prints goes to the standard error.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from callflow.errors import CallflowError, TranscriptionError
from callflow.media.transcribing import sound
from callflow.media.transcribing.interface import Recogniser, Request, Transcriber, Word
from callflow.media.transcribing.plugins import make

NICE = 10


def main() -> None:
    """Answer until the standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    if hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(NICE)
    jobs: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(jobs,), daemon=True).start()
    known: dict[Recogniser, Transcriber] = {}
    while True:
        print(json.dumps(_answer(json.loads(jobs.get()), known)), file=answers, flush=True)


def _read(jobs: queue.SimpleQueue[str]) -> None:
    """The end of the input ends the process, in the middle of a job too: nobody waits for it any more."""
    for line in sys.stdin:
        jobs.put(line)
    os._exit(0)


def _answer(job: Mapping[str, Any], known: dict[Recogniser, Transcriber]) -> dict[str, Any]:
    try:
        return _heard(job, known)
    except CallflowError as error:
        return {"error": error.message, "hint": error.hint}
    except Exception as error:  # a plug-in's own
        return {"error": f"{job['name']} failed: {type(error).__name__}: {error}", "hint": ""}


def _heard(job: Mapping[str, Any], known: dict[Recogniser, Transcriber]) -> dict[str, Any]:
    recogniser = Recogniser(job["name"], job["model"])
    if recogniser not in known:
        known.clear()  # two models at once are too much memory
        known[recogniser] = make(recogniser)
    path = Path(job["path"])
    channels, seconds = sound.shape(path)
    request = Request(job["language"], tuple(job["hints"]), job["grammar"], job["options"])
    heard = known[recogniser].transcribe(path, request)
    if len(heard) != channels:
        raise TranscriptionError(
            f"{recogniser.name} gave words of {len(heard)} channels, not {channels}",
            hint="transcribe() gives a list of words for each channel.",
        )
    return {"seconds": seconds, "channels": [[_plain(word) for word in words] for words in heard]}


def _plain(word: Word) -> list[Any]:
    values = asdict(word)
    return [str(values["text"]), float(word.start), float(word.end), float(word.confidence)]


if __name__ == "__main__":
    main()
