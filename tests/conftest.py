"""For all tests: hypothesis judges what code does, never how fast a machine does it; CI repeats itself; real
calls and what takes longest are begun first; the tables of new databases are made once.
"""

from __future__ import annotations

import gc
import os
import sqlite3
import sys
import tempfile
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


def _in_memory(place: str = "/dev/shm", enough: int = 4 << 30) -> None:
    """Temporary files go where nobody waits for a disk: tests kill processes and never switch the power off, and
    ``fdatasync`` of one holds up all others.
    """
    if "TMPDIR" not in os.environ and os.access(place, os.W_OK):
        space = os.statvfs(place)
        if space.f_bavail * space.f_frsize >= enough:
            os.environ["TMPDIR"] = place
            tempfile.tempdir = None


_in_memory()


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


LIVE = (
    "tests/app/test_stopping.py",
    "tests/call/",
    "tests/crash/test_kill.py",
    "tests/rtp/live/test_again.py",
    "tests/rtp/live/test_inline.py",
    "tests/serve/",
    "tests/server/test_live_calls.py",
    "tests/server/vonage/test_calls.py",
    "tests/server/vonage/test_transcripts.py",
    "tests/sip/access/test_live.py",
    "tests/sip/core/test_sipp.py",
    "tests/sip/peers/",
    "tests/sip/session/test_sipp.py",
    "tests/websocket/",
    "tests/worker/",
)
"""Real calls, in real time: they wait most of the time, and must be served at once when they do not."""

LONG = (
    "tests/house/test_readme.py",
    "tests/rtp/core/test_hour.py",
    "tests/rtp/live/test_hour.py",
    "tests/serve/test_serve.py",
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

_NICER = 19


def pytest_configure(config: pytest.Config) -> None:
    """Workers that begin with what only computes leave the processors to those that make real calls."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker and int(worker.removeprefix("gw")) >= _live_workers() and sys.platform != "win32":
        os.nice(_NICER)


@pytest.fixture(scope="module", autouse=True)
def _what_was_there_is_no_garbage(request: pytest.FixtureRequest) -> None:
    """Looking for garbage among thousands of tests took a quarter of a second, in the midst of calls that a
    test makes in its own process: it is done before these, which look through what they make themselves.
    """
    if request.node.nodeid.startswith(LIVE):
        gc.collect()
        gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Half of the workers (xdist), rounded down, begin with real calls, the others with what takes longest.

    Each worker is given a part of the list as it stands, and who has done his takes from another's end.
    """
    workers = _workers()
    if workers == 1:
        return
    live: dict[str, list[pytest.Item]] = defaultdict(list)
    long: dict[str, list[pytest.Item]] = defaultdict(list)
    rest: list[pytest.Item] = []
    for item in items:
        group = _group(item)
        (live[group] if group.startswith(LIVE) else long[group] if group else rest).append(item)
    lanes = _live_workers()
    hands = [*_dealt(live, lanes), *_dealt(long, workers - lanes)]
    for worker, hand in enumerate(hands):
        share = len(items) * (worker + 1) // workers - len(items) * worker // workers
        missing = max(share - len(hand), 0)
        hand += rest[:missing]
        rest = rest[missing:]
    items[:] = [item for hand in (*hands, rest) for item in hand]


def _workers() -> int:
    return int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))


def _live_workers() -> int:
    return max(1, _workers() // 2)


def _dealt(groups: dict[str, list[pytest.Item]], hands: int) -> list[list[pytest.Item]]:
    dealt: list[list[pytest.Item]] = [[] for _ in range(hands)]
    for turn, name in enumerate(sorted(groups, key=_rank)):
        dealt[turn % hands] += groups[name]
    return dealt


def _group(item: pytest.Item) -> str:
    """What is dealt together: a file of real calls, a long file (its tests share what they set up), a page;
    "": the rest.
    """
    file = item.nodeid.partition("::")[0]
    if file == LONG[0]:
        return item.nodeid
    return file if file in LONG or file.startswith(LIVE) else ""


def _rank(group: str) -> tuple[int, str]:
    file = group.partition("::")[0]
    return LONG.index(file) if file in LONG else len(LONG), group
