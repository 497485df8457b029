"""Layer 1: where in time packets belong: by RTP timestamp, mapped once and then only followed.

Sequence numbers only tell loss, duplicates and order. The common case is a batch of packets of known streams;
whatever is odd (a new SSRC, a jump, a late or a repeated packet) is taken one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from callflow.media.rtp.codecs import RTP_CLOCK
from callflow.media.rtp.columns import FOREVER, SEEN, columns
from callflow.media.rtp.drift import Leads
from callflow.media.rtp.masks import some
from callflow.media.rtp.ring import Ring
from callflow.media.taps import Samples

LONGEST_MS = 120
"""Longest piece of sound that is placed at once; longer packets are cut."""
RING_MS = 1024
AHEAD_MS = 800
"""How far ahead of its time a packet may come."""
_FIRST_ROWS = 16
_JOIN_MS = 40  # a new stream follows the old one's end if that is so near to where it would begin
_JUMP = 500  # of sequence numbers (RFC 3550 A.1 has 3000: a minute)
_LATE_MS = 1000  # so late is another time, not lateness
# A path that has become slower: so many packets in a row over so long a time were late.
_LATE_RUN, _LATE_RUN_MS = 5, 100
_PAUSE_MS, _PAUSE_RUN, _PAUSE_RUN_MS = 200, 3, 40  # and where they are very late
_FLAP_MS, _FLAP_QUIET_MS = 250, 100
_RENEW_MS = 2000

_Ints = NDArray[np.int64]
_Rows = NDArray[np.intp]


_EARLY_MS = 4
"""A first packet is as likely to have come late in its tick as early: it is placed as if it had waited half
of it, so that the packets after it, some of which come earlier in theirs, need no correction.
"""


@dataclass(slots=True)
class Batch:
    """Packets of a batch: ``regular`` ones, and where they belong; those that are ``late`` as a whole."""

    regular: NDArray[np.bool_]
    late: NDArray[np.bool_]
    places: _Ints
    sequences: _Ints
    leads: _Ints


class Bank:
    """Time and waiting sound of all rows that have one sample rate on the wire."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.scale = rate // RTP_CLOCK
        self.ms = rate // 1000
        self.columns = columns(_FIRST_ROWS)
        size = 1 << (RING_MS * self.ms - 1).bit_length()
        self.ring = Ring(_FIRST_ROWS, size, LONGEST_MS * self.ms)
        self.leads = Leads(_FIRST_ROWS, rate)
        self.ahead = AHEAD_MS * self.ms
        self._order: _Rows = np.zeros(_FIRST_ROWS, np.intp)
        self.behind = 0
        """Samples by which the plane's clock is behind at present (late ticks are being made up for): what
        comes now has come so much later than ``now``. Else a stall would look like a faster network.
        """

    def add(self, row: int, hold: int) -> None:
        """A new row; ``hold`` in samples."""
        if row >= (old := len(self.columns.ssrc)):
            rows = max(row + 1, 2 * old)
            self.columns.grow(rows)
            self.ring.grow(rows)
            self.leads.grow(rows)
            self._order = np.zeros(rows, np.intp)
        self.columns.reset(row)
        self.columns.hold[row] = hold
        self.ring.reset(row)
        self.leads.reset(row)

    def sort_out(
        self, rows: _Rows, ssrc: _Ints, sequence: _Ints, time: _Ints, size: _Ints, now: int
    ) -> Batch:
        """Which packets (``size`` samples each) are regular; nothing is changed."""
        c = self.columns
        # A difference of numbers that wrap round: a narrower integer cuts it to the nearer way.
        after = (time - c.ref_time[rows]).astype(np.int32)
        places = c.ref_place[rows] + (after if self.scale == 1 else after * np.int64(self.scale))
        leads = places - now - c.shift[rows]
        highest = c.max_seq[rows]
        step = (sequence - highest).astype(np.int16)
        sequences = highest + step
        regular = (ssrc == c.ssrc[rows]) & (step < _JUMP) & (step > -_JUMP)
        regular &= c.seen[rows, sequences % SEEN] != sequences
        late = regular & (leads <= -size)
        regular &= (leads > -size) & (leads <= self.ahead - size)
        count = np.arange(len(rows))
        self._order[rows] = count
        if some(self._order[rows] != count):  # several packets of a row: are they the same?
            first = np.unique(rows.astype(np.int64) << 16 | sequence, return_index=True)[1]
            again = np.ones(len(rows), np.bool_)
            again[first] = False
            regular &= ~again
            late[:] = False
        elif some(late):
            late &= (leads >= -_LATE_MS * self.ms) | (step <= 0)
        return Batch(regular, late, places, sequences, leads)

    def pass_over(self, rows: _Rows, sequences: _Ints, leads: _Ints, now: int) -> NDArray[np.bool_]:
        """Late packets, one of a row: count those that are passed over; gives which they are. The others are
        one too many, their path has become slower.
        """
        c = self.columns
        count = c.late_count[rows] + 1
        since = np.where(count == 1, now, c.late_since[rows])
        ms = (now - since) // self.ms
        very = (leads < -_PAUSE_MS * self.ms) & (count >= _PAUSE_RUN) & (ms >= _PAUSE_RUN_MS)
        often = (leads >= -_PAUSE_MS * self.ms) & (count >= _LATE_RUN) & (ms >= _LATE_RUN_MS)
        over: NDArray[np.bool_] = ~(very | often)
        rows, sequences = rows[over], sequences[over]
        c.late_count[rows], c.late_since[rows] = count[over], since[over]
        self.leads.seen(rows, leads[over] - self.behind)
        c.late[rows] += 1
        c.seen[rows, sequences % SEEN] = sequences
        c.max_seq[rows] = np.maximum(c.max_seq[rows], sequences)
        self._count(rows)
        return over

    def accept(
        self, rows: _Rows, time: _Ints, places: _Ints, sequences: _Ints, size: _Ints, now: int
    ) -> None:
        """Regular packets are in the ring; remember them. Of several packets of a row the last one's jitter
        counts.
        """
        c = self.columns
        quiet = (places > c.end[rows]) & (sequences == c.max_seq[rows] + 1)
        open_end = c.silent_to[rows] == FOREVER
        if some(quiet):
            fresh = rows[quiet & ~open_end]
            c.silent_from[fresh] = c.end[fresh]
            c.silent_to[rows[quiet]] = places[quiet]
        if some(open_end):
            c.silent_to[rows[open_end]] = places[open_end]
        c.seen[rows, sequences % SEEN] = sequences
        np.maximum.at(c.max_seq, rows, sequences)
        np.maximum.at(c.end, rows, places + size)
        c.ref_time[rows] = time
        c.ref_place[rows] = places
        self._arrived(rows, places, now)

    def go_on(self, rows: _Rows, time: _Ints, places: _Ints, size: _Ints, now: int) -> None:
        """As ``accept``, of one packet of each row, which begins where the last one ended and has the next
        number.
        """
        c = self.columns
        sequences = c.max_seq[rows] + 1
        c.seen[rows, sequences & (SEEN - 1)] = sequences
        c.max_seq[rows] = sequences
        c.end[rows] = places + size
        c.ref_time[rows] = time
        c.ref_place[rows] = places
        self._arrived(rows, places, now)

    def _arrived(self, rows: _Rows, places: _Ints, now: int) -> None:
        c = self.columns
        transit = now + self.behind - places
        self.leads.seen(rows, -transit - c.shift[rows])
        jitter = c.jitter[rows]
        c.jitter[rows] = jitter + (np.abs(transit - c.transit[rows]) - jitter) / 16
        c.transit[rows] = transit
        c.late_count[rows] = 0
        self._count(rows)

    def _count(self, rows: _Rows) -> None:
        c = self.columns
        count = np.bincount(rows, minlength=len(c.received))
        c.received += count
        c.received_now += count
        c.unique_now += count

    def follow(self, row: int, ssrc: int, sequence: int, time: int, now: int) -> int | None:
        """A packet without sound of its own (an event, comfort noise): its place; None: a repeated one."""
        extended = self._sequence(row, ssrc, sequence, time, now)
        if extended is None:
            return None
        c = self.columns
        self._mark(row, extended)
        return int(c.ref_place[row]) + _signed(time - int(c.ref_time[row]), 32) * self.scale

    def write(self, row: int, place: int, sound: Samples, now: int) -> None:
        """Put a packet's sound into the ring: all but what is late."""
        begin = max(0, now + int(self.columns.shift[row]) - place)
        longest = self.ring.longest
        for at in range(begin, len(sound), longest):
            piece = sound[at : at + longest]
            self.ring.write(np.array([row]), np.array([place + at]), piece[None])

    def renew(self, row: int, now: int) -> None:
        """The far end's sound comes from elsewhere now: soon it may begin anew with numbers and times that
        have been, when another sender has chosen the same SSRC.
        """
        self.columns.renewed[row] = now + _RENEW_MS * self.ms

    def _begins_anew(self, row: int, time: int, now: int) -> bool:
        c = self.columns
        if now >= c.renewed[row]:
            return False
        place = int(c.ref_place[row]) + int(_signed(time - int(c.ref_time[row]), 32)) * self.scale
        return place - now - int(c.shift[row]) < -_PAUSE_MS * self.ms

    def shift_clock(self, row: int, later: int) -> None:
        """The row goes on with a clock that is ``later`` samples further."""
        c = self.columns
        c.shift[row] -= later
        c.transit[row] += later
        c.late_since[row] += later
        c.switched[row] += later

    def hush(self, row: int, place: int) -> None:
        """From ``place`` on, until sound comes, the party is silent."""
        c = self.columns
        if c.silent_to[row] != FOREVER:
            c.silent_from[row] = max(place, int(c.end[row]))
            c.silent_to[row] = FOREVER

    def place(self, row: int, ssrc: int, sequence: int, time: int, size: int, now: int) -> int | None:
        """Any packet of ``size`` samples: its place, already remembered (what is before ``now + shift`` is
        late); None: repeated or all too late, already counted.
        """
        extended = self._sequence(row, ssrc, sequence, time, now)
        if extended is None:
            return None
        c = self.columns
        newest = extended > c.max_seq[row]
        place = int(c.ref_place[row]) + _signed(time - int(c.ref_time[row]), 32) * self.scale
        lead = place - now - int(c.shift[row])
        if lead > self.ahead - size or (lead < -_LATE_MS * self.ms and newest):
            if not newest:
                self._late(row, extended)
                return None
            place = self._map(row, time, now)
        elif lead + size <= 0:
            if not self._slower(row, lead, now):
                self.leads.seen(np.array([row]), np.array([lead - self.behind]))
                self._late(row, extended)
                return None
            place = self._map(row, time, now)
        one = np.array([row])
        sizes, places = np.array([size]), np.array([place])
        self.accept(one, np.array([time]), places, np.array([extended]), sizes, now)
        return place

    def _sequence(self, row: int, ssrc: int, sequence: int, time: int, now: int) -> int | None:
        """The extended sequence number, after a look at the SSRC; None: not to be taken."""
        c = self.columns
        renewed = self._begins_anew(row, time, now)
        if ssrc != c.ssrc[row] or renewed:
            if not renewed and c.ssrc[row] >= 0 and not self._may_switch(row, now):
                c.received[row] += 1
                return None
            self._begin(row, ssrc, sequence, now)
            self._map(row, time, now)
        step = _signed(sequence - int(c.max_seq[row]), 16)
        if abs(step) >= _JUMP:
            self._renumber(row, sequence)
            step = 1
        extended = int(c.max_seq[row]) + step
        if c.seen[row, extended % SEEN] == extended:
            c.duplicates[row] += 1
            c.received[row] += 1
            c.received_now[row] += 1
            return None
        return extended

    def _may_switch(self, row: int, now: int) -> bool:
        """Of two sources that talk at once the one that is heard stays until it pauses."""
        c = self.columns
        if now - c.switched[row] >= _FLAP_MS * self.ms:
            return True
        came = int(c.transit[row] + c.ref_place[row])
        return now - came >= _FLAP_QUIET_MS * self.ms

    def _begin(self, row: int, ssrc: int, sequence: int, now: int) -> None:
        c = self.columns
        c.ssrc[row] = ssrc
        c.renewed[row] = -FOREVER
        c.switched[row] = now
        self._renumber(row, sequence)
        c.received_now[row] = 0
        c.jitter[row] = 0.0

    def _renumber(self, row: int, sequence: int) -> None:
        """Sequence numbers begin anew with ``sequence``."""
        c = self.columns
        c.lost_before[row] = self.lost(row)
        c.unique_now[row] = 0
        c.base_seq[row] = sequence + 65536
        c.max_seq[row] = sequence + 65535
        c.seen[row] = -1

    def lost(self, row: int) -> int:
        """Packets that never came."""
        c = self.columns
        missing = int(c.max_seq[row] - c.base_seq[row]) + 1 - int(c.unique_now[row])
        return int(c.lost_before[row]) + (max(0, missing) if c.base_seq[row] else 0)

    def _map(self, row: int, time: int, now: int) -> int:
        """RTP time ``time`` is to be played a hold from now, or right after what is still waiting."""
        c = self.columns
        read = now + int(c.shift[row])
        hold = int(c.hold[row])
        place = read + min(self.behind + hold, max(hold, self.ahead // 2))  # what comes next needs room, too
        if c.playing[row]:
            end = int(c.end[row])
            if abs(end - place) <= _JOIN_MS * self.ms or place < end <= read + self.ahead // 2:
                place = max(end, read)
            if c.silent_to[row] != FOREVER:
                c.silent_from[row] = end
            c.silent_to[row] = place
        else:
            place -= _EARLY_MS * self.ms
            c.playing[row] = True
            c.end[row] = place
        c.ref_time[row], c.ref_place[row] = time, place
        c.transit[row] = now + self.behind - place
        c.late_count[row] = 0
        self.leads.reset(row)
        c.want[row] = 0
        return place

    def _slower(self, row: int, lead: int, now: int) -> bool:
        """A packet is too late: is it one of many, so that the path must have become slower?"""
        c = self.columns
        if c.late_count[row] == 0:
            c.late_since[row] = now
        c.late_count[row] += 1
        count, since = c.late_count[row], now - c.late_since[row]
        if lead < -_PAUSE_MS * self.ms:
            return bool(count >= _PAUSE_RUN and since >= _PAUSE_RUN_MS * self.ms)
        return bool(count >= _LATE_RUN and since >= _LATE_RUN_MS * self.ms)

    def _late(self, row: int, extended: int) -> None:
        self.columns.late[row] += 1
        self._mark(row, extended)

    def _mark(self, row: int, extended: int) -> None:
        c = self.columns
        c.seen[row, extended % SEEN] = extended
        c.max_seq[row] = max(int(c.max_seq[row]), extended)
        c.received[row] += 1
        c.received_now[row] += 1
        c.unique_now[row] += 1


def _signed(difference: int, bits: int) -> int:
    """A difference of numbers that wrap round."""
    half = 1 << (bits - 1)
    return ((difference + half) & ((1 << bits) - 1)) - half
