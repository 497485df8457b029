"""The outbox: its table, its leases, and a model that walks through it at random."""

from __future__ import annotations

import sqlite3
import tempfile
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from callflow.delivery import outbox
from callflow.delivery.leftovers import forget_file
from callflow.delivery.outbox import TABLE, DeliveryState, Happening, apply
from callflow.delivery.retry import Decision, Next
from callflow.delivery.turns import Turns
from callflow.errors import StateError
from callflow.state.database import Database
from callflow.state.records import (
    AttemptRow,
    DeliveryRow,
    RecordingRow,
    add_delivery,
    begin_recording,
    get_delivery,
    list_attempts,
)
from tests.state.erased import erased

HOSTS = ("a.example", "b.example", "c.example:8080")


def put(conn: sqlite3.Connection, name: str, host: str, due: float = 0.0) -> None:
    begin_recording(conn, RecordingRow(id=f"r{name}", call_id="c", state="READY"))
    add_delivery(
        conn,
        DeliveryRow(
            id=name,
            recording_id=f"r{name}",
            kind="http",
            url=f"http://u:p@{host}/x",
            file=f"outbox/{name}.wav",
            content_type="audio/wav",
            sha256="00",
            bytes=1,
            created_wall=1.0,
            next_wall=due,
        ),
    )


def give(conn: sqlite3.Connection, name: str, account_id: str) -> None:
    conn.execute("UPDATE deliveries SET account_id = ? WHERE id = ?", (account_id, name))


@pytest.fixture
def database(tmp_path: Path) -> Any:
    opened = Database.open(tmp_path / "x.db")
    yield opened
    opened.close()


def claim(database: Database, owner: str = "me", now: float = 10.0, **limits: Any) -> list[str]:
    wanted = {"limit": 100, "per_host": 100, "in_flight": {}, "lease_s": 60.0, **limits}
    parcels = database.run(lambda conn: outbox.claim(conn, owner, now, **wanted))
    return [parcel.delivery.id for parcel in parcels]


def test_every_state_and_happening_is_in_the_table() -> None:
    assert set(TABLE) == set(DeliveryState)
    for state in DeliveryState:
        for happening in Happening:
            after = TABLE[state].get(happening)
            if after is None:
                with pytest.raises(StateError, match=f"{state} cannot {happening}"):
                    apply(state, happening)
            else:
                assert apply(state, happening) is after


def test_claims_are_bounded_and_hosts_take_turns(database: Database) -> None:
    for number in range(50):
        database.run(partial(put, name=f"a{number:02d}", host="a.example"))
    database.run(lambda conn: put(conn, "b", "b.example"))
    database.run(lambda conn: put(conn, "later", "b.example", due=11.0))
    assert claim(database, limit=5, per_host=3) == ["a00", "b", "a01", "a02"]
    assert claim(database, limit=5, per_host=3, in_flight={"a.example": 3}) == []
    assert claim(database, limit=1, per_host=4, in_flight={"a.example": 3}) == ["a03"]
    assert database.run(lambda conn: outbox.next_due(conn, 10.0)) == 11.0
    assert claim(database, limit=2, per_host=1, now=11.0, in_flight={"a.example": 9}) == ["later"]
    assert database.run(lambda conn: outbox.next_due(conn, 11.0)) is None


def test_a_lease_holds_until_it_is_over_or_its_owner_is_dead(database: Database) -> None:
    database.run(lambda conn: put(conn, "a", "a.example"))
    assert claim(database, "one", now=10.0) == ["a"]
    assert claim(database, "two", now=20.0) == []
    assert database.run(lambda conn: outbox.renew(conn, "two", [], 20.0, 60)) == ["one"]
    database.run(lambda conn: outbox.renew(conn, "one", ["a"], 60.0, 60))
    database.run(lambda conn: outbox.renew(conn, "two", [], 119.0, 60))
    assert claim(database, "two", now=119.0) == []
    assert database.run(lambda conn: outbox.renew(conn, "two", [], 120.0, 60)) == []
    assert claim(database, "two", now=120.0) == ["a"]
    assert database.run(lambda conn: outbox.release(conn, "one", 121.0)) == []
    (row,) = database.run(lambda conn: outbox.release(conn, "two", 121.0))
    assert (row.state, row.next_wall, row.fast_failures, row.attempts) == ("WAITING", 121.0, 0, 2)


def test_what_is_only_marked_as_being_sent_is_given_back(database: Database) -> None:
    """Its task ended in a fault: nobody sends it, and its owner is alive."""
    for name in ("a", "b"):
        database.run(partial(put, name=name, host="a.example"))
    assert claim(database, "one", now=10.0) == ["a", "b"]
    database.run(lambda conn: outbox.renew(conn, "one", ["b"], 15.0, 60))
    assert claim(database, "one", now=15.0) == ["a"]


def test_a_clock_that_is_put_back_holds_nothing_up(database: Database) -> None:
    year = 365 * 86400.0
    for name in ("a", "b", "c"):
        database.run(partial(put, name=name, host="a.example"))
    assert claim(database, "one", now=year) == ["a", "b", "c"]
    later = Decision(Next.WAIT, 86400.0)
    database.run(lambda conn: outbox.settle(conn, "one", attempt("a", 1, "fault"), later, year))
    for now in (1000.0, 1061.0):
        database.run(partial(outbox.renew, owner="two", sending=[], now=now, lease_s=60))
    assert claim(database, "two", now=1061.0) == ["a", "b", "c"], "the waiting one, and those of a lease"
    row = database.run(lambda conn: get_delivery(conn, "a"))
    assert row.since_wall <= 1000.0
    patient = Decision(Next.WAIT, 86400.0 * 1.1)
    database.run(lambda conn: outbox.settle(conn, "two", attempt("a", 2, "fault"), patient, 1061.0))
    database.run(lambda conn: outbox.renew(conn, "two", [], 1061.0, 60))
    assert database.run(lambda conn: get_delivery(conn, "a")).next_wall > 86400.0, "a long wait is a wait"


def attempt(delivery: str, number: int = 1, outcome: str = "success") -> AttemptRow:
    return AttemptRow(
        delivery_id=delivery, number=number, started_wall=1.0, seconds=0.1, outcome=outcome, status=200
    )


def test_a_late_success_counts_and_a_late_failure_does_not(database: Database) -> None:
    database.run(lambda conn: put(conn, "a", "a.example"))
    claim(database, "one", now=10.0)
    database.run(lambda conn: outbox.renew(conn, "two", [], 80.0, 60))
    assert claim(database, "two", now=80.0) == ["a"]
    failed = Decision(Next.DEAD)
    row = database.run(lambda conn: outbox.settle(conn, "one", attempt("a", 1, "gone"), failed, 81.0))
    assert row is not None
    assert (row.state, row.lease_owner) == ("SENDING", "two")
    good = Decision(Next.DELIVERED)
    row = database.run(lambda conn: outbox.settle(conn, "one", attempt("a", 1), good, 82.0))
    assert row is not None
    assert row.state == "DELIVERED"
    row = database.run(lambda conn: outbox.settle(conn, "two", attempt("a", 2, "gone"), failed, 83.0))
    assert row is not None
    assert row.state == "DELIVERED"
    assert [each.number for each in database.run(lambda conn: list_attempts(conn, "a"))] == [1, 2, 3]


def test_what_was_deleted_while_it_was_sent(database: Database) -> None:
    database.run(lambda conn: put(conn, "a", "a.example"))
    claim(database)
    database.run(lambda conn: erased(conn, "ra", force=True))
    good = Decision(Next.DELIVERED)
    assert database.run(lambda conn: outbox.settle(conn, "me", attempt("a"), good, 11.0)) is None


def test_by_hand(database: Database) -> None:
    for name, host in (("a", HOSTS[0]), ("b", HOSTS[1]), ("c", HOSTS[2])):
        database.run(partial(put, name=name, host=host))
    claim(database)
    with pytest.raises(StateError, match="SENDING cannot retry"):
        database.run(lambda conn: outbox.retry(conn, "a", 11.0))
    dead = Decision(Next.DEAD, slow=True)
    for name in "abc":
        database.run(partial(outbox.settle, owner="me", attempt=attempt(name), decision=dead, now=11.0))
    again = database.run(lambda conn: outbox.retry_many(conn, 12.0, host=HOSTS[2]))
    assert [row.id for row in again] == ["c"]
    assert [row.id for row in database.run(lambda conn: outbox.retry_many(conn, 12.0, since=2.0))] == []
    assert [row.id for row in database.run(lambda conn: outbox.retry_many(conn, 12.0, until=0.5))] == []
    (row, other) = database.run(lambda conn: outbox.retry_many(conn, 12.0, since=1.0))
    assert (row.state, row.slow_failures, row.since_wall, row.next_wall) == ("QUEUED", 0, 12.0, 12.0)
    assert other.id == "b"
    assert database.run(lambda conn: outbox.cancel(conn, "a", 13.0)).state == "CANCELLED"
    with pytest.raises(StateError, match="CANCELLED cannot cancel"):
        database.run(lambda conn: outbox.cancel(conn, "a", 13.0))
    assert claim(database, now=14.0) == ["b", "c"]
    database.run(lambda conn: forget_file(conn, "a", "outbox/a.wav"))
    with pytest.raises(StateError, match="its file was removed"):
        database.run(lambda conn: outbox.retry(conn, "a", 15.0))


def test_hosts_and_accounts_take_turns_also_one_by_one(database: Database) -> None:
    """One place is free at a time: who has many does not come first for ever."""
    for number in range(6):
        for account, host in (("a", HOSTS[0]), ("b", HOSTS[0]), ("a", HOSTS[1])):
            if account == "a" or number < 2:
                name = f"{account}{host[0]}{number}"
                database.run(partial(put, name=name, host=host))
                database.run(partial(give, name=name, account_id=account))
    turns = Turns()
    order = [claim(database, limit=1, turns=turns)[0] for _ in range(8)]
    assert order == ["aa0", "ab0", "ba0", "ab1", "aa1", "ab2", "ba1", "ab3"]
    assert claim(database, limit=3, turns=turns) == ["aa2", "ab4", "aa3"]


def test_a_clock_that_was_put_back_holds_nothing_up(database: Database) -> None:
    day = 86_400.0
    database.run(lambda conn: put(conn, "late", HOSTS[0]))
    database.run(lambda conn: put(conn, "asked", HOSTS[0]))
    wait = Decision(Next.WAIT, 3600.0)
    assert claim(database, now=10 * day) == ["asked", "late"]
    for name, at in (("late", 10 * day), ("asked", 9 * day - 60)):
        tried = AttemptRow(delivery_id=name, number=1, started_wall=at, seconds=0.1, outcome="fault")
        database.run(partial(outbox.settle, owner="me", attempt=tried, decision=wait, now=10 * day))
    database.run(lambda conn: conn.execute("UPDATE deliveries SET since_wall = ?", (10 * day,)))
    assert claim(database, now=9 * day) == []
    database.run(lambda conn: outbox.put_back(conn, 9 * day))
    assert claim(database, now=9 * day) == ["late"], "the other was asked to wait so long"
    assert database.run(lambda conn: get_delivery(conn, "late")).since_wall == 9 * day


class Outbox(RuleBasedStateMachine):
    """Two senders, a crowd of deliveries, time, crashes and an operator, in any order."""

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.database = Database.open(Path(self.folder.name) / "x.db")
        self.now = 100.0
        self.count = 0
        self.held: dict[str, set[str]] = {"one": set(), "two": set()}
        self.delivered: set[str] = set()
        self.settled = Counter[str]()

    def teardown(self) -> None:
        if hasattr(self, "database"):
            self.database.close()
            self.folder.cleanup()

    def row(self, name: str) -> DeliveryRow:
        return self.database.run(lambda conn: get_delivery(conn, name))

    @rule(host=st.sampled_from(HOSTS))
    def enqueue(self, host: str) -> None:
        name = f"d{self.count}"
        self.count += 1
        self.database.run(lambda conn: put(conn, name, host))

    @rule(owner=st.sampled_from(["one", "two"]), limit=st.integers(0, 4), per_host=st.integers(1, 2))
    def take(self, owner: str, limit: int, per_host: int) -> None:
        hosts = Counter(self.row(name).host for name in self.held[owner])
        names = claim(
            self.database, owner, self.now, limit=limit, per_host=per_host, in_flight=hosts, lease_s=30.0
        )
        assert len(names) <= limit
        for host, count in Counter(self.row(name).host for name in names).items():
            assert hosts[host] + count <= max(per_host, hosts[host])
        for name in names:
            row = self.row(name)
            assert (row.state, row.lease_owner) == ("SENDING", owner)
            assert name not in self.delivered
        self.held[owner] |= set(names)

    @precondition(lambda self: any(self.held.values()))
    @rule(data=st.data(), next_step=st.sampled_from(list(Next)), slow=st.booleans())
    def settle(self, data: st.DataObject, next_step: Next, slow: bool) -> None:
        owner = data.draw(st.sampled_from([name for name, held in self.held.items() if held]))
        name = data.draw(st.sampled_from(sorted(self.held[owner])))
        self.held[owner].discard(name)
        before = self.row(name)
        decision = Decision(next_step, 60.0, slow)
        row = self.database.run(
            lambda conn: outbox.settle(conn, owner, attempt(name, before.attempts), decision, self.now)
        )
        assert row is not None
        self.settled[name] += 1
        if next_step is Next.DELIVERED:
            assert row.state == "DELIVERED"
            self.delivered.add(name)
        elif before.state != "SENDING" or before.lease_owner != owner:
            assert row == before, "a failure of one who has lost the lease changes nothing"
        else:
            assert row.state in ("WAITING", "DEAD", "BLOCKED")

    @rule(seconds=st.sampled_from([1.0, 31.0, 61.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(owner=st.sampled_from(["one", "two"]))
    def renew(self, owner: str) -> None:
        held = self.held[owner]
        self.database.run(lambda conn: outbox.renew(conn, owner, held, self.now, 30.0))

    @rule(owner=st.sampled_from(["one", "two"]), forget=st.booleans())
    def dies(self, owner: str, forget: bool) -> None:
        self.database.run(lambda conn: outbox.release(conn, owner, self.now))
        if forget:
            self.held[owner].clear()

    @precondition(lambda self: self.count > 0)
    @rule(data=st.data(), what=st.sampled_from(["retry", "cancel"]))
    def by_hand(self, data: st.DataObject, what: str) -> None:
        name = f"d{data.draw(st.integers(0, self.count - 1))}"
        happening = Happening.RETRY if what == "retry" else Happening.CANCEL
        act = outbox.retry if what == "retry" else outbox.cancel
        state = DeliveryState(self.row(name).state)
        try:
            row = self.database.run(lambda conn: act(conn, name, self.now))
        except StateError:
            assert happening not in TABLE[state]
            return
        assert row.state == TABLE[state][happening]
        if what == "retry":
            self.delivered.discard(name)

    @invariant()
    def nothing_is_lost(self) -> None:
        if not hasattr(self, "database"):
            return
        for number in range(self.count):
            row = self.row(f"d{number}")
            assert (row.state == "SENDING") == bool(row.lease_owner)
            assert row.state == "DELIVERED" or row.id not in self.delivered
            history = self.database.run(partial(list_attempts, delivery_id=row.id))
            assert len(history) == self.settled[row.id]
        left = self.database.run(outbox.any_left)
        states = {self.row(f"d{number}").state for number in range(self.count)}
        assert left == bool(states & {"QUEUED", "WAITING", "SENDING"})


TestOutbox = Outbox.TestCase
TestOutbox.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
