"""Ids, masks and events: the small things of layer 0."""

from __future__ import annotations

import pickle

import pytest

from callflow.errors import BadUrl, CallflowError
from callflow.events import CallEnded, Event, EventBus, all_events, as_json
from callflow.ids import Ids
from callflow.log import mask_url, one_line


def test_a_seed_repeats_every_id() -> None:
    one, two, other = Ids(7), Ids(7), Ids(8)
    made = [one.call_id(), one.recording_id("202611"), one.short(), one.hex32()]
    assert made == [two.call_id(), two.recording_id("202611"), two.short(), two.hex32()]
    assert made[0] != other.call_id()
    assert made[1].startswith("202611-") and len(made[1]) == 39
    assert Ids().call_id() != Ids().call_id()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://h/p", "http://h/p"),
        ("http://user:secret@h:8080/p", "http://***@h:8080/p"),
        ("http://h/p?token=abc&x=1", "http://h/p?token=***&x=***"),
        ("http://h/p?bare", "http://h/p?***"),
        ("http://h/p?secret&x=1", "http://h/p?***&x=***"),
        ("http://h/p?token=abc;def", "http://h/p?token=***"),
        ("http://h/p?a=1&file=", "http://h/p?a=***&file="),
        ("http://{HOST}:{PORT}/p", "http://{HOST}:{PORT}/p"),
        ("http://[2001:db8::1]:80/p", "http://[2001:db8::1]:80/p"),
        ("http://user:sec/ret@h/p", "http://***"),
        ("http://user:sec?ret@h/p", "http://***"),
        ("http://user:sec#ret@h/p", "http://***"),
        ("user:secret@h/p", "***"),
        ("http:/user:secret@h/p", "***"),
        ("/x@y?a=b", "/x@y?a=***"),
        ("http://h/p#frag", "http://h/p"),
        ("http://[broken", "***"),
    ],
)
def test_urls_are_masked(url: str, shown: str) -> None:
    assert mask_url(url) == shown


def test_text_from_outside_is_one_short_line() -> None:
    assert one_line("a\r\nb\x1b[31m") == "a  b [31m"
    assert len(one_line("x" * 1000)) == 500


def test_events_have_one_name_each_and_a_json_form() -> None:
    names = [kind.NAME for kind in all_events()]
    assert len(names) == len(set(names)) and "recording" in names
    event = CallEnded(time=1.23456789, call_id="c", cause="NORMAL_CLEARING", by="party", duration=1.0)
    assert as_json(event) == {
        "event": "call.ended",
        "time": 1.234568,
        "call_id": "c",
        "cause": "NORMAL_CLEARING",
        "by": "party",
        "duration": 1.0,
    }


def test_the_bus_tells_all_and_can_be_left() -> None:
    bus, seen = EventBus(), list[Event]()
    leave = bus.subscribe(seen.append)
    event = Event(time=0.0)
    bus.publish(event)
    leave()
    bus.publish(event)
    assert seen == [event]


def test_a_subscriber_may_hear_one_call_only() -> None:
    bus, seen = EventBus(), list[Event]()
    leave = bus.subscribe(seen.append, call_id="a")
    bus.publish(Event(time=0.0, call_id="a"))
    bus.publish(Event(time=0.0, call_id="b"))
    leave()
    bus.publish(Event(time=0.0, call_id="a"))
    assert [event.call_id for event in seen] == ["a"]


def test_errors_cross_processes() -> None:
    error = pickle.loads(pickle.dumps(BadUrl("no", hint="yes")))
    assert isinstance(error, BadUrl) and isinstance(error, CallflowError)
    assert (error.message, error.hint, error.code) == ("no", "yes", "CF-DLV-001")
