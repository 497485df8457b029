"""A library of 100,000 recordings: how long a server takes to start with it, and a page of 50 over HTTP.

The server is ``callflow serve --http``, a process of its own; the client asks one thing after the other over
one connection. Each filter is asked with many values, rare ones and ones that fit nothing included.
"""

from __future__ import annotations

import http.client
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

from benchmarks._library_rows import ACCOUNT, FIRST_WALL, NAMES, ORIGINS
from benchmarks._load_serve import documents
from benchmarks.table import Row, child
from callflow.clock import iso
from callflow.state.folder import StateFolder
from tests.ports import free_ports

COUNT = 100_000
TIMES = 100
"""Requests of each kind."""
GOAL_MS = 50.0
START_S = 2.0
_LAST_WALL = FIRST_WALL + 60.0 * COUNT


def _questions(chance: random.Random) -> dict[str, dict[str, str]]:
    """One of each kind."""
    user = 200 + chance.randrange(101)
    number = f"+49{30_000_000 + 37 * chance.randrange(20_000)}"
    day = FIRST_WALL + chance.random() * (_LAST_WALL - FIRST_WALL - 86_400)
    seconds = str(chance.randrange(1500))
    return {
        "nothing asked": {},
        "a day": {"created_from": iso(day), "created_to": iso(day + 86_400)},
        "a number": {"number": number},
        "an extension, in 1 % of all": {"number": str(user)},
        "the end of a number": {"number": f"*{number[-5:]}"},
        "a user": {"owner_id": f"user{user}"},
        "a flow": {"flow_id": f"flow{chance.randrange(51)}"},
        "a state": {"state": chance.choice(("READY", "FAILED", "DISCARDED", "PAUSED"))},
        "an origin": {"origin": chance.choice((*ORIGINS, "nothing"))},
        "a length": {"min_seconds": seconds, "max_seconds": str(int(seconds) + 1)},
        "a name and a number": {"text": f"{chance.choice(NAMES)} {chance.randrange(6000)}"},
        "a name of a sixth of all, and a length": {"text": chance.choice(NAMES), "min_seconds": seconds},
        "a user, a flow and a length": {
            "owner_id": f"user{user}",
            "flow_id": f"flow{chance.randrange(51)}",
            "min_seconds": seconds,
        },
        "a page far down": {"start_key": f"{day!r}_1"},
    }


class _Server:
    """``callflow serve`` over a state folder, its token, and how long it took until it answered."""

    def __init__(self, folder: Path, *, state: str = "state") -> None:
        sip, self._port = free_ports(2), free_ports(1)
        documents(folder, url="http://127.0.0.1:9/", callee=9)
        words = [
            *(sys.executable, "-m", "callflow", "serve", "--accounts", str(folder / "accounts")),
            *("--system-config", str(folder / "system_config"), "--state", str(folder / state)),
            *("--bind", f"udp:127.0.0.1:{sip}", "--workers", "1", "--http", f"127.0.0.1:{self._port}"),
        ]
        began = time.perf_counter()
        self._process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.token = self._told_token()
        self.connection = http.client.HTTPConnection("127.0.0.1", self._port)
        self.ask("/healthz")
        self.start_s = time.perf_counter() - began

    def _told_token(self) -> str:
        assert self._process.stdout is not None
        said = []
        for line in self._process.stdout:
            said.append(line)
            found = re.search(r"cf_[0-9a-f]{12}_[\w-]{43}", line)
            if found:
                return found[0]
        raise RuntimeError(f"serve did not start: {''.join(said)[-2000:]}")

    def ask(self, path: str) -> bytes:
        self.connection.request("GET", path, headers={"X-Auth-Token": self.token})
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {body[:500]!r}")
        return body

    def stop(self) -> None:
        self.connection.close()
        self._process.terminate()
        self._process.communicate(timeout=30)


def measure() -> Iterator[Row]:
    """One server for all of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        state = StateFolder.open(folder / "state")
        filled = child("benchmarks._library_rows", {"folder": str(state.root), "count": COUNT})
        yield Row(
            f"{COUNT:,} recordings listed: each (triggers and index included)",
            f"{filled['wall_s'] / COUNT * 1e6:.0f} µs",
        )
        yield Row("  the database", f"{state.database.stat().st_size / 1e6:.0f} MB")
        nothing = _Server(folder, state="nothing")
        nothing.stop()
        yield Row(
            "serve without a recording: from its command to its first answer", f"{nothing.start_s:.2f} s"
        )
        server = _Server(folder)
        try:
            met = server.start_s < START_S
            yield Row(
                "  with the library",
                f"{server.start_s:.2f} s",
                f"under {START_S:.0f} s",
                met,
            )
            yield from _pages(server)
        finally:
            server.stop()


def _pages(server: _Server) -> Iterator[Row]:
    chance = random.Random(2)
    times: dict[str, list[float]] = {}
    found: dict[str, int] = {}
    for _ in range(TIMES):
        for what, query in _questions(chance).items():
            path = f"/v2/accounts/{ACCOUNT}/recordings?{urlencode({'page_size': 50, **query})}"
            began = time.perf_counter()
            body = server.ask(path)
            times.setdefault(what, []).append(1000 * (time.perf_counter() - began))
            found[what] = found.get(what, 0) + json.loads(body)["page_size"]
    for what, all_of in times.items():
        all_of.sort()
        p50, p99 = all_of[len(all_of) // 2], all_of[int(len(all_of) * 0.99)]
        yield Row(
            f"  a page: {what} ({found[what] / TIMES:.0f} found)",
            f"{p50:.1f} ms, p99 {p99:.1f} ms",
            f"under {GOAL_MS:.0f} ms",
            p99 < GOAL_MS,
        )
