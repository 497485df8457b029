"""Layer 2: reliable provisional responses (RFC 3262): numbers, ``RAck``, retransmission."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from callflow.channels.sip.session_ground import GIVE_UP_S, T1, Alarms

_MOST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class RAck:
    """Which response a PRACK is for: its RSeq, and CSeq number and method of the request."""

    rseq: int
    cseq: int
    method: str


def read_rack(value: str) -> RAck | None:
    """``776656 1 INVITE``; None: it cannot be read."""
    found = re.fullmatch(
        r"\s*([0-9]{1,10})\s+([0-9]{1,10})\s+([A-Za-z0-9.!%*_+`'~-]{1,32})\s*", value, re.ASCII
    )
    return RAck(int(found[1]), int(found[2]), found[3]) if found else None


def read_rseq(value: str) -> int:
    """The number of ``RSeq``; 0: there is none that can be read."""
    found = re.fullmatch(r"\s*([0-9]{1,10})\s*", value, re.ASCII)
    return int(found[1]) if found and 0 < int(found[1]) <= _MOST else 0


@dataclass(slots=True)
class Reliable:
    """Our reliable provisional responses to one INVITE: one at a time until its PRACK (RFC 3262 3).

    ``send(rseq)`` sends the response that is open (again); ``lost()`` is told when no PRACK came in 32 s.
    """

    cseq: int
    send: Callable[[int], None]
    lost: Callable[[], None]
    alarms: Alarms
    rseq: int = 1
    open: bool = False
    _wait_s: float = T1
    _waited_s: float = 0.0
    _after: list[Callable[[], None]] = field(default_factory=list)

    def begin(self) -> None:
        """Send a response and keep sending it."""
        self.open = True
        self._wait_s, self._waited_s = T1, 0.0
        self.send(self.rseq)
        self.alarms.set("reliable", self._wait_s, self._again)

    def waits_for(self, rack: RAck | None) -> bool:
        """Is this PRACK for the response that is open?"""
        return self.open and rack == RAck(self.rseq, self.cseq, "INVITE")

    def acknowledged(self) -> None:
        """The PRACK of the open response has come (and is answered)."""
        self.stop()
        self.rseq += 1
        after, self._after = self._after, []
        for work in after:
            work()

    def then(self, work: Callable[[], None]) -> None:
        """Do ``work`` once nothing is open: at once, or after the PRACK."""
        if self.open:
            self._after.append(work)
        else:
            work()

    def stop(self) -> None:
        """Send no more of it."""
        self.open = False
        self.alarms.cancel("reliable")

    def _again(self) -> None:
        self._waited_s += self._wait_s
        if self._waited_s >= GIVE_UP_S:
            self.stop()
            self._after.clear()
            self.lost()
            return
        self.send(self.rseq)
        self._wait_s = min(self._wait_s * 2, GIVE_UP_S - self._waited_s)
        self.alarms.set("reliable", self._wait_s, self._again)
