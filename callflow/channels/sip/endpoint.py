"""Layer 2: the SIP user agent of this process: every request finds its dialog, or begins one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from callflow.channels.channel import CAUSE_CODES, Channel, Dialer, Direction, Ended, Party
from callflow.channels.nochannel import NoChannel
from callflow.channels.sip.admission import Admission, Admitted, Challenged, Refused
from callflow.channels.sip.channel import Facts, SipChannel
from callflow.channels.sip.dialer import SipDialer
from callflow.channels.sip.dialog import usable_target
from callflow.channels.sip.endpoint_calls import CallTable
from callflow.channels.sip.locate import Locator, Way
from callflow.channels.sip.message import Request, new_response, stateless_tag
from callflow.channels.sip.offer import rate_of
from callflow.channels.sip.registrar import Registrar
from callflow.channels.sip.replaces import read_replaces
from callflow.channels.sip.sdp import read_sdp
from callflow.channels.sip.session_body import description_in, judge_body, signalled_from
from callflow.channels.sip.session_ground import ALLOW, CAPABILITIES, SDP, Ground, HeaderList, warning
from callflow.channels.sip.session_media import LegSound, new_terms
from callflow.channels.sip.session_outgoing import Outgoing
from callflow.channels.sip.session_timer import SessionTimer, TooBrief, judge
from callflow.channels.sip.stack import ServerTransaction, SipStack
from callflow.channels.sip.transport import Hop
from callflow.clock import Clock
from callflow.documents.settings import SipSettings
from callflow.errors import BadDescription, NoMediaPort
from callflow.ids import Ids
from callflow.log import logger, one_line
from callflow.media.port import MediaPort, RtpPorts

RETRY_AFTER_S = 10
WARN_EVERY_S = 10.0
"""No port left is told so often, not for every call."""
CLOSE_S = 5.0
"""How long ``close`` waits for the answers to its BYEs and CANCELs."""

_NOT_ALLOWED = frozenset({"MESSAGE", "PUBLISH"})


class SipEndpoint:
    """All dialogs of this process. It is the ``user`` of ``stack`` (a ``TransactionUser``).

    ``on_call(channel, admitted)`` is told every new call, on the loop, once its leg is in the pump; it must
    arrange for the channel to be run (or hung up). ``draining()`` True: new calls get 503.
    """

    def __init__(
        self,
        stack: SipStack,
        *,
        clock: Clock,
        media: MediaPort,
        ports: RtpPorts,
        admission: Admission,
        registrar: Registrar,
        locator: Locator,
        settings: SipSettings,
        ids: Ids,
        on_call: Callable[[SipChannel, Admitted], None],
        draining: Callable[[], bool] = lambda: False,
    ) -> None:
        self._stack = stack
        self._ground = Ground(stack, clock, media, ports, settings, ids)
        self._admission = admission
        self._registrar = registrar
        self._locator = locator
        self._on_call = on_call
        self._draining = draining
        self._table = CallTable(clock)
        self._warned_at = -WARN_EVERY_S
        self._rows: Mapping[str, Callable[[Request, ServerTransaction], None]] = {
            "INVITE": self._on_invite,
            "OPTIONS": self._on_options,
            "REGISTER": self._on_register,
            "REFER": lambda request, transaction: self._dismiss(transaction, 403),
            "SUBSCRIBE": lambda request, transaction: self._dismiss(transaction, 489),
        }
        stack.user = self

    # ---- calls out ---------------------------------------------------------------------------

    def dialer(self, account_id: str) -> Dialer:
        """Where outbound legs of an account come from (for ``Services.dialer``)."""
        return SipDialer(self, self._locator, account_id)

    async def call(
        self,
        way: Way,
        *,
        caller: Party,
        rate: int,
        call_id: str,
        near: str = "",
        account_id: str = "",
        on_status: Callable[[int], None] = lambda status: None,
    ) -> Channel:
        """Call somebody by ``way``: what the dialer does, for who has made the way himself. Never raises for
        what cannot be called: the channel has ended then. ``near``: a leg whose media process to share;
        ``on_status`` is told the first final status (0: none came).
        """
        party = Party(
            from_number=caller.from_number,
            to_number=way.to.uri.user if way.to else caller.to_number,
            from_name=caller.from_name,
            from_realm=caller.from_realm,
            to_realm=way.to.uri.host if way.to else caller.to_realm,
            user_id=way.user_id,
            device_id=way.device_id,
        )
        if way.cause or way.request_uri is None:
            code = way.code or CAUSE_CODES.get(way.cause, 480)
            return NoChannel(call_id, rate, party, Ended(way.cause or "NO_ROUTE_DESTINATION", code))
        if len(self._table) >= 2 * self._ground.settings.max_calls:
            return NoChannel(call_id, rate, party, Ended("SWITCH_CONGESTION", 503))
        try:
            place = self._ground.ports.take(near)
        except NoMediaPort as error:
            self._warn(f"a call to {one_line(way.request_uri)}: {error.message}")
            return NoChannel(call_id, rate, party, Ended("SWITCH_CONGESTION", 503))
        call_id = self._table.fresh_id(call_id)
        terms = new_terms(self._ground, place, codecs=way.codecs, srtp=way.srtp)
        sound = LegSound(self._ground, call_id, rate, terms, place)
        facts = Facts(call_id, rate, Direction.OUTBOUND, party, account_id)
        channel = SipChannel(facts, self._ground, sound, self._table)
        tag = self._ground.tag()
        outgoing = Outgoing(self._ground, channel, sound, way, call_id=call_id, tag=tag, on_status=on_status)
        sound.add()
        channel.start(outgoing, call_id, tag)
        return channel

    @property
    def calls(self) -> int:
        """Legs that are up or being set up."""
        return len(self._table)

    def reload(self, settings: SipSettings) -> None:
        """Other settings from now on; calls that are up keep what they have agreed."""
        self._ground.settings = settings

    async def close(self) -> None:
        """Hang up everything and wait until nothing of it is left (at most a few seconds)."""
        for channel in self._table.channels():
            await channel.hangup("NORMAL_TEMPORARY_FAILURE")
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._table.empty()
        except TimeoutError:
            logger.warning("%d SIP calls did not answer their BYE or CANCEL", len(self._table))

    # ---- what comes (TransactionUser) --------------------------------------------------------

    def on_request(self, request: Request, transaction: ServerTransaction) -> None:
        tag = request.to.tag
        if tag:
            channel = self._table.find(request.call_id, tag)
            if channel is None:
                self._dismiss(transaction, 481)
            else:
                self._stack.trust(transaction.source)  # the tag is a secret
                channel.on_request(request, transaction)
            return
        row = self._rows.get(request.method)
        if row is not None:
            row(request, transaction)
        elif request.method in _NOT_ALLOWED:
            self._dismiss(transaction, 405, [("Allow", ALLOW)])
        elif request.method in ALLOW.split(", "):
            self._dismiss(transaction, 481)  # BYE, INFO, PRACK ... live in dialogs only
        else:
            self._dismiss(transaction, 501, [("Allow", ALLOW)])

    def on_ack(self, request: Request, source: Hop) -> None:
        channel = self._table.find(request.call_id, request.to.tag)
        if channel is not None:
            channel.on_ack(request)

    def on_cancel(self, transaction: ServerTransaction) -> None:
        channel = self._table.invited(transaction)
        if channel is not None:
            channel.on_cancel()

    def on_no_ack(self, transaction: ServerTransaction) -> None:
        """A refusal that nobody acknowledged: there is no call, so there is nothing to end."""

    # ---- new calls ---------------------------------------------------------------------------

    def _on_invite(self, request: Request, transaction: ServerTransaction) -> None:
        if self._draining():
            self._dismiss(transaction, 503, [("Retry-After", str(RETRY_AFTER_S))])
            return
        admitted = self._admit(request, transaction)
        if admitted is None:
            return
        refusal = judge_body(request)
        timer = judge(request, self._ground.timer_wish())
        if refusal is not None:
            self._refuse(transaction, refusal.status, list(refusal.headers))
        elif isinstance(timer, TooBrief):
            self._refuse(transaction, 422, [("Min-SE", str(timer.min_s))])
        elif not usable_target(request.contact):
            self._ground.respond(transaction, 400, "Bad Contact")
        elif request.get("Replaces"):
            self._replace(request, transaction, admitted, timer)
        elif self._full(admitted.account_id):
            self._refuse(transaction, 503, [("Retry-After", str(RETRY_AFTER_S))])
        else:
            self._take(request, transaction, admitted, timer)

    def _take(
        self,
        request: Request,
        transaction: ServerTransaction,
        admitted: Admitted,
        timer: SessionTimer | None,
    ) -> None:
        ground, body = self._ground, description_in(request)
        self._ground.respond(transaction, 100)
        place = None
        call_id = self._table.fresh_id(request.call_id)
        try:
            offer = read_sdp(body) if body else None
            place = ground.ports.take()
            terms = new_terms(ground, place, codecs=admitted.codecs, srtp=admitted.srtp)
            rate = rate_of(offer, terms.codecs)
            sound = LegSound(ground, call_id, rate, terms, place)
            sound.reach(transaction.source)
            if body:
                sound.answer(body, signalled_from(request))
        except BadDescription as error:
            if place is not None:
                ground.ports.give_back(place)
            self._table.give_back(call_id)
            self._refuse(transaction, 488, [warning(error)])
            return
        except NoMediaPort as error:
            self._warn(f"a call from {transaction.source}: {error.message}")
            self._table.give_back(call_id)
            self._refuse(transaction, 503, [("Retry-After", str(RETRY_AFTER_S))])
            return
        facts = Facts(call_id, rate, Direction.INBOUND, admitted.party, admitted.account_id)
        channel = SipChannel(facts, ground, sound, self._table)
        sound.add()
        channel.take(transaction, ground.tag(), late=not body, timer=timer)
        self._table.invite(transaction, channel)
        try:
            self._on_call(channel, admitted)
        except Exception:
            logger.exception("a SIP call could not be taken")
            channel.drop("NORMAL_TEMPORARY_FAILURE")

    def _replace(
        self,
        request: Request,
        transaction: ServerTransaction,
        admitted: Admitted,
        timer: SessionTimer | None,
    ) -> None:
        replaced = read_replaces(request.get("Replaces"))
        if replaced is None or len(request.all("Replaces")) != 1:
            self._ground.respond(transaction, 400, "Bad Replaces")
            return
        channel = self._table.with_dialog(replaced)
        if channel is None or channel.facts.account_id != admitted.account_id:
            self._refuse(transaction, 481)
            return
        if replaced.early_only:
            self._refuse(transaction, 486)  # it is answered already (RFC 3891 3)
            return
        status = channel.replace(transaction, self._ground.tag(), timer)
        if status != 200:
            self._refuse(transaction, status)

    def _admit(self, request: Request, transaction: ServerTransaction) -> Admitted | None:
        verdict = self._admission.judge(request, transaction.source)
        if isinstance(verdict, Admitted):
            self._stack.trust(transaction.source)
            return verdict
        if isinstance(verdict, Challenged | Refused):
            transaction.respond_once(verdict.response)
        else:
            transaction.drop()
        return None

    def _warn(self, text: str) -> None:
        now = self._ground.clock.now()
        if now - self._warned_at >= WARN_EVERY_S:
            self._warned_at = now
            logger.warning("%s", text)

    def _full(self, account_id: str) -> bool:
        settings = self._ground.settings
        return (
            self._table.inbound() >= settings.max_calls
            or self._table.inbound(account_id) >= settings.max_calls_per_account
        )

    # ---- the rest ----------------------------------------------------------------------------

    def _on_options(self, request: Request, transaction: ServerTransaction) -> None:
        """What we can do; while we drain, that we take no calls (RFC 3261 11.2)."""
        if self._admission.ignored(transaction.source):
            transaction.drop()
        elif self._draining():
            self._dismiss(transaction, 503, [("Retry-After", str(RETRY_AFTER_S))])
        else:
            self._dismiss(transaction, 200, [*CAPABILITIES, ("Accept", SDP)])

    def _on_register(self, request: Request, transaction: ServerTransaction) -> None:
        admitted = self._admit(request, transaction)
        if admitted is not None:
            response = self._registrar.register(request, transaction.source, admitted)
            transaction.respond(response)

    def _refuse(self, transaction: ServerTransaction, status: int, headers: HeaderList | None = None) -> None:
        self._ground.respond(transaction, status, headers=headers)

    def _dismiss(
        self, transaction: ServerTransaction, status: int, headers: HeaderList | None = None
    ) -> None:
        """Answer somebody who has not proved anything: once, and without keeping anything for him."""
        request, more = transaction.request, [*self._ground.server(), *(headers or [])]
        tag = stateless_tag(request.headers)
        transaction.respond_once(new_response(request, status, to_tag=tag, headers=more))
