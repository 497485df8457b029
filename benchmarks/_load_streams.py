"""The streams of one socket of the load generator, as rows of arrays: what they send, and what came back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks._load_mmsg import Datagrams
from benchmarks._load_tone import FRAME, LADDER, RATE, TONES, frames, ulaw, ulaw_values

PACKET = 12 + FRAME
PAYLOADS: NDArray[np.uint8] = ulaw(frames().reshape(-1)).reshape(len(TONES), len(LADDER), FRAME)
CHECKED = 32
"""Of the packets that are taken at once, how many have their sound looked at."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A stream. ``local``: one of the generator's ports; ``expects``: the tone (index of ``TONES``) that is
    to come back, -1: anything. ``loss``: part of the packets not sent; ``late``: part of them sent
    ``late_ms`` later (so out of order); ``drift_ppm`` of its clock. ``packets``: how many are sent, 0: for
    ever.
    """

    id: int
    local: int
    host: str
    port: int
    tone: int = 0
    expects: int = -1
    loss: float = 0.0
    late: float = 0.0
    late_ms: int = 60
    drift_ppm: float = 0.0
    packets: int = 0


@dataclass(frozen=True, slots=True)
class Heard:
    """A stream's account. ``lost`` by sequence number; ``disorder``: packets that came after a later one;
    ``jumps``: times that the timestamp left its line against the sequence number; ``sources``: SSRCs seen;
    ``checked`` packets were listened to and ``right`` of them held the expected tone; ``level``: the last.
    """

    id: int
    sent: int
    received: int
    lost: int
    disorder: int
    jumps: int
    sources: int
    checked: int
    right: int
    level: float

    @staticmethod
    def read(values: Mapping[str, Any]) -> Heard:
        return Heard(**{field.name: values[field.name] for field in fields(Heard)})


class _Rows:
    """The numbers of ``count`` streams, an array for each kind."""

    KINDS: Mapping[str, str] = {
        "id": "i8",
        "tone": "i8",
        "expects": "i8",
        "sent": "i8",
        "kept_back": "i8",
        "most": "i8",
        "loss": "f8",
        "late": "f8",
        "late_ms": "i8",
        "drift": "f8",
        "owed": "f8",
        "received": "i8",
        "first": "i8",
        "highest": "i8",
        "disorder": "i8",
        "jumps": "i8",
        "sources": "i8",
        "ssrc": "i8",
        "base": "i8",
        "checked": "i8",
        "right": "i8",
        "level": "f8",
    }

    def __init__(self, count: int) -> None:
        for name, kind in self.KINDS.items():
            setattr(self, name, np.zeros(count, kind))

    def copy(self, other: _Rows, count: int) -> None:
        for name in self.KINDS:
            getattr(self, name)[:count] = getattr(other, name)[:count]

    def move(self, source: int, target: int) -> None:
        for name in self.KINDS:
            column = getattr(self, name)
            column[target] = column[source]

    id: NDArray[np.int64]
    tone: NDArray[np.int64]
    expects: NDArray[np.int64]
    sent: NDArray[np.int64]
    kept_back: NDArray[np.int64]
    most: NDArray[np.int64]
    loss: NDArray[np.float64]
    late: NDArray[np.float64]
    late_ms: NDArray[np.int64]
    drift: NDArray[np.float64]
    owed: NDArray[np.float64]
    received: NDArray[np.int64]
    first: NDArray[np.int64]
    highest: NDArray[np.int64]
    disorder: NDArray[np.int64]
    jumps: NDArray[np.int64]
    sources: NDArray[np.int64]
    ssrc: NDArray[np.int64]
    base: NDArray[np.int64]
    checked: NDArray[np.int64]
    right: NDArray[np.int64]
    level: NDArray[np.float64]


class Streams:
    """All streams of one local port. ``turn`` gives what to send each 20 ms; ``heard`` takes what came."""

    def __init__(self, seed: int) -> None:
        self.count = 0
        self.strangers = 0
        self._random = np.random.default_rng(seed)
        self._by_port = np.full(65536, -1, np.int64)
        self._row_of: dict[int, int] = {}
        self._odd = False
        self._rows = _Rows(0)
        self.out = Datagrams(1, PACKET)
        self._grow(64)
        self._linear = ulaw_values().astype(np.float32)
        time = np.arange(FRAME) / RATE
        self._turns = np.exp(-2j * np.pi * np.array(TONES)[:, None] * time).astype(np.complex64)

    def _grow(self, size: int) -> None:
        rows, out = _Rows(size), Datagrams(size, PACKET)
        if self.count:
            rows.copy(self._rows, self.count)
            out.data[: self.count] = self.out.data[: self.count]
            out.names[: self.count] = self.out.names[: self.count]
        self._rows = rows
        self.out = out
        self._size = size
        self._sequence = out.data[:, 2:4].view(">u2")[:, 0]
        self._time = out.data[:, 4:8].view(">u4")[:, 0]

    # ---- which streams there are ----------------------------------------------------------------

    def add(self, plan: Plan) -> None:
        """Begin a stream. Its port is the peer's: what comes from there is its answer."""
        if self.count == self._size:
            self._grow(2 * self._size)
        row, rows = self.count, self._rows
        for name in _Rows.KINDS:
            getattr(rows, name)[row] = 0
        rows.id[row], rows.tone[row] = plan.id, plan.tone % len(TONES)
        rows.expects[row] = plan.expects % len(TONES) if plan.expects >= 0 else -1
        rows.most[row] = plan.packets or 2**62
        rows.loss[row], rows.late[row], rows.late_ms[row] = plan.loss, plan.late, plan.late_ms
        rows.drift[row] = plan.drift_ppm * 1e-6
        packet = self.out.data[row]
        packet[:2] = 0x80, 0
        packet[2:12] = self._random.integers(0, 256, 10)
        self.out.address(row, plan.host, plan.port)
        self._by_port[plan.port] = row
        self._row_of[plan.id] = row
        self.count += 1
        self._odd = self._odd or bool(plan.loss or plan.late or plan.drift_ppm or plan.packets)

    def remove(self, stream: int) -> Heard | None:
        """End a stream; its account."""
        row = self._row_of.pop(stream, None)
        if row is None:
            return None
        account = self.account(row)
        self._by_port[self._port(row)] = -1
        last = self.count - 1
        if row != last:
            self._rows.move(last, row)
            self.out.data[row], self.out.names[row] = self.out.data[last], self.out.names[last]
            self._by_port[self._port(row)] = row
            self._row_of[int(self._rows.id[row])] = row
        self.count = last
        return account

    def _port(self, row: int) -> int:
        return int(self.out.ports[row])

    def account(self, row: int) -> Heard:
        rows = self._rows
        received = int(rows.received[row])
        expected = int(rows.highest[row] - rows.first[row]) + 1 if received else 0
        return Heard(
            id=int(rows.id[row]),
            sent=int(rows.sent[row] - rows.kept_back[row]),
            received=received,
            lost=max(0, expected - received),
            disorder=int(rows.disorder[row]),
            jumps=int(rows.jumps[row]),
            sources=int(rows.sources[row]),
            checked=int(rows.checked[row]),
            right=int(rows.right[row]),
            level=float(rows.level[row]),
        )

    # ---- sending --------------------------------------------------------------------------------

    def turn(self) -> tuple[NDArray[np.intp] | int, NDArray[np.intp]]:
        """Make the next packet of every stream in ``out``. Gives the rows to send now (all: their number) and
        those to send late.
        """
        count, rows = self.count, self._rows
        part = slice(0, count)
        sent = rows.sent[part]
        self._sequence[part] += 1
        self._time[part] += FRAME
        self.out.data[part, 12:] = PAYLOADS[rows.tone[part], sent % len(LADDER)]
        if not self._odd:
            sent += 1
            return count, np.empty(0, np.intp)
        goes = sent < rows.most[part]
        sent += 1
        chance = self._random.random(count)
        lost = chance < rows.loss[part]
        late = ~lost & (chance < rows.loss[part] + rows.late[part]) & goes
        rows.kept_back[part] += lost | ~goes
        return np.flatnonzero(goes & ~lost & ~late), np.flatnonzero(late)

    def late_ms(self, row: int) -> int:
        return int(self._rows.late_ms[row])

    def slip(self) -> int:
        """What the streams' clocks, fast or slow, make of a turn: 1 one more packet is due, -1 none, 0 as
        usual. (One drift for all streams of a port.)
        """
        if not self._odd or not self.count:
            return 0
        owed = self._rows.owed[: self.count]
        owed += self._rows.drift[: self.count]
        if owed.max() >= 1:
            owed -= 1
            return 1
        if owed.min() <= -1:
            owed += 1
            return -1
        return 0

    # ---- what came ------------------------------------------------------------------------------

    def heard(self, arrived: Datagrams, count: int) -> None:
        """Account for ``count`` packets."""
        found = self._by_port[arrived.ports[:count]]
        good = (found >= 0) & (arrived.sizes[:count] > 12) & (arrived.data[:count, 1] & 0x7F < 64)
        packets = np.flatnonzero(good)
        self.strangers += count - len(packets)
        if not len(packets):
            return
        rows, of = self._rows, found[packets]
        head = arrived.data[packets, :12]
        sequence = head[:, 2:4].copy().view(">u2")[:, 0].astype(np.int64)
        stamp = head[:, 4:8].copy().view(">u4")[:, 0].astype(np.int64)
        ssrc = head[:, 8:12].copy().view(">u4")[:, 0].astype(np.int64)
        new = np.flatnonzero((rows.sources[of] == 0) | (ssrc != rows.ssrc[of]))
        for index in new:  # few: a stream begins
            self._begin(int(of[index]), int(sequence[index]), int(stamp[index]), int(ssrc[index]))
        ahead = (sequence - rows.highest[of] + 0x8000 & 0xFFFF) - 0x8000
        extended = rows.highest[of] + ahead
        base = (stamp - extended * FRAME) & 0xFFFFFFFF
        np.add.at(rows.received, of, 1)
        order = np.argsort(of, kind="stable")  # a batch holds several packets of a stream
        ran, said = of[order], extended[order]
        after = np.empty(len(said), np.bool_)
        after[0] = True
        after[1:] = (ran[1:] != ran[:-1]) | (said[1:] > said[:-1])
        np.add.at(rows.disorder, ran, (~after | (said < rows.highest[ran])).astype(np.int64))
        lines = base[order]
        before = np.where(np.concatenate(([True], ran[1:] != ran[:-1])), rows.base[ran], np.roll(lines, 1))
        np.add.at(rows.jumps, ran, (lines != before).astype(np.int64))
        rows.base[ran] = lines
        np.maximum.at(rows.highest, of, extended)
        np.minimum.at(rows.first, of, extended)
        self._listen(arrived, packets, of)

    def _begin(self, row: int, sequence: int, stamp: int, ssrc: int) -> None:
        rows = self._rows
        if rows.sources[row] and rows.ssrc[row] == ssrc:
            return  # another packet of it was in this batch
        if not rows.sources[row]:
            rows.first[row] = sequence
            rows.highest[row] = sequence
        rows.sources[row] += 1
        rows.ssrc[row] = ssrc
        rows.base[row] = (stamp - int(rows.highest[row]) * FRAME) & 0xFFFFFFFF

    def _listen(self, arrived: Datagrams, packets: NDArray[np.intp], of: NDArray[np.int64]) -> None:
        """Look at the sound of some packets."""
        some = self._random.integers(0, len(packets), min(CHECKED, len(packets)))
        whole = arrived.sizes[packets[some]] == PACKET
        some = some[whole & (self._rows.expects[of[some]] >= 0)]
        if not len(some):
            return
        streams = of[some]
        wave = self._linear[arrived.data[packets[some], 12:PACKET]]
        energy = np.einsum("ij,ij->i", wave, wave) / FRAME
        own = np.abs(np.einsum("ij,ij->i", wave, self._turns[self._rows.expects[streams]])) * 2 / FRAME
        right = (own**2 / 2 > 0.7 * energy) & (own > LADDER[0] / 2)
        np.add.at(self._rows.checked, streams, 1)
        np.add.at(self._rows.right, streams, right.astype(np.int64))
        self._rows.level[streams] = own
