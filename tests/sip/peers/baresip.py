"""A real softphone for tests: baresip without a sound card, told what to do over its control socket."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.peers import prompt, wait_for_port
from tests.ports import free_ports

_MODULES = "/usr/lib/baresip/modules"


@dataclass(frozen=True)
class Phone:
    """What a phone is. ``account``: baresip's account line. ``says``: a WAV file (mono, its codec's rate)."""

    account: str
    says: Path
    port: int
    cafile: Path | None = None


@dataclass
class Baresip:
    """A running phone."""

    folder: Path
    phone: Phone
    _process: subprocess.Popen[bytes]
    _socket: socket.socket
    _buffer: bytes = b""
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def heard(self) -> list[Path]:
        """What came over the line, a file for each time that its sound was started, oldest first."""
        return sorted(self.folder.glob("dump-*-dec.wav"), key=lambda path: path.stat().st_mtime)

    def command(self, name: str, params: str = "") -> dict[str, Any]:
        """Have it do something (``dial``, ``hangup``, ``hold``, ``sndcode``, ``transfer`` ...)."""
        message = json.dumps({"command": name, "params": params, "token": name}).encode()
        self._socket.sendall(b"%d:%s," % (len(message), message))
        end = time.monotonic() + 10
        while time.monotonic() < end:
            for value in self._read():
                if value.get("response") and value.get("token") == name:
                    return value
        pytest.fail(f"baresip did not answer to {name}:\n{self.log}")

    def wait_for(self, kind: str, seconds: float = 10) -> dict[str, Any]:
        """The first event of a type (``CALL_ESTABLISHED``, ``REGISTER_OK`` ...) that nobody has taken yet."""
        end = time.monotonic() + seconds
        while True:
            for event in self.events:
                if event.get("type") == kind:
                    self.events.remove(event)
                    return event
            if time.monotonic() > end:
                pytest.fail(
                    f"baresip told no {kind}, but {[e.get('type') for e in self.events]}:\n{self.log}"
                )
            self._read()

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The events of a type so far, also those that were taken by nobody."""
        while self._read():
            pass
        return [event for event in self.events if event.get("type") == kind]

    def kill(self) -> None:
        """Have it vanish: it tells nobody."""
        self._process.kill()
        self._process.wait()

    @property
    def log(self) -> str:
        """The end of what it has printed; SIP messages are in it."""
        return (self.folder / "baresip.log").read_text(errors="replace")[-6000:]

    def _read(self) -> list[dict[str, Any]]:
        """What has come, waiting at most 0.1 s; events are kept too."""
        try:
            self._buffer += self._socket.recv(65536)
        except TimeoutError:
            return []
        values: list[dict[str, Any]] = []
        while b":" in self._buffer:
            size, _, rest = self._buffer.partition(b":")
            if len(rest) < int(size) + 1:
                break
            values.append(json.loads(rest[: int(size)]))
            self._buffer = rest[int(size) + 1 :]
        self.events += [value for value in values if value.get("event")]
        return values


@contextmanager
def baresip(folder: Path, phone: Phone, more: Sequence[str] = ()) -> Iterator[Baresip]:
    """A phone that is up. ``more``: lines of its configuration."""
    program = prompt("baresip")
    folder.mkdir(parents=True, exist_ok=True)
    control = phone_port()
    (folder / "config").write_text("\n".join(_config(folder, phone, control, more)) + "\n")
    (folder / "accounts").write_text("")
    (folder / "contacts").write_text("")
    with (folder / "baresip.log").open("wb") as log:
        process = subprocess.Popen(
            [*program, "-f", str(folder), "-n", "127.0.0.1", "-v", "-s"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        if not wait_for_port(control, 15, lambda: process.poll() is None):
            pytest.fail(f"baresip did not start:\n{(folder / 'baresip.log').read_text(errors='replace')}")
        with socket.create_connection(("127.0.0.1", control)) as sock:
            sock.settimeout(0.1)
            softphone = Baresip(folder, phone, process, sock)
            # Only now: it tells of its registration only to who is there already.
            softphone.command("uanew", phone.account)
            yield softphone
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _config(folder: Path, phone: Phone, control: int, more: Sequence[str]) -> Iterator[str]:
    yield f"sip_listen 127.0.0.1:{phone.port}"
    yield from ("sip_trans_def udp", "statmode_default off")
    if phone.cafile is not None:
        yield f"sip_cafile {phone.cafile}"
        yield f"sip_certificate {phone.cafile.parent / 'phone.pem'}"
    yield "audio_player aubridge,nobody"
    yield f"snd_path {folder}"
    yield f"audio_source aufile,{phone.says}"
    yield f"audio_alert aufile,{folder / 'alert.wav'}"
    yield from ("ausrc_channels 1", "auplay_channels 1")
    yield "rtp_ports 30000-30999"
    yield f"module_path {_MODULES}"
    yield from (f"module {name}.so" for name in ("g711", "g722", "aufile", "aubridge", "sndfile", "srtp"))
    yield from (f"module_tmp {name}.so" for name in ("uuid", "account"))
    yield from (f"module_app {name}.so" for name in ("ctrl_tcp", "menu"))
    yield f"ctrl_tcp_listen 127.0.0.1:{control}"
    yield from more


def phone_port() -> int:
    """A port for a phone: SIP over UDP and TCP on it, TLS on the next one."""
    return free_ports(2)
