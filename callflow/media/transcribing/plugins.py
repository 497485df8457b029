"""Layer 1: finds a recogniser by its name: known here, of an entry point, or ``package.module:make``."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from callflow.errors import TranscriptionError
from callflow.media.transcribing.interface import GROUP, MakeTranscriber, Recogniser, Transcriber

INSTALL = 'pip install "callflow-engine[transcription]"'
NONE = "none"
"""The name of nobody."""


@dataclass(frozen=True, slots=True)
class Known:
    """One that callflow has the code for. ``package``: what it needs; ``extra``: that brings it along."""

    maker: str
    package: str
    extra: str


KNOWN: Mapping[str, Known] = {
    "pocketsphinx": Known("callflow.media.transcribing.pocket:make", "pocketsphinx", "transcription"),
    "vosk": Known("callflow.media.transcribing.vosk:make", "vosk", "vosk"),
    "faster-whisper": Known("callflow.media.transcribing.whisper:make", "faster_whisper", "whisper"),
}


def installed() -> list[str]:
    """The names that can be used here."""
    known = [name for name, each in KNOWN.items() if importlib.util.find_spec(each.package)]
    others = [point.name for point in importlib.metadata.entry_points(group=GROUP)]
    return [*known, *(name for name in others if name not in KNOWN)]


def missing(name: str) -> TranscriptionError | None:
    """Why there is no recogniser of that name here; None: there is one. Imports nothing of it."""
    if name in ("", NONE):
        return TranscriptionError(
            "transcription is turned off (ncco.transcription.transcriber is none)",
            hint=f"Name one: {', '.join(installed()) or INSTALL}.",
        )
    if name in KNOWN and name not in installed():
        return TranscriptionError(
            f"nothing that can transcribe is installed: {name} is not",
            hint=f'pip install "callflow-engine[{KNOWN[name].extra}]"',
        )
    if name not in installed() and ":" not in name:
        return TranscriptionError(
            f"there is no transcriber {name[:80]!r}",
            hint=f"Here are: {', '.join(installed()) or 'none'}. {INSTALL}",
        )
    return None


def make(recogniser: Recogniser) -> Transcriber:
    """Load it. Takes seconds, and memory: only the helper process does. Raises TranscriptionError."""
    why = missing(recogniser.name)
    if why is not None:
        raise why
    maker = _maker(recogniser.name)
    try:
        return maker(recogniser.model)
    except TranscriptionError:
        raise
    except Exception as error:  # a plug-in's own
        raise TranscriptionError(
            f"{recogniser.name} cannot be started: {type(error).__name__}: {error}",
            hint="Is ncco.transcription.model the folder of a model of it?",
        ) from error


def _maker(name: str) -> MakeTranscriber:
    if name in KNOWN:
        where = KNOWN[name].maker
    else:
        points = importlib.metadata.entry_points(group=GROUP, name=name)
        where = next((point.value for point in points), name)
    module, _, attribute = where.partition(":")
    try:
        return cast("MakeTranscriber", getattr(importlib.import_module(module), attribute))
    except Exception as error:  # a plug-in's own
        raise TranscriptionError(
            f"the transcriber {name[:80]} cannot be loaded: {type(error).__name__}: {error}",
            hint=f"Its name must be an entry point of {GROUP}, or package.module:make.",
        ) from error
