"""What is said on a WebSocket leg, and the order in which its sound and its notices come due."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callflow.channels.websocket.wire import (
    MOST_FRAMES,
    MOST_NOTICES,
    START_FRAMES,
    Clear,
    Notify,
    Playout,
    connected,
    rate_of,
    read_text,
)
from callflow.errors import MediaError

FRAME = 640


def frames(playout: Playout, count: int) -> list[bytes]:
    return [playout.take()[0] for _ in range(count)]


def test_the_first_message_has_the_endpoints_headers_and_cannot_be_forged_by_them() -> None:
    said = json.loads(connected(8000, {"customer": "42", "event": "other", "content-type": "text/plain"}))
    assert said == {"event": "websocket:connected", "content-type": "audio/l16;rate=8000", "customer": "42"}


@pytest.mark.parametrize(
    ("text", "rate"),
    [("audio/l16;rate=8000", 8000), ("audio/L16; rate=24000", 24000), ("", 16000), ("audio/l16", 16000)],
)
def test_rates_of_content_types(text: str, rate: int) -> None:
    assert rate_of(text) == rate


@pytest.mark.parametrize("text", ["audio/l16;rate=44100", "audio/pcmu", "audio/l16;rate=²"])
def test_other_content_types_are_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(MediaError) as caught:
        rate_of(text)
    assert "audio/l16;rate=16000" in caught.value.hint


@given(st.text() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_no_text_breaks_it(text: str) -> None:
    assert isinstance(read_text(text), Clear | Notify | None)
    assert read_text(text * 20_000) is None


def test_what_a_server_may_want() -> None:
    assert read_text('{"action": "clear"}') == Clear()
    assert read_text('{"action": "notify", "payload": {"a": 1}}') == Notify({"a": 1})
    assert read_text('{"action": "dance"}') is None
    assert read_text("[" * 5000) is None


def test_sound_comes_in_frames_after_a_short_wait_and_the_last_is_filled_up() -> None:
    playout = Playout(16000)
    assert frames(playout, 2) == [b"", b""]
    playout.put(b"a" * (FRAME * START_FRAMES))
    playout.put(b"b" * 10)
    came = frames(playout, START_FRAMES + 2)
    assert came[:START_FRAMES] == [b"a" * FRAME] * START_FRAMES
    assert came[START_FRAMES] == b"b" * 10 + bytes(FRAME - 10)
    assert came[-1] == b""


def test_little_sound_is_waited_for_but_not_for_ever() -> None:
    playout = Playout(16000)
    playout.put(b"a" * FRAME)
    came = frames(playout, START_FRAMES + 2)
    assert came == [b""] * START_FRAMES + [b"a" * FRAME, b""]


def test_a_notice_is_due_when_all_before_it_was_heard() -> None:
    playout = Playout(8000)
    playout.put(b"a" * 960)
    playout.notify("first")
    playout.put(b"b" * 320)
    playout.notify("second")
    due = [playout.take()[1] for _ in range(5)]
    assert due == [[], [], ["first"], ["second"], []]
    playout.notify("at once")
    assert playout.take() == (b"", ["at once"])


def test_clear_forgets_sound_and_notices() -> None:
    playout = Playout(8000)
    playout.put(b"a" * 3200)
    playout.take()
    playout.notify("never")
    playout.clear()
    assert [playout.take() for _ in range(3)] == [(b"", [])] * 3
    playout.put(b"b" * 960)
    playout.notify("later")
    assert [playout.take()[1] for _ in range(4)] == [[], [], ["later"], []]


def test_a_server_that_says_too_much_fills_no_memory() -> None:
    playout = Playout(16000)
    for _ in range(MOST_FRAMES // 1000 + 2):
        playout.put(bytes(FRAME * 1000))
    for _ in range(MOST_NOTICES + 5):
        playout.notify(None)
    assert playout.dropped == (MOST_FRAMES // 1000 + 2) * 1000 * FRAME - MOST_FRAMES * FRAME
    assert len(playout._notices) == MOST_NOTICES
