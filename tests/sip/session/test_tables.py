"""The pure parts: the table of states, causes and Reason headers, session timers, RAck, keys."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callflow.channels.channel import CAUSE_CODES
from callflow.channels.sip.endpoint_calls import MOST_CALL_ID, RESERVED_S, CallTable
from callflow.channels.sip.prack import RAck, read_rack, read_rseq
from callflow.channels.sip.session_cause import cause_of, reason_cause, reason_headers, status_of
from callflow.channels.sip.session_states import TABLE, Happening, State, apply
from callflow.channels.sip.session_talk import read_key
from callflow.channels.sip.session_timer import (
    SessionTimer,
    TooBrief,
    Wish,
    answer_headers,
    judge,
    read_interval,
    read_min_se,
    settle,
)
from callflow.clock import VirtualClock
from callflow.errors import StateError


def test_every_state_has_its_row_and_the_end_is_the_end() -> None:
    assert set(TABLE) == set(State)
    assert TABLE[State.OVER] == {}
    for state in State:
        for happening in Happening:
            if happening in TABLE[state]:
                assert apply(state, happening) is TABLE[state][happening]
            else:
                with pytest.raises(StateError, match=f"{state.value}.*{happening.value}"):
                    apply(state, happening)


def test_causes_and_statuses() -> None:
    assert cause_of(486) == "USER_BUSY"
    assert cause_of(499) == "NORMAL_UNSPECIFIED"
    assert cause_of(486, ["SIP;cause=1", "Q.850;cause=21"]) == "CALL_REJECTED"
    assert status_of("USER_BUSY") == 486
    assert status_of("USER_BUSY", 600) == 600
    assert status_of("USER_BUSY", 200) == 486
    assert status_of("NORMAL_CLEARING") == 480
    assert status_of("WHO_KNOWS") == 480
    for cause in CAUSE_CODES:
        for name, value in reason_headers(cause):
            assert name == "Reason"
            assert reason_cause([value]) in (cause, "NORMAL_CLEARING", "SUBSCRIBER_ABSENT", "")


@given(st.lists(st.text(max_size=300), max_size=20))
def test_no_reason_does_anything_but_be_read(values: list[str]) -> None:
    assert isinstance(reason_cause(values), str)


def test_a_hostile_reason_is_read_at_once() -> None:
    assert reason_cause(["Q.850;" + 'a="' * 3000, "Q.850" + ";x" * 5000]) == ""


@dataclass(frozen=True)
class Headed:
    fields: tuple[tuple[str, str], ...] = ()
    supported: frozenset[str] = frozenset()

    def get(self, name: str, default: str = "") -> str:
        return dict(self.fields).get(name, default)


def asks(expires: str = "", min_se: str = "", timer: bool = True) -> Headed:
    fields = (("Session-Expires", expires), ("Min-SE", min_se))
    return Headed(fields, frozenset({"timer"} if timer else ()))


WISH = Wish(1800, 90)


@pytest.mark.parametrize(
    ("request_", "wish", "result"),
    [
        (asks(), WISH, SessionTimer(1800, ours=False)),
        (asks(timer=False), WISH, None),
        (asks(), Wish(0), None),
        (asks("300"), WISH, SessionTimer(300, ours=False)),
        (asks("300;refresher=uac"), WISH, SessionTimer(300, ours=False)),
        (asks("300;refresher=uas"), WISH, SessionTimer(300, ours=True)),
        (asks("300;x=y; refresher = UAS"), WISH, SessionTimer(300, ours=True)),
        (asks("300", timer=False), WISH, SessionTimer(300, ours=True)),
        (asks("7200"), WISH, SessionTimer(1800, ours=False)),
        (asks("7200", "3600"), WISH, SessionTimer(3600, ours=False)),
        (asks("7200"), Wish(0), SessionTimer(7200, ours=False)),
        (asks("60"), WISH, TooBrief(90)),
        (asks("60", timer=False), WISH, SessionTimer(90, ours=True)),
        (asks("rubbish"), WISH, SessionTimer(1800, ours=False)),
    ],
)
def test_what_becomes_of_a_wish_for_a_timer(
    request_: Headed, wish: Wish, result: SessionTimer | TooBrief | None
) -> None:
    assert judge(request_, wish) == result


def test_timer_headers_and_alarms() -> None:
    assert answer_headers(SessionTimer(300, True), asks(timer=False)) == [
        ("Session-Expires", "300;refresher=uas")
    ]
    assert ("Require", "timer") in answer_headers(SessionTimer(300, False), asks())
    assert answer_headers(None, asks()) == []
    assert settle(asks()) is None
    assert settle(asks("200;refresher=uas")) == SessionTimer(200, False)
    assert settle(asks("200")) == SessionTimer(200, True)
    assert SessionTimer(300, True).alarm_s == 150
    assert SessionTimer(300, False).alarm_s == 268
    assert SessionTimer(90, False).alarm_s == 60
    assert Wish(0).headers() == []
    assert Wish(100).raised(500) == Wish(500, 500)
    assert read_min_se(asks(min_se="5")) == 90
    assert read_interval(asks("99999999999999")) == (0, "")


def test_rack_and_rseq() -> None:
    assert read_rack(" 7  8 INVITE ") == RAck(7, 8, "INVITE")
    for bad in ("", "7 8", "x 8 INVITE", "7 8 INVITE 9", "99999999999 1 INVITE"):
        assert read_rack(bad) is None
    assert (read_rseq("5"), read_rseq("0"), read_rseq("x"), read_rseq("9999999999")) == (5, 0, 0, 0)


def test_keys_of_info() -> None:
    assert read_key(b"Signal=1\r\nDuration=250") == ("1", 0.25)
    assert read_key(b"Signal = 10") == ("*", 0.1)
    assert read_key(b"signal=#\nduration=99999") == ("#", 5.0)
    assert read_key(b"a") == ("A", 0.1)
    for bad in (b"", b"Signal=12345", b"99", b"\xff"):
        assert read_key(bad) is None


def test_engine_ids_are_short_free_and_reserved_for_a_while() -> None:
    clock = VirtualClock()
    table = CallTable(clock)
    assert table.fresh_id("a\r\nb") == "a__b"
    assert table.fresh_id("a\r\nb") == "a__b-2"
    long = table.fresh_id("x" * 500)
    assert len(long) == MOST_CALL_ID
    assert table.fresh_id("x" * 499 + "y") != long
    assert RESERVED_S > 0
