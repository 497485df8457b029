"""For all tests: hypothesis judges what code does, never how fast a machine does it; CI repeats itself; real
calls are made apart from all else; what takes longest is begun first; new databases' tables are made once.
"""

from __future__ import annotations

import gc
import os
import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

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
    """Temporary files go where nobody waits for a disk: tests kill processes, never switch the power off, and
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
    "tests/house/test_site.py",
    "tests/modules/test_junk.py",
    "tests/serve/test_serve.py",
    "tests/sip/peers/test_baresip_calls.py",
    "tests/serve/test_kills.py",
    "tests/crash/test_kill.py",
    "tests/sip/session/test_sipp.py",
    "tests/sip/peers/test_baresip_registering.py",
    "tests/call/test_caller.py",
    "tests/call/test_cli.py",
    "tests/sip/peers/test_baresip_transfers.py",
    "tests/app/test_stopping.py",
    "tests/sip/core/test_sipp.py",
    "tests/server/vonage/test_calls.py",
    "tests/sip/peers/test_sipp_dialogs.py",
    "tests/sip/peers/test_sipp_out.py",
    "tests/sip/peers/test_baresip_secure.py",
    "tests/serve/test_office.py",
    "tests/modules/test_chaos.py",
    "tests/app/test_soak.py",
)
"""Files that take long, the longest first."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """``make test`` asks twice: what only computes fills the processors, real calls need one that is free."""
    parser.addoption("--real-calls", choices=("without", "only"), help="leave out real calls, or all else")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """See ``--real-calls``."""
    wanted = config.getoption("--real-calls")
    if wanted is None or collection_path.suffix != ".py":
        return None
    name = collection_path.relative_to(config.rootpath).as_posix()
    return True if name.startswith(LIVE) != (wanted == "only") else None


@pytest.fixture(scope="module", autouse=True)
def _what_was_there_is_no_garbage(request: pytest.FixtureRequest) -> None:
    """Looking for garbage among thousands of tests took a quarter of a second, in the midst of calls that a
    test makes in its own process: it is done before these, which look through what they make themselves.
    """
    if request.node.nodeid.startswith(LIVE):
        gc.collect()
        gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes longest is begun first.

    Each worker (xdist) is given a part of the list as it stands, and who has done his takes from another's
    end; real calls are given file by file.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers == 1:
        return
    first: dict[str, list[pytest.Item]] = defaultdict(list)
    rest: list[pytest.Item] = []
    for item in items:
        name = _group(item)
        (first[name] if name else rest).append(item)
    ranked = [first[name] for name in sorted(first, key=_rank)]
    if config.getoption("--real-calls") == "only":
        items[:] = [item for group in ranked for item in group]
        return
    hands = [[item for group in ranked[worker::workers] for item in group] for worker in range(workers)]
    for worker, hand in enumerate(hands):
        share = len(items) * (worker + 1) // workers - len(items) * worker // workers
        missing = max(share - len(hand), 0)
        hand += rest[:missing]
        rest = rest[missing:]
    items[:] = [item for hand in (*hands, rest) for item in hand]


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
