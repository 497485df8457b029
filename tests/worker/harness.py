"""A test bench: real media processes, a state folder, and a phone that speaks RTP by real time."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from callflow.clock import SystemClock
from callflow.media.messages import RtpPlace, RtpStream, SrtpKey
from callflow.media.rtp.codecs import encode_g711
from callflow.media.rtp.srtp import SUITES, SrtpIn, SrtpOut
from callflow.media.taps import Samples
from callflow.recording.closing import ClosingDesk
from callflow.recording.farm import FarmOptions, MediaFarm
from callflow.recording.finish import Finished, Finisher
from callflow.recording.messages import RecordingEvent
from callflow.state.database import Database
from callflow.state.folder import StateFolder
from tests.ports import free_ports

Floats = NDArray[np.float64]
PORTS = 400
"""How many a bench has, all of its own."""
WAIT_S = 20.0


@dataclass
class Bench:
    """``events``: all that the media has said; ``finished``: recordings that are ready."""

    root: Path
    workers: int = 2
    ports: int | None = PORTS
    patience_s: float = 15.0
    events: list[object] = field(default_factory=list)
    finished: dict[str, Finished] = field(default_factory=dict)

    async def __aenter__(self) -> Bench:
        self.folder = StateFolder.open(self.root)
        self.clock = SystemClock()
        self.database = Database.open(self.folder.database)
        self.desk = ClosingDesk(
            Finisher(self.folder, self.database),
            self.clock,
            lambda finished: self.finished.__setitem__(finished.id, finished),
        )
        self.first = free_ports(self.ports) if self.ports else 0
        ports = (self.first, self.first + self.ports - 1) if self.ports else None
        options = FarmOptions(workers=self.workers, ports=ports, patience_s=self.patience_s)
        self.farm = MediaFarm(options, self.folder, self.clock, on_closed=self.desk.on_closed)
        self.farm.subscribe(self.desk.on_event)
        self.farm.subscribe(self.events.append)
        self.desk.start()
        self.farm.start()
        await self.farm.ready()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.farm.end_recordings()
        await self.farm.close()
        await self.desk.close()
        self.database.close()

    def of(self, kind: type) -> list[object]:
        """The events of one type."""
        return [event for event in self.events if isinstance(event, kind)]

    def told(self, id: str) -> list[RecordingEvent]:
        """What happened to a recording."""
        return [event for event in self.events if isinstance(event, RecordingEvent) and event.id == id]

    def changes(self, id: str) -> list[str]:
        """What happened to a recording, in words."""
        return [event.change for event in self.told(id)]

    def sample(self, id: str, time: float) -> int:
        """The sample of a recording that was never paused at an engine time."""
        (begun,) = (event for event in self.told(id) if event.change == "started")
        return round((time - begun.time) * 8000)

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something is so; a failure after ``WAIT_S``."""
        deadline = time.monotonic() + WAIT_S
        while not true():
            assert time.monotonic() < deadline, "it never came"
            await asyncio.sleep(0.01)

    async def sound(self, id: str) -> Samples:
        """The finished file of a recording: int16 ``[n, channels]``."""
        await self.until(lambda: id in self.finished)
        file = self.finished[id].file
        assert file is not None, self.finished[id]
        pcm, _ = soundfile.read(self.folder.root / file, dtype="int16", always_2d=True)
        return np.asarray(pcm, np.int16)


def tone(hertz: float, n: int, first: int = 0) -> Samples:
    """Samples ``first .. first + n`` of a sine at 8000 Hz."""
    at = np.arange(first, first + n)
    pcm: Samples = np.rint(8000 * np.sin(2 * np.pi * hertz * at / 8000)).astype(np.int16)
    return pcm


class Phone:
    """Sends a tone as PCMU in packets of 20 ms from a thread, and keeps what comes. ``secret``: by SRTP."""

    def __init__(self, hertz: float, *, secret: bool = False) -> None:
        self.hertz = hertz
        self._keys = [SrtpKey(SUITES[0], os.urandom(30)) for _ in range(2)] if secret else [None, None]
        self._out = SrtpOut(self._keys[0]) if self._keys[0] else None
        self._in = SrtpIn(self._keys[1]) if self._keys[1] else None
        self.got: list[bytes] = []
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind(("127.0.0.1", 0))
        self._sock.settimeout(0.005)
        self._stop = threading.Event()
        self._place: RtpPlace | None = None
        self._thread = threading.Thread(target=self._main, daemon=True)

    @property
    def stream(self) -> RtpStream:
        """What was agreed with it."""
        port = self._sock.getsockname()[1]
        keys = self._keys
        return RtpStream("PCMU", 0, ((0, "PCMU"),), "127.0.0.1", port, key_in=keys[0], key_out=keys[1])

    def call(self, place: RtpPlace) -> None:
        """Begin to send to ``place``."""
        self._place = place
        self._thread.start()

    def close(self) -> None:
        """Fall silent."""
        self._stop.set()
        self._thread.join()
        self._sock.close()

    def _main(self) -> None:
        assert self._place is not None
        begin, number = time.monotonic(), 0
        while not self._stop.is_set():
            while time.monotonic() >= begin + 0.02 * number:
                sound = np.empty(160, np.uint8)
                encode_g711("PCMU", tone(self.hertz, 160, 160 * number), sound)
                # The sequence number turns over soon: SRTP must have counted that.
                head = struct.pack("!BBHII", 0x80, 0, number + 65526 & 0xFFFF, 160 * number, 7)
                packet: bytes | None = head + sound.tobytes()
                if self._out is not None and packet is not None:
                    packet = self._out.rtp(packet)
                self._sock.sendto(packet or b"", ("127.0.0.1", self._place.port))
                number += 1
            try:
                came: bytes | None = self._sock.recv(2048)
            except TimeoutError:
                continue
            if self._in is not None and came is not None:
                came = self._in.rtp(came)
            self.got.append(came or b"")


def phases(channel: Samples, hertz: float, window: int = 160) -> tuple[Floats, Floats]:
    """Amplitude and phase error (cycles, against a tone without a break) of each window."""
    parts = channel[: len(channel) // window * window].astype(np.float64).reshape(-1, window)
    turn = np.exp(-2j * np.pi * hertz * np.arange(parts.size) / 8000).reshape(-1, window)
    found = 2 * (parts * turn).mean(axis=1)
    return np.abs(found), np.angle(found) / (2 * np.pi)
