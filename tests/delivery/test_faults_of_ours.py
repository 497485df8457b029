"""A deliverer that meets a broken disk, a locked database or a fault of its own goes on."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from callflow.delivery import deliverer, outbox
from callflow.delivery.attempt import attempt
from callflow.delivery.leftovers import leftovers
from callflow.delivery.receiver import Receiver
from callflow.documents.settings import DeliverySettings
from callflow.errors import StorageError
from callflow.state.lock import FileLock
from tests.delivery.support import SETTINGS, State


def raises_first(real: Callable[..., Any], *problems: Exception) -> Callable[..., Any]:
    """``real``, that raises each of ``problems`` before it works."""
    left = list(problems)

    def call(*args: Any, **named: Any) -> Any:
        if left:
            raise left.pop(0)
        return real(*args, **named)

    return call


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of a moment."""
    monkeypatch.setattr(deliverer, "BACK_S", 0.02)
    monkeypatch.setattr(deliverer, "POLL_S", 0.05)


def deliver_one(state: State, settings: DeliverySettings = SETTINGS) -> None:
    """Deliver one file to a real receiver."""

    async def main() -> None:
        receiver = Receiver(state.folder.root / "received")
        state.enqueue(f"{await receiver.start()}/call_recording_x.wav")
        await state.deliver_until(lambda: "delivered" in state.changes("dlv-1"), settings, seconds=10)
        await receiver.close()

    try:
        asyncio.run(main())
        assert state.row("dlv-1").state == "DELIVERED"
    finally:
        state.database.close()


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    "problem", [ValueError("a corrupt row"), StorageError("locked"), OSError(28, "full")]
)
def test_a_round_that_fails_is_not_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: Exception
) -> None:
    monkeypatch.setattr(outbox, "claim", raises_first(outbox.claim, problem, problem))
    deliver_one(State.make(tmp_path))


@pytest.mark.usefixtures("hasty")
def test_an_attempt_that_raises_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliverer, "attempt", raises_first(attempt, OverflowError("a fault of ours")))
    deliver_one(State.make(tmp_path))


@pytest.mark.usefixtures("hasty")
def test_a_state_folder_that_refuses_at_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = raises_first(FileLock.try_acquire, OSError(28, "No space left on device"))
    monkeypatch.setattr(FileLock, "try_acquire", full)
    monkeypatch.setattr(deliverer, "leftovers", raises_first(leftovers, StorageError("full")))
    deliver_one(State.make(tmp_path), replace(SETTINGS, keep_delivered=False))


@pytest.mark.usefixtures("hasty")
def test_a_file_that_cannot_be_removed_is_delivered_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = State.make(tmp_path)

    async def main() -> None:
        receiver = Receiver(tmp_path / "received")
        state.enqueue(f"{await receiver.start()}/x.wav")
        unlink = Path.unlink

        def stays(path: Path, missing_ok: bool = False) -> None:
            if path.name == "1.wav":
                raise PermissionError(1, "Operation not permitted")
            unlink(path, missing_ok)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", stays)
            await state.deliver_until(
                lambda: "delivered" in state.changes("dlv-1"), replace(SETTINGS, keep_delivered=False)
            )
        assert state.row("dlv-1").file, "it is still there"
        await state.deliver(replace(SETTINGS, keep_delivered=False))  # the next start tidies up
        await receiver.close()

    asyncio.run(main())
    row = state.row("dlv-1")
    state.database.close()
    assert (row.state, row.file) == ("DELIVERED", "")
    assert list(state.folder.outbox.iterdir()) == []


@contextmanager
def busy(state: State) -> Iterator[None]:
    """The database's thread is held up."""
    go_on, begun = threading.Event(), threading.Event()

    def wait(conn: sqlite3.Connection) -> None:
        begun.set()
        go_on.wait(10)

    held = state.database.submit(wait)
    begun.wait(10)
    try:
        yield
    finally:
        go_on.set()
        held.result(10)


def test_a_yes_that_comes_while_we_are_stopped_is_not_forgotten(tmp_path: Path) -> None:
    """The answer is there, its commit is not; then the deliverer is closed."""
    state = State.make(tmp_path)
    held = ExitStack()

    async def main() -> None:
        receiver = Receiver(tmp_path / "received")
        state.enqueue(f"{await receiver.start()}/x.wav", b"x" * 1000)
        one = state.deliverer(halfway=lambda: held.enter_context(busy(state)))
        running = asyncio.create_task(one.run())
        async with asyncio.timeout(10):
            while not receiver.received:  # noqa: ASYNC110 - the receiver has no event
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        closing = asyncio.create_task(one.close())
        await asyncio.sleep(0.1)
        await asyncio.to_thread(held.close)
        await closing
        await receiver.close()
        assert len(receiver.received) == 1

    asyncio.run(main())
    row = state.row("dlv-1")
    state.database.close()
    assert row.state == "DELIVERED"


def test_a_database_that_is_gone_does_not_keep_us_from_closing(tmp_path: Path) -> None:
    state = State.make(tmp_path)

    async def main() -> None:
        one = state.deliverer()
        running = asyncio.create_task(one.run())
        await asyncio.sleep(0.1)
        assert list((tmp_path / "leases").iterdir())
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        state.database.close()
        await one.close()

    asyncio.run(main())
    assert list((tmp_path / "leases").iterdir()) == [], "others see that we are gone"
