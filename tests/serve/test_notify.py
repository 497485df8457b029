"""What a server tells systemd, over a real socket; and the unit that goes with it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest

from callflow.cli import app_for
from callflow.clock import VirtualClock, run_virtual
from callflow.exchange.notify import EXTEND_EVERY_S, Notifier
from tests.serve.accounts import RECORD, account, write
from tests.serve.server import ROOT, Server, phone, plan

UNIT = ROOT / "examples/systemd/callflow.service"


@contextmanager
def systemd(path: str) -> Iterator[socket.socket]:
    """Its end of the socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(path.replace("@", "\0", 1) if path.startswith("@") else path)
        sock.setblocking(False)
        yield sock


def heard(sock: socket.socket) -> list[str]:
    """What has come since."""
    lines = []
    while True:
        try:
            lines.append(sock.recv(4096).decode())
        except BlockingIOError:
            return lines


def beats(notifier: Notifier, seconds: float) -> None:
    async def main() -> None:
        task = asyncio.create_task(notifier.beat(clock))
        await clock.sleep(seconds)
        task.cancel()

    clock = VirtualClock()
    run_virtual(main(), clock)


@pytest.mark.parametrize("abstract", [False, True])
def test_it_says_that_it_lives_and_that_a_start_goes_on(tmp_path: Path, abstract: bool) -> None:
    path = f"@callflow-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with systemd(path) as sock:
        notifier = Notifier.of({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "30000000"}, 7)
        beats(notifier, 29.0)
        assert heard(sock) == ["WATCHDOG=1", "EXTEND_TIMEOUT_USEC=60000000"] * 3
        notifier.ready()
        beats(notifier, 29.0)
        assert heard(sock) == ["READY=1", *["WATCHDOG=1"] * 3]
        notifier.stopping()
        beats(notifier, 5.0)
        assert heard(sock) == ["STOPPING=1", "WATCHDOG=1", "EXTEND_TIMEOUT_USEC=60000000"]


def test_a_watchdog_of_another_process_is_not_ours(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with systemd(path) as sock:
        notifier = Notifier.of({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "8"}, 7)
        notifier.ready()
        beats(notifier, 3 * EXTEND_EVERY_S)
        assert heard(sock) == ["READY=1"]


def test_without_systemd_nothing_is_told(tmp_path: Path) -> None:
    for environment in ({}, {"NOTIFY_SOCKET": str(tmp_path / "nobody")}, {"NOTIFY_SOCKET": "vsock:2:1"}):
        notifier = Notifier.of(environment, 7)
        notifier.ready()
        notifier.reloading()
        beats(notifier, 1.0)


def test_the_whole_process_as_a_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd's socket, one JSON object a line, readiness over HTTP, a call, and an end in order."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "600000")
    account(tmp_path / "accounts" / "acme", {"100": RECORD})

    async def main(sock: socket.socket) -> list[dict[str, object]]:
        words = ("--http", "127.0.0.1:0", "--log-json", "--workers", "0")
        server = await Server.start(tmp_path / "accounts", tmp_path / "state", *words, part='"uris"')
        try:
            started = json.loads(server.having('"uris"')[0])
            async with aiohttp.ClientSession() as client, client.get(f"{started['http']}/readyz") as ready:
                assert (await ready.json())["ready"] is True
            async with phone() as caller:
                await caller.call(plan(server, "100", 0.3))
            write(tmp_path / "accounts" / "acme" / "account.json", {"realm": "other.example.com"})
            server.signal(signal.SIGHUP)
            await server.until("documents read")
            server.signal(signal.SIGTERM)
            assert await server.ended() == 0
        finally:
            await server.close()
        return [json.loads(line) for line in server.lines]

    with systemd(str(tmp_path / "notify")) as sock:
        lines = asyncio.run(main(sock))
        told = [line.partition("\n")[0] for line in heard(sock)]
    assert [line for line in told if not line.startswith(("WATCHDOG", "EXTEND"))] == [
        "READY=1", "RELOADING=1", "READY=1", "STOPPING=1",
    ]  # fmt: skip
    assert "WATCHDOG=1" in told
    assert all({"time", "level", "message"} <= set(line) for line in lines)
    assert [line["event"] for line in lines if "serve." in str(line.get("event"))] == [
        "serve.started", "serve.ended",
    ]  # fmt: skip
    (ready,) = [line for line in lines if line["message"] == "recording.ready"]
    assert ready["recording_id"] and ready["call_id"]
    assert not any("token" in line for line in lines)


def test_the_unit_calls_the_command_as_it_is() -> None:
    unit = ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(UNIT)
    service = unit["Service"]
    assert (service["Type"], service["KillMode"]) == ("notify", "mixed")
    assert int(service["WatchdogSec"]) >= 10
    words = service["ExecStart"].split()
    options = {word for word in words if word.startswith("--")}
    command = next(each for each in app_for("serve").registered_commands if each.name == "serve")
    assert command.callback is not None
    known = {f"--{name.replace('_', '-')}" for name in command.callback.__annotations__}
    assert words[1] == "serve" and options <= known
