"""A change of files is seen once whoever writes them is done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from callflow.clock import SystemClock
from callflow.documents.catalog import fingerprint
from callflow.exchange.watching import Watcher

POLL_S = 0.02


async def until(met: Callable[[], bool]) -> None:
    """Wait for it."""
    for _ in range(2000):
        if met():
            return
        await asyncio.sleep(POLL_S / 4)
    raise AssertionError("it has not come")


def test_a_change_is_told_once_and_what_was_read_is_no_news(tmp_path: Path) -> None:
    seen: list[int] = []

    async def main() -> None:
        async def changed() -> None:
            seen.append(len(fingerprint([tmp_path])))

        watcher = Watcher([tmp_path], SystemClock(), POLL_S, changed)
        await watcher.start()
        (tmp_path / "one.json").write_text("{}")
        await until(lambda: seen == [1])
        (tmp_path / "two.json").write_text("{}")
        watcher.read(await watcher.look())  # SIGHUP was quicker
        await asyncio.sleep(POLL_S * 6)
        assert seen == [1]
        (tmp_path / "one.json").unlink()
        await until(lambda: seen == [1, 1])
        await watcher.close()

    asyncio.run(main())


def test_files_that_still_change_are_not_read(tmp_path: Path) -> None:
    looks: list[int] = []

    class Restless(Watcher):
        """Between two looks the file grows, for the first eight."""

        async def look(self) -> dict[str, tuple[int, int, int]]:
            looks.append(0)
            if len(looks) < 8:
                (tmp_path / "flow.json").write_text("x" * len(looks))
            return dict(await super().look())

    async def main() -> None:
        told: list[int] = []

        async def changed() -> None:
            told.append(len(looks))

        watcher = Restless([tmp_path], SystemClock(), POLL_S, changed)
        await watcher.start()
        await until(lambda: bool(told))
        await watcher.close()
        assert told == [8], "at the first look that found it as the one before"

    asyncio.run(main())


def test_what_changed_between_reading_and_starting_is_seen(tmp_path: Path) -> None:
    async def main() -> None:
        told = asyncio.Event()

        async def changed() -> None:
            told.set()

        prints = fingerprint([tmp_path])
        (tmp_path / "late.json").write_text("{}")
        watcher = Watcher([tmp_path], SystemClock(), POLL_S, changed)
        await watcher.start(known=prints)
        async with asyncio.timeout(10):
            await told.wait()
        await watcher.close()

    asyncio.run(main())
