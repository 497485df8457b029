"""Layer 2: what goes on within a dialog besides its first INVITE: every request has its row in a table."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Protocol

from callflow.channels.channel import Ended
from callflow.channels.sip.message import Request
from callflow.channels.sip.refer import Finder, Transfers
from callflow.channels.sip.session_cause import reason_cause
from callflow.channels.sip.session_change import Changes, FlowOf
from callflow.channels.sip.session_ground import ALLOW, CAPABILITIES, SDP, Alarms, Ground, HeaderList, Owner
from callflow.channels.sip.session_media import LegSound
from callflow.channels.sip.session_path import Path
from callflow.channels.sip.session_timer import SessionTimer
from callflow.channels.sip.stack import ServerTransaction
from callflow.media.messages import Press

MOST_INFO_MS = 5000


class Talking(Owner, Finder, Protocol):
    """The call, as its dialog sees it."""

    @property
    def busy(self) -> bool:
        """Its first INVITE is not through (no final response, or no ACK of it)."""

    def on_prack(self, request: Request, transaction: ServerTransaction) -> None:
        """A PRACK for the first INVITE."""


class Talk:
    """One dialog at work."""

    def __init__(
        self,
        ground: Ground,
        owner: Talking,
        sound: LegSound,
        path: Path,
        *,
        caller: bool,
        flow_of: FlowOf,
    ) -> None:
        self._ground = ground
        self._owner = owner
        self._sound = sound
        self.path = path
        self._alarms = Alarms()
        self.changes = Changes(
            ground,
            owner,
            sound,
            path,
            caller=caller,
            armed=self.arm,
            busy=lambda: owner.busy,
            flow_of=flow_of,
        )
        self.transfers = Transfers(ground, owner, path, owner)
        self.referred = False
        """We have sent a REFER: the far end may tell how it goes (RFC 3515 2.4.4)."""
        self._rows: Mapping[str, Callable[[Request, ServerTransaction], None]] = {
            "INVITE": self.changes.on_change,
            "UPDATE": self.changes.on_change,
            "BYE": self._on_bye,
            "PRACK": owner.on_prack,
            "REFER": self.transfers.on_refer,
            "INFO": self._on_info,
            "OPTIONS": self._on_options,
            "NOTIFY": self._on_notify,
            "SUBSCRIBE": self._on_subscribe,
        }

    def on_request(self, request: Request, transaction: ServerTransaction) -> None:
        """A request has come in the dialog."""
        if not self.path.dialog.follows(request):
            self._ground.respond(transaction, 500, "CSeq Out of Order")
            return
        row = self._rows.get(request.method)
        if row is not None:
            row(request, transaction)
        else:
            status = 405 if request.method in ("MESSAGE", "PUBLISH", "REGISTER") else 501
            self._ground.respond(transaction, status, headers=[("Allow", ALLOW)])

    # ---- session timer -----------------------------------------------------------------------

    def arm(self, timer: SessionTimer | None) -> None:
        """A (new) session timer runs from now; None: none any more."""
        self.changes.timer = timer
        self._alarms.cancel("refresh")
        self._alarms.cancel("expired")
        if timer is None:
            return
        if timer.ours:
            self._alarms.set("refresh", timer.alarm_s, self.changes.refresh)
            # A refresh that is refused again and again does not keep the session alive.
            left = timer.interval_s - min(32.0, timer.interval_s / 3)
            self._alarms.set("expired", left, self._expired)
        else:
            self._alarms.set("expired", timer.alarm_s, self._expired)

    def _expired(self) -> None:
        self._owner.drop("RECOVERY_ON_TIMER_EXPIRE")

    # ---- the end -----------------------------------------------------------------------------

    def bye(self, headers: HeaderList, done: Callable[[], None]) -> None:
        """Hang up; ``done`` when that is through, however."""
        self.close()
        self.path.ask("BYE", lambda status, response: done(), headers=headers)

    def close(self) -> None:
        """Nothing is done any more on its own account."""
        self._alarms.clear()
        self.changes.close()
        self.transfers.close()

    def _on_bye(self, request: Request, transaction: ServerTransaction) -> None:
        self._ground.respond(transaction, 200)
        cause = reason_cause(request.all("Reason")) or "NORMAL_CLEARING"
        self._owner.lose(Ended(cause, 200))

    # ---- the rest ----------------------------------------------------------------------------

    def _on_info(self, request: Request, transaction: ServerTransaction) -> None:
        """``application/dtmf-relay`` and ``application/dtmf`` are keys pressed; other INFO is heard out."""
        if request.body and request.content_type in ("application/dtmf-relay", "application/dtmf"):
            key = read_key(request.body)
            if key is None:
                self._ground.respond(transaction, 400, "Bad Key")
                return
            self._ground.media.send(Press(self._sound.leg, key[0], tone_s=key[1]))
        self._ground.respond(transaction, 200)

    def _on_options(self, request: Request, transaction: ServerTransaction) -> None:
        self._ground.respond(transaction, 200, headers=[*CAPABILITIES, ("Accept", SDP)])

    def _on_notify(self, request: Request, transaction: ServerTransaction) -> None:
        package = request.get("Event").partition(";")[0].strip().lower()
        if self.referred and package == "refer":
            self._ground.respond(transaction, 200)
        else:
            self._ground.respond(transaction, 481, "No Such Subscription")

    def _on_subscribe(self, request: Request, transaction: ServerTransaction) -> None:
        self._ground.respond(transaction, 489)


def read_key(body: bytes) -> tuple[str, float] | None:
    """The key and its seconds: ``Signal=5 Duration=160`` (lines) or a bare ``5``; None: no key."""
    text = body[:200].decode("ascii", "replace").strip()
    found = re.search(r"(?im)^\s*Signal\s*=\s*([0-9*#A-D]|1[01])\s*$", text)
    bare = re.fullmatch(r"[0-9*#A-Da-d]", text)
    if found is None and bare is None:
        return None
    signal = found[1] if found else text
    length = re.search(r"(?im)^\s*Duration\s*=\s*([0-9]{1,5})\s*$", text)
    milliseconds = min(int(length[1]), MOST_INFO_MS) if length else 100
    return {"10": "*", "11": "#"}.get(signal, signal.upper()), max(40, milliseconds) / 1000
