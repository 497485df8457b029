"""Layer 2: carries sound between a leg's RTP port on this machine and one WebSocket. Lives on a loop of real
time.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from callflow.channels.websocket.wire import (
    CLEARED,
    FRAME_MS,
    Clear,
    Notify,
    Playout,
    connected,
    notified,
    pressed,
    read_text,
)
from callflow.clock import SystemClock
from callflow.media.resample import StreamResampler
from callflow.media.rtp.codecs import CODEC_RATE
from callflow.media.rtp.events import EVENT_DIGITS
from callflow.media.rtp.packet import HEADER
from callflow.media.taps import Samples

SOUND, EVENTS = 96, 101
"""Payload types between the pump and here."""
CODECS = {8000: "L16/8000", 16000: "L16/16000", 24000: "L16/16000"}
"""What the pump speaks for each rate of the socket; what that lacks is resampled here."""
_UNITS = 8 * FRAME_MS  # of an RTP timestamp (8000 a second) in a frame
_MOST = 2048
_LATE_FRAMES = 10


class Web(Protocol):
    """An open WebSocket."""

    async def say(self, message: str | bytes) -> None:
        """Send. Raises OSError when it is closed."""

    async def hear(self) -> str | bytes | None:
        """The next message; None: it is closed."""

    async def close(self) -> None:
        """Close it, if it is open."""


def door(host: str) -> socket.socket:
    """A UDP socket for a leg's packets, on this machine."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.bind((host, 0))
    return sock


def _wire_rate(rate: int) -> int:
    """Of the packets between the pump and here."""
    return CODEC_RATE[CODECS[rate]]


class _Bring:
    """Frames of 20 ms from one rate to another. The resampler gives its sound in bursts, 37 ms late at most:
    so two frames of silence come first.
    """

    def __init__(self, rate: int, to_rate: int) -> None:
        self._stream = StreamResampler(rate, to_rate, 1)
        self._frame = to_rate * FRAME_MS // 1000
        self._ready: Samples = np.zeros(0 if rate == to_rate else 2 * self._frame, np.int16)

    def __call__(self, frame: Samples) -> Samples:
        self._ready = np.concatenate([self._ready, self._stream.push(frame[:, None])[:, 0]])
        out, self._ready = self._ready[: self._frame], self._ready[self._frame :]
        return out


@dataclass(slots=True, eq=False)
class Gateway:
    """``door`` is connected to the leg's port. ``rate``: of the WebSocket's sound."""

    web: Web
    door: socket.socket
    rate: int
    headers: dict[str, object]
    clock: SystemClock = field(default_factory=SystemClock)
    _playout: Playout = field(init=False)
    _ended_event: int = -1

    def __post_init__(self) -> None:
        self._playout = Playout(self.rate)

    async def run(self) -> None:
        """Carry until one of both sides is closed."""
        await self.web.say(connected(self.rate, self.headers))
        tasks = [asyncio.ensure_future(each) for each in (self._read(), self._hear(), self._speak())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if (error := task.exception()) is not None and not isinstance(error, OSError):
                    raise error
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.web.close()

    # ---- from the server -----------------------------------------------------------------------

    async def _read(self) -> None:
        while (message := await self.web.hear()) is not None:
            if isinstance(message, bytes):
                self._playout.put(message)
                continue
            wanted = read_text(message)
            if isinstance(wanted, Clear):
                self._playout.clear()
                await self.web.say(CLEARED)
            elif isinstance(wanted, Notify):
                self._playout.notify(wanted.payload)

    async def _speak(self) -> None:
        """Every 20 ms a packet, in silence too: the leg's clock is ours."""
        bring = _Bring(self.rate, _wire_rate(self.rate))
        head = bytearray(HEADER)
        head[0], head[1] = 0x80, SOUND
        head[8:12] = secrets.token_bytes(4)
        sent, frame, begin = 0, 0, self.clock.now()
        while True:
            late = int((self.clock.now() - begin) * 1000) // FRAME_MS - frame
            if late > _LATE_FRAMES:  # this machine stood still: what was not said in time is not said at once
                frame += late
            sound, due = self._playout.take()
            if not sound:
                sound = bytes(self._playout.frame)
            samples = bring(np.frombuffer(sound, "<i2").astype(np.int16))
            head[2:4] = (sent & 0xFFFF).to_bytes(2, "big")
            head[4:8] = (frame * _UNITS & 0xFFFFFFFF).to_bytes(4, "big")
            with suppress(BlockingIOError, ConnectionRefusedError):  # the leg is just coming or going
                self.door.send(head + samples.astype(">i2").tobytes())
            for payload in due:
                await self.web.say(notified(payload))
            sent, frame = sent + 1, frame + 1
            await self.clock.sleep(max(0.0, begin + frame * FRAME_MS / 1000 - self.clock.now()))

    # ---- to the server -------------------------------------------------------------------------

    async def _hear(self) -> None:
        """What the leg hears, in frames of 20 ms; keys that others press, once they are let go."""
        loop = asyncio.get_running_loop()
        bring = _Bring(_wire_rate(self.rate), self.rate)
        while True:
            try:
                packet = await loop.sock_recv(self.door, _MOST)
            except ConnectionRefusedError:
                continue
            if len(packet) <= HEADER:
                continue
            kind, payload = packet[1] & 0x7F, packet[HEADER:]
            if kind == EVENTS:
                await self._press(int.from_bytes(packet[4:8], "big"), payload)
            elif kind == SOUND:
                samples = bring(np.frombuffer(payload, ">i2", len(payload) // 2).astype(np.int16))
                await self.web.say(samples.astype("<i2").tobytes())

    async def _press(self, timestamp: int, payload: bytes) -> None:
        if len(payload) < 4 or payload[1] < 0x80 or payload[0] >= len(EVENT_DIGITS):
            return  # it is still held down
        if timestamp != self._ended_event:  # the end of an event comes three times
            self._ended_event = timestamp
            await self.web.say(pressed(EVENT_DIGITS[payload[0]], int.from_bytes(payload[2:4], "big") // 8))
