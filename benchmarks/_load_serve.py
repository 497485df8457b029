"""A ``callflow serve`` to be measured: its documents, its processes, and what the system says of them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ALONE, BRIDGED, PLAIN = "1", "7", "2"
"""First digit of what is called: recorded alone, recorded with a bridge, answered without a recording."""

_TICK = os.sysconf("SC_CLK_TCK")


def _write(path: Path, document: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


def documents(
    folder: Path, *, url: str, callee: int, file_format: str = "wav", transmit_silence: bool = True
) -> None:
    """An account with a flow for each of ``ALONE``, ``BRIDGED``, ``PLAIN``, and a carrier at ``callee``."""
    account = folder / "accounts" / "load"
    _write(account / "account.json", {"name": "Load", "realm": "load.example"})
    gateway = {"server": "127.0.0.1", "port": callee}
    carrier = {"name": "Load", "rules": ["^\\d+$"], "gateways": [gateway]}
    _write(account / "resources" / "carrier.json", carrier)
    silence = {"module": "dead_air", "data": {}, "children": {}}
    bridge = {"module": "resources", "data": {"timeout": 30}, "children": {}}
    start = {"action": "start", "format": file_format, "time_limit": 10800, "url": url}
    for digit, then in ((ALONE, silence), (BRIDGED, bridge)):
        record = {"module": "record_call", "data": start, "children": {"_": then}}
        flow = {"module": "answer", "data": {}, "children": {"_": record}} if digit == ALONE else record
        _write(
            account / "callflows" / f"record-{digit}.json",
            {"name": f"record {digit}", "patterns": [f"^{digit}\\d{{6}}$"], "flow": flow},
        )
    plain = {"name": "plain", "patterns": [f"^{PLAIN}\\d{{6}}$"], "flow": silence}
    _write(account / "callflows" / "plain.json", plain)
    config = folder / "system_config"
    _write(config / "delivery.json", {"allow_networks": ["127.0.0.0/8"], "keep_delivered": False})
    sip = {"max_calls": 5000, "max_calls_per_account": 5000, "transmit_silence": transmit_silence}
    _write(config / "sip.json", sip)


@dataclass(frozen=True, slots=True)
class Usage:
    """Of all processes of the server together. ``private_kb``: memory that is theirs alone. (What they share
    with others, libraries above all, counts more or less by who else runs.)
    """

    cpu_s: float
    private_kb: int
    fds: int
    sockets: int
    threads: int


class Served:
    """The server, up and answering."""

    def __init__(self, folder: Path, *, workers: int = 1, port: int = 0) -> None:
        self.port = port or _free_port()
        self.log = folder / "serve.log"
        self._folder = folder
        words = [
            *(sys.executable, "-m", "callflow", "serve", "--accounts", str(folder / "accounts")),
            *("--system-config", str(folder / "system_config"), "--state", str(folder / "state")),
            *("--bind", f"udp:127.0.0.1:{self.port}", "--workers", str(workers), "--quiet"),
        ]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._wait()

    def usage(self) -> Usage:
        """Now."""
        pids = list(_family(self._process.pid))
        fds = [link for pid in pids for link in _links(pid)]
        return Usage(
            cpu_s=sum(map(_cpu, pids)),
            private_kb=sum(map(_private, pids)),
            fds=len(fds),
            sockets=sum(link.startswith("socket:") for link in fds),
            threads=sum(len(os.listdir(f"/proc/{pid}/task")) for pid in pids),
        )

    def cpu_by_process(self) -> dict[str, float]:
        """CPU seconds of each process, by the last words of its command."""
        return {f"{_name(pid)} {pid}": _cpu(pid) for pid in _family(self._process.pid)}

    def spools(self) -> int:
        """Folders of recordings that are not finished."""
        folder = self._folder / "state" / "spool"
        return len(list(folder.iterdir())) if folder.is_dir() else 0

    def stop(self) -> None:
        """SIGTERM, and wait."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait(self) -> None:
        asked = (
            f"OPTIONS sip:127.0.0.1:{self.port} SIP/2.0\r\n"
            "Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bKup{n}\r\n"
            "Max-Forwards: 70\r\nFrom: <sip:load@127.0.0.1>;tag=up\r\nTo: <sip:127.0.0.1>\r\n"
            "Call-ID: up{n}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        )
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            sock.settimeout(0.2)
            for number in range(100):
                if self._process.poll() is not None:
                    break
                text = asked.replace("{port}", str(sock.getsockname()[1])).replace("{n}", str(number))
                sock.sendto(text.encode(), ("127.0.0.1", self.port))
                try:
                    sock.recv(4000)
                    return
                except OSError:
                    time.sleep(0.1)
        raise RuntimeError(f"callflow serve did not come up:\n{self.log.read_text()[-3000:]}")


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


# ---- what /proc says --------------------------------------------------------------------------------


def _family(pid: int) -> Iterator[int]:
    """A process and all its descendants."""
    yield pid
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
        children = " ".join(Path(f"/proc/{pid}/task/{task}/children").read_text() for task in tasks)
    except OSError:
        return
    for child in children.split():
        yield from _family(int(child))


def _cpu(pid: int) -> float:
    """Seconds of user and system time, those of ended children that were waited for included."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(value) for value in fields[11:15]) / _TICK


def _private(pid: int) -> int:
    """kB that it has written to, and shares with nobody."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Private_Dirty:")), 0)


def datagrams_dropped() -> int:
    """How many UDP datagrams this machine's kernel has thrown away because a socket's buffer was full."""
    lines = Path("/proc/net/snmp").read_text().splitlines()
    names, values = (line.split()[1:] for line in lines if line.startswith("Udp:"))
    return int(dict(zip(names, values, strict=True))["RcvbufErrors"])


def _links(pid: int) -> Iterator[str]:
    folder = f"/proc/{pid}/fd"
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        try:
            yield os.readlink(f"{folder}/{name}")
        except OSError:
            continue


def _name(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    return " ".join(word.decode() for word in words[1:4])
