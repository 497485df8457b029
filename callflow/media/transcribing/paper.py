"""Layer 1: words as the transcript document (ncco.md 5, of version 1.0.19), and as one sentence. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from callflow.media.transcribing.interface import Transcription, Word

VERSION = "1.0.19"
PAUSE_S = 1.0
"""Who says nothing for so long begins a new segment."""

MOST_WORDS = 200
"""Of a segment, however quickly somebody speaks."""

_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_DIGIT_OF = {**{word: str(digit) for digit, word in enumerate(_DIGITS)}, "oh": "0"}
_LEAST_DIGITS = 2


def document(transcription: Transcription, request_id: str) -> dict[str, Any]:
    """The transcript document. ``request_id``: 24 hex digits. Times are whole milliseconds from the begin of
    the sound, a channel's ``duration`` is seconds. Channels without a word have no segment.
    """
    return {
        "ver": VERSION,
        "request_id": request_id,
        "channels": [
            {
                "transcript": [_segment(words) for words in segments(channel)],
                "duration": round(transcription.seconds, 3),
            }
            for channel in transcription.channels
        ],
    }


def segments(words: Sequence[Word]) -> Iterator[Sequence[Word]]:
    """The words between two pauses."""
    begin = 0
    for at in range(1, len(words) + 1):
        if at == len(words) or _ends(words, begin, at):
            yield words[begin:at]
            begin = at


def raw_sentence(words: Iterable[Word]) -> str:
    """As it was recognised."""
    return " ".join(word.text for word in words)


def sentence(words: Iterable[Word]) -> str:
    """As it is written: digits one after the other are a number, a capital begins it, a dot ends it."""
    said: list[str] = []
    digits: list[Word] = []
    for word in words:
        if word.text.lower() in _DIGIT_OF:
            digits.append(word)
            continue
        said += _number(digits)
        digits = []
        said.append(word.text)
    said += _number(digits)
    text = " ".join(said)
    if not text:
        return ""
    end = "" if text[-1] in ".?!" else "."
    return f"{text[0].upper()}{text[1:]}{end}"


def _number(digits: Sequence[Word]) -> list[str]:
    if len(digits) < _LEAST_DIGITS:
        return [word.text for word in digits]
    return ["".join(_DIGIT_OF[word.text.lower()] for word in digits)]


def _ends(words: Sequence[Word], begin: int, at: int) -> bool:
    return words[at].start - words[at - 1].end >= PAUSE_S or at - begin >= MOST_WORDS


def _segment(words: Sequence[Word]) -> dict[str, Any]:
    first, last = _ms(words[0].start), max(_ms(word.end) for word in words)
    return {
        "sentence": sentence(words),
        "timestamp": first,
        "duration": last - first,
        "action_items": [],
        "questions": [],
        "answers": [],
        "raw_sentence": raw_sentence(words),
        "words": [
            {
                "word": word.text,
                "start_time": _ms(word.start),
                "end_time": _ms(word.end),
                "confidence": round(word.confidence, 6),
            }
            for word in words
        ],
    }


def _ms(seconds: float) -> int:
    return round(1000 * seconds)
