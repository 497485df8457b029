"""Layer 1: sound of all RTP legs out: rows of one codec, packet length and turn are coded at once.

Packets of 20 ms go every second tick: half of the legs send on even ticks, half on odd ones. Sequence numbers
and timestamps go on for the life of a leg, whatever is agreed anew. Silence is sent as any other sound, or
only now and then (``pauses.py``): then nothing is coded for it and no system call is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from callflow.media.rtp.codecs import BYTES_A_TICK, G711, Encoder, Halver, encode_g711, encoder
from callflow.media.rtp.events import EventSender
from callflow.media.rtp.packet import HEADER
from callflow.media.rtp.pauses import NO_NOISE, Chosen, Pauses
from callflow.media.rtp.rows import RtpRow, Sender
from callflow.media.taps import Samples

TICK_UNITS = 80
"""Units of the RTP clock (8000) a tick."""
_FIRST_SLOTS = 8
_EVENT_BYTES = HEADER + 4
_MARKER = np.uint8(0x80)

Heard = Callable[[int, NDArray[np.intp], Samples], None]
"""``heard(tick, rows, out)``: what rows heard in a past tick, into ``out`` ``[K, samples of a tick]``."""


@dataclass(slots=True, eq=False)
class SendState:
    """The sending side of a row: what goes on for the life of the leg."""

    row: RtpRow
    ssrc: int
    sequence: int
    base: int  # RTP timestamp of tick 0
    sent: int = 0
    broken: bool = False  # packets of silence were left out before the next one
    group: SendGroup | None = None
    slot: int = -1
    events: EventSender | None = None
    coder: Encoder | None = None

    def timestamp(self, tick: int) -> int:
        """Extended RTP timestamp of a tick."""
        return self.base + TICK_UNITS * tick

    @property
    def count(self) -> int:
        """Packets sent in the leg's life."""
        return self.sent + (0 if self.group is None else int(self.group.counts[self.slot]))


class SendGroup:
    """Rows that send ``codec`` in packets of ``ticks``, each when ``(tick + 1) % ticks == turn``; ``saving``:
    lasting silence is not sent.
    """

    def __init__(
        self, codec: str, payload: int, ticks: int, turn: int, saving: bool, rate: int, halver: Halver
    ) -> None:
        self.codec = codec
        self.ticks = ticks
        self.turn = turn
        self.members: list[SendState] = []
        self.senders: list[Sender] = []
        self._payload = payload
        self._bytes = BYTES_A_TICK[codec]
        self._tick_samples = rate // 100
        self._rate = rate
        self._halver = halver
        self._pauses: Pauses | None = None
        self._saving = saving
        self._make(_FIRST_SLOTS)
        self.first = 0  # tick at which the packet that is being sent begins

    def _make(self, slots: int) -> None:
        self.rows: NDArray[np.intp] = np.zeros(slots, np.intp)
        self.counts: NDArray[np.int64] = np.zeros(slots, np.int64)
        self.sequences: NDArray[np.uint16] = np.zeros(slots, np.uint16)
        self._timestamps: NDArray[np.uint32] = np.zeros(slots, np.uint32)
        self._packets: NDArray[np.uint8] = np.zeros((slots, HEADER + self._bytes * self.ticks), np.uint8)
        self._packets[:, 0] = 0x80
        self._packets[:, 1] = self._payload
        self._sequence_bytes = self._packets[:, 2:4].view(">u2")[:, 0]
        self._timestamp_bytes = self._packets[:, 4:8].view(">u4")[:, 0]
        ticks = self.ticks if self._saving else 1  # that have to be known before one is coded
        self._sound: Samples = np.zeros((ticks, slots, self._tick_samples), np.int16)
        self._coded: NDArray[np.uint8] = np.zeros((slots, self._bytes), np.uint8)
        self._views = [memoryview(packet) for packet in self._packets]
        if self._saving:
            former, self._pauses = self._pauses, Pauses(slots, self.ticks)
            if former is not None:
                self._pauses.grow(former)

    def add(self, state: SendState, tick: int) -> None:
        """``state`` sends from ``tick`` on."""
        slot = len(self.members)
        if slot == len(self.rows):
            self._grow()
        self.members.append(state)
        self.senders.append(state.row.sender)
        ahead = (self.turn - 1 - tick) % self.ticks
        self.rows[slot] = state.row.row
        self.counts[slot] = 0
        self.sequences[slot] = state.sequence
        self._timestamps[slot] = state.timestamp(tick + ahead + 1 - self.ticks) & 0xFFFFFFFF
        self._packets[slot, 8:12] = np.frombuffer(state.ssrc.to_bytes(4), np.uint8)
        state.group, state.slot = self, slot
        if self._pauses is not None:
            self._pauses.broken[slot] = state.broken
        self.wake(state)
        if self.codec not in G711:
            state.coder = encoder(self.codec, self._rate)
        elif self._rate != 8000:
            self._halver.reset(state.row.row)

    def remove(self, state: SendState) -> None:
        """It sends no more. The last row takes its place."""
        slot, last = state.slot, len(self.members) - 1
        state.sequence = int(self.sequences[slot])
        state.sent += int(self.counts[slot])
        state.broken = self._pauses is not None and bool(self._pauses.broken[slot])
        state.group, state.slot, state.coder = None, -1, None
        moved, sender = self.members.pop(), self.senders.pop()
        if slot != last:
            self.members[slot], self.senders[slot] = moved, sender
            moved.slot = slot
            for column in (self.rows, self.counts, self.sequences, self._timestamps):
                column[slot] = column[last]
            self._packets[slot, 8:12] = self._packets[last, 8:12]
            if self._pauses is not None:
                self._pauses.move(slot, last)

    def wake(self, state: SendState) -> None:
        """Its next packets are sent, whatever is in them."""
        stream = state.row.stream
        if self._pauses is not None:
            self._pauses.wake(state.slot, -1 if stream is None else stream.noise_payload)

    def send(self, tick: int, heard: Heard, *, quiet: bool) -> None:
        """Code and send what the rows heard in the ``ticks`` up to and with ``tick``. ``quiet``: it is too
        late for that: only time goes on.
        """
        n = len(self.members)
        if not quiet:
            self.first = tick + 1 - self.ticks
            self._sequence_bytes[:n] = self.sequences[:n]
            self._timestamp_bytes[:n] = self._timestamps[:n]
            if self._pauses is None:
                self._send_all(n, heard)
            else:
                self._send_sound(n, heard, self._pauses)
        self._timestamps[:n] += TICK_UNITS * self.ticks

    def _send_all(self, n: int, heard: Heard) -> None:
        rows, sound = self.rows[:n], self._sound[0, :n]
        for number in range(self.ticks):
            heard(self.first + number, rows, sound)
            self._code(number, slice(n), sound)
        _send(zip(self.senders, self._views, strict=False))
        self.sequences[:n] += 1
        self.counts[:n] += 1

    def _send_sound(self, n: int, heard: Heard, pauses: Pauses) -> None:
        """As ``_send_all``, without lasting silence."""
        rows, sound = self.rows[:n], self._sound[:, :n]
        for number in range(self.ticks):
            heard(self.first + number, rows, sound[number])
        chosen = pauses.choose(sound)
        which = slice(n) if chosen is None else chosen.slots
        for number in range(self.ticks):
            self._code(number, which, sound[number, which])
        if chosen is None:
            _send(zip(self.senders, self._views, strict=False))
        else:
            self._send_chosen(chosen)
        self.sequences[which] += 1
        self.counts[which] += 1

    def _send_chosen(self, chosen: Chosen) -> None:
        packets, views, senders = self._packets, self._views, self.senders
        packets[chosen.marked, 1] |= _MARKER
        _send((senders[slot], views[slot]) for slot in chosen.slots.tolist())
        packets[chosen.marked, 1] = self._payload
        for slot, noise in chosen.quiet:
            packets[slot, [1, HEADER]] = noise, NO_NOISE
            _send([(senders[slot], views[slot][: HEADER + 1])])
            packets[slot, 1] = self._payload
            self.sequences[slot] += 1
            self.counts[slot] += 1

    def _code(self, number: int, which: slice | NDArray[np.intp], sound: Samples) -> None:
        """Tick ``number`` of the packets of some slots, whose sound this is."""
        low = HEADER + self._bytes * number
        if self.codec not in G711:
            slots = np.arange(len(self.members))[which].tolist()
            for slot, row in zip(slots, sound, strict=True):
                coder = self.members[slot].coder
                assert coder is not None
                self._packets[slot, low : low + self._bytes] = coder(row)
            return
        if self._rate != 8000:
            sound = self._halver(self.rows[which], sound)
        coded = self._coded[: len(sound)]
        encode_g711(self.codec, sound, coded)
        self._packets[which, low : low + self._bytes] = coded

    def _grow(self) -> None:
        slots = len(self.rows)
        rows, counts, sequences = self.rows, self.counts, self.sequences
        timestamps, packets = self._timestamps, self._packets
        self._make(slots * 2)
        self.rows[:slots], self.counts[:slots], self.sequences[:slots] = rows, counts, sequences
        self._timestamps[:slots], self._packets[:slots] = timestamps, packets


def _send(packets: Iterable[tuple[Sender, memoryview]]) -> None:
    """One after the other; one that cannot be sent (ICMP said so, no buffer, no route) is lost on its way."""
    waiting = iter(packets)
    while True:
        try:
            for sender, packet in waiting:
                sender(packet)
            return
        except OSError:
            continue


class RtpSender:
    """All sending rows of one plane."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._halver = Halver()
        self._groups: dict[tuple[str, int, int, int, bool], SendGroup] = {}

    def agree(self, state: SendState, tick: int) -> None:
        """The row's stream may have changed: send as it says from ``tick`` on, or nothing."""
        stream = state.row.stream
        group = state.group
        key = None
        if stream is not None and stream.sends and state.row.target is not None:
            ticks = min(6, max(1, stream.ptime_ms // 10))
            saving = not stream.transmit_silence
            key = (stream.codec, stream.payload, ticks, state.row.row % ticks, saving)
        if group is not None and (key is None or self._groups.get(key) is not group):
            group.remove(state)
        if key is not None:
            if key not in self._groups:
                self._groups[key] = SendGroup(*key, self._rate, self._halver)
            if state.group is None:
                self._groups[key].add(state, tick)
            else:
                self._groups[key].wake(state)
        self.refresh(state)

    def refresh(self, state: SendState) -> None:
        """The row's way of sending has changed."""
        if state.group is not None:
            busy = state.events is not None and state.events.busy
            state.group.senders[state.slot] = _EventTime(state) if busy else state.row.sender

    def press(self, state: SendState, digit: str, tone_s: float, gap_s: float) -> bool:
        """Send a digit as telephone-events. False: none were agreed, or nothing is sent."""
        stream = state.row.stream
        if stream is None or stream.event_payload < 0 or state.group is None:
            return False
        if state.events is None or not state.events.busy:
            state.events = EventSender(clock=stream.event_rate, ptime_ms=state.group.ticks * 10)
        state.events.press(digit, tone_s, gap_s)
        state.group.wake(state)
        self.refresh(state)
        return True

    def remove(self, state: SendState) -> None:
        """The leg is gone."""
        if state.group is not None:
            state.group.remove(state)

    def send(self, tick: int, heard: Heard, *, quiet: bool = False) -> None:
        """All packets that are due at the end of ``tick``."""
        for group in self._groups.values():
            if group.members and (tick + 1) % group.ticks == group.turn:
                group.send(tick, heard, quiet=quiet)


class _EventTime:
    """How a row sends while digits are sent: telephone-events in place of its sound (RFC 4733 2.6.1)."""

    __slots__ = ("_state",)

    def __init__(self, state: SendState) -> None:
        self._state = state

    def __call__(self, packet: memoryview) -> int:
        state = self._state
        group, events, stream = state.group, state.events, state.row.stream
        assert group is not None and events is not None and stream is not None
        group.wake(state)  # as long as digits are sent
        packets, hold = events.next(state.timestamp(group.first))
        sequence = int(group.sequences[state.slot])
        whole = [] if hold else [bytes(packet)]
        for event in packets:
            head = bytearray(packet[:_EVENT_BYTES])
            head[1] = stream.event_payload | (0x80 if event.marker else 0)
            head[4:8] = (event.timestamp & 0xFFFFFFFF).to_bytes(4)
            head[HEADER:] = event.payload
            whole.append(bytes(head))
        # One packet is counted after us: no more and no fewer may have gone.
        group.sequences[state.slot] = (sequence + len(whole) - 1) & 0xFFFF
        group.counts[state.slot] += len(whole) - 1
        if not events.busy:
            group.senders[state.slot] = state.row.sender
        for number, data in enumerate(whole):
            packet_bytes = data[:2] + ((sequence + number) & 0xFFFF).to_bytes(2) + data[4:]
            state.row.sender(memoryview(packet_bytes))
        return len(whole)
