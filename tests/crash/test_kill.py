"""SIGKILL at named points and at any time: what had begun is delivered, gap-free, at most a second short."""

from __future__ import annotations

import asyncio
import random
import signal
from pathlib import Path

import pytest

from callflow.delivery.receiver import Receiver
from callflow.state.folder import StateFolder
from tests.crash.harness import Child, assert_prefix, assert_whole, kept_audio, recover, whole_files

pytestmark = pytest.mark.crash

POINTS = {
    "in-tick:1": False,
    "in-tick:40": False,
    "appending:1": False,
    "appending:3": False,
    "header-written:1": True,
    "header-written:2": True,
    "encoding:1": True,
    "encoding:2": True,
    "between-rename-and-commit:1": True,
    "between-rename-and-commit:2": True,
    "between-commit-and-removal:1": True,
    "between-commit-and-removal:2": True,
    "sending:1": True,
}
"""Where to die, and whether not before all recordings have ended (then nothing may be missing)."""
COPYING = ("encoding:1", "encoding:2", "between-rename-and-commit:1", "between-rename-and-commit:2")
"""Where to die if the file system has no hard links, so that finished files are copies of the spool's."""


async def check(child: Child, receiver: Receiver, *, exact: bool) -> None:
    """Nothing half is seen; after recovery everything that had begun is there."""
    for path in whole_files(StateFolder.open(child.state)):
        assert_whole(path)
    accepted = child.accepted()
    rows = {row.id: row for row in await recover(child.state)}
    for name in child.begun:
        row = rows[name]
        assert row.state == "READY", f"{name}: {row.state} {row.reason} {row.message}"
        assert row.recovered is not exact
        sound = kept_audio(child.state, row, receiver)
        assert_prefix(sound, accepted.get(name, 0), exact=exact, whose=(child.crash_at, row))
    assert list((child.state / "spool").iterdir()) == []
    for path in whole_files(StateFolder.open(child.state)):
        assert_whole(path)


async def live(child: Child, room: asyncio.Semaphore) -> None:
    """From its start to its end."""
    async with room:
        await child.start()
        await child.until_over()


def test_at_every_named_point(tmp_path: Path) -> None:
    async def run() -> None:
        receiver = Receiver(tmp_path / "received")
        url = await receiver.start()
        try:
            children = [
                Child(tmp_path / f"child{i}", f"{url}/{i}", crash_at=point, once_ended=ended)
                for i, (point, ended) in enumerate(POINTS.items())
            ] + [
                Child(tmp_path / f"copying{i}", f"{url}/c{i}", crash_at=point, links=False, once_ended=True)
                for i, point in enumerate(COPYING)
            ]
            room = asyncio.Semaphore(4)  # more at once, and a small machine runs them late
            await asyncio.gather(*(live(child, room) for child in children))
            for child in children:
                assert child.code == -signal.SIGKILL, f"{child.crash_at}: ended with {child.code}"
                exact = POINTS[child.crash_at]
                assert len(child.begun) == 2 or not exact
                await check(child, receiver, exact=exact)
        finally:
            await receiver.close()

    asyncio.run(run())


def test_at_any_time(tmp_path: Path) -> None:
    moments = random.Random(20261120)

    async def live_and_die(child: Child, after_s: float) -> None:
        await child.start()
        await child.until_begun()
        await asyncio.sleep(after_s)
        child.kill()
        await child.until_over()

    async def run() -> None:
        receiver = Receiver(tmp_path / "received")
        url = await receiver.start()
        try:
            children = [Child(tmp_path / f"child{i}", f"{url}/{i}", hangup_after=60) for i in range(6)]
            await asyncio.gather(*(live_and_die(child, moments.uniform(0, 3)) for child in children))
            for child in children:
                assert (child.code, len(child.begun)) == (-signal.SIGKILL, 2)
                await check(child, receiver, exact=False)
        finally:
            await receiver.close()

    asyncio.run(run())


def test_a_run_beside_a_live_one_takes_nothing_from_it(tmp_path: Path) -> None:
    """Another process on the state folder starts, recovers and ends, again and again, during a recording."""

    async def run() -> None:
        receiver = Receiver(tmp_path / "received")
        url = await receiver.start()
        try:
            child = await Child(tmp_path / "child", url, hangup_after=4.0).start()
            await child.until_begun()
            over = asyncio.create_task(child.until_over())
            rounds = 0
            while not over.done():
                for row in await recover(child.state, wait_s=0):
                    assert not row.recovered
                rounds += 1
            await over
            assert rounds >= 2
            assert child.code == 0
            rows = await recover(child.state)
            assert {row.id: row.state for row in rows} == {"sent-child": "READY", "local-child": "READY"}
            for row in rows:
                assert not row.recovered
                assert row.reason == "hangup"
                sound = kept_audio(child.state, row, receiver)
                assert_prefix(sound, child.accepted()[row.id], exact=True, whose=row)
        finally:
            await receiver.close()

    asyncio.run(run())
