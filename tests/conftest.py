"""For all tests: hypothesis judges what code does, never how fast a machine does it; CI repeats itself; what
takes longest is begun first; the tables of new databases are made once.
"""

from __future__ import annotations

import os
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import HealthCheck, settings

from callflow.state import database
from callflow.state.schema import migrate

settings.register_profile(
    "callflow",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
)
settings.load_profile("callflow")

# Tests speak with 127.0.0.1 only: no process of theirs needs to read the machine's list of authorities,
# which takes longer than many a test.
os.environ["SSL_CERT_FILE"] = os.devnull


@pytest.fixture(scope="session", autouse=True)
def _new_databases_are_copies() -> Iterator[None]:
    """Thousands of tests begin with a state folder of their own: its database is a copy of one that was made
    step by step. Processes that tests start, and databases that are there, take the steps themselves.
    """
    with (
        closing(sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)) as made,
        pytest.MonkeyPatch.context() as patch,
    ):
        migrate(made)

        def copied(connection: sqlite3.Connection) -> None:
            (step,) = connection.execute("PRAGMA user_version").fetchone()
            if step == 0 and connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
                made.backup(connection)
            migrate(connection)

        patch.setattr(database, "migrate", copied)
        yield


LONG = (
    "tests/house/test_readme.py",
    "tests/crash/test_kill.py",
    "tests/serve/test_serve.py",
    "tests/rtp/core/test_hour.py",
    "tests/rtp/live/test_hour.py",
    "tests/serve/test_meeting.py",
    "tests/serve/test_office.py",
    "tests/sip/peers/test_baresip_calls.py",
    "tests/serve/test_two_worlds.py",
    "tests/serve/test_kills.py",
    "tests/serve/test_conference.py",
    "tests/serve/test_truth.py",
    "tests/serve/test_notify.py",
    "tests/modules/test_chaos.py",
    "tests/app/test_soak.py",
)
"""Files whose tests take seconds each, the longest first."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Several workers (xdist) begin with the long ones, dealt out: none of these runs alone at the end.

    Each worker is given a part of the list as it stands, and who has done his takes from another's end.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers == 1:
        return
    groups: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        groups[_group(item)].append(item)
    rest = groups.pop("", [])
    hands: list[list[pytest.Item]] = [[] for _ in range(workers)]
    for turn, name in enumerate(sorted(groups, key=_rank)):
        hands[turn % workers] += groups[name]
    for worker, hand in enumerate(hands):
        share = len(items) * (worker + 1) // workers - len(items) * worker // workers
        missing = max(share - len(hand), 0)
        hand += rest[:missing]
        rest = rest[missing:]
    items[:] = [item for hand in (*hands, rest) for item in hand]


def _group(item: pytest.Item) -> str:
    """What is dealt together: a long file (its tests share what they set up), a page; "": the rest."""
    file = item.nodeid.partition("::")[0]
    if file == LONG[0]:
        return item.nodeid
    return file if file in LONG else ""


def _rank(group: str) -> tuple[int, str]:
    return LONG.index(group.partition("::")[0]), group
