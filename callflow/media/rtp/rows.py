"""Layer 1: one RTP leg's sockets: whom it listens to and how a packet leaves it, as two callables that the
tick calls without asking further. They change when the peer is latched, agreed anew or falls silent.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address

import numpy as np

from callflow.errors import MediaError
from callflow.media.messages import RtpBegan, RtpSource, RtpStream
from callflow.media.moved import MovedRtp
from callflow.media.rtp.arrivals import SLOT, Arrivals
from callflow.media.rtp.latch import Latch, Trust
from callflow.media.rtp.ports import PortPair
from callflow.media.rtp.sockets import Address, Net
from callflow.media.rtp.srtp import SrtpIn, SrtpOut

Reader = Callable[[memoryview], int]
"""Reads one datagram into a slot; its bytes, 0: not to be taken. Raises OSError (nothing there, ICMP)."""
Sender = Callable[[memoryview], int]
"""Sends one RTP packet. Raises OSError."""


class RtpNews:
    """What rows have to tell the tick: ``changed`` readers or senders, ``events``, rows that ``settle``.

    ``time``: engine seconds of the tick. ``behind``: seconds by which it is late, while late ticks are made
    up for; ``punctual``: rows whose packets of this tick came at it nevertheless.
    """

    def __init__(self) -> None:
        self.time = 0.0
        self.changed: list[RtpRow] = []
        self.settling: list[RtpRow] = []
        self.events: list[object] = []
        self.behind = 0.0
        self.punctual: set[int] = set()

    def begin(self, time: float, behind: float) -> None:
        """A tick begins."""
        self.time, self.behind = time, behind
        self.punctual.clear()

    def by_time(self, arrivals: Arrivals, tick: float) -> list[Arrivals]:
        """``arrivals``, with those apart that came at the ``tick`` (engine seconds) itself."""
        if not self.punctual:
            return [arrivals]
        punctual = np.isin(arrivals.rows, list(self.punctual))
        parts = [arrivals.some(np.flatnonzero(punctual)), arrivals.some(np.flatnonzero(~punctual))]
        parts[0].time = tick
        return [part for part in parts if len(part.rows)]


class RtpRow:
    """The network side of the leg in plane row ``row``."""

    __slots__ = (
        "_careful",
        "_connected",
        "_net",
        "_news",
        "_srtp_in",
        "latch",
        "name",
        "pair",
        "reader",
        "row",
        "sender",
        "settled_at",
        "source",
        "srtp_out",
        "strangers",
        "stream",
    )

    def __init__(
        self, row: int, name: str, pair: PortPair, source: RtpSource, net: Net, news: RtpNews
    ) -> None:
        self.row = row
        self.name = name
        self.pair = pair
        self.source = source
        self.stream: RtpStream | None = None
        self.latch: Latch | None = None
        self.strangers = 0
        self.settled_at = 0.0  # when the socket was connected
        self.srtp_out: SrtpOut | None = None
        self._srtp_in: SrtpIn | None = None
        self._net = net
        self._news = news
        self._connected: Address | None = None
        self._careful = True  # the socket may still hold packets of others
        self.reader: Reader = self._drop
        self.sender: Sender = _nowhere

    @property
    def target(self) -> Address | None:
        """Where packets go; None: nowhere."""
        if self.latch is None:
            return None
        found = self.latch.source or self.latch.wanted
        return found if found[1] and not ip_address(found[0]).is_unspecified else None

    def agree(self, stream: RtpStream | None) -> None:
        """A new agreement. Raises MediaError: an address that is none, keys that cannot be used."""
        wanted = None if stream is None else _address(stream)
        srtp_in = None if stream is None or stream.key_in is None else self._keyed_in(stream)
        srtp_out = None if stream is None or stream.key_out is None else self._keyed_out(stream)
        former = self.latch
        self.stream, self._srtp_in, self.srtp_out = stream, srtp_in, srtp_out
        if stream is None or wanted is None:
            self.latch = None
            self._disconnect()
        elif former is None or former.wanted != wanted or former.follow != stream.latch:
            old = None if former is None else former.source
            near = _near(stream)
            self.latch = Latch(wanted, follow=stream.latch, time=self._news.time, near=near, former=old)
            self._disconnect()
            if not stream.latch and self.target is not None:
                self._connect(wanted)
        else:
            former.near = _near(stream)
        self._choose()

    @property
    def connected(self) -> Address | None:
        """The only one whose packets the socket takes; None: everybody's."""
        return self._connected

    @property
    def srtp_in(self) -> SrtpIn | None:
        """What comes is unprotected by it."""
        return self._srtp_in

    def resume(self, moved: MovedRtp) -> None:
        """Go on as a leg that came from another process, with its sockets."""
        stream = moved.stream
        self.stream, self.latch, self.strangers = stream, moved.latch, moved.strangers
        self._srtp_in, self.srtp_out = moved.srtp_in, moved.srtp_out
        self._connected, self._careful = moved.connected, True
        if moved.connected is not None:
            self.settled_at = self._news.time
            self._news.settling.append(self)
        self._choose()

    def silent(self) -> None:
        """Nothing has come for a while: another source may be the peer's now."""
        if self.latch is not None and self.latch.follow and self.latch.trust is not Trust.OPEN:
            self.latch.reopen(self._news.time)
            self._disconnect()
            self._choose()

    def settle(self) -> bool:
        """The socket has been connected and its queue is empty now: all that comes from now on is the
        peer's. False: it is not to be trusted so far.
        """
        if self._connected is None or self.latch is None or self.latch.source != self._connected:
            return False
        self._careful = False
        self._choose()
        return True

    def close(self) -> None:
        """Nothing comes or goes any more. (A callable of its own would keep a leg that is gone in memory.)"""
        self.stream = self.latch = None
        self.reader, self.sender = _nothing, _nowhere

    # ---- readers ---------------------------------------------------------------------------------

    def read_careful(self, slot: memoryview) -> int:
        """Look at where each packet is from: until the peer is latched, and until the socket holds nothing
        that came before it was connected. While late ticks are made up for, each packet waits there for the
        tick at which it came: where in time a leg begins is found out by its first packet.
        """
        if self._news.behind:
            waits = self._net.waits(self.pair.rtp)
            if waits is not None and waits < self._news.behind:
                return 0
            self._news.punctual.add(self.row)
        size, source = self.pair.rtp.recvfrom_into(slot)
        latch = self.latch
        if latch is None or size >= SLOT:
            return 0
        if self._srtp_in is not None:  # who has no key is a stranger, wherever he is
            size = self._unprotect(slot, size)
        before = latch.source
        if not size or not latch.takes(source[:2], slot[:size], self._news.time):
            self.strangers += 1
            return 0
        if latch.source != before:
            self._news.events.append(RtpBegan(self.name, self._news.time, *source[:2]))
            self._choose()
        if latch.trust is Trust.SURE and self._connected != latch.source:
            assert latch.source is not None
            self._connect(latch.source)
            self._choose()
        return size

    def _read_srtp(self, slot: memoryview) -> int:
        size = self.pair.rtp.recv_into(slot)
        return self._unprotect(slot, size) if size < SLOT else 0

    def _unprotect(self, slot: memoryview, size: int) -> int:
        assert self._srtp_in is not None
        if size < 2:
            return 0
        packet = bytes(slot[:size])
        of_control = 192 <= packet[1] <= 223
        plain = self._srtp_in.rtcp(packet) if of_control else self._srtp_in.rtp(packet)
        if plain is None:
            return 0
        slot[: len(plain)] = plain
        return len(plain)

    def _drop(self, slot: memoryview) -> int:
        self.pair.rtp.recvfrom_into(slot)
        return 0

    # ---- senders ---------------------------------------------------------------------------------

    def transmit(self, packet: memoryview | bytes) -> int:
        """Send an RTP packet, protected if that was agreed. Raises OSError."""
        target = self.target
        if target is None:
            return 0
        if self.srtp_out is not None:
            protected = self.srtp_out.rtp(bytes(packet))
            if protected is None:
                return 0
            packet = protected
        return self.pair.rtp.send(packet) if self._connected else self.pair.rtp.sendto(packet, target)

    def transmit_control(self, packet: bytes) -> int:
        """Send RTCP (protected already) on the RTP port. Raises OSError."""
        target = self.target
        if target is None:
            return 0
        return self.pair.rtp.send(packet) if self._connected else self.pair.rtp.sendto(packet, target)

    def unprotect_control(self, packet: bytes) -> bytes | None:
        """RTCP that came on its own port."""
        return packet if self._srtp_in is None else self._srtp_in.rtcp(packet)

    # ---- inside ----------------------------------------------------------------------------------

    def _choose(self) -> None:
        """Pick reader and sender for how things are now."""
        listens = self.stream is not None and self.stream.receives
        if not listens:
            self.reader = self._drop
        elif self._careful:
            self.reader = self.read_careful
        else:
            self.reader = self.pair.rtp.recv_into if self._srtp_in is None else self._read_srtp
        if self.target is None:
            self.sender = _nowhere
        elif self._connected is not None and self.srtp_out is None:
            self.sender = self.pair.rtp.send
        else:
            self.sender = self.transmit
        self._news.changed.append(self)

    def _connect(self, peer: Address) -> None:
        with suppress(OSError):  # no route: then nothing comes, and nothing can be sent
            self.pair.rtp.connect(peer)
        self._connected, self._careful, self.settled_at = peer, True, self._news.time
        self._news.settling.append(self)

    def _disconnect(self) -> None:
        self._careful = True
        if self._connected is not None:
            self._connected = None
            with suppress(OSError):
                self._net.disconnect(self.pair.rtp)

    def _keyed_in(self, stream: RtpStream) -> SrtpIn:
        assert stream.key_in is not None
        if self._srtp_in is None:
            return SrtpIn(stream.key_in)
        self._srtp_in.rekey(stream.key_in)
        return self._srtp_in

    def _keyed_out(self, stream: RtpStream) -> SrtpOut:
        assert stream.key_out is not None
        if self.srtp_out is None:
            return SrtpOut(stream.key_out)
        self.srtp_out.rekey(stream.key_out)
        return self.srtp_out


def _nothing(slot: memoryview) -> int:
    return 0


def _nowhere(packet: memoryview) -> int:
    return 0


def _near(stream: RtpStream) -> tuple[str, ...] | None:
    """Where else the peer may be; who has the keys may be anywhere."""
    return None if stream.near is None or stream.key_in is not None else stream.near


def _address(stream: RtpStream) -> Address:
    """Numeric only: a name would be looked up, which takes time. Raises MediaError."""
    try:
        host = ip_address(stream.host)
    except ValueError:
        raise MediaError(f"{stream.host!r} is no numeric address for RTP") from None
    if not 0 <= stream.port <= 65535:
        raise MediaError(f"{stream.port} is no port for RTP")
    if not (0 <= stream.payload < 128 and stream.event_payload < 128):
        raise MediaError("a payload type of RTP is below 128")
    return str(host), stream.port
