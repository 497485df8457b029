"""Calls with sipp at the other end: its own scenarios and ours, UDP and TCP, with losses."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast

import pytest

from callflow.channels.channel import Answered, Ended
from callflow.channels.sip.channel import SipChannel
from callflow.channels.sip.credentials import Credentials
from callflow.channels.sip.transport import Hop
from callflow.clock import SystemClock
from tests.peers import require
from tests.ports import free_ports
from tests.sip.session.ground import Side, early, event, side, until

pytestmark = pytest.mark.peer

UDP_TABLE = Path("/proc/net/udp")
SCENARIOS = Path(__file__).parent / "scenarios"
SURE = str(SCENARIOS.parents[1] / "peers" / "scenarios" / "uac_sure.xml")
"""For lost messages. The built-in caller takes a repeated 200 to its INVITE, whose ACK was lost, for the
answer to a BYE that was lost, too: that call is then over for it alone, and for us a minute later.
"""


class Sipp:
    """One run of sipp in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_ports(2)
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, *arguments: str) -> None:
        self._process = await asyncio.create_subprocess_exec(
            require("sipp"),
            *arguments,
            *("-i", "127.0.0.1", "-p", str(self.port), "-nostdin", "-trace_err", "-mi", "127.0.0.1"),
            *("-error_file", "errors.log", "-timeout", "60s", "-timeout_error"),
            cwd=self.folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={"TERM": "dumb", "PATH": "/usr/bin:/bin"},
        )

    async def finished(self) -> None:
        """It has ended, and every call went as its scenario says."""
        assert self._process is not None
        output, _ = await self._process.communicate()
        errors = self.folder / "errors.log"
        told = errors.read_text(errors="replace")[-3000:] if errors.exists() else ""
        assert self._process.returncode == 0, told + output.decode(errors="replace")[-3000:]

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


def answering(bob: Side, tasks: list[asyncio.Task[None]]) -> None:
    """Every call is answered and lasts until it ends."""

    async def run(call: SipChannel) -> None:
        await call.progress()
        await call.answer()
        while not isinstance(await call.next_event(), Ended):
            pass

    bob.on_call = lambda call: tasks.append(asyncio.ensure_future(run(call)))


def live(test: Callable[[SystemClock], Awaitable[None]]) -> None:
    asyncio.run(cast("asyncio.Future[None]", test(SystemClock())))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "transport"),
    [
        (("-sn", "uac", "-m", "60", "-r", "150", "-d", "100"), "udp"),
        (("-sn", "uac", "-m", "30", "-r", "100", "-d", "100", "-t", "t1"), "tcp"),
        (("-sf", SURE, "-m", "40", "-r", "100", "-d", "100", "-lost", "5"), "udp"),
        (("-sf", SURE, "-m", "20", "-r", "100", "-d", "100", "-lost", "15"), "udp"),
        (("-sf", str(SCENARIOS / "uac_hold.xml"), "-m", "20", "-r", "100"), "udp"),
        (("-sf", str(SCENARIOS / "uac_hold.xml"), "-m", "20", "-r", "100", "-t", "t1"), "tcp"),
    ],
)
def test_sipp_calls(options: tuple[str, ...], transport: str, tmp_path: Path) -> None:
    async def main(clock: SystemClock) -> None:
        async with side(clock, transport=transport) as bob:
            tasks: list[asyncio.Task[None]] = []
            answering(bob, tasks)
            sipp = Sipp(tmp_path)
            try:
                await sipp.start(*options, f"127.0.0.1:{bob.hop.port}")
                await sipp.finished()
                count = int(options[options.index("-m") + 1])
                assert len(bob.calls) == count
                await until(lambda: all(task.done() for task in tasks))
                assert all(task.exception() is None for task in tasks)
                assert all(bob.media.streams(call.leg) for call in bob.calls)
                await bob.quiet()
            finally:
                await sipp.stop()

    live(main)


def test_sipp_gives_up_while_it_rings(tmp_path: Path) -> None:
    async def main(clock: SystemClock) -> None:
        async with side(clock) as bob:
            bob.on_call = lambda call: tasks.append(asyncio.ensure_future(call.progress()))
            tasks: list[asyncio.Task[None]] = []
            sipp = Sipp(tmp_path)
            try:
                scenario = str(SCENARIOS / "uac_cancel.xml")
                await sipp.start("-sf", scenario, "-m", "20", "-r", "40", f"127.0.0.1:{bob.hop.port}")
                await sipp.finished()
                assert [call.ended for call in bob.calls] == [Ended("ORIGINATOR_CANCEL", 487)] * 20
                await bob.quiet()
            finally:
                await sipp.stop()

    live(main)


async def _listens(ann: Side, sipp: Sipp, transport: str = "udp") -> None:
    """sipp needs a moment until it takes calls."""
    if transport == "tcp":
        for _ in range(200):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", sipp.port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            return
    for _ in range(200):
        if _bound(sipp.port):
            return
        await asyncio.sleep(0.02)


def _bound(port: int) -> bool:
    return f":{port:04X} " in UDP_TABLE.read_text()


@pytest.mark.parametrize("more", [(), ("lost",), ("-t", "t1")])
def test_sipp_is_called(more: tuple[str, ...], tmp_path: Path) -> None:
    async def main(clock: SystemClock) -> None:
        transport = "tcp" if "-t" in more else "udp"
        numbers = itertools.count(1)
        async with side(clock, transport=transport) as ann:
            sipp = Sipp(tmp_path)
            if more == ("lost",):  # sipp's own -lost makes its uas forget calls
                ann.stack.lose = lambda data: next(numbers) % 7 == 0

            async def call() -> None:
                channel = await ann.dial(sipp.port, hop=Hop(transport, "127.0.0.1", sipp.port))
                await event(channel, Answered, 30)
                await clock.sleep(0.1)
                await channel.hangup("NORMAL_CLEARING")

            try:
                await sipp.start("-sn", "uas", "-m", "20", *more[: 0 if "lost" in more else 2])
                await _listens(ann, sipp, transport)
                await asyncio.gather(*(call() for _ in range(20)))
                await until(lambda: ann.endpoint.calls == 0, 40)
                assert ann.locator.outcomes == [200] * 20
                await ann.quiet()
            finally:
                await sipp.stop()

    live(main)


@pytest.mark.parametrize("password", ["secret", "wrong"])
def test_sipp_is_a_gateway_with_a_password_and_early_media(password: str, tmp_path: Path) -> None:
    async def main(clock: SystemClock) -> None:
        async with side(clock) as ann:
            sipp = Sipp(tmp_path)
            try:
                await sipp.start("-sf", str(SCENARIOS / "uas_auth_prack.xml"), "-m", "5")
                await _listens(ann, sipp)
                for _ in range(5):
                    channel = await ann.dial(sipp.port, credentials=Credentials("ann", password))
                    if password == "wrong":
                        assert await event(channel, Ended, 20) == Ended("CALL_REJECTED", 403)
                        continue
                    await early(ann, channel)
                    await event(channel, Answered, 20)
                    stream = ann.media.streams(channel.leg)[-1]
                    assert stream is not None
                    assert stream.codec == "PCMA"
                    await channel.hangup("NORMAL_CLEARING")
                if password == "secret":
                    await sipp.finished()
                await ann.quiet()
            finally:
                await sipp.stop()

    live(main)
