"""Layer 1: RTP packets of all legs of one plane in, their sound at its place in time out. Sans-IO.

The parts: ``packet.py`` reads headers, ``codecs.py`` makes samples, ``placing.py`` knows where in time they
belong, ``ring.py`` keeps them until then, ``playing.py`` plays them and fills holes, ``events.py`` and
``inband.py`` find digits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from callflow.errors import MediaError
from callflow.media.messages import RtpSource, RtpStream
from callflow.media.rtp.arrivals import Arrivals
from callflow.media.rtp.codecs import BYTES_A_TICK, CODEC_RATE, G711, RTP_CLOCK, Doubler, decode_g711
from callflow.media.rtp.events import EventTracker
from callflow.media.rtp.expected import Expected
from callflow.media.rtp.inband import DtmfDetector
from callflow.media.rtp.kinds import CODECS, EVENT, NOISE, PCMA, forms
from callflow.media.rtp.noise import noise_level
from callflow.media.rtp.packet import Headers, read_headers
from callflow.media.rtp.placing import Bank
from callflow.media.rtp.playing import Player
from callflow.media.rtp.told import DigitAt, ReceiveStats, RowState
from callflow.media.rtp.waiting import Waiting
from callflow.media.taps import Samples

_FIRST_ROWS = 16
_PIECE_MS = 100  # of rendering: with what a slip can add it is within the ring's longest
_MOST_MS = 400  # of sound in a packet
_LATEST_MS = 200  # an event begins at most so far behind


__all__ = ["DigitAt", "ReceiveStats", "RowState", "RtpReceiver"]


@dataclass(frozen=True, slots=True)
class _Packet:
    """An event's packet."""

    ssrc: int
    time: int
    marker: bool
    payload: bytes


class RtpReceiver:
    """The receiving side of all RTP legs of one plane; ``rate``: 8000 or 16000 samples a second.

    ``heard`` (int64 per row): sample of the plane's clock when the row's last valid packet came (-1: none).
    Rows whose wire has 8000 samples a second are in the narrow bank, also of a plane of 16000: what they play
    is doubled as it is rendered, in order, so that holes and slips are no matter for it.
    """

    def __init__(self, rate: int) -> None:
        """Raises MediaError for a rate that RTP legs do not have."""
        if rate not in (8000, 16000):
            raise MediaError(
                f"RTP legs cannot have {rate} samples a second", hint="Rates are 8000 and 16000."
            )
        self._rate = rate
        self._factor = rate // RTP_CLOCK
        self.heard: NDArray[np.int64] = np.full(_FIRST_ROWS, -1, np.int64)
        self._kinds: NDArray[np.uint8] = np.zeros((_FIRST_ROWS, 128), np.uint8)
        self._wide: NDArray[np.bool_] = np.zeros(_FIRST_ROWS, np.bool_)
        self._listens: NDArray[np.bool_] = np.zeros(_FIRST_ROWS, np.bool_)
        self._bad: NDArray[np.int64] = np.zeros(_FIRST_ROWS, np.int64)
        self._banks = [Bank(RTP_CLOCK * (2 if wide else 1)) for wide in range(self._factor)]
        self._players = [Player(bank) for bank in self._banks]
        self._expected = Expected(self._banks[0])
        self._double = Doubler()
        self._detector = DtmfDetector(rate)
        self._streams: dict[int, RtpStream | None] = {}
        self._holds: dict[int, int] = {}
        self._trackers: dict[int, EventTracker] = {}
        self._waiting = [Waiting(bank) for bank in self._banks]
        self._digits: list[DigitAt] = []
        self._at = 0

    # ---- rows ------------------------------------------------------------------------------

    def add(self, row: int, source: RtpSource, now: int) -> None:
        """A new leg in ``row`` of the plane. ``now``: sample of the plane's clock."""
        self._new(row, max(0, min(source.jitter_ms, 500)))
        self.agree(row, source.stream, now)

    def _new(self, row: int, hold_ms: int) -> None:
        if row >= (old := len(self.heard)):
            more = max(row + 1, 2 * old) - old
            self.heard = np.concatenate([self.heard, np.full(more, -1, np.int64)])
            self._kinds = np.concatenate([self._kinds, np.zeros((more, 128), np.uint8)])
            self._wide = np.concatenate([self._wide, np.zeros(more, np.bool_)])
            self._listens = np.concatenate([self._listens, np.zeros(more, np.bool_)])
            self._bad = np.concatenate([self._bad, np.zeros(more, np.int64)])
        self._forget(row)
        for bank in self._banks:
            bank.add(row, hold_ms * bank.ms)
        self.heard[row] = -1
        self._bad[row] = 0
        self._wide[row] = False
        self._holds[row] = hold_ms
        self._trackers[row] = EventTracker()

    def agree(self, row: int, stream: RtpStream | None, now: int) -> None:
        """What may come from now on; None: nothing. Sound that is waiting for its time is not lost by it."""
        before = self._streams.get(row)
        self._streams[row] = stream
        self._expected.forget(row)
        self._kinds[row] = 0
        self._listens[row] = False
        if stream is None or not stream.receives:
            return
        if before is not None and (before.host, before.port) != (stream.host, stream.port):
            bank = self._banks[int(self._wide[row])]
            bank.renew(row, now * bank.rate // self._rate)
        for payload, codec in stream.accepts:
            if 0 <= payload < 128 and codec in CODEC_RATE:
                self._kinds[row, payload] = CODECS.index(codec)
        for payload, kind in ((stream.noise_payload, NOISE), (stream.event_payload, EVENT)):
            if 0 <= payload < 128:
                self._kinds[row, payload] = kind
        self._listens[row] = stream.event_payload < 0
        wide = self._factor == 2 and CODEC_RATE.get(stream.codec) == 16000
        if wide != self._wide[row]:
            self._move(row, wide, began=before is not None)

    def _move(self, row: int, wide: bool, *, began: bool) -> None:
        """The wire's rate changes: counts go on, time is mapped anew by the next packet."""
        old, new = self._banks[int(not wide)], self._banks[int(wide)]
        if began:
            counts = old.columns.export(row)
            lost = old.lost(row)
            new.columns.reset(row)
            for name in ("received", "late", "duplicates", "hold"):
                getattr(new.columns, name)[row] = counts[name]
            new.columns.hold[row] = self._holds[row] * new.ms
            new.columns.lost_before[row] = lost
        old.columns.playing[row] = False
        self._players[int(not wide)].forget(row)
        self._waiting[int(not wide)].forget(row)
        self._double.reset(row)
        self._wide[row] = wide

    def remove(self, row: int) -> ReceiveStats:
        """The leg is gone."""
        stats = self.stats(row)
        self._forget(row)
        return stats

    def _forget(self, row: int) -> None:
        self._kinds[row] = 0
        self._listens[row] = False
        self._expected.forget(row)
        for player in self._players:
            player.forget(row)
        for bank in self._banks:
            if row < len(bank.columns.playing):
                bank.columns.playing[row] = False
        self._streams.pop(row, None)
        self._trackers.pop(row, None)
        for waiting in self._waiting:
            waiting.forget(row)
        self._double.reset(row)
        self._detector.forget(row)

    # ---- in --------------------------------------------------------------------------------

    def take_expected(self, arrivals: Arrivals, now: int) -> Arrivals | None:
        """Put packets that are just what their rows were to bring where they belong; what is left, for
        ``take``. They are RTP: nobody need look.
        """
        if not arrivals.single:
            return arrivals
        self._be_behind(arrivals.time, now)
        rows, left = self._expected.take(arrivals, now // self._factor)
        self.heard[rows] = now
        if not len(left):
            return None
        return arrivals.some(left) if len(rows) else arrivals

    def take(self, arrivals: Arrivals, now: int) -> list[DigitAt]:
        """Put packets where they belong. ``now``: the sample that is rendered next. Never raises for what is
        in a packet. Gives the digits that began.
        """
        rows = arrivals.rows
        if len(rows):
            self._be_behind(arrivals.time, now)
            self._expected.forget(rows)
            head = read_headers(arrivals.data, arrivals.sizes)
            kinds = self._kinds[rows, head.payload_type]
            good = head.ok & (kinds > 0) & (head.end > head.start)
            if not good.all():
                self._bad += np.bincount(rows[~good], minlength=len(self._bad))
            self.heard[rows[good]] = now
            slow = self._take_regular(arrivals, head, kinds, good, now)
            for i in np.flatnonzero(slow).tolist():
                self._take_one(arrivals, head, i, int(kinds[i]), now)
        return self.digits()

    def digits(self) -> list[DigitAt]:
        """Those that began since this was asked last, also in the sound that was rendered."""
        digits, self._digits = self._digits, []
        return digits

    def _be_behind(self, time: float, now: int) -> None:
        behind = max(0, round(time * self._rate) - now)
        for bank in self._banks:
            bank.behind = behind * bank.rate // self._rate

    def _take_regular(
        self,
        arrivals: Arrivals,
        head: Headers,
        kinds: NDArray[np.uint8],
        good: NDArray[np.bool_],
        now: int,
    ) -> NDArray[np.bool_]:
        """G.711 as it should be, all at once; gives which of the ``good`` packets are left."""
        bank = self._banks[0]
        size = head.end - head.start
        able = good & (kinds <= PCMA) & (size <= bank.ring.longest)
        if self._factor == 2:
            able &= ~self._wide[arrivals.rows]
        if not able.any():
            return good
        at = now // self._factor
        rows = arrivals.rows
        batch = bank.sort_out(rows, head.ssrc, head.sequence, head.timestamp, size, at)
        late = np.flatnonzero(able & batch.late)
        able &= batch.regular
        if len(late):
            over = bank.pass_over(rows[late], batch.sequences[late], batch.leads[late], at)
            good = good.copy()
            good[late[over]] = False
        if not able.any():
            return good
        which = slice(None) if able.all() else np.flatnonzero(able)
        for codec, start, n, some in forms(kinds, head.start, size, which):
            sound = np.empty((len(rows[some]), n), np.int16)
            decode_g711(codec, arrivals.data[some, start : start + n], sound)
            bank.ring.write(rows[some], batch.places[some], sound)
        taken = (rows[which], head.timestamp[which], batch.places[which], batch.sequences[which])
        bank.accept(*taken, size[which], at)
        self._expected.follow(rows[which], head, which, kinds, batch.places[which], batch.sequences[which])
        return good & ~able

    def _take_one(self, arrivals: Arrivals, head: Headers, i: int, kind: int, now: int) -> None:
        row, start, end = int(arrivals.rows[i]), int(head.start[i]), int(head.end[i])
        self._expected.forget(row)
        payload = arrivals.data[i, start:end].tobytes()
        bank = self._banks[int(self._wide[row])]
        at = now * bank.rate // self._rate
        ssrc, sequence, time = int(head.ssrc[i]), int(head.sequence[i]), int(head.timestamp[i])
        if kind in (EVENT, NOISE):
            if (place := bank.follow(row, ssrc, sequence, time, at)) is None:
                return
            if kind == NOISE:
                bank.columns.level[row] = noise_level(payload)
                bank.hush(row, place)
            else:
                self._take_event(bank, row, place, _Packet(ssrc, time, bool(head.marker[i]), payload), now)
            return
        codec = CODECS[kind]
        n = len(payload) * bank.rate // (BYTES_A_TICK[codec] * 100)
        if n > _MOST_MS * bank.ms:
            self._bad[row] += 1
            return
        if (place := bank.place(row, ssrc, sequence, time, n, at)) is None:
            return
        if self._trackers[row].of != ssrc:
            self._trackers[row] = EventTracker(ssrc)
        if codec in G711 and bank.rate == 8000:
            sound = np.empty(n, np.int16)
            decode_g711(codec, np.frombuffer(payload, np.uint8), sound)
            bank.write(row, place, sound, at)
        else:
            self._waiting[int(self._wide[row])].put(row, place, codec, payload)

    def _take_event(self, bank: Bank, row: int, place: int, packet: _Packet, now: int) -> None:
        tracker = self._trackers[row]
        if tracker.of != packet.ssrc:
            tracker = self._trackers[row] = EventTracker(packet.ssrc)
        bank.hush(row, place)
        digit = tracker.take(packet.payload, packet.time, packet.marker)
        if not digit:
            return
        stream = self._streams[row]
        if stream is None or stream.event_rate == RTP_CLOCK:
            sample = (place - int(bank.columns.shift[row])) * self._rate // bank.rate
        else:  # its timestamps are of another clock
            sample = now
        earliest = now - _LATEST_MS * self._rate // 1000
        latest = now + bank.ahead * self._rate // bank.rate
        self._digits.append(DigitAt(row, digit, max(earliest, min(latest, sample))))

    # ---- out -------------------------------------------------------------------------------

    def render(self, rows: NDArray[np.intp], out: Samples, start: int, n: int) -> None:
        """``out[row, 0, :n]`` (``out`` is the plane's ``rows``) is made what each of ``rows`` says in samples
        ``start .. start + n`` of the plane's clock. Time only goes on: ``start`` is the last call's end.
        """
        self._at = start + n
        if not len(rows):
            return
        piece = _PIECE_MS * self._rate // 1000
        for begin in range(0, n, piece):
            end = min(begin + piece, n)
            for wide in range(self._factor):
                which = rows[self._wide[rows] == bool(wide)] if self._factor == 2 else rows
                if len(which):
                    self._render(wide, which, out[:, 0, begin:end], start + begin)

    def _render(self, wide: int, rows: NDArray[np.intp], out: Samples, start: int) -> None:
        bank, n = self._banks[wide], out.shape[1]
        factor = self._rate // bank.rate
        at, size = start // factor, n // factor
        self._waiting[wide].decode(at, size)
        live, sound = self._players[wide].play(rows, at, size)
        if len(live) < len(rows):
            out[rows] = 0
        if not len(live):
            return
        if factor == 2:
            sound = self._double(live, sound)
        out[live] = sound
        listening = self._listens[live]
        if listening.any():
            for row, digit, sample in self._detector.take(live[listening], sound[listening], start):
                self._digits.append(DigitAt(row, digit, sample))

    # ---- what is known ---------------------------------------------------------------------

    def stats(self, row: int) -> ReceiveStats:
        """What the row has seen up to now."""
        bank = self._banks[int(self._wide[row])]
        c = bank.columns
        jitter = float(c.jitter[row]) / bank.scale
        heard = bool(c.base_seq[row])
        return ReceiveStats(
            ssrc=max(0, int(c.ssrc[row])),
            received=int(c.received[row]),
            lost=bank.lost(row),
            late=int(c.late[row]),
            duplicates=int(c.duplicates[row]),
            bad=int(self._bad[row]),
            jitter=jitter,
            jitter_ms=jitter * 1000 / RTP_CLOCK,
            highest=int(c.max_seq[row]) - 65536 if heard else 0,
            expected_now=int(c.max_seq[row] - c.base_seq[row]) + 1 if heard else 0,
            received_now=int(c.received_now[row]),
            concealed=int(c.concealed[row]),
            slipped=int(c.slipped[row]),
            heard=int(self.heard[row]),
        )

    def export(self, row: int) -> RowState:
        """The row's state, to be adopted by another receiver of the same rate (survives pickle)."""
        wide = bool(self._wide[row])
        bank = self._banks[int(wide)]
        return RowState(
            rate=self._rate,
            wide=wide,
            at=self._at,
            hold_ms=self._holds[row],
            stream=self._streams[row],
            heard=int(self.heard[row]),
            bad=int(self._bad[row]),
            facts=bank.columns.export(row),
            cells=bank.ring.export(row),
            hole=self._players[int(wide)].hole(row),
            tracker=replace(self._trackers[row]),
            waiting=self._waiting[int(wide)].export(row),
        )

    def adopt(self, row: int, state: object, now: int) -> None:
        """Go on with an exported row, so that its sound has no gap; ``now``: this plane's clock, at what was
        to be rendered next there.
        """
        if not isinstance(state, RowState) or state.rate != self._rate:
            raise MediaError("an RTP leg cannot go on here", hint="Both planes must have one rate.")
        self._new(row, state.hold_ms)
        self.agree(row, state.stream, now)
        self._wide[row] = state.wide
        bank = self._banks[int(state.wide)]
        later = now - state.at
        bank.columns.adopt(row, state.facts)
        bank.shift_clock(row, later * bank.rate // self._rate)
        bank.ring.adopt(row, state.cells)
        self._players[int(state.wide)].adopt(row, state.hole)
        self._trackers[row] = replace(state.tracker)
        self._waiting[int(state.wide)].adopt(row, state.waiting)
        self.heard[row] = state.heard + later if state.heard >= 0 else -1
        self._bad[row] = state.bad
