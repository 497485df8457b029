"""Recognisers that a test can rely on: they hear what it says. ``tests.transcribing.plugin:NAME``."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path

from callflow.errors import TranscriptionError
from callflow.media.transcribing import sound
from callflow.media.transcribing.interface import Request, Word

HERE = "tests.transcribing.plugin"


class Scripted:
    """Hears its model's name on each channel, and prints, as libraries do. ``options.do``: something else."""

    def __init__(self, model: str) -> None:
        self._model = model

    def transcribe(self, path: Path, request: Request) -> Sequence[Sequence[Word]]:
        print("a library's chatter")
        match request.options.get("do"):
            case "hang":
                threading.Event().wait()
            case "die":
                os._exit(3)
            case "refuse":
                raise TranscriptionError("not this one", hint="Try another.")
            case "break":
                raise RuntimeError("out of luck")
            case "miscount":
                return []
        channels, seconds = sound.shape(path)
        heard = [Word(self._model or "hello", 0.25, 0.5, 1.5), Word(" ", 0.5, seconds, 0.5)]
        return [heard for _ in range(channels)]


make = Scripted


def broken(model: str) -> Scripted:
    """Its model cannot be loaded."""
    raise OSError(f"no model in {model!r}")
