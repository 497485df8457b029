"""Sound that a test sends itself, where sipp cannot: a tone by RTP, from any port."""

from __future__ import annotations

import asyncio
import socket
import struct

import numpy as np

from tests.sip.peers.sipp import HERTZ, LOUD, ulaw

SAMPLES = 160


class Speech:
    """``caller``'s tone to a port of the server; sequence, time and sender go on when it moves."""

    def __init__(self, host: str, to: int, ssrc: int = 0x5EED) -> None:
        self._host, self._to, self._ssrc = host, to, ssrc
        self._sent = 0
        angles = 2 * np.pi * HERTZ["caller"] * np.arange(8000) / 8000
        self._tone = ulaw(np.rint(LOUD * np.sin(angles)).astype(np.int16))

    async def speak(self, port: int, until: asyncio.Event) -> None:
        """Send from ``port`` every 20 ms; what the machine has delayed is made up for."""
        loop = asyncio.get_running_loop()
        with socket.socket(type=socket.SOCK_DGRAM) as sock:
            sock.bind((self._host, port))
            began, before = loop.time(), self._sent
            while not until.is_set():
                while self._sent - before <= (loop.time() - began) * 50:
                    sock.sendto(self._packet(), (self._host, self._to))
                await asyncio.sleep(0.01)

    def _packet(self) -> bytes:
        number, self._sent = self._sent, self._sent + 1
        head = struct.pack("!BBHII", 0x80, 0, number & 0xFFFF, number * SAMPLES, self._ssrc)
        start = number * SAMPLES % 8000
        return head + self._tone[start : start + SAMPLES]
