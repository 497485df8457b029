"""A server goes on trying to finish what failed, beside its calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from callflow.app import Engine
from callflow.clock import SystemClock
from callflow.errors import EncodeError
from callflow.events import Event, RecordingChanged
from tests.app.harness import Stage
from tests.app.test_engine import abandoned
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
