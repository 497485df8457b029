"""Layer 5: a phone's registration (RFC 3261 10.2): begun, refreshed at half its time, ended."""

from __future__ import annotations

import asyncio
import contextlib

from callflow.caller.plan import CallResult
from callflow.caller.reasons import explain
from callflow.caller.witness import Fate
from callflow.channels.channel import Ended
from callflow.channels.sip.credentials import Credentials
from callflow.channels.sip.digest_client import DigestAnswers
from callflow.channels.sip.message import Response, new_request
from callflow.channels.sip.session_cause import cause_of
from callflow.channels.sip.stack import ClientTransaction, SipStack
from callflow.channels.sip.transport import Hop
from callflow.channels.sip.uri import NameAddr, SipUri
from callflow.clock import Clock
from callflow.errors import TransportFailed
from callflow.ids import Ids

MOST_TRIES = 4
END_S = 2.0


class Registration:
    """Of one address of record with one registrar."""

    def __init__(
        self,
        stack: SipStack,
        clock: Clock,
        uri: SipUri,
        hop: Hop,
        user: str,
        credentials: Credentials | None,
        ids: Ids,
    ) -> None:
        self._stack = stack
        self._clock = clock
        self._hop = hop
        self._own = SipUri(uri.scheme, uri.user or user, uri.host)
        self._registrar = SipUri(uri.scheme, "", uri.host, uri.port, params=uri.params)
        self._has_password = credentials is not None
        self._digest = DigestAnswers(credentials)
        self._call_id, self._tag = ids.call_id(), ids.short()
        self._seq = 0
        self._keeping: asyncio.Task[None] | None = None
        host, port = stack.local(hop)
        params = {} if hop.transport == "udp" else {"transport": hop.transport}
        self._contact = NameAddr(SipUri("sip", self._own.user, host, port, params=params))

    async def begin(self, expires_s: int) -> CallResult:
        """Register; stays so until ``end``."""
        fate, granted = await self._register(expires_s)
        good = 200 <= fate.status < 300
        message, hint = (
            ("", "") if good else explain(fate, Ended("", fate.status), has_password=self._has_password)
        )
        if good:
            self._keeping = asyncio.ensure_future(self._keep(granted))
        cause = "NORMAL_CLEARING" if good else cause_of(fate.status)
        return CallResult(str(self._own), self._call_id, good, cause, fate.status, message, hint)

    async def end(self) -> None:
        """Unregister, if the registrar answers soon."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_S):
                await self._register(0)

    async def _keep(self, seconds: int) -> None:
        while True:
            await self._clock.sleep(max(5.0, seconds / 2))
            _, seconds = await self._register(seconds)

    async def _register(self, expires_s: int) -> tuple[Fate, int]:
        """One REGISTER, with the answers to challenges. How it went, and the seconds that were granted."""
        fate = Fate(self._clock.now(), self._hop)
        for _ in range(MOST_TRIES):
            fate = Fate(self._clock.now(), self._hop)
            response = await self._ask(expires_s, fate)
            if response is None:
                break
            if response.status == 423 and response.get("Min-Expires").isdigit():
                expires_s = min(int(response.get("Min-Expires")[:6]), 86400)
            elif not (response.status in (401, 407) and self._digest.answer(response)):
                return fate, _granted(response, expires_s)
        return fate, expires_s

    async def _ask(self, expires_s: int, fate: Fate) -> Response | None:
        self._seq += 1
        request = new_request(
            "REGISTER",
            self._registrar,
            from_=NameAddr(self._own).with_tag(self._tag),
            to=NameAddr(self._own),
            call_id=self._call_id,
            cseq=self._seq,
            contact=self._contact,
            headers=[
                ("Expires", str(expires_s)),
                ("User-Agent", "callflow call"),
                *self._digest.headers("REGISTER", str(self._registrar)),
            ],
        )
        waiting = _Waiting(asyncio.get_running_loop().create_future(), fate)
        self._stack.send_request(request, self._hop, waiting)
        return await waiting.answer


class _Waiting:
    """One REGISTER (a ``ClientUser``)."""

    def __init__(self, answer: asyncio.Future[Response | None], fate: Fate) -> None:
        self.answer = answer
        self._fate = fate

    def on_response(self, response: Response, transaction: ClientTransaction) -> None:
        if response.status >= 200:
            self._fate.status, self._fate.reason = response.status, response.reason
            self._tell(response)

    def on_timeout(self, transaction: ClientTransaction) -> None:
        self._fate.silent = True
        self._tell(None)

    def on_failed(self, transaction: ClientTransaction, error: TransportFailed) -> None:
        self._fate.failure = error.message
        self._tell(None)

    def _tell(self, response: Response | None) -> None:
        if not self.answer.done():
            self.answer.set_result(response)


def _granted(response: Response, asked: int) -> int:
    """Seconds until it expires: of our contact, else of the header."""
    values = [contact.params.get("expires", "") for contact in response.contacts]
    values.append(response.get("Expires"))
    found = [int(value) for value in values if value.isdigit() and len(value) < 8]
    return min(found) if found else asked
