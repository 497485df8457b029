"""Layer 1: the local RTP ports of one media process: pairs of RTP and RTCP, bound before they are needed."""

from __future__ import annotations

import secrets
from collections import deque
from dataclasses import dataclass

from callflow.errors import MediaError, NoMediaPort
from callflow.media.messages import RtpPlace
from callflow.media.rtp.sockets import Datagrams, Net, UdpNet

AHEAD = 32
"""So many pairs are kept bound and unused."""
REFILL = 8
"""At most so many pairs are bound by one ``refill``: some 0.2 ms."""
WIDE = 256
"""A range of more pairs is begun anywhere: another server may be at its beginning, whose ports would all
be tried first, and nobody should know which port the next call has.
"""
_RTCP_RECEIVE_BYTES = 16 << 10


@dataclass(slots=True, eq=False)
class PortPair:
    """The bound sockets of one leg."""

    place: RtpPlace
    rtp: Datagrams
    rtcp: Datagrams

    def close(self) -> None:
        """Free both ports."""
        self.rtp.close()
        self.rtcp.close()


class PortPool:
    """``RtpPorts`` over the even ports ``low`` to ``high``, bound on ``bind`` (default ``host``) and
    announced as ``host``. One thread. A port that is freed is the last to be used again, so that packets that
    are still on their way to it do not meet the next call.
    """

    def __init__(
        self,
        host: str,
        low: int = 16384,
        high: int = 32768,
        *,
        bind: str = "",
        worker: int = 0,
        net: Net | None = None,
        ahead: int = AHEAD,
    ) -> None:
        first = low + low % 2
        if not 0 < first <= high - 1 <= 65534:
            raise MediaError(
                f"ports {low} to {high} hold no pair of an even port and the next",
                hint="give a range such as 16384-32768",
            )
        self.net: Net = net or UdpNet()
        self._host = host
        self._bind = bind or host
        self._worker = worker
        self._ahead = ahead
        self._unbound: deque[int] = deque(range(first, high, 2))
        if len(self._unbound) > WIDE:
            self._unbound.rotate(secrets.randbelow(len(self._unbound)))
        self._ready: deque[PortPair] = deque()
        self._taken: dict[int, PortPair] = {}  # taken, but no leg's yet
        self._used: set[int] = set()

    @property
    def free(self) -> int:
        """How many ports could still be taken (those that other programs have are counted, too)."""
        return len(self._ready) + len(self._unbound)

    @property
    def used(self) -> int:
        """How many are taken or a leg's."""
        return len(self._used)

    def take(self, near: str = "") -> RtpPlace:
        """A bound port. Raises NoMediaPort. ``near`` says nothing here: there is one process."""
        # Before the first call nobody waits: the whole range is looked through.
        if not self._ready and not self._bind_some(1, all_of_them=not self._used):
            raise NoMediaPort(
                f"all {len(self._used)} RTP ports are in use",
                hint="give a wider range with --media-ports, or end some calls",
            )
        pair = self._ready.popleft()
        self._taken[pair.place.port] = pair
        self._used.add(pair.place.port)
        return pair.place

    def give_back(self, place: RtpPlace) -> None:
        """Free a port that never became a leg's; others are ignored."""
        pair = self._taken.pop(place.port, None)
        if pair is not None:
            self.release(pair)

    def claim(self, place: RtpPlace) -> PortPair:
        """The sockets of a taken port, for its leg (the pump's side). Raises MediaError: not taken."""
        pair = self._taken.pop(place.port, None)
        if pair is None:
            raise MediaError(
                f"RTP port {place.port} was not taken from this pool", hint="call ports.take() first"
            )
        return pair

    def give_away(self, pair: PortPair) -> tuple[int, int]:
        """A leg goes with its sockets to another process: their descriptors. The port is not to be bound
        again before ``returned``.
        """
        return pair.rtp.detach(), pair.rtcp.detach()

    def take_in(self, place: RtpPlace, sockets: tuple[int, int]) -> PortPair:
        """A leg came with its sockets from another process: ``release`` will only close them."""
        rtp, rtcp = (self.net.adopt(each) for each in sockets)
        return PortPair(place, rtp, rtcp)

    def returned(self, port: int) -> None:
        """A leg that was given away has ended: its port can be bound again."""
        if port in self._used:
            self._used.remove(port)
            self._unbound.append(port)

    def release(self, pair: PortPair) -> None:
        """The leg is gone: close its sockets; the port can be bound anew, after all others."""
        pair.close()
        self.returned(pair.place.port)

    def refill(self, limit: int = REFILL) -> None:
        """Bind some ports ahead; to be called between ticks. Cheap if there is nothing to do."""
        missing = self._ahead - len(self._ready)
        if missing > 0:
            self._bind_some(min(limit, missing))

    def close(self) -> None:
        """Close what is no leg's."""
        for pair in (*self._ready, *self._taken.values()):
            pair.close()
        self._ready.clear()
        self._taken.clear()

    def _bind_some(self, wanted: int, *, all_of_them: bool = False) -> int:
        """Bind up to ``wanted`` pairs; how many there are now. Ports that others have go to the end; of those
        one after the other only some are tried at a time, unless ``all_of_them``.
        """
        tries = len(self._unbound) if all_of_them else min(len(self._unbound), 64 + wanted)
        while wanted > 0 and tries > 0:
            tries -= 1
            port = self._unbound.popleft()
            pair = self._pair(port)
            if pair is None:
                self._unbound.append(port)
            else:
                self._ready.append(pair)
                wanted -= 1
        return len(self._ready)

    def _pair(self, port: int) -> PortPair | None:
        try:
            rtp = self.net.bind(self._bind, port)
        except OSError:
            return None
        try:
            rtcp = self.net.bind(self._bind, port + 1, _RTCP_RECEIVE_BYTES)
        except OSError:
            rtp.close()
            return None
        return PortPair(RtpPlace(self._host, port, self._worker), rtp, rtcp)
