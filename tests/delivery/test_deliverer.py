"""The deliverer: side by side, bounded, by schedule, across restarts."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from callflow.clock import VirtualClock, run_virtual
from callflow.delivery import outbox
from callflow.delivery.receiver import Receiver
from callflow.delivery.receiver_faults import Fault, Faults
from callflow.state.lock import FileLock
from callflow.state.records import DeliveryRow
from tests.delivery.support import SETTINGS, State, answer, raw_server, read_request


def test_parallel_but_bounded_in_all_and_per_host(tmp_path: Path) -> None:
    state = State.make(tmp_path)
    now: Counter[str] = Counter()
    most: Counter[str] = Counter()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await read_request(reader)
        host = request.line.split("/")[1]
        for name in (host, "all"):
            now[name] += 1
            most[name] = max(most[name], now[name])
        await asyncio.sleep(0.05)
        for name in (host, "all"):
            now[name] -= 1
        await answer(writer, "200 OK")

    async def main() -> None:
        async with raw_server(handle) as one, raw_server(handle) as two:
            for number in range(20):
                state.enqueue(f"{one}/one/{number}", name=f"one{number}")
                state.enqueue(f"{two}/two/{number}", name=f"two{number}")
            await state.deliver(replace(SETTINGS, parallel=5, parallel_per_host=3))

    asyncio.run(main())
    state.database.close()
    assert most == {"one": 3, "two": 3, "all": 5}
    assert [event.change for event in state.events].count("delivered") == 40


def test_a_dead_receiver_does_not_hold_up_the_others(tmp_path: Path) -> None:
    state = State.make(tmp_path)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    async def good(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await answer(writer, "200 OK")

    async def main() -> None:
        async with raw_server(silent) as bad_url, raw_server(good) as good_url:
            for number in range(50):
                state.enqueue(f"{bad_url}/{number}", name=f"bad{number}")
            for number in range(10):
                state.enqueue(f"{good_url}/{number}", name=f"good{number}")
            settings = replace(SETTINGS, progress_timeout_s=30, parallel=6, parallel_per_host=4)
            await state.deliver_until(
                lambda: sum(event.change == "delivered" for event in state.events) == 10, settings, seconds=5
            )

    asyncio.run(main())
    states = [state.row(f"dlv-bad{n}").state for n in range(50)]
    state.database.close()
    assert set(states) <= {"QUEUED", "WAITING"}, "what was being sent was given back"
    assert "dead" not in {event.change for event in state.events}


def test_the_schedule_in_virtual_time(tmp_path: Path) -> None:
    """Three days of failures, with real requests, in a moment."""
    clock = VirtualClock(wall_start=1_700_000_000.0)
    state = State.make(tmp_path / "s", clock)

    async def main() -> str:
        receiver = Receiver(tmp_path / "r", Faults(always=Fault(status=503)))
        base = await receiver.start()
        delivery = state.enqueue(f"{base}/x")
        deliverer = state.deliverer()
        await deliverer.run(until_empty=True)
        await deliverer.close()
        await receiver.close()
        return delivery

    delivery = run_virtual(main(), clock)
    attempts = state.attempts(delivery)
    row = state.row(delivery)
    state.database.close()
    gaps = [b.started_wall - a.started_wall for a, b in pairwise(attempts)]
    for gap, plain in zip(gaps, [5, 30, 120, 600, 3600, 3600, 3600], strict=False):
        assert plain <= gap <= plain * 1.1 + 1
    assert row.state == "DEAD"
    assert 60 <= len(attempts) <= 77
    assert 2.9 * 86400 < attempts[-1].started_wall - attempts[0].started_wall <= 3 * 86400
    assert (state.folder.root / row.file).exists(), "a dead delivery keeps its file"
    assert state.changes(delivery)[-1] == "dead"


def test_retry_after_and_410(tmp_path: Path) -> None:
    clock = VirtualClock(wall_start=1_700_000_000.0)
    state = State.make(tmp_path / "s", clock)

    async def main() -> None:
        faults = Faults([Fault(status=429, retry_after=333), Fault(status=404), Fault(status=410)])
        receiver = Receiver(tmp_path / "r", faults)
        base = await receiver.start()
        state.enqueue(f"{base}/x")
        deliverer = state.deliverer()
        await deliverer.run(until_empty=True)
        await deliverer.close()
        await receiver.close()

    run_virtual(main(), clock)
    attempts = state.attempts("dlv-1")
    row = state.row("dlv-1")
    state.database.close()
    assert [each.status for each in attempts] == [429, 404, 410]
    assert [each.outcome for each in attempts] == ["fault", "refused", "gone"]
    first, second, third = (each.started_wall for each in attempts)
    assert 333 <= second - first <= 333 * 1.1 + 1
    assert 60 <= third - second <= 67
    assert (row.state, row.last_status, row.fast_failures) == ("DEAD", 410, 1)


def test_delivered_files_are_kept_or_removed(tmp_path: Path) -> None:
    state = State.make(tmp_path / "s")

    async def main() -> None:
        receiver = Receiver(tmp_path / "r")
        base = await receiver.start()
        state.enqueue(f"{base}/1", name="1")
        await state.deliver()
        assert (state.folder.root / state.row("dlv-1").file).is_file()
        state.enqueue(f"{base}/2", name="2")
        await state.deliver(replace(SETTINGS, keep_delivered=False))
        await receiver.close()

    asyncio.run(main())
    assert list(state.folder.outbox.iterdir()) == [], "the one left over from before is removed as well"
    assert state.row("dlv-2").file == ""
    assert state.recording("rec-2").file == ""
    state.database.close()


def test_waking(tmp_path: Path) -> None:
    """What is put in while the deliverer sleeps is sent at once when it is woken (from any thread)."""
    state = State.make(tmp_path / "s")

    async def main() -> float:
        receiver = Receiver(tmp_path / "r")
        base = await receiver.start()
        deliverer = state.deliverer()
        running = asyncio.create_task(deliverer.run())
        await asyncio.sleep(0.2)
        loop = asyncio.get_running_loop()
        began = loop.time()

        def put() -> None:
            state.enqueue(f"{base}/x")
            deliverer.wake()

        thread = threading.Thread(target=put)
        thread.start()
        await asyncio.wait_for(receiver.wait_for(1), 3)
        took = loop.time() - began
        thread.join()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await deliverer.close()
        await receiver.close()
        return took

    assert asyncio.run(main()) < 2
    state.database.close()


def test_what_a_closed_deliverer_was_sending_is_due_again(tmp_path: Path) -> None:
    state = State.make(tmp_path / "s")

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    async def main() -> None:
        async with raw_server(silent) as base:
            delivery = state.enqueue(f"{base}/x")
            await state.deliver_until(lambda: "sending" in state.changes(delivery))

    asyncio.run(main())
    row = state.row("dlv-1")
    state.database.close()
    assert (row.state, row.fast_failures, row.lease_owner) == ("WAITING", 0, "")


CHILD = """
import asyncio, os, signal, sys
from pathlib import Path
from tests.delivery.support import State

state = State.make(Path(sys.argv[1]))
deliverer = state.deliverer(halfway=lambda: os.kill(os.getpid(), signal.SIGKILL))
asyncio.run(deliverer.run())
"""


@pytest.mark.crash
def test_what_a_killed_process_was_sending_is_taken_over_at_once(tmp_path: Path) -> None:
    state = State.make(tmp_path / "s")
    body = b"z" * 300_000

    async def main() -> Receiver:
        receiver = Receiver(tmp_path / "r")
        base = await receiver.start()
        state.enqueue(f"{base}/call_recording_x.wav", body)
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", CHILD, str(tmp_path / "s"))
        assert await child.wait() == -9
        row = await asyncio.to_thread(state.row, "dlv-1")
        assert (row.state, row.lease_until > state.clock.wall()) == ("SENDING", True)
        await state.deliver(seconds=10)
        await receiver.close()
        return receiver

    receiver = asyncio.run(main())
    row = state.row("dlv-1")
    state.database.close()
    assert (row.state, row.attempts) == ("DELIVERED", 2)
    kept = [path for path in receiver.folder.iterdir() if not path.name.startswith(".")]
    assert [path.read_bytes() for path in kept] == [body], "no half file is ever visible"


def test_two_deliverers_share_the_work(tmp_path: Path) -> None:
    state = State.make(tmp_path / "s")

    async def main() -> list[str]:
        receiver = Receiver(tmp_path / "r")
        base = await receiver.start()
        for number in range(40):
            state.enqueue(f"{base}/{number}", name=str(number))
        await asyncio.gather(state.deliver(), state.deliver())
        await receiver.close()
        return [received.target for received in receiver.received]

    targets = asyncio.run(main())
    state.database.close()
    assert len(targets) == len(set(targets)) == 40


def test_cancelled_while_it_is_sent(tmp_path: Path) -> None:
    state = State.make(tmp_path / "s")
    release = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await release.wait()
        await answer(writer, "503 Later")

    async def main() -> None:
        async with raw_server(handle) as base:
            delivery = state.enqueue(f"{base}/x")

            def cancel(conn: sqlite3.Connection) -> None:
                outbox.cancel(conn, delivery, 5.0)

            def cancelled() -> bool:
                if "sending" in state.changes(delivery) and not release.is_set():
                    state.database.run(cancel)
                    release.set()
                return "cancelled" in state.changes(delivery)

            await state.deliver_until(cancelled)

    asyncio.run(main())
    assert state.row("dlv-1").state == "CANCELLED"
    assert [each.status for each in state.attempts("dlv-1")] == [503], "how it went is kept all the same"
    state.database.close()


def test_an_unknown_kind_is_dead_and_says_so(tmp_path: Path) -> None:
    state = State.make(tmp_path)
    state.enqueue("http://127.0.0.1:9/x", kind="pigeon")
    asyncio.run(state.deliver())
    assert state.row("dlv-1").state == "DEAD"
    assert "pigeon" in state.attempts("dlv-1")[0].error
    state.database.close()


def test_a_big_file_is_never_in_memory(tmp_path: Path) -> None:
    """60 MB delivered by a process whose memory grows by far less."""
    code = """
import asyncio, resource, sys
from pathlib import Path
from tests.delivery.support import State, answer, raw_server, read_head

async def handle(reader, writer):
    left = int((await read_head(reader)).header("Content-Length"))
    while left:
        left -= len(await reader.read(65536))
    await answer(writer, "200 OK")

async def main():
    state = State.make(Path(sys.argv[1]))
    async with raw_server(handle) as base:
        small = state.enqueue(base + "/s", b"x" * 1000, name="s")
        await state.deliver()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        big = state.enqueue(base + "/b", b"", name="b")
        path = state.folder.root / state.row(big).file
        with path.open("wb") as file:
            file.truncate(60_000_000)
        state.database.run(lambda c: c.execute("UPDATE deliveries SET bytes = 60000000 WHERE id = ?", (big,)))
        await state.deliver()
        assert state.row(big).state == "DELIVERED"
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1000)
    state.database.close()

asyncio.run(main())
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 15


def _count(conn: sqlite3.Connection) -> int:
    return int(conn.execute("SELECT count(*) FROM deliveries").fetchone()[0])


def test_enqueue_twice_is_once(tmp_path: Path) -> None:
    """A recovery that commits again what was committed changes nothing."""
    state = State.make(tmp_path)
    for _ in range(2):
        state.enqueue("http://127.0.0.1:9/x")
    count = state.database.run(_count)
    state.database.close()
    assert count == 1


def test_locks_of_the_killed_do_not_pile_up(tmp_path: Path) -> None:
    state = State.make(tmp_path)
    leases = state.folder.root / "leases"
    leases.mkdir()
    (leases / "1234-killed.lock").touch()
    alive = FileLock.acquire(leases / "1235-alive.lock")
    asyncio.run(state.deliver())
    state.database.close()
    assert [path.name for path in leases.iterdir()] == ["1235-alive.lock"]
    alive.release()


def test_who_is_stopped_while_it_is_written_down_tells_it_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = State.make(tmp_path)
    written, stopped = threading.Event(), threading.Event()
    settle = outbox.settle

    def slow(*args: Any) -> DeliveryRow | None:
        row = settle(*args)
        written.set()
        assert stopped.wait(10)
        return row

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await answer(writer, "201 Created")

    monkeypatch.setattr(outbox, "settle", slow)

    async def main() -> None:
        async with raw_server(handle) as base:
            delivery = state.enqueue(f"{base}/x")
            deliverer = state.deliverer()
            running = asyncio.ensure_future(deliverer.run())
            await asyncio.to_thread(written.wait, 10)
            running.cancel()
            closing = asyncio.ensure_future(deliverer.close())
            await asyncio.sleep(0)  # it has cancelled what was being sent
            stopped.set()
            await closing
            assert state.row(delivery).state == "DELIVERED"
            assert state.changes(delivery) == ["sending", "delivered"]

    asyncio.run(main())
    state.database.close()
