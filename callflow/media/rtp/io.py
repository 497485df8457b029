"""Layer 1: the network side of all RTP legs of one plane: sockets are drained at the begin of a tick, packets
are sent at its end.

Python runs once per packet, for the system call; all else is done for the whole batch. What a source sends
too much is bounded: a socket is read at most ``ROUNDS`` times a tick, in turn with all others.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from callflow.media.messages import RtpLost, RtpReport, RtpSource, RtpStream
from callflow.media.moved import MovedRtp
from callflow.media.rtp.arrivals import SLOT, Arrivals
from callflow.media.rtp.io_reports import Reports
from callflow.media.rtp.ports import PortPool
from callflow.media.rtp.receive import DigitAt, ReceiveStats, RtpReceiver
from callflow.media.rtp.rounds import BEHIND_ROUNDS, rounds
from callflow.media.rtp.rows import Reader, RtpNews, RtpRow
from callflow.media.rtp.send import Heard, RtpSender, SendState
from callflow.media.rtp.sockets import Poller
from callflow.media.taps import Samples

SLOTS = 4096
"""Packets that are read before they are handed over; when they are full the next batch begins."""
SETTLE_PACKETS = 256
"""Packets that are looked at, at most, when a socket that was connected is emptied."""
CONTROL_PACKETS = 64
"""RTCP packets that are read at once, at most; ten times a second."""
RELATCH_S = 2.0
"""After so long without a packet another source may be the peer."""
_EPOLLIN = 1
Bytes = NDArray[np.uint8]
Numbers = NDArray[np.intp]
_LOOKS = 100  # each leg is looked after once in so many ticks
_CONTROL_TICKS = 10


@dataclass(slots=True, eq=False)
class _Leg:
    """All that belongs to one row. ``since``: when packets began to be expected; ``told``: RtpLost was."""

    row: RtpRow
    state: SendState
    reports: Reports
    since: float
    told: bool = False
    relatch: float = 0.0  # when it may be latched anew


class RtpIo:
    """RTP legs of the plane of ``rate``. One thread. ``random``: for sequence numbers, SSRCs, reports."""

    def __init__(self, rate: int, ports: PortPool, random: Random) -> None:
        self._tick_samples = rate // 100
        self._rate = rate
        self._ports = ports
        self._random = random
        self._receiver = RtpReceiver(rate)
        self._sender = RtpSender(rate)
        self._news = RtpNews()
        self._legs: dict[int, _Leg] = {}
        self._rows: NDArray[np.intp] = np.zeros(0, np.intp)
        self._rounds: list[dict[int, _Leg]] = [{} for _ in range(_LOOKS)]
        self._tick = 0
        self._poller: Poller = ports.net.poller()
        self._control: Poller = ports.net.poller()
        self._readers: dict[int, Reader] = {}
        self._row_of: dict[int, int] = {}
        self._control_of: dict[int, _Leg] = {}
        self._data: NDArray[np.uint8] = np.zeros((SLOTS, SLOT), np.uint8)
        self._views = [memoryview(slot) for slot in self._data]
        self._sizes: list[int] = []
        self._froms: list[int] = []
        self._ends: list[int] = []  # of each round's packets among them
        self._digits: list[DigitAt] = []

    # ---- commands --------------------------------------------------------------------------------

    def add(self, row: int, name: str, source: RtpSource, now: int) -> None:
        """A leg in plane row ``row``, on the port of its ``source.place``. Raises MediaError."""
        pair = self._ports.claim(source.place)
        random, self._news.time = self._random, now / self._rate
        link = RtpRow(row, name, pair, source, self._ports.net, self._news)
        state = SendState(link, random.getrandbits(32), random.getrandbits(16), random.getrandbits(32))
        self._receiver.add(row, source, now)
        self._enter(_Leg(link, state, Reports(link, state, random, self._news.time), self._news.time))
        if source.stream is not None:
            try:
                self.agree(row, source.stream, now)
            except BaseException:
                self.remove(row, now)
                raise

    def agree(self, row: int, stream: RtpStream | None, now: int) -> None:
        """The leg's agreement is made or changed. Raises MediaError; then nothing has changed."""
        leg = self._legs[row]
        self._news.time, self._tick = now / self._rate, now // self._tick_samples
        leg.row.agree(stream)
        self._receiver.agree(row, stream, now)
        leg.since, leg.told = self._news.time, False
        self._apply_changes()

    def digit(self, row: int, digit: str, tone_s: float, gap_s: float) -> bool:
        """Send a digit as telephone-events; False: none were agreed."""
        return self._sender.press(self._legs[row].state, digit, tone_s, gap_s)

    def remove(self, row: int, now: int) -> RtpReport:
        """The leg is gone: say BYE, free its port, tell what it has seen."""
        self._flush(now)  # packets of the leg must not meet the next one in its row
        leg = self._leave(row)
        link, time = leg.row, now / self._rate
        leg.reports.goodbye(self._receiver.stats(row), time)
        self._sender.remove(leg.state)
        self._forget(link)
        stats = self._receiver.remove(row)
        self._ports.release(link.pair)
        return RtpReport(
            leg=link.name,
            time=time,
            sent=leg.state.sent,
            received=stats.received,
            lost=stats.lost,
            late=stats.late,
            duplicates=stats.duplicates,
            strangers=link.strangers,
            jitter_ms=stats.jitter_ms,
            loss_there=leg.reports.loss_there,
            round_trip_ms=leg.reports.round_trip_ms,
        )

    def give_away(self, row: int, now: int) -> tuple[MovedRtp, tuple[int, int]]:
        """The leg goes to another process: how it is, and the descriptors of its sockets (the caller's)."""
        self._flush(now)
        leg = self._leave(row)
        link, state = leg.row, leg.state
        self._sender.remove(state)
        moved = MovedRtp(
            name=link.name,
            source=link.source,
            stream=link.stream,
            latch=link.latch,
            connected=link.connected,
            strangers=link.strangers,
            srtp_in=link.srtp_in,
            srtp_out=link.srtp_out,
            ssrc=state.ssrc,
            sequence=state.sequence,
            base=state.base,
            sent=state.sent,
            broken=state.broken,
            events=state.events,
            reports=leg.reports.state,
            since=leg.since,
            told=leg.told,
            relatch=leg.relatch,
            receiver=self._receiver.export(row),
        )
        self._forget(link)
        self._receiver.remove(row)
        return moved, self._ports.give_away(link.pair)

    def take_in(self, row: int, moved: MovedRtp, sockets: tuple[int, int], now: int) -> None:
        """Go on with a leg of another process; ``now``: the sample at which it left there."""
        self._news.time, self._tick = now / self._rate, now // self._tick_samples
        pair = self._ports.take_in(moved.source.place, sockets)
        link = RtpRow(row, moved.name, pair, moved.source, self._ports.net, self._news)
        numbers = (moved.ssrc, moved.sequence, moved.base, moved.sent, moved.broken)
        state = SendState(link, *numbers, events=moved.events)
        reports = Reports(link, state, self._random, self._news.time)
        reports.resume(moved.reports)
        self._receiver.adopt(row, moved.receiver, now)
        self._enter(_Leg(link, state, reports, moved.since, moved.told, moved.relatch))
        link.resume(moved)
        self._apply_changes()

    def close(self, now: int) -> None:
        """Remove all."""
        for row in tuple(self._legs):
            self.remove(row, now)
        self._poller.close()
        self._control.close()

    def stats(self, row: int) -> ReceiveStats:
        """What the leg has heard so far."""
        return self._receiver.stats(row)

    # ---- the tick --------------------------------------------------------------------------------

    def receive(self, now: int, time: float, events: list[object]) -> list[DigitAt]:
        """Take what has come. ``now``: the sample that is rendered next; ``time``: engine seconds. Events
        (RtpBegan, RtpLost) are added to ``events``; what comes back are digits that began.
        """
        self._tick = now // self._tick_samples
        behind = round(time * 100) - self._tick
        self._news.begin(time, behind / 100 if behind >= BEHIND_ROUNDS else 0.0)
        left = rounds(self._tick, behind)
        while left and (ready := self._poller.poll(0, SLOTS - len(self._sizes))):
            left -= 1
            self._drain(ready)
            self._ends.append(len(self._sizes))
            if len(self._sizes) == SLOTS:
                self._flush(now)
        if self._news.settling and behind < BEHIND_ROUNDS:  # else what waits in them belongs to later ticks
            self._settle(now)
        self._flush(now)
        if self._tick % _CONTROL_TICKS == 0:
            self._take_control()
        for leg in self._rounds[self._tick % _LOOKS].values():
            self._look_after(leg, now / self._rate)  # while we are late nobody has fallen silent
        if self._news.changed:
            self._apply_changes()
        if self._news.events:
            events += self._news.events
            self._news.events.clear()
        digits, self._digits = self._digits + self._receiver.digits(), []
        return digits

    def receive_again(self, rows: Numbers, now: int, behind: float) -> None:
        """Take what came for ``rows`` at an earlier tick (its first sample is ``now``), ``behind`` seconds
        ago, when they were elsewhere.
        """
        self._news.begin(now / self._rate + behind, behind)
        for row in rows.tolist():
            with suppress(OSError):
                for _ in range(BEHIND_ROUNDS):
                    if size := self._legs[row].row.reader(self._views[len(self._sizes)]):
                        self._sizes.append(size)
                        self._froms.append(row)
            self._flush(now)

    def render(self, out: Samples, start: int, n: int) -> None:
        """``out[row, 0, :n]`` of all legs: what they say."""
        if len(self._rows):
            self._receiver.render(self._rows, out, start, n)

    def render_rows(self, rows: NDArray[np.intp], out: Samples, start: int, n: int) -> None:
        """``render`` for some rows that are behind the others."""
        self._receiver.render(rows, out, start, n)

    def send(self, tick: int, heard: Heard, *, quiet: bool = False) -> None:
        """Send what is due at the end of ``tick``; ``quiet``: it is too late for that."""
        self._sender.send(tick, heard, quiet=quiet)

    # ---- inside ----------------------------------------------------------------------------------

    def _drain(self, ready: Iterable[tuple[int, int]]) -> None:
        """One packet of each ready socket into a slot of its own."""
        readers, row_of, views = self._readers, self._row_of, self._views
        sizes, froms = self._sizes, self._froms
        slot = len(sizes)
        waiting = iter(ready)
        while True:
            try:
                for fd, _ in waiting:
                    size = readers[fd](views[slot])
                    if 0 < size < SLOT:
                        sizes.append(size)
                        froms.append(row_of[fd])
                        slot += 1
                return
            except OSError:  # nothing there, or ICMP: nobody listens at the peer's port
                continue

    def _flush(self, now: int) -> None:
        """Hand over what was read, one packet of each leg at a time: the quick way through the receiver."""
        if not self._sizes:
            self._ends.clear()
            return
        sizes, rows, begin = np.array(self._sizes, np.intp), np.array(self._froms, np.intp), 0
        for end in self._ends:
            if begin < end:
                self._hand_over(begin, end, sizes[begin:end], rows[begin:end], now, single=True)
            begin = end
        if begin < len(sizes):
            self._hand_over(begin, len(sizes), sizes[begin:], rows[begin:], now, single=False)
        self._sizes.clear()
        self._froms.clear()
        self._ends.clear()

    def _hand_over(
        self, begin: int, end: int, sizes: Numbers, rows: Numbers, now: int, *, single: bool
    ) -> None:
        arrivals = Arrivals(self._data[begin:end], sizes, rows, self._news.time, single)
        for part in self._news.by_time(arrivals, now / self._rate):
            self._take(part, now)

    def _take(self, arrivals: Arrivals, now: int) -> None:
        left = self._receiver.take_expected(arrivals, now)
        if left is None:
            return
        control = (left.data[:, 1] >= 192) & (left.data[:, 1] <= 223)  # RFC 5761 4: RTCP on the RTP port
        if control.any():
            for number in np.flatnonzero(control).tolist():
                leg = self._legs.get(int(left.rows[number]))
                if leg is not None and leg.row.stream is not None and leg.row.stream.rtcp_mux:
                    leg.reports.take(left.data[number, : left.sizes[number]].tobytes(), self._news.time)
            left = left.some(np.flatnonzero(~control))
        self._digits += self._receiver.take(left, now)

    def _settle(self, now: int) -> None:
        """Empty sockets that were connected in an earlier tick: from then on the kernel checks sources."""
        settling, self._news.settling = self._news.settling, []
        for link in settling:
            if link.settled_at >= self._news.time:
                self._news.settling.append(link)
            elif self._legs.get(link.row) is not None and self._legs[link.row].row is link:
                self._empty(link, now)

    def _empty(self, link: RtpRow, now: int) -> None:
        for _ in range(SETTLE_PACKETS):
            if len(self._sizes) == SLOTS:
                self._flush(now)
            try:
                size = link.read_careful(self._views[len(self._sizes)])
            except BlockingIOError:
                link.settle()
                return
            except OSError:
                continue
            if 0 < size < SLOT:
                self._sizes.append(size)
                self._froms.append(link.row)
        self._news.settling.append(link)

    def _apply_changes(self) -> None:
        changed, self._news.changed = self._news.changed, []
        for link in changed:
            leg = self._legs.get(link.row)
            if leg is not None and leg.row is link:
                self._readers[link.pair.rtp.fileno()] = link.reader
                self._sender.agree(leg.state, self._tick)

    def _take_control(self) -> None:
        slot = self._views[-1]
        for fd, _ in self._control.poll(0, CONTROL_PACKETS):
            leg = self._control_of[fd]
            with suppress(OSError):
                size, source = leg.row.pair.rtcp.recvfrom_into(slot)
                target = leg.row.target
                if size < SLOT and target is not None and source[0] == target[0]:
                    data = leg.row.unprotect_control(bytes(slot[:size]))
                    if data is not None:
                        leg.reports.take(data, self._news.time)

    def _look_after(self, leg: _Leg, time: float) -> None:
        """Once a second: RTCP, silence."""
        link = leg.row
        stream = link.stream
        if stream is None:
            return
        if time >= leg.reports.due:
            leg.reports.send(self._receiver.stats(link.row), time)
        if not stream.receives:
            leg.since = time
            return
        heard = int(self._receiver.heard[link.row])
        last = max(leg.since, heard / self._rate if heard >= 0 else 0.0)
        silent_s = time - last
        if silent_s < RELATCH_S:
            leg.told = False
            return
        if leg.relatch <= last:
            leg.relatch = time
            link.silent()
        if 0 < link.source.timeout_s <= silent_s and not leg.told:
            leg.told = True
            self._news.events.append(RtpLost(link.name, time, silent_s, link.strangers))

    def _enter(self, leg: _Leg) -> None:
        link, row = leg.row, leg.row.row
        self._legs[row] = self._rounds[row % _LOOKS][row] = leg
        self._rows = np.fromiter(sorted(self._legs), np.intp, len(self._legs))
        fd, control = link.pair.rtp.fileno(), link.pair.rtcp.fileno()
        self._readers[fd], self._row_of[fd] = link.reader, row
        self._control_of[control] = leg
        self._poller.register(fd, _EPOLLIN)
        self._control.register(control, _EPOLLIN)

    def _leave(self, row: int) -> _Leg:
        leg = self._legs.pop(row)
        del self._rounds[row % _LOOKS][row]
        self._rows = np.fromiter(sorted(self._legs), np.intp, len(self._legs))
        return leg

    def _forget(self, link: RtpRow) -> None:
        fd = link.pair.rtp.fileno()
        with suppress(OSError):
            self._poller.unregister(fd)
        with suppress(OSError):
            self._control.unregister(link.pair.rtcp.fileno())
        del self._readers[fd], self._row_of[fd], self._control_of[link.pair.rtcp.fileno()]
        link.close()
