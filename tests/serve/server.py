"""``callflow serve`` as a process of its own, and phones that call it, all on this machine."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from callflow.caller import Caller, CallerOptions, CallPlan
from callflow.clock import SystemClock
from tests.ports import free_ports
from tests.serve.accounts import PASSWORD

ROOT = Path(__file__).resolve().parents[2]
PORTS_EACH = 40


class Server:
    """A running server. ``lines``: what it has printed so far."""

    def __init__(self, process: asyncio.subprocess.Process, lines: list[str]) -> None:
        self.process = process
        self.lines = lines
        self.at = ""
        self._news = asyncio.Condition()
        self._reader = asyncio.ensure_future(self._read())

    @classmethod
    async def start(
        cls,
        accounts: Path,
        state: Path,
        *words: str,
        bind: str = "127.0.0.1:0",
        part: str = "listening",
        program: str = "callflow",
    ) -> Server:
        """Start it and wait until it serves: until it has said ``part``, where it says its addresses.
        ``program``: the module that is run, which takes callflow's words.
        """
        low = free_ports(PORTS_EACH)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", program, "serve", "--accounts", str(accounts), "--state", str(state),
            "--bind", bind, "--media-ports", f"{low}-{low + PORTS_EACH - 1}", *words,
            cwd=ROOT, env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        server = cls(process, [])
        try:
            listening = await server.until(part)
        except BaseException:
            await server.close()
            raise
        server.at = re.split('[,;"]', listening.split("sip:")[1])[0]
        return server

    async def until(self, part: str, count: int = 1, within_s: float = 15) -> str:
        """Wait for a line that has ``part`` (or the ``count``-th of them)."""
        async with asyncio.timeout(within_s), self._news:
            await self._news.wait_for(lambda: len(self.having(part)) >= count or self._reader.done())
        found = self.having(part)
        assert len(found) >= count, f"no line with {part!r}:\n" + "\n".join(self.lines)
        return found[count - 1]

    def having(self, part: str) -> list[str]:
        """The lines that have ``part``."""
        return [line for line in self.lines if part in line]

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    async def ended(self, within_s: float = 15) -> int:
        """Wait for its end; the exit code."""
        async with asyncio.timeout(within_s):
            code = await self.process.wait()
            await self._reader
        return code

    async def close(self) -> None:
        """End it, if it is still there."""
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                self.process.kill()
        await self.ended()

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            self.lines.append(line.decode().rstrip())
            async with self._news:
                self._news.notify_all()
        async with self._news:
            self._news.notify_all()


def phone(device: str = "", password: str = PASSWORD, codec: str = "", jitter_ms: int = 60) -> Caller:
    """A phone; with ``device``, the account's; with ``codec``, that one alone."""
    low = free_ports(PORTS_EACH)
    options = CallerOptions(
        username=device,
        password=password if device else "",
        jitter_ms=jitter_ms,
        media_ports=(low, low + PORTS_EACH - 1),
    )
    if codec:
        options = replace(options, codecs=(codec,))
    return Caller(options, SystemClock())


def plan(server: Server, number: str, talk_s: float | None, audio: str = "") -> CallPlan:
    """A call to ``number`` on ``server``."""
    return CallPlan(
        f"sip:{number}@{server.at}",
        audio=(audio,) if audio else (),
        loop=True,
        hangup_after_s=talk_s,
        keep_s=0,
    )


def begun(state: Path) -> list[Path]:
    """Spools of recordings that have begun."""
    return [
        journal.parent
        for journal in (state / "spool").glob("*/journal.jsonl")
        if b'"started"' in journal.read_bytes()
    ]


async def wait_until(met: Callable[[], bool], within_s: float = 10) -> None:
    """Poll for something that a process does."""
    for _ in range(round(within_s / 0.02)):
        if met():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it has not come")
