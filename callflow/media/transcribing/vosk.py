"""Layer 1: the recogniser ``vosk``: free speech in many languages, by a model of yours. (Extra ``vosk``.)"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import vosk

from callflow.errors import TranscriptionError
from callflow.media.transcribing import sound
from callflow.media.transcribing.interface import Request, Word


def make(model: str) -> Vosk:
    """``model``: the folder of an unpacked model. Raises TranscriptionError."""
    if not model or not Path(model).is_dir():
        raise TranscriptionError(
            f"vosk needs a model, and {model!r} is no folder",
            hint="Name the folder of an unpacked model in ncco.transcription.model.",
        )
    vosk.SetLogLevel(-1)
    return Vosk(vosk.Model(model_path=model))


class Vosk:
    """A ``Transcriber``. The language is that of its model."""

    def __init__(self, model: vosk.Model) -> None:
        self._model = model

    def transcribe(self, path: Path, request: Request) -> Sequence[Sequence[Word]]:
        """The words of each channel. Hints are not taken: this recogniser would hear nothing else."""
        if request.grammar:
            raise TranscriptionError(
                "vosk takes no JSGF grammar", hint="Leave the grammar out, or use pocketsphinx."
            )
        channels, _ = sound.shape(path)
        return [list(self._channel(path, channel)) for channel in range(channels)]

    def _channel(self, path: Path, channel: int) -> Iterator[Word]:
        decoder = vosk.KaldiRecognizer(self._model, float(sound.RATE))
        decoder.SetWords(True)
        for block in sound.blocks(path, channel):
            if decoder.AcceptWaveform(block.astype("<i2").tobytes()):
                yield from _words(decoder.Result())
        yield from _words(decoder.FinalResult())


def _words(result: str) -> Iterator[Word]:
    for each in json.loads(result).get("result", ()):
        yield Word(str(each["word"]), float(each["start"]), float(each["end"]), float(each["conf"]))
