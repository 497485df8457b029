"""Layer 2: changes of a call that is up: re-INVITE and UPDATE (RFC 3261 14, RFC 3311), theirs and ours."""

from __future__ import annotations

from collections.abc import Callable

from callflow.channels.sip.dialog import usable_target
from callflow.channels.sip.message import Request, Response, new_response
from callflow.channels.sip.session_accept import Acceptance
from callflow.channels.sip.session_body import description_in, judge_body, signalled_from
from callflow.channels.sip.session_ground import (
    CAPABILITIES,
    SDP,
    Alarms,
    Ground,
    HeaderList,
    Owner,
    warning,
)
from callflow.channels.sip.session_media import LegSound
from callflow.channels.sip.session_path import Path
from callflow.channels.sip.session_timer import (
    SessionTimer,
    TooBrief,
    Wish,
    answer_headers,
    judge,
    read_min_se,
    settle,
)
from callflow.channels.sip.stack import ServerTransaction
from callflow.channels.sip.transport import Hop
from callflow.errors import BadDescription

Armed = Callable[[SessionTimer | None], None]
FlowOf = Callable[[Request, Hop], Hop | None]

_MOST_TRIES = 5


class Changes:
    """Of one dialog. ``caller``: the dialog's Call-ID is ours (who waits longer after a glare). ``armed`` is
    told the session timer that each change leaves; ``busy`` says whether its first INVITE is still under way.
    """

    def __init__(
        self,
        ground: Ground,
        owner: Owner,
        sound: LegSound,
        path: Path,
        *,
        caller: bool,
        armed: Armed,
        busy: Callable[[], bool],
        flow_of: FlowOf,
    ) -> None:
        self._ground = ground
        self._owner = owner
        self._sound = sound
        self._path = path
        self._caller = caller
        self._armed = armed
        self._busy = busy
        self._flow_of = flow_of
        self._alarms = Alarms()
        self._acceptance: Acceptance | None = None
        self._ours = False  # a re-INVITE or UPDATE of ours is under way
        self._tries = 0
        self.allows_update = False
        self.timer: SessionTimer | None = None
        self.wish = ground.timer_wish()

    # ---- theirs ------------------------------------------------------------------------------

    def on_change(self, request: Request, transaction: ServerTransaction) -> None:
        """An INVITE or UPDATE has come in the dialog."""
        refusal = judge_body(request)
        body = description_in(request)
        timer = judge(request, self.wish)
        if refusal is not None:
            self._refuse(transaction, refusal.status, list(refusal.headers))
        elif isinstance(timer, TooBrief):
            self._refuse(transaction, 422, [("Min-SE", str(timer.min_s))])
        elif self._ours or (self._sound.offering and (body or request.method == "INVITE")):
            self._refuse(transaction, 491)
        elif self._acceptance is not None or (request.method == "INVITE" and self._busy()):
            wait = round(self._ground.between(0, 10))
            self._refuse(transaction, 500, [("Retry-After", str(wait))])
        else:
            self._carry_out(request, transaction, body, timer)

    def _carry_out(
        self, request: Request, transaction: ServerTransaction, body: bytes, timer: SessionTimer | None
    ) -> None:
        answer = b""
        try:
            if body:
                answer = self._sound.answer(body, signalled_from(request))
            elif request.method == "INVITE":
                answer = self._sound.offer()
        except BadDescription as error:
            # The call goes on as it was (RFC 3261 14.2).
            self._refuse(transaction, 488, [warning(error)])
            return
        self.moved(request, transaction.source)
        response = new_response(
            request,
            200,
            headers=[*self._ground.server(), *CAPABILITIES, *answer_headers(timer, request)],
            body=answer,
            content_type=SDP if answer else "",
            contact=self._ground.contact(transaction.source),
        )
        if request.method == "INVITE":
            self._acceptance = Acceptance(
                transaction, response, self._alarms, on_ack=self._acked, on_lost=self._lost
            )
        else:
            transaction.respond(response)
        if body:
            self._sound.start()
        self._armed(timer)

    def on_ack(self, request: Request) -> None:
        """An ACK has come in the dialog."""
        if self._acceptance is not None:
            self._acceptance.acked(request)

    def moved(self, message: Request | Response, source: Hop | None) -> None:
        """A target refresh: where our requests go from now on."""
        refreshed = self._path.dialog.refresh(message)
        if isinstance(message, Request) and source is not None:
            if usable_target(message.contact):
                self._path.moved(self._flow_of(message, source))
        elif refreshed:
            self._path.moved_target()

    def _acked(self, request: Request) -> None:
        self._acceptance = None
        if not self._sound.offering:
            return
        try:
            self._sound.take(description_in(request), signalled_from(request))
        except BadDescription:
            self._owner.drop("INCOMPATIBLE_DESTINATION")
            return
        finally:
            self._sound.settle()
        self._sound.start()

    def _lost(self) -> None:
        self._acceptance = None
        self._owner.drop("RECOVERY_ON_TIMER_EXPIRE")

    def _refuse(self, transaction: ServerTransaction, status: int, headers: HeaderList | None = None) -> None:
        self._ground.respond(transaction, status, headers=headers)

    # ---- ours --------------------------------------------------------------------------------

    def change(self) -> None:
        """Offer anew what we want (we hold, or resume), by re-INVITE."""
        self._begin("INVITE")

    def refresh(self) -> None:
        """Refresh the session (RFC 4028 7.4): by UPDATE without SDP where the far end can, else re-INVITE."""
        self._begin("UPDATE" if self.allows_update else "INVITE")

    def _begin(self, method: str) -> None:
        if self._ours or self._acceptance is not None or self._sound.offering:
            # What is under way is a refresh too; ours comes after it.
            self._alarms.set("again", self._ground.between(0, 2), lambda: self._begin(method))
            return
        self._ours = True
        self._tries += 1
        body = self._sound.offer() if method == "INVITE" else b""
        headers = [*CAPABILITIES, *self._timer_headers()]
        self._path.ask(
            method,
            lambda status, response: self._done(method, status, response),
            headers=headers,
            body=body,
        )

    def _timer_headers(self) -> HeaderList:
        """The interval and roles that hold now, to be kept (RFC 4028 7.4)."""
        if self.timer is None:
            return []
        least = self.wish.min_s
        return Wish(max(self.timer.interval_s, least), least).headers("uac" if self.timer.ours else "uas")

    def _done(self, method: str, status: int, response: Response | None) -> None:
        self._ours = False
        if 200 <= status < 300 and response is not None:
            self._tries = 0
            self.moved(response, None)
            self._take_answer(response)
            self._armed(settle(response))
            return
        self._sound.settle()
        if status in (408, 481):
            self._owner.drop("RECOVERY_ON_TIMER_EXPIRE")
        elif status == 491 and self._tries < _MOST_TRIES:
            wait = self._ground.between(2.1, 4.0) if self._caller else self._ground.between(0.0, 2.0)
            self._alarms.set("again", wait, lambda: self._begin(method))
        elif status == 422 and response is not None and self._tries < _MOST_TRIES:
            self.wish = self.wish.raised(read_min_se(response))
            self._begin(method)
        elif method == "UPDATE" and status in (405, 501):
            self.allows_update = False
            self._begin("INVITE")

    def _take_answer(self, response: Response) -> None:
        if not self._sound.offering:
            return
        try:
            self._sound.take(description_in(response), signalled_from(response))
        except BadDescription:
            return  # it goes on as it was
        finally:
            self._sound.settle()
        self._sound.start()

    def close(self) -> None:
        """The dialog is gone."""
        self._alarms.clear()
