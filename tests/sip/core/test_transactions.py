"""The four transaction machines in virtual time: what they send when, and what they allow (RFC 3261 17)."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callflow.channels.sip.transaction import (
    CLIENT,
    INVITE_CLIENT,
    INVITE_SERVER,
    SERVER,
    Cause,
    Do,
    Event,
    Machine,
    SetTimer,
    State,
    Stop,
    Table,
    Timer,
    TimerValues,
)
from callflow.errors import StateError

NETWORK = {
    "client": (Event.PROVISIONAL, Event.SUCCESS, Event.FAILURE, Event.ERROR),
    "server": (Event.REQUEST, Event.ERROR),
}
KINDS = [
    *(
        (table, reliable)
        for table in (INVITE_CLIENT, CLIENT, INVITE_SERVER, SERVER)
        for reliable in (False, True)
    )
]


class Played:
    """A machine whose timers run out when they should; ``did``: what it asked for, and when."""

    def __init__(self, table: Table, reliable: bool = False) -> None:
        self.machine = Machine(table, reliable, TimerValues())
        self.did: list[tuple[float, Do]] = []
        self.now = 0.0
        self._timers: dict[Timer, float] = {}
        self.happens(Event.START)

    def happens(self, event: Cause) -> None:
        for action in self.machine.apply(event):
            if isinstance(action, SetTimer):
                self._timers[action.timer] = self.now + action.seconds
            elif isinstance(action, Stop):
                self._timers.pop(action.timer, None)
            else:
                assert (self.now, Do.END) not in self.did or action is not Do.END, "ended once"
                self.did.append((round(self.now, 3), action))
                if action is Do.END:
                    self._timers.clear()

    def until(self, time: float) -> None:
        while self._timers and min(self._timers.values()) <= time:
            due, _, timer = heapq.nsmallest(1, ((at, t.value, t) for t, at in self._timers.items()))[0]
            del self._timers[timer]
            self.now = due
            self.happens(timer)
        self.now = max(self.now, time)

    def play(self, events: Sequence[tuple[float, Event]], end: float = 100.0) -> Played:
        for time, event in events:
            self.until(time)
            self.happens(event)
        self.until(end)
        return self

    def at(self, what: Do) -> list[float]:
        return [time for time, action in self.did if action is what]

    @property
    def over(self) -> bool:
        return self.machine.state is State.TERMINATED


def test_an_invite_is_repeated_twice_as_late_each_time_and_given_up_after_32_s() -> None:
    played = Played(INVITE_CLIENT).play([])
    assert played.at(Do.SEND) == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert played.at(Do.TELL_TIMEOUT) == played.at(Do.END) == [32]


def test_another_request_is_repeated_every_4_s_at_most() -> None:
    played = Played(CLIENT).play([])
    assert played.at(Do.SEND) == [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert played.at(Do.TELL_TIMEOUT) == played.at(Do.END) == [32]


@pytest.mark.parametrize("table", [INVITE_CLIENT, CLIENT])
def test_nothing_is_repeated_on_tcp(table: Table) -> None:
    played = Played(table, reliable=True).play([])
    assert (played.at(Do.SEND), played.at(Do.TELL_TIMEOUT)) == ([0], [32])


def test_a_provisional_response_stops_the_repeats_of_an_invite_and_its_time_limit() -> None:
    played = Played(INVITE_CLIENT).play([(1.0, Event.PROVISIONAL), (90.0, Event.PROVISIONAL)])
    assert played.at(Do.SEND) == [0, 0.5] and played.at(Do.TELL_RESPONSE) == [1, 90] and not played.over


def test_a_provisional_response_slows_another_request_down() -> None:
    played = Played(CLIENT).play([(1.0, Event.PROVISIONAL)])
    assert played.at(Do.SEND) == [0, 0.5, 1.5, 5.5, 9.5, 13.5, 17.5, 21.5, 25.5, 29.5]
    assert played.at(Do.TELL_TIMEOUT) == [32]


def test_a_refusal_is_acknowledged_each_time_and_told_once() -> None:
    played = Played(INVITE_CLIENT).play([(0.2, Event.FAILURE), (0.7, Event.FAILURE), (30.0, Event.FAILURE)])
    assert played.at(Do.SEND_ACK) == [0.2, 0.7, 30] and played.at(Do.TELL_RESPONSE) == [0.2]
    assert played.at(Do.END) == [32.2]
    quick = Played(INVITE_CLIENT, reliable=True).play([(0.2, Event.FAILURE)])
    assert quick.at(Do.SEND_ACK) == quick.at(Do.END) == [0.2]


def test_every_2xx_is_told_for_32_s() -> None:
    """Retransmitted by the peer whose ACK was lost, or of another fork."""
    for reliable in (False, True):
        played = Played(INVITE_CLIENT, reliable)
        played.play(
            [(0.2, Event.SUCCESS), (0.3, Event.SUCCESS), (20.0, Event.SUCCESS), (20.0, Event.FAILURE)]
        )
        assert played.at(Do.TELL_RESPONSE) == [0.2, 0.3, 20] and played.at(Do.END) == [32.2]
        assert played.at(Do.SEND_ACK) == []


def test_late_copies_of_a_final_response_are_swallowed() -> None:
    played = Played(CLIENT).play([(0.2, Event.SUCCESS), (3.0, Event.SUCCESS), (5.0, Event.PROVISIONAL)])
    assert played.at(Do.TELL_RESPONSE) == [0.2] and played.at(Do.END) == [5.2]
    assert Played(CLIENT, reliable=True).play([(0.2, Event.FAILURE)]).at(Do.END) == [0.2]


@pytest.mark.parametrize("table", [INVITE_CLIENT, CLIENT])
def test_what_cannot_be_sent_is_told(table: Table) -> None:
    played = Played(table).play([(0.0, Event.ERROR)])
    assert played.at(Do.TELL_FAILED) == played.at(Do.END) == [0] and played.at(Do.SEND) == [0]


def test_a_cancelled_invite_is_given_up_if_nothing_comes() -> None:
    played = Played(INVITE_CLIENT).play([(1.0, Event.PROVISIONAL), (2.0, Event.CANCEL)])
    assert played.at(Do.SEND_CANCEL) == [2] and played.at(Do.TELL_TIMEOUT) == [34]
    answered = Played(INVITE_CLIENT).play(
        [(1.0, Event.PROVISIONAL), (2.0, Event.CANCEL), (2.1, Event.SUCCESS)]
    )
    assert answered.at(Do.TELL_TIMEOUT) == [] and answered.at(Do.TELL_RESPONSE) == [1, 2.1]
    for early in (Played(INVITE_CLIENT), Played(INVITE_CLIENT).play([(0.1, Event.FAILURE)], 1)):
        with pytest.raises(StateError, match="does not allow CANCEL"):
            early.happens(Event.CANCEL)


def test_an_invite_that_nobody_answers_at_once_gets_100() -> None:
    assert Played(INVITE_SERVER).play([]).at(Do.SEND_TRYING) == [0.2]
    assert Played(INVITE_SERVER).play([(0.1, Event.REQUEST)]).at(Do.SEND_TRYING) == [0.1]
    assert Played(INVITE_SERVER).play([(0.1, Event.PROVISIONAL)]).at(Do.SEND_TRYING) == []


def test_a_refusal_is_repeated_until_its_ack() -> None:
    unheard = Played(INVITE_SERVER).play([(0.0, Event.FAILURE)])
    assert unheard.at(Do.SEND) == [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert unheard.at(Do.TELL_NO_ACK) == unheard.at(Do.END) == [32]
    heard = Played(INVITE_SERVER).play([(0.0, Event.FAILURE), (2.0, Event.ACK), (2.1, Event.ACK)])
    assert heard.at(Do.SEND) == [0, 0.5, 1.5] and heard.at(Do.END) == [7]
    assert heard.at(Do.TELL_NO_ACK) == heard.at(Do.TELL_ACK) == []
    tcp = Played(INVITE_SERVER, reliable=True)
    assert tcp.play([(0.0, Event.FAILURE), (2.0, Event.ACK)]).at(Do.END) == [2] and tcp.at(Do.SEND) == [0]
    silent = Played(INVITE_SERVER, reliable=True).play([(0.0, Event.FAILURE)])
    assert silent.at(Do.TELL_NO_ACK) == [32]


def test_copies_of_an_invite_get_the_last_answer_again() -> None:
    played = Played(INVITE_SERVER)
    played.play(
        [(0.0, Event.PROVISIONAL), (0.6, Event.REQUEST), (1, Event.FAILURE), (1.2, Event.REQUEST)], 1.3
    )
    assert played.at(Do.SEND) == [0, 0.6, 1, 1.2]


def test_a_2xx_is_its_users_to_repeat_and_copies_of_the_invite_are_swallowed() -> None:
    played = Played(INVITE_SERVER)
    played.play([(0, Event.SUCCESS), (0.5, Event.REQUEST), (0.5, Event.SUCCESS), (0.6, Event.ACK)])
    assert (played.at(Do.SEND), played.at(Do.TELL_ACK), played.at(Do.END)) == ([0, 0.5], [0.6], [32])


def test_another_request_is_answered_again_for_32_s() -> None:
    played = Played(SERVER).play([(0.1, Event.REQUEST), (1.0, Event.SUCCESS), (32.9, Event.REQUEST)])
    assert played.at(Do.SEND) == [1, 32.9] and played.at(Do.END) == [33]
    assert Played(SERVER, reliable=True).play([(1.0, Event.FAILURE)]).at(Do.END) == [1]
    assert Played(SERVER).play([]).at(Do.END) == [32], "nobody waits for an answer any more"


@pytest.mark.parametrize("second", [Event.PROVISIONAL, Event.SUCCESS, Event.FAILURE])
@pytest.mark.parametrize("table", [INVITE_SERVER, SERVER])
def test_there_is_one_final_answer(table: Table, second: Event) -> None:
    played = Played(table)
    played.happens(Event.FAILURE)
    with pytest.raises(StateError, match=f"COMPLETED does not allow {second.name}"):
        played.happens(second)


@pytest.mark.parametrize(("table", "reliable"), KINDS)
def test_the_network_may_do_anything_in_any_state(table: Table, reliable: bool) -> None:
    side = "client" if table in (INVITE_CLIENT, CLIENT) else "server"
    events = [*NETWORK[side], *([Event.ACK] if table is INVITE_SERVER else [])]
    states = {state for state, _ in table}
    missing = {(state, event) for state in states for event in events} - set(table)
    # an ACK before the final answer is not of it: nothing to do, and a row says so
    assert missing == set()
    assert all(to in states or to is State.TERMINATED for to, _ in table.values())


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(KINDS), st.lists(st.tuples(st.floats(0, 40), st.integers(0, 4)), max_size=12))
def test_whatever_comes_a_transaction_ends_and_tells_once(
    kind: tuple[Table, bool], events: list[tuple[float, int]]
) -> None:
    table, reliable = kind
    played = Played(table, reliable)
    client = table in (INVITE_CLIENT, CLIENT)
    choice = [*NETWORK["client" if client else "server"], *([Event.ACK] if table is INVITE_SERVER else [])]
    for time, number in sorted(events):
        played.until(time)
        if played.over:
            break
        played.happens(choice[number % len(choice)])
    if not client and (played.machine.state, Event.SUCCESS) in table and not played.over:
        played.happens(Event.FAILURE if played.machine.state is not State.ACCEPTED else Event.SUCCESS)
    if played.machine.state is State.PROCEEDING and client:
        played.happens(Event.FAILURE)
    played.until(200)
    assert played.over and played.did[-1][1] is Do.END
    outcomes = [what for _, what in played.did if what in (Do.TELL_TIMEOUT, Do.TELL_FAILED)]
    assert len(outcomes) <= 1 and (not outcomes or client)
