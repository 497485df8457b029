"""RTP for many calls at once, made and checked by a process of its own, as cheaply as may be.

``with RtpLoad() as load:`` starts it; ``load.port()`` gives a local port to announce in SDP (many streams
share one: engine legs are told apart by where they send from), ``load.add([Plan(...)])`` begins streams,
``load.end(ids)`` ends them and gives their accounts, ``load.accounts()`` gives those of all that run.
By hand: ``python -m benchmarks.rtp_load '{"to": ["127.0.0.1:4000"], "seconds": 10}'``.

Measured here: what a packet costs the generator, against a process with a socket for each stream.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import IO, Any

import numpy as np

from benchmarks._load_mmsg import MOST, Datagrams, udp_pair
from benchmarks._load_streams import Heard, Plan, Streams
from benchmarks._load_tone import TONES
from benchmarks.table import Row, options

PORTS = 4
TURN_S = 0.020
SUMMED = ("sent", "received", "lost", "disorder", "jumps", "checked", "right")
LISTENS = 5
"""A socket is read each so many turns: what has come waits in its buffer, which is cheaper."""
MOST_US = 2.5
STALL_S = 0.03
"""A turn that is later than this is a stall: its packets come so late that the best jitter buffer may have
played a hole for them.
"""
MOST_STALLS = 10_000


class RtpLoad:
    """The generator's process, from outside. Safe to use from one thread."""

    def __init__(self, ports: int = PORTS, host: str = "127.0.0.1") -> None:
        words = [sys.executable, "-m", "benchmarks.rtp_load", json.dumps({"ports": ports, "host": host})]
        self._process = subprocess.Popen(words, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.ports: tuple[int, ...] = tuple(self._answer()["ports"])
        self.host = host
        self._given = 0

    @property
    def pid(self) -> int:
        return self._process.pid

    def port(self) -> int:
        """One of the local ports, in turn."""
        self._given += 1
        return self.ports[self._given % len(self.ports)]

    def add(self, plans: Iterable[Plan]) -> None:
        """Begin streams (does not wait)."""
        self._say({"do": "add", "plans": [asdict(plan) for plan in plans]})

    def drop(self, streams: Sequence[int]) -> None:
        """End streams; ``costs`` has the sum of their accounts (does not wait)."""
        self._say({"do": "drop", "ids": list(streams)})

    def end(self, streams: Sequence[int]) -> list[Heard]:
        """End streams: their accounts."""
        self._say({"do": "end", "ids": list(streams)})
        return [Heard.read(each) for each in self._answer()["heard"]]

    def accounts(self) -> list[Heard]:
        """The accounts of all streams that run."""
        self._say({"do": "accounts"})
        return [Heard.read(each) for each in self._answer()["heard"]]

    def costs(self) -> dict[str, float]:
        """Of the process since the last time this was asked: ``cpu_s``, ``sent``, ``received``,
        ``late_turns`` (begun more than a quarter turn late; the latest by ``worst_ms``), ``refused`` (by the
        kernel),
        ``strangers``; and the sums of the accounts of streams that have ended, each as ``ended_NAME``.
        """
        self._say({"do": "costs"})
        found: dict[str, float] = self._answer()
        return found

    def stalls(self) -> list[tuple[float, float]]:
        """When (``time.monotonic``) it should have sent, and by how many seconds it was late: ``STALL_S`` and
        more. The machine had no time for it then.
        """
        self._say({"do": "stalls"})
        return [(due, late) for due, late in self._answer()["stalls"]]

    def close(self) -> None:
        """End the process."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait(10)

    def __enter__(self) -> RtpLoad:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _say(self, request: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the RTP load generator has ended")
        answer: dict[str, Any] = json.loads(line)
        return answer


# ---- inside the process -------------------------------------------------------------------------


class _Generator:
    """One socket and its streams have their turn each quarter of 20 ms."""

    def __init__(self, ports: int, host: str) -> None:
        self.pairs = [udp_pair(host) for _ in range(ports)]
        self.streams = [Streams(number) for number in range(ports)]
        self.names = [pair[0].getsockname()[1] for pair in self.pairs]
        self._arrived = Datagrams(MOST, 1500)
        self._where: dict[int, Streams] = {}
        self._waiting: deque[tuple[float, int, bytes, Any]] = deque()
        self.sent = self.received = self.refused = self.late_turns = 0
        self._requests: deque[dict[str, Any]] = deque()
        self._ended = False
        self.worst = 0.0
        self.stalls: list[tuple[float, float]] = []
        self.ended: Counter[str] = Counter()
        self._before: dict[str, float] = {}

    def run(self, requests: IO[str]) -> None:
        """Until ``requests`` ends."""
        threading.Thread(target=self._read, args=(requests,), daemon=True).start()
        step = TURN_S / len(self.pairs)
        due, number = time.monotonic(), 0
        while not self._ended:
            while self._requests:
                self._do(self._requests.popleft())
            index = number % len(self.pairs)
            late = time.monotonic() - due
            if late >= STALL_S and len(self.stalls) < MOST_STALLS:
                self.stalls.append((due, late))
            self._speak(index, due)
            if number // len(self.pairs) % LISTENS == index % LISTENS:
                self._listen(index)
            number += 1
            due += step
            left = due - time.monotonic()
            self.worst = max(self.worst, -left)
            if left > 0:
                time.sleep(left)
            elif left < -step:
                self.late_turns += 1
                if left < -1.0:  # the machine stood still: do not send a second's packets at once
                    due = time.monotonic()

    def _speak(self, index: int, now: float) -> None:
        streams, fileno = self.streams[index], self.pairs[index][0].fileno()
        for _ in range(1 + streams.slip()):
            rows, late = streams.turn()
            self.refused += streams.out.send(fileno, rows)
            self.sent += rows if isinstance(rows, int) else len(rows)
            for row in late:
                host = ".".join(str(part) for part in streams.out.names[row, 4:8])
                address = (host, int(streams.out.ports[row]))
                packet = streams.out.data[row].tobytes()
                self._waiting.append((now + streams.late_ms(int(row)) / 1000, index, packet, address))
        while self._waiting and self._waiting[0][0] <= now:
            _, number, packet, address = self._waiting.popleft()
            self.pairs[number][0].sendto(packet, address)
            self.sent += 1

    def _listen(self, index: int) -> None:
        sock, control = self.pairs[index]
        while got := self._arrived.receive(sock.fileno()):
            self.received += got
            self.streams[index].heard(self._arrived, got)
            if got < MOST:
                break
        while self._arrived.receive(control.fileno()) == MOST:
            pass

    def _read(self, requests: IO[str]) -> None:
        for line in requests:
            self._requests.append(json.loads(line))
        self._ended = True

    def _do(self, request: dict[str, Any]) -> None:
        what = request["do"]
        if what == "add":
            for plan in (Plan(**each) for each in request["plans"]):
                streams = self.streams[self.names.index(plan.local)]
                streams.add(plan)
                self._where[plan.id] = streams
        elif what in ("end", "drop"):
            for index in range(len(self.pairs)):
                self._listen(index)
            gone = [self._where.pop(each).remove(each) for each in request["ids"] if each in self._where]
            for heard in filter(None, gone):
                self.ended.update({name: getattr(heard, name) for name in SUMMED}, streams=1)
            if what == "end":
                _print({"heard": [asdict(each) for each in gone if each is not None]})
        elif what == "accounts":
            every = [streams.account(row) for streams in self.streams for row in range(streams.count)]
            _print({"heard": [asdict(each) for each in every]})
        elif what == "stalls":
            _print({"stalls": self.stalls})
        else:
            _print(self._costs())

    def _costs(self) -> dict[str, float]:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        total = {
            "cpu_s": usage.ru_utime + usage.ru_stime,
            "sent": self.sent,
            "received": self.received,
            "refused": self.refused,
            "late_turns": self.late_turns,
            "strangers": sum(streams.strangers for streams in self.streams),
            **{f"ended_{name}": self.ended[name] for name in ("streams", *SUMMED)},
        }
        since = {name: value - self._before.get(name, 0.0) for name, value in total.items()}
        since["worst_ms"], self.worst = self.worst * 1000, 0.0
        self._before = total
        return since


def _print(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


# ---- measured -----------------------------------------------------------------------------------


def against_echo(streams: int, seconds: float, echo: dict[str, object] | None = None) -> dict[str, Any]:
    """``streams`` to an echoing process and back: costs of the generator, and the accounts."""
    words = [sys.executable, "-m", "benchmarks._load_echo", json.dumps({"sockets": streams, **(echo or {})})]
    other = subprocess.Popen(words, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdin is not None and other.stdout is not None
    ports = json.loads(other.stdout.readline())
    with RtpLoad() as load:
        plans = [
            Plan(
                number, load.port(), "127.0.0.1", port, tone=number % len(TONES), expects=number % len(TONES)
            )
            for number, port in enumerate(ports)
        ]
        load.add(plans)
        time.sleep(0.5)
        load.costs()
        time.sleep(seconds)
        costs = load.costs()
        heard = load.end([plan.id for plan in plans])
    other.communicate(timeout=10)
    return {"costs": costs, "heard": heard}


def measure() -> Iterator[Row]:
    """The generator against an echo."""
    for streams in (200, 800):
        found = against_echo(streams, 5.0)
        costs, heard = found["costs"], found["heard"]
        each = costs["cpu_s"] / (costs["sent"] + costs["received"]) * 1e6
        name = f"RTP load generator, {streams} streams, a packet (sent or received)"
        yield Row(name, f"{each:.2f} µs", f"under {MOST_US} µs", each < MOST_US)
        lost = sum(one.lost for one in heard)
        wrong = sum(one.checked - one.right for one in heard)
        yield Row("  lost; of those listened to, wrong", f"{lost}; {wrong}", "0; 0", not lost and not wrong)


def _by_hand(asked: dict[str, Any]) -> None:
    """Send to some ports for a while; print what came back."""
    with RtpLoad() as load:
        for number, place in enumerate(asked["to"]):
            host, port = place.rsplit(":", 1)
            load.add([Plan(number, load.port(), host, int(port), tone=number % len(TONES))])
        time.sleep(asked.get("seconds", 10))
        for account in load.accounts():
            print(json.dumps(asdict(account)))
        print(json.dumps(load.costs()))


if __name__ == "__main__":
    asked = options()
    if "to" in asked:
        _by_hand(asked)
    else:
        sys.setswitchinterval(0.0005)
        np.seterr(all="raise", under="ignore", over="ignore")
        generator = _Generator(asked["ports"], asked["host"])
        _print({"ports": generator.names})
        generator.run(sys.stdin)
