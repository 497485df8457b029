"""Words as the transcript document: the one that Vonage documents (ncco.md 5), segments, digits."""

from __future__ import annotations

import pytest

from callflow.media.transcribing.interface import Transcription, Word
from callflow.media.transcribing.paper import MOST_WORDS, document, segments, sentence

HEARD = (
    Word("transcription", 9.63, 10.887, 1.0),
    Word("example", 10.952, 11.726, 0.990055),
    Word("test", 11.728, 12.272, 0.486845),
)


def test_the_documented_example() -> None:
    """Vonage's own page has this document, but for the end of its silence after the last word."""
    made = document(Transcription((HEARD,), 16.2), "6226182254ce513117079b58")
    segment = {
        "sentence": "Transcription example test.",
        "timestamp": 9630,
        "duration": 2642,
        "action_items": [],
        "questions": [],
        "answers": [],
        "raw_sentence": "transcription example test",
        "words": [
            {"word": "transcription", "start_time": 9630, "end_time": 10887, "confidence": 1},
            {"word": "example", "start_time": 10952, "end_time": 11726, "confidence": 0.990055},
            {"word": "test", "start_time": 11728, "end_time": 12272, "confidence": 0.486845},
        ],
    }
    assert made == {
        "ver": "1.0.19",
        "request_id": "6226182254ce513117079b58",
        "channels": [{"transcript": [segment], "duration": 16.2}],
    }


def test_a_channel_without_words_is_there() -> None:
    made = document(Transcription(((), HEARD), 16.2), "x")
    assert [len(channel["transcript"]) for channel in made["channels"]] == [0, 1]


def test_a_pause_and_too_many_words_begin_a_segment() -> None:
    words = [Word("a", 0.0, 0.5), Word("b", 1.49, 1.6), Word("c", 2.6, 2.7)]
    assert [[word.text for word in part] for part in segments(words)] == [["a", "b"], ["c"]]
    many = [Word("a", at / 10, at / 10 + 0.1) for at in range(2 * MOST_WORDS + 1)]
    assert [len(part) for part in segments(many)] == [MOST_WORDS, MOST_WORDS, 1]
    assert list(segments([])) == []


@pytest.mark.parametrize(
    ("raw", "written"),
    [
        ("is two two one two", "Is 2212."),
        ("one moment", "One moment."),
        ("oh five and nine nine", "05 and 99."),
        ("really?", "Really?"),
        ("", ""),
    ],
)
def test_a_sentence(raw: str, written: str) -> None:
    assert sentence(Word(text, 0.0, 1.0) for text in raw.split()) == written
