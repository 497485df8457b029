"""Layer 1: what a recogniser of speech is, as a plug-in: implement ``Transcriber``, register a maker of it.

A package registers it in its ``pyproject.toml``, and ``ncco.transcription.transcriber`` names it::

    [project.entry-points."callflow.transcribers"]
    mine = "my_package.hearing:make"

``make(model)`` is called once in the helper process; ``model`` is ``ncco.transcription.model``. Both may take
their time, block, and need much memory: nothing of a call runs in that process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

GROUP = "callflow.transcribers"
"""The entry points' group."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word that was heard: ``start`` and ``end`` in seconds from the begin of the sound, ``confidence``
    from 0 to 1.
    """

    text: str
    start: float
    end: float
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class Request:
    """How to listen. ``language``: BCP-47 (``en-US``). ``hints``: words to expect. ``grammar``: JSGF, all
    that can be said (empty: anything). ``options``: settings of the recogniser's own.
    """

    language: str = "en-US"
    hints: tuple[str, ...] = ()
    grammar: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recogniser:
    """Which one is meant: its name (or ``package.module:make``), and the path of its model, empty for the one
    that it brings along.
    """

    name: str
    model: str = ""


@dataclass(frozen=True, slots=True)
class Transcription:
    """What was heard: the words of each channel in order of time, and the seconds of sound."""

    channels: tuple[tuple[Word, ...], ...]
    seconds: float


class Transcriber(Protocol):
    """Listens to audio files, one after the other, in one thread."""

    def transcribe(self, path: Path, request: Request) -> Sequence[Sequence[Word]]:
        """The words of each channel of the file, in order of time. ``sound.blocks`` reads the channels.
        Raises TranscriptionError for what it can't do (a language), with a hint; any other exception is told
        with its words.
        """


class MakeTranscriber(Protocol):
    """Makes one: what an entry point names."""

    def __call__(self, model: str) -> Transcriber:
        """``model``: a path of the user's, empty: none was named. Raises TranscriptionError."""
