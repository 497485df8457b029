"""Programs that tests talk to: found, or the test is skipped (with CALLFLOW_REQUIRE_PEERS=1: fails)."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

MODULES = Path(__file__).parent / "peers" / "node_modules"
"""Where ``make peers`` puts the npm programs of tests/peers/package.json."""


def require(program: str) -> str:
    """The path of a program: on the PATH (``/usr/sbin`` too), or among the npm peers."""
    places = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", str(MODULES / ".bin")))
    found = shutil.which(program, path=places)
    if found is None:
        _missing(program)
        raise AssertionError
    return found


def prompt(program: str) -> list[str]:
    """How a telephone is started: one has a processor of its own, and is not to stand still because this
    machine is busy with other tests (where nobody may be preferred, ``nice`` says so and starts it as it is).
    """
    return [require("nice"), "-n", "-10", require(program)]


def require_module(name: str) -> Path:
    """The folder of an npm module."""
    path = MODULES / name
    if not path.is_dir():
        _missing(f"npm module {name}")
    return path


def _missing(what: str) -> None:
    if os.environ.get("CALLFLOW_REQUIRE_PEERS") == "1":
        pytest.fail(f"{what} is not installed, and CALLFLOW_REQUIRE_PEERS=1")
    pytest.skip(f"{what} is not installed (apt, or: make peers)")


@contextmanager
def running(
    command: Sequence[str], port: int, *, cwd: Path, env: Mapping[str, str] | None = None, seconds: float = 30
) -> Iterator[subprocess.Popen[bytes]]:
    """A peer program, up and listening on ``port``; its output is in ``cwd/peer.log``."""
    log = cwd / "peer.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            list(command),
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        if not wait_for_port(port, seconds, lambda: process.poll() is None):
            pytest.fail(f"the peer did not come up:\n{log.read_text(errors='replace')[-2000:]}")
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for_port(port: int, seconds: float = 30, alive: Callable[[], bool] = lambda: True) -> bool:
    """Wait until somebody listens on a port of loopback; False: nobody in time, or not ``alive`` any more."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and alive():
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
            continue
        return True
    return False
