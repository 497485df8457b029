"""Layer 2: addresses that guess passwords or scan are ignored for a while. No input or output.

Only failures count, so that a hundred phones behind one address are no matter. Two measures:

* who answers a challenge that was sent to this very address with a wrong password is certainly there: after
  ``limit`` of these within a minute nothing from the address is answered;
* who never answers challenges may be somebody else who forges the address: then only requests that answer
  none are ignored, and phones that know what they do go on.

Of IPv6 all addresses of a /64 are one: whoever has one of them has them all (RFC 6177 1).
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv6Address

MAX_ADDRESSES = 10_000
"""Addresses that are remembered; the one that was quiet longest is forgotten first."""

WINDOW_S = 60.0
UNANSWERED_TIMES = 5
"""Unanswered challenges for each allowed failure."""

ANSWER_WITHIN_S = 5.0
"""A challenge younger than this may still be answered."""


@dataclass(slots=True)
class _Record:
    """What an address has done. Times in seconds, oldest first, never more than the limits."""

    failures: deque[float]
    challenges: deque[float]
    banned_until: float = field(default=float("-inf"))


class Throttle:
    """Counts failures by address. ``limit`` within a minute: ignored for ``ban_s`` seconds."""

    def __init__(self, *, limit: int, ban_s: float) -> None:
        self.limit = limit
        self.ban_s = ban_s
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def banned(self, host: str, now: float) -> bool:
        """Whether nothing from ``host`` is to be answered now."""
        record = self._records.get(_house(host))
        return record is not None and now < record.banned_until

    def scanning(self, host: str, now: float) -> bool:
        """Whether ``host`` has left so many challenges unanswered that it gets no more of them now."""
        record = self._records.get(_house(host))
        if record is None:
            return False
        overdue = sum(now - WINDOW_S < at <= now - ANSWER_WITHIN_S for at in record.challenges)
        return overdue >= self.limit * UNANSWERED_TIMES

    def challenged(self, host: str, now: float) -> None:
        """``host`` was asked who it is."""
        self._record(host).challenges.append(now)

    def proved(self, host: str) -> None:
        """``host`` has answered a challenge rightly: one of its open ones is settled."""
        record = self._records.get(_house(host))
        if record is not None and record.challenges:
            record.challenges.popleft()

    def failed(self, host: str, now: float) -> bool:
        """``host`` has failed; True: this one has got it banned."""
        record = self._record(host)
        record.failures.append(now)
        self.proved(host)  # a wrong answer is an answer
        if len(record.failures) < self.limit or record.failures[0] <= now - WINDOW_S:
            return False
        record.failures.clear()
        record.banned_until = now + self.ban_s
        return True

    def _record(self, host: str) -> _Record:
        host = _house(host)
        record = self._records.get(host)
        if record is None:
            record = _Record(deque(maxlen=self.limit), deque(maxlen=2 * self.limit * UNANSWERED_TIMES))
            self._records[host] = record
            if len(self._records) > MAX_ADDRESSES:
                self._records.popitem(last=False)
        self._records.move_to_end(host)
        return record


@lru_cache(maxsize=4096)
def _house(host: str) -> str:
    """What is counted as one address."""
    if ":" not in host:
        return host
    try:
        address = IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    return host if address.is_loopback or address.ipv4_mapped else str(IPv6Address(int(address) >> 64 << 64))
