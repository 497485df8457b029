"""Every receiver in examples/receivers takes a real upload from the real deliverer."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from callflow.delivery.urls import upload_urls
from tests.delivery.support import SETTINGS, State
from tests.peers import MODULES, require, require_module, running
from tests.ports import free_ports

EXAMPLES = Path(__file__).resolve().parents[2] / "examples/receivers"
BODY = bytes(range(256)) * 4000
CALL_ID = "abc-1@host"


OURS = "whsec_" + "A" * 32
NEW = "whsec_" + "B" * 32
CHECKING = {"RECORDINGS_SECRET": f"{OURS} {NEW}"}


@contextmanager
def python(name: str, port: int, folder: Path) -> Iterator[str]:
    kept = folder / "kept"
    command = [sys.executable, str(EXAMPLES / name), str(port), str(kept)]
    with running(command, port, cwd=folder, env=CHECKING):
        yield "recordings"


@contextmanager
def express(port: int, folder: Path) -> Iterator[str]:
    node = require("node")
    require_module("express")
    shutil.copy(EXAMPLES / "express/server.js", folder)
    (folder / "node_modules").symlink_to(MODULES)
    with running([node, "server.js", str(port), str(folder / "kept")], port, cwd=folder, env=CHECKING):
        yield "recordings"


@contextmanager
def php(port: int, folder: Path) -> Iterator[str]:
    program = require("php")
    shutil.copy(EXAMPLES / "php/index.php", folder)
    (folder / "kept").mkdir()
    command = [program, "-S", f"127.0.0.1:{port}", "index.php"]
    with running(command, port, cwd=folder, env={"RECORDINGS": str(folder / "kept"), **CHECKING}):
        yield "kzr"


@contextmanager
def nginx(port: int, folder: Path) -> Iterator[str]:
    program = require("nginx")
    text = (EXAMPLES / "nginx.conf").read_text(encoding="utf-8")
    assert "127.0.0.1:8080" in text
    (folder / "recordings/tmp").mkdir(parents=True)
    asked = free_ports(1)
    conf = text.replace("127.0.0.1:8080", f"127.0.0.1:{port}").replace("#s ", "")
    conf = conf.replace("127.0.0.1:8081", f"127.0.0.1:{asked}")
    if os.geteuid() == 0:  # its workers would be another user, who may not enter this folder
        conf = f"user root;\n{conf}"
    (folder / "nginx.conf").write_text(f"daemon off;\n{conf}", encoding="utf-8")
    (folder / "kept").symlink_to(folder / "recordings")
    beside = folder / "beside"
    beside.mkdir()
    with (
        python("python_aiohttp.py", asked, beside),
        running([program, "-p", str(folder), "-c", "nginx.conf"], port, cwd=folder),
    ):
        yield "recordings"


def deliver(tmp_path: Path, base: str, methods: tuple[str, ...]) -> None:
    """Send files as they should be: signed; then one that is signed by a stranger."""
    state = State.make(tmp_path / "state")
    rule: dict[str, object] = {"signing": ["secret:env:RECORDINGS_TEST_SECRET"]}
    settings = replace(SETTINGS, hosts={"127.0.0.1": rule})
    try:
        for number, method in enumerate(methods):
            url = next(upload_urls(base, f"{CALL_ID}-{method}", "wav"))
            state.enqueue(url, BODY + method.encode(), name=str(number), method=method)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RECORDINGS_TEST_SECRET", NEW)
            asyncio.run(state.deliver(settings))
            patch.setenv("RECORDINGS_TEST_SECRET", "whsec_" + "C" * 32)
            url = next(upload_urls(base, "stranger", "wav"))
            state.enqueue(url, BODY, name="stranger")
            asyncio.run(
                state.deliver_until(lambda: state.row("dlv-stranger").last_status is not None, settings)
            )
        for number, _ in enumerate(methods):
            (attempt,) = state.attempts(f"dlv-{number}")
            assert attempt.status is not None
            assert 200 <= attempt.status <= 299
        assert state.row("dlv-stranger").last_status == 401
    finally:
        state.database.close()


def kept(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "kept").iterdir() if path.is_file()}


BOTH = {f"call_recording_{CALL_ID}-{method}.wav": BODY + method.encode() for method in ("put", "post")}


@pytest.mark.parametrize("name", ["python_aiohttp.py", "flask_receiver.py"])
def test_python(tmp_path: Path, name: str) -> None:
    port = free_ports(1)
    with python(name, port, tmp_path) as path:
        deliver(tmp_path, f"http://127.0.0.1:{port}/{path}", ("put", "post"))
    assert kept(tmp_path) == BOTH


@pytest.mark.peer
def test_express(tmp_path: Path) -> None:
    port = free_ports(1)
    with express(port, tmp_path) as path:
        deliver(tmp_path, f"http://127.0.0.1:{port}/{path}", ("put", "post"))
    assert kept(tmp_path) == BOTH


@pytest.mark.peer
def test_php(tmp_path: Path) -> None:
    port = free_ports(1)
    with php(port, tmp_path) as path:
        deliver(tmp_path, f"http://127.0.0.1:{port}/{path}", ("put", "post"))
    assert kept(tmp_path) == {name.removeprefix("call_recording_"): body for name, body in BOTH.items()}


@pytest.mark.peer
def test_nginx(tmp_path: Path) -> None:
    port = free_ports(1)
    with nginx(port, tmp_path) as path:
        deliver(tmp_path, f"http://127.0.0.1:{port}/{path}", ("put",))
    name = f"call_recording_{CALL_ID}-put.wav"
    assert kept(tmp_path) == {name: BOTH[name]}
