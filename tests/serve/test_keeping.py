"""A server goes on trying to finish what failed, beside its calls."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from callflow.app import Engine
from callflow.channels.sim.read import parse_scenario
from callflow.clock import SystemClock
from callflow.engine.flow import Flow
from callflow.errors import EncodeError
from callflow.events import Event, RecordingChanged
from callflow.recording.closing import ClosingDesk
from callflow.recording.finish import Finished
from callflow.recording.messages import SpoolClosed
from callflow.recording.recover import recover
from tests.app.harness import Stage, chain, node
from tests.app.test_engine import RECORD, abandoned
from tests.serve.server import wait_until


def run(state: Path, play: Callable[[Engine, list[tuple[str, str]]], Any]) -> list[tuple[str, str]]:
    """An engine that tries again all the time; gives what became of which recording."""
    told: list[tuple[str, str]] = []

    def hear(event: Event) -> None:
        if isinstance(event, RecordingChanged):
            told.append((event.change, event.recording_id))

    async def main() -> None:
        engine = Engine(Stage(state).options(), SystemClock())
        engine.bus.subscribe(hear)
        async with engine:
            engine.keeping.retry_failed(0.02)
            await play(engine, told)

    asyncio.run(main())
    return told


def test_a_spool_that_is_let_go_late_is_finished_by_itself(tmp_path: Path) -> None:
    async def play(engine: Engine, told: list[tuple[str, str]]) -> None:
        assert told == []
        await asyncio.to_thread(abandoned, tmp_path)  # as a media process does whose server was killed
        await wait_until(lambda: bool(told))

    ((change, _),) = run(tmp_path, play)
    assert change == "ready"


def test_what_failed_is_told_once_and_finished_when_it_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = abandoned(tmp_path)
    tries: list[int] = []

    def broken(*_: object) -> None:
        tries.append(1)
        raise EncodeError("no")

    monkeypatch.setattr("callflow.recording.finish.encode", broken)

    async def play(engine: Engine, told: list[tuple[str, str]]) -> None:
        await wait_until(lambda: len(tries) >= 4)
        assert told == [("failed", spec.id)], "told at the start, and not each time"
        monkeypatch.undo()
        await wait_until(lambda: len(told) > 1)

    assert run(tmp_path, play) == [("failed", spec.id), ("ready", spec.id)]


def test_what_ends_while_it_tries_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the writer and the finisher a spool's lock is free: here for as long as two tries take."""
    tries = threading.Semaphore(0)

    def counted(*what: Any) -> list[Finished]:
        done = recover(*what)
        tries.release()
        return done

    def late(desk: ClosingDesk, closed: SpoolClosed) -> None:
        while tries.acquire(blocking=False):
            pass
        assert all(tries.acquire(timeout=10) for _ in range(2))
        on_closed(desk, closed)

    on_closed = ClosingDesk.on_closed
    monkeypatch.setattr("callflow.keeping.recover", counted)
    monkeypatch.setattr(ClosingDesk, "on_closed", late)

    async def play(engine: Engine, told: list[tuple[str, str]]) -> None:
        scenario = parse_scenario({"caller": {"hangup_after": 0.3}}, Path())
        await engine.place_call(scenario, Flow.parse(chain(RECORD, node("sleep", duration=5))))

    changes = [change for change, _ in run(tmp_path, play)]
    assert changes.count("ready") == 1 and changes[-2:] == ["finishing", "ready"]
