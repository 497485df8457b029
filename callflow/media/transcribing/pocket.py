"""Layer 1: the recogniser ``pocketsphinx``: small, quick, with an English model. (Extra ``transcription``.)

It hears single words of a grammar or of hints well, and free speech badly: see docs/transcription.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from pocketsphinx import Decoder, Endpointer

from callflow.errors import TranscriptionError
from callflow.media.transcribing import sound
from callflow.media.transcribing.interface import Request, Word

LONGEST_UTTERANCE_S = 30.0
"""Whoever speaks longer without a pause is cut there: a decoder's memory grows with its utterance."""

_FRAMES_PER_S = 100
_FREE = "_default"
_ASKED = "asked"
_WORD = re.compile(r"[^\W_][\w'.-]*")
_VARIANT = re.compile(r"\([0-9]+\)$")


def make(model: str) -> Pocketsphinx:
    """``model`` empty: the English one of the wheel; else a folder with ``acoustic-model`` (or an ``mdef``),
    a ``*.dict`` and a ``*.lm.bin``.
    """
    return Pocketsphinx(model)


class Pocketsphinx:
    """A ``Transcriber``."""

    def __init__(self, model: str) -> None:
        self._english = not model
        self._decoder = Decoder(samprate=float(sound.RATE), loglevel="FATAL", **_files(model))
        self._grammar = ""

    def transcribe(self, path: Path, request: Request) -> Sequence[Sequence[Word]]:
        """The words of each channel. A grammar is all that can be heard. So are hints, but where none of them
        is heard everything can be.
        """
        language = request.language.lower().replace("_", "-").partition("-")[0]
        if self._english and language != "en":
            raise TranscriptionError(
                f"pocketsphinx has no model for {request.language}: the one that it brings along is English",
                hint="Name the folder of one in ncco.transcription.model, or another transcriber.",
            )
        grammar = request.grammar or _grammar_of(self._known(request.hints))
        self._use(grammar)
        channels, _ = sound.shape(path)
        return [self._channel(path, channel, request, grammar) for channel in range(channels)]

    def _channel(self, path: Path, channel: int, request: Request, grammar: str) -> list[Word]:
        heard: list[Word] = []
        for start, utterance in _utterances(path, channel):
            words = self._words(utterance, start, _ASKED if grammar else _FREE)
            if not words and grammar and not request.grammar:
                words = self._words(utterance, start, _FREE)
            heard += words
        return heard

    def _words(self, utterance: bytes, start: float, search: str) -> list[Word]:
        decoder = self._decoder
        decoder.activate_search(search)
        decoder.start_utt()
        decoder.process_raw(utterance, no_search=False, full_utt=True)
        decoder.end_utt()
        if decoder.hyp() is None:
            return []
        return [
            Word(
                _VARIANT.sub("", each.word),
                start + each.start_frame / _FRAMES_PER_S,
                start + (each.end_frame + 1) / _FRAMES_PER_S,
                min(1.0, max(0.0, float(each.prob))),
            )
            for each in decoder.seg()
            if not each.word.startswith(("<", "[", "++"))
        ]

    def _known(self, hints: Sequence[str]) -> list[str]:
        """The hints whose words are all in its dictionary: a grammar with others is refused."""
        said = (" ".join(_WORD.findall(hint.lower())) for hint in hints)
        return [
            hint for hint in said if hint and all(self._decoder.lookup_word(word) for word in hint.split())
        ]

    def _use(self, grammar: str) -> None:
        if not grammar or grammar == self._grammar:
            return
        self._decoder.activate_search(_FREE)
        try:
            self._decoder.add_jsgf_string(_ASKED, grammar)
        except (RuntimeError, ValueError) as error:
            raise TranscriptionError(
                f"the grammar cannot be used: {error}",
                hint="Write JSGF whose words are in the dictionary of the model.",
            ) from error
        self._grammar = grammar


def _grammar_of(hints: Sequence[str]) -> str:
    if not hints:
        return ""
    return f"#JSGF V1.0; grammar hints; public <hint> = ( {' | '.join(dict.fromkeys(hints))} )+;"


def _files(model: str) -> dict[str, str]:
    """The decoder's arguments for a model of the user's."""
    if not model:
        return {}
    folder = Path(model)
    hmm = next((path.parent for path in sorted(folder.rglob("mdef*"))), None)
    words, lm = _first(folder, "*.dict", "*.dic"), _first(folder, "*.lm.bin", "*.lm", "*.lm.gz")
    if hmm is None or words is None or lm is None:
        raise TranscriptionError(
            f"{model} is no model for pocketsphinx",
            hint="It needs an acoustic model (mdef), a dictionary (*.dict), a language model (*.lm.bin).",
        )
    return {"hmm": str(hmm), "dict": str(words), "lm": str(lm)}


def _first(folder: Path, *patterns: str) -> Path | None:
    return next((path for pattern in patterns for path in sorted(folder.rglob(pattern))), None)


def _utterances(path: Path, channel: int) -> Iterator[tuple[float, bytes]]:
    """Where each piece of speech begins, in seconds, and its samples."""
    pointer = Endpointer(sample_rate=sound.RATE)
    size = pointer.frame_bytes
    most = int(LONGEST_UTTERANCE_S * sound.RATE) * 2
    rest, start, begun, said = b"", 0.0, False, bytearray()
    for block in sound.blocks(path, channel):
        rest += block.astype("<i2").tobytes()
        while len(rest) > size:  # the last frame is for the end of the stream
            frame, rest = rest[:size], rest[size:]
            speech = pointer.process(frame)
            if speech is None:
                continue
            if not begun:
                begun, start = True, pointer.speech_start
            said += speech
            if not pointer.in_speech or len(said) >= most:
                yield start, bytes(said)
                start += len(said) / 2 / sound.RATE
                begun, said = pointer.in_speech, bytearray()
    last = pointer.end_stream(rest) if rest else None
    if last is not None:
        said += last
    if said:
        yield start, bytes(said)
