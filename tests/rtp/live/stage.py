"""What the live RTP tests share: a pump on a network, and a small telephone at the other end of a leg."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import numpy as np

from callflow.media.clips import ClipLoader
from callflow.media.live import LivePump
from callflow.media.messages import AddLeg, RtpSource, RtpStream
from callflow.media.rtp.codecs import decode_g711, encode_g711
from callflow.media.rtp.ports import PortPool
from callflow.media.rtp.sockets import Net, UdpNet
from callflow.media.taps import Samples
from tests.ports import free_ports
from tests.rtp.live.memory import MemoryNet

HOST = "127.0.0.1"
PLAIN = RtpStream("PCMU", 0, ((0, "PCMU"), (8, "PCMA")), HOST, 0, event_payload=101)


@dataclass(frozen=True)
class Packet:
    """An RTP packet that came."""

    kind: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes

    @staticmethod
    def read(data: bytes) -> Packet:
        first, second, sequence, timestamp, ssrc = struct.unpack_from("!BBHII", data)
        assert first == 0x80
        return Packet(second & 0x7F, second >= 0x80, sequence, timestamp, ssrc, data[12:])


class Phone:
    """Sends µ-law packets of 20 ms and keeps what it gets. ``ssrc`` and ``sequence`` are its own."""

    def __init__(self, net: Net, port: int = 0, ssrc: int = 77) -> None:
        self.sock: Any = net.bind(HOST, port)
        self.port = net.port_of(self.sock)
        self.ssrc = ssrc
        self.sequence = 65530
        self.timestamp = 0xFFFFFF00
        self.got: list[Packet] = []

    def say(self, sound: Samples, port: int, *, kind: int = 0) -> None:
        """One packet."""
        payload = np.zeros(len(sound), np.uint8)
        encode_g711("PCMA" if kind == 8 else "PCMU", sound, payload)
        self.send(payload.tobytes(), port, kind=kind)
        self.timestamp = (self.timestamp + len(sound)) & 0xFFFFFFFF

    def send(self, payload: bytes, port: int, *, kind: int, marker: bool = False) -> None:
        """One packet as it is; time stands still."""
        second = kind | (0x80 if marker else 0)
        head = struct.pack("!BBHII", 0x80, second, self.sequence, self.timestamp, self.ssrc)
        self.sequence = (self.sequence + 1) & 0xFFFF
        self.sock.sendto(head + payload, (HOST, port))

    def listen(self) -> list[Packet]:
        """What has come since."""
        came = []
        buffer = memoryview(bytearray(2000))
        while True:
            try:
                size, _ = self.sock.recvfrom_into(buffer)
            except BlockingIOError:
                break
            came.append(Packet.read(bytes(buffer[:size])))
        self.got += came
        return came

    @property
    def heard(self) -> Samples:
        """All sound that came, in order."""
        data = b"".join(packet.payload for packet in self.got if packet.kind == 0)
        sound = np.zeros(len(data), np.int16)
        decode_g711("PCMU", np.frombuffer(data, np.uint8), sound)
        return sound


class Stage:
    """A pump on ``net`` (in memory unless given), tick by tick. ``events``: all that it told."""

    def __init__(self, net: Net | None = None, low: int = 40000, high: int = 40200) -> None:
        self.net = net or MemoryNet()
        self.ports = PortPool(HOST, low, high, net=self.net, ahead=2)
        self.pump = LivePump(ClipLoader(), self.ports, Random(1))
        self.events: list[object] = []
        self._phones: list[Phone] = []

    def phone(self, port: int = 0, ssrc: int = 77) -> Phone:
        """A telephone on the same network."""
        self._phones.append(Phone(self.net, port, ssrc))
        return self._phones[-1]

    def do(self, *commands: Any) -> None:
        """Tell the pump."""
        for command in commands:
            self.events += self.pump.command(command)

    def leg(
        self, name: str, port: int, *, rate: int = 8000, timeout_s: float = 0.0, jitter_ms: int = 60,
        **changes: Any,
    ) -> int:  # fmt: skip
        """Add a leg whose party is at ``port``; its own port."""
        place = self.ports.take()
        stream = replace(PLAIN, port=port, **changes)
        self.do(AddLeg(name, rate, RtpSource(place, stream, jitter_ms=jitter_ms, timeout_s=timeout_s)))
        return place.port

    def tick(self, count: int = 1) -> list[object]:
        """So many ticks; what they told."""
        told: list[object] = []
        for _ in range(count):
            if isinstance(self.net, MemoryNet):
                self.net.run(self.pump.now)
            told += self.pump.advance(self.pump.now + 0.01)[1]
        self.events += told
        return told

    def of(self, kind: type) -> list[Any]:
        """The events of that type."""
        return [event for event in self.events if isinstance(event, kind)]

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        self.pump.close()
        self.ports.close()
        for phone in self._phones:
            phone.sock.close()


def tone(n: int, start: int = 0, hertz: float = 440.0, level: float = 9000.0) -> Samples:
    """Samples ``start .. start + n`` of a sine."""
    return np.rint(level * np.sin(2 * np.pi * hertz * np.arange(start, start + n) / 8000)).astype(np.int16)


def on_machine() -> Stage:
    """A pump on real sockets."""
    low = free_ports(40)
    return Stage(UdpNet(), low, low + 40)
