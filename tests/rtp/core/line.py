"""A pretend network: packets are made, come late, twice or never, and are played."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from callflow.media.messages import RtpPlace, RtpSource, RtpStream
from callflow.media.rtp.arrivals import SLOT, Arrivals
from callflow.media.rtp.codecs import Encoder, encoder
from callflow.media.rtp.receive import DigitAt, RtpReceiver
from callflow.media.taps import Samples

ACCEPTS = ((0, "PCMU"), (8, "PCMA"), (9, "G722"), (96, "L16/8000"), (97, "L16/16000"))
PAYLOADS = {codec: payload for payload, codec in ACCEPTS}
PLACE = RtpPlace("127.0.0.1", 4000)


def stream(codec: str = "PCMU", events: int = 101, noise: int = 13) -> RtpStream:
    return RtpStream(
        codec, PAYLOADS[codec], ACCEPTS, "127.0.0.1", 5000, event_payload=events, noise_payload=noise
    )


def source(codec: str = "PCMU", hold_ms: int = 60, events: int = 101) -> RtpSource:
    return RtpSource(PLACE, stream(codec, events), jitter_ms=hold_ms)


def packet(
    payload: bytes, *, kind: int = 0, sequence: int = 0, time: int = 0, ssrc: int = 1, marker: bool = False
) -> bytes:
    return (
        bytes((0x80, kind | (0x80 if marker else 0)))
        + (sequence & 0xFFFF).to_bytes(2, "big")
        + (time & 0xFFFFFFFF).to_bytes(4, "big")
        + (ssrc & 0xFFFFFFFF).to_bytes(4, "big")
        + payload
    )


def arrivals(packets: Iterable[tuple[int, bytes]], time: float = 0.0) -> Arrivals:
    """Packets of (row, bytes)."""
    packets = list(packets)
    data = np.zeros((len(packets), SLOT), np.uint8)
    for i, (_, raw) in enumerate(packets):
        data[i, : min(len(raw), SLOT)] = np.frombuffer(raw[:SLOT], np.uint8)
    return Arrivals(
        data,
        np.array([len(raw) for _, raw in packets], np.intp),
        np.array([row for row, _ in packets], np.intp),
        time,
    )


@dataclass
class Sender:
    """An RTP sender; its clock runs ``ppm`` fast. ``rate``: of the sound that it is given."""

    codec: str = "PCMU"
    ssrc: int = 1
    sequence: int = 1000
    time: int = 5000
    ptime_ms: int = 20
    rate: int = 8000
    ppm: float = 0.0
    begins_s: float = 0.0
    sent_s: float = 0.0
    _encoder: Encoder | None = field(default=None)

    def say(self, sound: Samples) -> list[tuple[float, bytes]]:
        """Packets of ``sound``, each with the time at which it is sent (when its last sample was said)."""
        n = self.rate * self.ptime_ms // 1000
        return [self.send(sound[at : at + n]) for at in range(0, len(sound) - n + 1, n)]

    def send(self, sound: Samples, marker: bool = False) -> tuple[float, bytes]:
        self._encoder = self._encoder or encoder(self.codec, self.rate)
        payload = self._encoder(sound).tobytes()
        raw = packet(
            payload,
            kind=PAYLOADS[self.codec],
            sequence=self.sequence,
            time=self.time,
            ssrc=self.ssrc,
            marker=marker,
        )
        self.sequence += 1
        self.pause(len(sound) / self.rate)
        return self.begins_s + self.sent_s, raw

    def pause(self, seconds: float, clock: bool = True) -> None:
        """Nothing is sent; ``clock``: the timestamp goes on."""
        if clock:
            self.time += round(seconds * 8000)
        self.sent_s += seconds / (1 + self.ppm * 1e-6)


@dataclass
class Line:
    """A receiver and its clock; ``tick_ms`` a tick."""

    rate: int = 8000
    tick_ms: int = 10
    rows: int = 1
    receiver: RtpReceiver = field(init=False)
    now: int = 0
    digits: list[DigitAt] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.receiver = RtpReceiver(self.rate)

    def run(self, packets: Iterable[tuple[float, int, bytes]], seconds: float) -> Samples:
        """Deliver packets of (time, row, bytes) for so long; gives what was played: ``[rows, n]``."""
        packets = sorted(packets, key=lambda one: one[0])
        tick = self.rate * self.tick_ms // 1000
        plane = np.zeros((self.rows, 2, tick), np.int16)
        rows = np.arange(self.rows)
        pieces = []
        at = 0
        for _ in range(round(seconds * 1000 / self.tick_ms)):
            due = at
            while due < len(packets) and packets[due][0] <= self.now / self.rate + 1e-9:
                due += 1
            batch = arrivals([(row, raw) for _, row, raw in packets[at:due]], self.now / self.rate)
            self.digits += self.receiver.take(batch, self.now)
            at = due
            self.receiver.render(rows, plane, self.now, tick)
            pieces.append(plane[:, 0].copy())
            self.now += tick
        return np.concatenate(pieces, axis=1)


def tone(hertz: float, seconds: float, rate: int = 8000, level: float = 8000) -> Samples:
    at = np.arange(round(seconds * rate))
    return np.rint(level * np.sin(2 * np.pi * hertz * at / rate)).astype(np.int16)
