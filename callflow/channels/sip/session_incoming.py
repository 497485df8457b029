"""Layer 2: an INVITE that has come, from its first answer to its ACK (RFC 3261 13.3, RFC 3262)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

from callflow.channels.sip.dialog import Dialog
from callflow.channels.sip.message import Request, new_response
from callflow.channels.sip.prack import Reliable, read_rack
from callflow.channels.sip.session_accept import Acceptance
from callflow.channels.sip.session_body import description_in, signalled_from
from callflow.channels.sip.session_ground import CAPABILITIES, SDP, Alarms, Ground, HeaderList, warning
from callflow.channels.sip.session_media import LegSound
from callflow.channels.sip.session_timer import SessionTimer, answer_headers
from callflow.channels.sip.stack import ServerTransaction
from callflow.errors import BadDescription

REPEAT_S = 60.0
"""A call that rings long is told so again: proxies forget it after three minutes (RFC 3261 13.3.1.1)."""


class Answering(Protocol):
    """The call, as the INVITE sees it."""

    def acknowledged(self) -> None:
        """The ACK of our 2xx is here."""

    def unacknowledged(self) -> None:
        """No ACK has come in time: hang up."""

    def drop(self, cause: str) -> None:
        """It cannot go on: end it."""

    def expire(self, status: int) -> None:
        """The caller's ``Expires`` is over, or no PRACK comes: refuse with that status."""


class Incoming:
    """One INVITE. ``late``: it has no offer; then we make one, in a reliable 183 or in the 200. ``timer``:
    the session timer that its 200 agrees to.
    """

    def __init__(
        self,
        ground: Ground,
        owner: Answering,
        sound: LegSound,
        dialog: Dialog,
        transaction: ServerTransaction,
        *,
        late: bool,
        timer: SessionTimer | None,
    ) -> None:
        self._ground = ground
        self._owner = owner
        self._sound = sound
        self._dialog = dialog
        self._transaction = transaction
        self._late = late
        self._timer = timer
        self._alarms = Alarms()
        self._acceptance: Acceptance | None = None
        self._status = 0
        self._sdp = b""
        self._told_reliably = False
        request = transaction.request
        self._reliable = "100rel" in request.require or "100rel" in request.supported
        self._must = "100rel" in request.require
        self._prack = Reliable(request.cseq.number, self._send_reliably, self._no_prack, self._alarms)
        seconds = re.fullmatch(r"\s*([0-9]{1,6})\s*", request.get("Expires"))
        if seconds is not None and int(seconds[1]) > 0:
            self._alarms.set("expires", float(seconds[1]), lambda: owner.expire(487))

    # ---- before the answer -------------------------------------------------------------------

    def progress(self) -> None:
        """Open the way for sound (183 with SDP), once; without an offer and PRACK it only rings (180)."""
        if self._status or self._transaction.answered:
            return
        if not self._late:
            self._status, self._sdp = 183, self._sound.describe()
            self._sound.start()
        elif self._reliable:
            self._status, self._sdp = 183, self._sound.offer()
        else:
            self._status = 180
        if self._must or (self._reliable and self._sdp):
            self._told_reliably = bool(self._sdp)
            self._prack.begin()
        else:
            self._provisional([], self._sdp)
        self._alarms.set("repeat", REPEAT_S, self._repeat)

    def on_prack(self, request: Request, transaction: ServerTransaction) -> None:
        """A PRACK has come: 200 if it is for the response that is open, else 481 (RFC 3262 3)."""
        body = description_in(request)
        answer = b""
        if not self._prack.waits_for(read_rack(request.get("RAck"))):
            self._ground.respond(transaction, 481)
            return
        try:
            if body and self._sound.offering:
                self._sound.take(body, signalled_from(request))
                self._sound.settle()
                self._sound.start()
            elif body:
                answer = self._sound.answer(body, signalled_from(request))
                self._sound.start()
        except BadDescription as error:
            self._ground.respond(transaction, 488, headers=[warning(error)])
            return
        self._ground.respond(transaction, 200, body=answer)
        self._prack.acknowledged()

    def _no_prack(self) -> None:
        self._owner.expire(504)

    def _repeat(self) -> None:
        if self._prack.open:
            pass
        elif self._told_reliably or self._must:
            self._sdp = b""  # its offer or answer is through
            self._prack.begin()
        else:
            self._provisional([], self._sdp)
        self._alarms.set("repeat", REPEAT_S, self._repeat)

    def _send_reliably(self, rseq: int) -> None:
        self._provisional([("Require", "100rel"), ("RSeq", str(rseq))], self._sdp)

    def _provisional(self, headers: HeaderList, body: bytes) -> None:
        if not self._transaction.answered:
            self._ground.respond(
                self._transaction,
                self._status,
                to_tag=self._dialog.local.tag,
                headers=[*CAPABILITIES, *headers],
                body=body,
                contact=self._ground.contact(self._transaction.source),
            )

    # ---- the answer --------------------------------------------------------------------------

    def accept(self, then: Callable[[], None]) -> None:
        """Send 200 as soon as nothing waits for a PRACK; ``then`` is called when it is out."""
        self._prack.then(lambda: self._accept(then))

    def _accept(self, then: Callable[[], None]) -> None:
        self._alarms.clear()
        if self._told_reliably:
            body = b""  # offer and answer went with the 183 and its PRACK (RFC 6337 3.1.1)
        elif self._late:
            body = self._sound.offer()
        else:
            body = self._sound.describe()
        response = new_response(
            self._transaction.request,
            200,
            to_tag=self._dialog.local.tag,
            headers=[
                *self._ground.server(),
                *CAPABILITIES,
                *answer_headers(self._timer, self._transaction.request),
            ],
            body=body,
            content_type=SDP if body else "",
            contact=self._ground.contact(self._transaction.source),
        )
        self._acceptance = Acceptance(
            self._transaction,
            response,
            self._alarms,
            on_ack=self._acked,
            on_lost=self._owner.unacknowledged,
        )
        self._sound.answered()
        self._sound.start()
        then()

    def on_ack(self, request: Request) -> bool:
        """An ACK has come in the dialog: True if it was ours."""
        return self._acceptance is not None and self._acceptance.acked(request)

    @property
    def waits_for_ack(self) -> bool:
        """Our 2xx is out and not acknowledged."""
        return self._acceptance is not None and "accept" in self._alarms

    def refuse(self, status: int, reason: str = "", headers: HeaderList | None = None) -> None:
        """Send a final response that is not 2xx, if none has been sent."""
        self.close()
        if not self._transaction.answered:
            self._ground.respond(
                self._transaction, status, reason, to_tag=self._dialog.local.tag, headers=headers
            )

    def close(self) -> None:
        """Send nothing more."""
        self._prack.stop()
        self._alarms.clear()

    def _acked(self, request: Request) -> None:
        body = description_in(request)
        if self._sound.offering:
            try:
                self._sound.take(body, signalled_from(request))
            except BadDescription:
                self._owner.acknowledged()
                self._owner.drop("INCOMPATIBLE_DESTINATION")
                return
            finally:
                self._sound.settle()
            self._sound.start()
        self._owner.acknowledged()
