"""Layer 2: what every SIP call of this process stands on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from callflow.channels.channel import ChannelEvent, Ended
from callflow.channels.sip.message import new_response
from callflow.channels.sip.session_timer import LEAST_S, Wish
from callflow.channels.sip.stack import ServerTransaction, SipStack
from callflow.channels.sip.transaction import TIMERS
from callflow.channels.sip.transport import Hop
from callflow.channels.sip.uri import NameAddr, SipUri
from callflow.clock import Clock
from callflow.documents.settings import SipSettings
from callflow.errors import BadDescription
from callflow.ids import Ids
from callflow.log import one_line
from callflow.media.port import MediaPort, RtpPorts

T1, T2 = TIMERS.t1, TIMERS.t2
"""Seconds: the estimate of a round trip, and the longest time between two copies (RFC 3261 17.1.1.1)."""
GIVE_UP_S = 64 * T1
"""So long an answer, an ACK or a PRACK is waited for."""

ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, REFER, NOTIFY"
SUPPORTED = "100rel, timer, replaces, norefersub"
SDP = "application/sdp"
CAPABILITIES = (("Allow", ALLOW), ("Supported", SUPPORTED))

HeaderList = list[tuple[str, str]]


@dataclass(slots=True)
class Ground:
    """Shared by all calls; ``settings`` may be others after a reload."""

    stack: SipStack
    clock: Clock
    media: MediaPort
    ports: RtpPorts
    settings: SipSettings
    ids: Ids

    def tag(self) -> str:
        """A fresh tag for From or To."""
        return self.ids.hex32()[:16]

    def contact(self, hop: Hop) -> NameAddr:
        """Where ``hop`` reaches us."""
        host, port = self.stack.local(hop)
        params = {} if hop.transport == "udp" else {"transport": hop.transport}
        return NameAddr(SipUri("sip", "callflow", host, port, params=params))

    def agent(self) -> HeaderList:
        """``User-Agent`` of requests."""
        return [("User-Agent", self.settings.user_agent)] if self.settings.user_agent else []

    def server(self) -> HeaderList:
        """``Server`` of responses."""
        return [("Server", self.settings.user_agent)] if self.settings.user_agent else []

    def timer_wish(self) -> Wish:
        """What we ask for as session timer."""
        return Wish(self.settings.session_expires_s, max(LEAST_S, self.settings.session_min_s))

    def between(self, least_s: float, most_s: float) -> float:
        """A random time, in steps of 10 ms."""
        steps = round((most_s - least_s) * 100) + 1
        return least_s + int(self.ids.short(), 16) % steps / 100

    def respond(
        self,
        transaction: ServerTransaction,
        status: int,
        reason: str = "",
        *,
        to_tag: str = "",
        headers: HeaderList | None = None,
        body: bytes = b"",
        contact: NameAddr | None = None,
    ) -> None:
        """Answer a request; a ``body`` is SDP."""
        response = new_response(
            transaction.request,
            status,
            one_line(reason, 100),
            to_tag=to_tag or self.tag() if status > 100 else "",
            headers=[*self.server(), *(headers or [])],
            body=body,
            content_type=SDP if body else "",
            contact=contact,
        )
        transaction.respond(response)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request cannot be taken: answer so."""

    status: int
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()


class Owner(Protocol):
    """The call, as its parts see it."""

    def tell(self, event: ChannelEvent) -> None:
        """Something for the engine."""

    def lose(self, ended: Ended) -> None:
        """The far end, or a fault, has ended the call; nothing more is to be sent."""

    def drop(self, cause: str) -> None:
        """We end the call (BYE, CANCEL or a refusal), for a fault that the engine does not know of."""


@dataclass(slots=True)
class Alarms:
    """Timers by name; setting one again moves it."""

    _set: dict[str, asyncio.TimerHandle] = field(default_factory=dict)

    def set(self, name: str, seconds: float, ring: Callable[[], None]) -> None:
        """Call ``ring`` after so long."""
        self.cancel(name)
        self._set[name] = asyncio.get_running_loop().call_later(seconds, self._ring, name, ring)

    def cancel(self, name: str) -> None:
        """It will not ring; one that is not set is no mistake."""
        handle = self._set.pop(name, None)
        if handle is not None:
            handle.cancel()

    def clear(self) -> None:
        """None will ring."""
        for handle in self._set.values():
            handle.cancel()
        self._set.clear()

    def __contains__(self, name: str) -> bool:
        return name in self._set

    def _ring(self, name: str, ring: Callable[[], None]) -> None:
        self._set.pop(name, None)
        ring()


def warning(error: BadDescription) -> tuple[str, str]:
    """A ``Warning`` header (RFC 3261 20.43) that says, by code and in words, why an SDP is refused."""
    quotable = "".join(c for c in one_line(error.message, 200) if c not in '"\\')
    return "Warning", f'{error.warning} callflow "{quotable}"'
