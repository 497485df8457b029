"""Layer 2: all SIP calls of this process: found by dialog, counted, each with an id of its own."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter, deque

from callflow.channels.channel import Direction
from callflow.channels.sip.channel import SipChannel
from callflow.channels.sip.message import Request
from callflow.channels.sip.replaces import Replaced
from callflow.channels.sip.stack import ServerTransaction
from callflow.channels.sip.transport import Hop
from callflow.clock import Clock

MOST_CALL_ID = 128
"""Characters of a call id in the engine (it becomes a part of urls); longer ones end in a digest."""
RESERVED_S = 60.0
"""How long the id of a call that is over is not given to another: its recordings may not be through."""


class CallTable:
    """The calls that are up (a ``Registry``)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_tag: dict[tuple[str, str], SipChannel] = {}
        self._keys: dict[SipChannel, set[tuple[str, str]]] = {}
        self._invites: dict[str, SipChannel] = {}
        self._opened: dict[SipChannel, str] = {}
        self._inbound: Counter[str] = Counter()
        self._taken: set[str] = set()
        self._numbers: dict[str, int] = {}  # the latest of calls with one Call-ID: there may be thousands
        self._freed: deque[tuple[float, str]] = deque()
        self._empty = asyncio.Event()
        self._empty.set()

    # ---- what calls tell (Registry) ----------------------------------------------------------

    def enter(self, call_id: str, tag: str, channel: SipChannel) -> None:
        if channel not in self._keys:
            self._keys[channel] = set()
            self._empty.clear()
            if channel.direction is Direction.INBOUND:
                self._inbound[channel.facts.account_id] += 1
        self._keys[channel].add((call_id, tag))
        self._by_tag[call_id, tag] = channel

    def forget(self, call_id: str, tag: str) -> None:
        channel = self._by_tag.pop((call_id, tag), None)
        if channel is not None and channel in self._keys:
            self._keys[channel].discard((call_id, tag))

    def leave(self, channel: SipChannel) -> None:
        keys = self._keys.pop(channel, None)
        if keys is None:
            return
        for key in keys:
            self._by_tag.pop(key, None)
        opened = self._opened.pop(channel, None)
        if opened is not None:
            self._invites.pop(opened, None)
        if channel.direction is Direction.INBOUND:
            self._inbound[channel.facts.account_id] -= 1
        self._freed.append((self._clock.now() + RESERVED_S, channel.call_id))
        if not self._keys:
            self._empty.set()

    def call_id_of(self, replaced: Replaced) -> str:
        # A phone names the dialog as the target does, which is us; some name it as they see it.
        channel = self.with_dialog(replaced) or self.with_dialog(replaced.turned())
        return channel.call_id if channel is not None else ""

    def flow_of(self, request: Request, source: Hop) -> Hop | None:
        return flow_of(request, source)

    # ---- what the endpoint asks --------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._keys)

    def channels(self) -> tuple[SipChannel, ...]:
        """All of them."""
        return tuple(self._keys)

    def inbound(self, account_id: str | None = None) -> int:
        """How many have come in (of an account)."""
        return self._inbound.total() if account_id is None else self._inbound[account_id]

    def find(self, call_id: str, tag: str) -> SipChannel | None:
        """The call with that Call-ID and that tag of ours."""
        return self._by_tag.get((call_id, tag))

    def with_dialog(self, replaced: Replaced) -> SipChannel | None:
        """The call with exactly that dialog."""
        channel = self.find(replaced.call_id, replaced.to_tag)
        return channel if channel is not None and channel.has_dialog(replaced) else None

    def invite(self, transaction: ServerTransaction, channel: SipChannel) -> None:
        """That INVITE has begun that call."""
        self._invites[transaction.id] = channel
        self._opened[channel] = transaction.id

    def invited(self, transaction: ServerTransaction) -> SipChannel | None:
        """The call that this INVITE has begun."""
        return self._invites.get(transaction.id)

    def fresh_id(self, call_id: str) -> str:
        """The engine's id for a call with that SIP Call-ID: the same, if it is short and free."""
        now = self._clock.now()
        while self._freed and self._freed[0][0] <= now:
            self.give_back(self._freed.popleft()[1])
        wanted = "".join(c if c.isprintable() else "_" for c in call_id)
        if len(wanted) > MOST_CALL_ID:
            digest = hashlib.sha256(call_id.encode("utf-8", "replace")).hexdigest()[:16]
            wanted = f"{wanted[: MOST_CALL_ID - 17]}-{digest}"
        name, number = wanted, self._numbers.get(wanted, 1)
        while name in self._taken:
            number += 1
            name = f"{wanted}-{number}"
        self._taken.add(name)
        if number > 1:
            self._numbers[wanted] = number
        return name

    def give_back(self, name: str) -> None:
        """No call has come of it, or it is over."""
        self._taken.discard(name)
        self._numbers.pop(name, None)

    async def empty(self) -> None:
        """Wait until no call is left."""
        await self._empty.wait()


def flow_of(request: Request, source: Hop) -> Hop | None:
    """Where requests to the sender of ``request`` go whatever its Contact says: back where it came from, when
    that is a stream (RFC 5626) or the sender does not know its own address (NAT). None: to its Contact, or
    through the proxies that have recorded a route.
    """
    if request.record_routes:
        return None
    if source.transport != "udp" or request.via.host.strip("[]") != source.host:
        return source
    return None
