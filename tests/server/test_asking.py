"""Accept, Range and the conditions of a request, as values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callflow.errors import ApiError
from callflow.server.v2.asking import Span, asked_span, choose, may_go_on, names_tag, wishes

OFFERS = ("application/json", "audio/wav")


@pytest.mark.parametrize(
    "accept, expected",
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("audio/wav", "audio/wav"),
        ("audio/x-wav", "audio/wav"),
        ("AUDIO/WAV;charset=x", "audio/wav"),
        ("audio/*", "audio/wav"),
        ("audio/*;q=0.9, */*;q=0.8", "audio/wav"),
        ("application/json;q=0.2, audio/wav;q=0.3", "audio/wav"),
        ("*/*, audio/wav;q=0", "application/json"),
        ("application/json;q=0, */*;q=0.1", "audio/wav"),
        ("audio/mpeg", ""),
        ("text/html", ""),
        ("audio/wav;q=0", ""),
        ("rubbish", ""),
        ("rubbish, audio/wav", "audio/wav"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "application/json"),
    ],
)
def test_what_is_chosen(accept: str, expected: str) -> None:
    assert choose(wishes(accept), OFFERS) == expected


@pytest.mark.parametrize(
    "header, expected",
    [
        ("bytes=0-0", Span(0, 0)),
        ("bytes=10-", Span(10, 99)),
        ("bytes=90-200", Span(90, 99)),
        ("bytes=-10", Span(90, 99)),
        ("bytes=-1000", Span(0, 99)),
        ("Bytes = 1 - 2 ", Span(1, 2)),
        ("bytes=5-4", None),
        ("bytes=-", None),
        ("bytes=0-1,5-6", None),
        ("lines=0-1", None),
        ("bytes", None),
        ("bytes=a-b", None),
    ],
)
def test_which_part_is_asked_for(header: str, expected: Span | None) -> None:
    assert asked_span(header, 100) == expected


@pytest.mark.parametrize("header, size", [("bytes=100-", 100), ("bytes=-0", 100), ("bytes=0-", 0)])
def test_a_part_that_there_is_not(header: str, size: int) -> None:
    with pytest.raises(ApiError) as raised:
        asked_span(header, size)
    assert raised.value.status == 416
    assert raised.value.headers["Content-Range"] == f"bytes */{size}"


@given(st.text(max_size=40), st.integers(0, 1000))
def test_any_range_is_within_the_file_or_refused(text: str, size: int) -> None:
    for header in (text, f"bytes={text}"):
        try:
            span = asked_span(header, size)
        except ApiError:
            continue
        assert span is None or 0 <= span.first <= span.last < size
    choose(wishes(text), OFFERS)


def test_conditions() -> None:
    assert names_tag('"a", W/"b"', "b") and names_tag("*", "b") and not names_tag('"a"', "b")
    assert may_go_on("", "a") and may_go_on('"a"', "a")
    assert not may_go_on('"b"', "a") and not may_go_on('W/"a"', "a")
    assert not may_go_on("Sat, 21 Nov 2026 09:00:00 GMT", "a")
