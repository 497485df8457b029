"""Layer 2: an INVITE of ours, from its sending to the ACK (RFC 3261 13.2): forks, challenges, 3xx, CANCEL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from callflow.channels.channel import EarlyMedia, Ended
from callflow.channels.sip.dialog import Dialog, as_client
from callflow.channels.sip.digest_client import DigestAnswers
from callflow.channels.sip.locate import Way
from callflow.channels.sip.message import Request, Response, new_request
from callflow.channels.sip.prack import read_rseq
from callflow.channels.sip.session_body import description_in, signalled_from
from callflow.channels.sip.session_cause import cause_of
from callflow.channels.sip.session_ground import (
    CAPABILITIES,
    GIVE_UP_S,
    SDP,
    Alarms,
    Ground,
    HeaderList,
    Owner,
)
from callflow.channels.sip.session_media import LegSound
from callflow.channels.sip.session_path import Path
from callflow.channels.sip.session_redirect import MOST_TARGETS, named_targets, reached
from callflow.channels.sip.session_timer import SessionTimer, read_min_se, settle
from callflow.channels.sip.stack import ClientTransaction
from callflow.channels.sip.transport import DEFAULT_PORTS, Hop
from callflow.channels.sip.uri import NameAddr, SipUri
from callflow.errors import BadDescription, TransportFailed

MOST_FORKS = 16
_MOST_TRIES = 12


class Calling(Owner, Protocol):
    """The call, as the INVITE sees it."""

    def accepted(self, fork: Fork, timer: SessionTimer | None, *, usable: bool) -> None:
        """The first 2xx: this dialog is the call's. Not ``usable``: its answer has nothing that we can do.
        (Hang up then, and if the call is over meanwhile.)
        """

    @property
    def cancelled(self) -> bool:
        """The engine does not want an answer any more."""


@dataclass(slots=True)
class Fork:
    """One dialog of our INVITE, early or confirmed. ``rseq``: of the last reliable response."""

    dialog: Dialog
    path: Path
    allows: str = ""
    rseq: int = 0
    ack: Request | None = None


@dataclass(slots=True)
class _Tried:
    """Where the INVITE goes now, and where else it may go."""

    uri: SipUri
    hop: Hop | None
    routes: tuple[NameAddr, ...]
    seen: list[SipUri] = field(default_factory=list)
    ahead: list[SipUri] = field(default_factory=list)


class Outgoing:
    """One call out (a ``ClientUser``). ``on_status`` is told the first final status (0: none came)."""

    def __init__(
        self,
        ground: Ground,
        owner: Calling,
        sound: LegSound,
        way: Way,
        *,
        call_id: str,
        tag: str,
        on_status: Callable[[int], None],
    ) -> None:
        assert way.request_uri is not None and way.from_ is not None and way.to is not None
        self._ground = ground
        self._owner = owner
        self._sound = sound
        self._way = way
        self._from = way.from_.with_tag(tag)
        self._to = way.to
        self._call_id = call_id
        self._on_status = on_status
        self._digest = DigestAnswers(way.credentials)
        self._wish = ground.timer_wish()
        self._tried = _Tried(way.request_uri, way.hop, tuple(way.routes), [way.request_uri])
        self._offer = sound.offer()
        self._seq = 0
        self._transaction: ClientTransaction | None = None
        self._forks: dict[str, Fork] = {}
        self._winner: Fork | None = None
        self._settled: Fork | None = None  # whose reliable response has had the answer
        self._early = self._reported = False
        sound.on_heard = self._heard
        self._cancel: HeaderList | None = None
        self._over = False
        self._forward = ""  # the number of ours that a 3xx has named
        self._alarms = Alarms()
        self._sending: asyncio.Task[None] | None = None

    # ---- sending -----------------------------------------------------------------------------

    def send(self) -> None:
        """Send the INVITE (again)."""
        if self._seq >= _MOST_TRIES:
            self._refused(503, [])
        else:
            self._sending = asyncio.ensure_future(self._send())

    async def _send(self) -> None:
        tried = self._tried
        hop = tried.hop
        if hop is None:
            try:
                hop = await self._ground.stack.hop_for(tried.uri, tried.routes)
            except TransportFailed:
                self._report(0)
                self._next_or_refused(503, [])
                return
        if self._over:
            return
        if self._sound.reach(hop):
            self._offer = self._sound.offer()
        self._seq += 1
        request = new_request(
            "INVITE",
            tried.uri,
            from_=self._from,
            to=self._to,
            call_id=self._call_id,
            cseq=self._seq,
            routes=tried.routes,
            contact=self._ground.contact(hop),
            headers=[
                *self._ground.agent(),
                *CAPABILITIES,
                *self._wish.headers(),
                *self._way.headers,
                *self._digest.headers("INVITE", str(tried.uri)),
            ],
            body=self._offer,
            content_type=SDP,
        )
        self._transaction = self._ground.stack.send_request(request, hop, self)
        if self._cancel is not None:
            self._transaction.cancel(self._cancel)
        elif self._way.progress_timeout_s:
            self._alarms.set("progress", self._way.progress_timeout_s, self._no_progress)

    def _no_progress(self) -> None:
        """Nothing but 100 has come: as if nothing had. A 2xx that still comes is hung up."""
        if self._transaction is not None:
            self._transaction.cancel([])
        self._report(0)
        self._next_or_refused(408, [])

    def cancel(self, headers: HeaderList) -> None:
        """The engine hangs up before the answer. ``owner.lose`` is told when it is through."""
        self._cancel = headers
        self._alarms.cancel("progress")
        if self._transaction is None:
            self._refused(487, [])
            return
        self._transaction.cancel(headers)
        # A peer that answers the CANCEL and never the INVITE is not waited for (RFC 3261 9.1).
        self._alarms.set("cancel", GIVE_UP_S, lambda: self._refused(487, []))

    # ---- what comes (ClientUser) -------------------------------------------------------------

    def on_response(self, response: Response, transaction: ClientTransaction) -> None:
        if response.is_success:
            self._accept(response, transaction)
        elif transaction is not self._transaction or self._over or response.status == 100:
            pass
        else:
            self._alarms.cancel("progress")
            if response.status < 200:
                self._provisional(response, transaction)
            else:
                self._final(response)

    def on_timeout(self, transaction: ClientTransaction) -> None:
        if transaction is self._transaction:
            self._report(0)
            self._next_or_refused(408, [])

    def on_failed(self, transaction: ClientTransaction, error: TransportFailed) -> None:
        if transaction is self._transaction:
            self._report(0)
            self._next_or_refused(503, [])

    def fork(self, tag: str) -> Fork | None:
        """The dialog with that remote tag."""
        return self._forks.get(tag)

    def close(self) -> None:
        """Nothing more is to be sent, but the ACKs of 2xx that still come."""
        self._over = True
        self._alarms.clear()
        if self._sending is not None and self._sending is not asyncio.current_task():
            self._sending.cancel()
        for fork in self._forks.values():
            if fork is not self._winner:
                fork.path.close()

    def _provisional(self, response: Response, transaction: ClientTransaction) -> None:
        if not response.to.tag:
            return
        fork = self._fork(response, transaction)
        if fork is None:
            return
        if "100rel" in response.require and not self._in_order(fork, response):
            return
        body = description_in(response)
        settled = self._settled is not None
        if body and not settled and not self._owner.cancelled and len(self._forks) == 1:
            try:
                self._sound.take(body, signalled_from(response))
            except BadDescription:
                return
            self._sound.start()
            if "100rel" in response.require:
                self._sound.settle()  # offer and answer are through: others may follow (RFC 3262 5)
                self._settled = fork

    def _heard(self) -> None:
        """The far end's first sound is here. Before the answer it is early media: not the SDP of a 183, which
        many phones send without ever playing anything; the caller would sit in silence instead of ringback.
        """
        if not self._early and self._winner is None and not self._over:
            self._early = True
            self._owner.tell(EarlyMedia())

    def _in_order(self, fork: Fork, response: Response) -> bool:
        """Answer a reliable provisional response with PRACK; False: it came before (RFC 3262 4)."""
        rseq = read_rseq(response.get("RSeq"))
        if not rseq or (fork.rseq and rseq != fork.rseq + 1):
            return False
        fork.rseq = rseq
        headers = [("RAck", f"{rseq} {response.cseq.number} INVITE")]
        fork.path.ask("PRACK", lambda status, response: None, headers=headers)
        return True

    def _fork(self, response: Response, transaction: ClientTransaction) -> Fork | None:
        """The dialog of that response; None: one too many."""
        known = self._forks.get(response.to.tag)
        if known is not None:
            known.dialog.refresh(response)
            if response.is_success:  # RFC 3261 13.2.2.4: the 2xx knows the route
                known.dialog.routes = as_client(transaction.request, response).routes
            return known
        if len(self._forks) >= MOST_FORKS:
            return None
        dialog = as_client(transaction.request, response)
        direct = self._tried.hop if not dialog.routes else None
        if direct is None and not dialog.routes and transaction.hop.transport != "udp":
            direct = transaction.hop
        fork = Fork(dialog, Path(self._ground, dialog, self._digest, direct, transaction.hop))
        fork.allows = response.get("Allow")
        self._forks[response.to.tag] = fork
        return fork

    def _report(self, status: int) -> None:
        if not self._reported:
            self._reported = True
            self._on_status(status)

    # ---- 2xx ---------------------------------------------------------------------------------

    def _accept(self, response: Response, transaction: ClientTransaction) -> None:
        fork = self._fork(response, transaction)
        if fork is None:
            return
        if fork.ack is not None:
            fork.path.resend_ack(fork.ack)
            return
        fork.dialog.local_seq = max(fork.dialog.local_seq, response.cseq.number)
        headers = self._digest.headers("ACK", str(fork.dialog.target))
        fork.path.ack(response.cseq.number, headers, b"", lambda request: _keep(fork, request))
        if self._winner is not None or self._over:
            fork.path.ask("BYE", lambda status, response: None)
            return
        self._winner = fork
        fork.allows = response.get("Allow") or fork.allows
        self._alarms.clear()
        self._report(response.status)
        body = description_in(response)
        try:
            if self._settled is not fork and (body or not self._sound.agreed):
                self._sound.reopen()
                self._sound.take(body, signalled_from(response))
        except BadDescription:
            self._owner.accepted(fork, None, usable=False)
            return
        self._sound.settle()
        self._sound.answered()
        self._sound.start()
        self._owner.accepted(fork, settle(response), usable=True)

    # ---- the others --------------------------------------------------------------------------

    def _final(self, response: Response) -> None:
        status = response.status
        if self._cancel is None:
            if status in (401, 407) and self._digest.answer(response):
                self.send()
                return
            if status == 422 and read_min_se(response) > self._wish.min_s and self._wish.interval_s:
                self._wish = self._wish.raised(read_min_se(response))
                self.send()
                return
            self._report(status)
            if 300 <= status < 400:
                self._redirect(response)
        self._next_or_refused(status, response.all("Reason"))

    def _redirect(self, response: Response) -> None:
        """Note where else to call; a number of ours is for the engine, when all before it have failed."""
        ahead, number = named_targets(response, self._is_ours, self._may_follow)
        tried = self._tried
        for uri in ahead:
            if len(tried.seen) < MOST_TARGETS and uri not in tried.seen:
                tried.seen.append(uri)
                tried.ahead.append(uri)
        self._forward = self._forward or number

    def _may_follow(self, uri: SipUri) -> bool:
        """Whether a 3xx may send the call there."""
        hop = self._transaction.hop if self._transaction is not None else None
        return self._way.roams or reached(uri) in (reached(self._tried.uri), hop.host if hop else "")

    def _is_ours(self, uri: SipUri) -> bool:
        """Whether that is at the account's realm or at our own address."""
        if self._way.realm and uri.host.lower() == self._way.realm.lower():
            return True
        if self._transaction is None:
            return False
        hop = self._transaction.hop
        host, port = self._ground.stack.local(hop)
        return (reached(uri), uri.port or DEFAULT_PORTS[hop.transport]) == (host.strip("[]").lower(), port)

    def _next_or_refused(self, status: int, reasons: list[str]) -> None:
        if self._cancel is None and not self._over and self._tried.ahead:
            tried = self._tried
            uri = tried.ahead.pop(0)
            if reached(uri) != reached(tried.uri):
                self._digest = DigestAnswers(None)  # what we know is not for everybody
            self._tried = _Tried(uri, None, (), tried.seen, tried.ahead)
            self._forks.clear()
            self._settled = None
            self._sound.reopen()
            self.send()
        else:
            self._refused(status, reasons)

    def _refused(self, status: int, reasons: list[str]) -> None:
        if self._over or self._winner is not None:
            return
        self.close()
        self._owner.lose(Ended(cause_of(status, reasons), status, forward=self._forward))


def _keep(fork: Fork, request: Request) -> None:
    fork.ack = request
