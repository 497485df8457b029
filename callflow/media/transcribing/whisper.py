"""Layer 1: the recogniser ``faster-whisper``: the best of the three, and the slowest. (Extra ``whisper``.)"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from faster_whisper import WhisperModel
from numpy.typing import NDArray

from callflow.errors import TranscriptionError
from callflow.media.transcribing import sound
from callflow.media.transcribing.interface import Request, Word

OPTIONS = ("beam_size", "vad_filter", "temperature", "condition_on_previous_text")
"""Of ``ncco.transcription.options``, those that are passed on."""

_PIECE_S = 600
"""A channel is listened to in pieces of so many seconds: an hour as floats is 230 MB."""


def make(model: str) -> Whisper:
    """``model``: a folder with a converted model: nothing is downloaded. Raises TranscriptionError."""
    if not model or not Path(model).is_dir():
        raise TranscriptionError(
            f"faster-whisper needs a model, and {model!r} is no folder",
            hint="Name the folder of a model for CTranslate2 in ncco.transcription.model.",
        )
    return Whisper(WhisperModel(model, device="auto", compute_type="default", local_files_only=True))


class Whisper:
    """A ``Transcriber``."""

    def __init__(self, model: WhisperModel) -> None:
        self._model = model

    def transcribe(self, path: Path, request: Request) -> Sequence[Sequence[Word]]:
        """The words of each channel; hints are its prompt."""
        if request.grammar:
            raise TranscriptionError(
                "faster-whisper takes no grammar", hint="Leave the grammar out, or use pocketsphinx."
            )
        channels, _ = sound.shape(path)
        return [list(self._channel(path, channel, request)) for channel in range(channels)]

    def _channel(self, path: Path, channel: int, request: Request) -> Iterator[Word]:
        options = {key: value for key, value in request.options.items() if key in OPTIONS}
        for start, piece in _pieces(path, channel):
            segments, _ = self._model.transcribe(
                piece,
                language=request.language.lower().replace("_", "-").partition("-")[0],
                initial_prompt=", ".join(request.hints) or None,
                word_timestamps=True,
                **{"vad_filter": True, **options},
            )
            for segment in segments:
                for each in segment.words or ():
                    yield Word(each.word.strip(), start + each.start, start + each.end, each.probability)


def _pieces(path: Path, channel: int) -> Iterator[tuple[float, NDArray[np.float32]]]:
    held: list[NDArray[np.int16]] = []
    count, start = 0, 0.0
    for block in sound.blocks(path, channel):
        held.append(block)
        count += len(block)
        if count >= _PIECE_S * sound.RATE:
            yield start, _floats(held)
            start += count / sound.RATE
            held, count = [], 0
    if held:
        yield start, _floats(held)


def _floats(held: Sequence[NDArray[np.int16]]) -> NDArray[np.float32]:
    return np.concatenate(held).astype(np.float32) / np.float32(32768)
