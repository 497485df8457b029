"""Layer 2: REFER (RFC 3515, 4488): the far end transfers the one it talks with, and is told how it goes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from callflow.channels.channel import TransferRequested
from callflow.channels.sip.message import Request
from callflow.channels.sip.replaces import Replaced, read_replaces
from callflow.channels.sip.session_ground import Alarms, Ground, Owner, Refusal
from callflow.channels.sip.session_path import Path
from callflow.channels.sip.stack import ServerTransaction
from callflow.channels.sip.uri import NameAddr, SipUri
from callflow.errors import MalformedMessage

DECIDED_S = 4.0
"""The engine transfers at once, or not at all; after so long the far end is told that it did not."""
MOST_TARGET = 128


@dataclass(frozen=True, slots=True)
class Referral:
    """Where to. ``replaces``: the dialog on which the far end has talked with the target (attended)."""

    number: str
    replaces: Replaced | None = None


class Finder(Protocol):
    """Knows the calls of this process."""

    def call_id_of(self, replaced: Replaced) -> str:
        """The engine's id of the call with that dialog; empty: it is none of ours."""


def read_refer(request: Request) -> Referral | Refusal:
    """What a REFER asks for."""
    values = request.all("Refer-To")
    if len(values) != 1:
        return Refusal(400, "One Refer-To Is Needed")
    try:
        uri = NameAddr.parse(values[0]).uri
    except MalformedMessage:
        return Refusal(400, "Bad Refer-To")
    number = target_number(uri)
    if uri.params.get("method", "INVITE").upper() != "INVITE" or not number:
        return Refusal(603, "Only Calls Can Be Transferred")
    text = uri.headers.get("replaces", "")
    if not text:
        return Referral(number)
    replaced = read_replaces(text)
    return Refusal(400, "Bad Replaces") if replaced is None else Referral(number, replaced)


def target_number(uri: SipUri) -> str:
    """The number that a target stands for; empty: none that could be routed."""
    number = uri.user.partition(";")[0] if uri.is_sip or uri.scheme == "tel" else ""
    number = re.sub(r"[\s()]", "", number)
    return number if len(number) <= MOST_TARGET and number.isprintable() else ""


class Transfers:
    """The transfers of one dialog, one at a time."""

    def __init__(self, ground: Ground, owner: Owner, path: Path, finder: Finder) -> None:
        self._ground = ground
        self._owner = owner
        self._path = path
        self._finder = finder
        self._alarms = Alarms()
        self._event = ""
        self._open = False

    def on_refer(self, request: Request, transaction: ServerTransaction) -> None:
        """A REFER has come in the dialog."""
        referral = read_refer(request)
        if isinstance(referral, Refusal):
            self._ground.respond(transaction, referral.status, referral.reason)
            return
        if self._open:
            self._ground.respond(transaction, 491)
            return
        silent = request.get("Refer-Sub").strip().lower().startswith("false")
        self._ground.respond(
            transaction,
            202,
            headers=[("Refer-Sub", "false")] if silent else [],
            contact=self._ground.contact(transaction.source),
        )
        self._open = True
        self._event = "" if silent else f"refer;id={request.cseq.number}"
        self._notify("SIP/2.0 100 Trying", f"active;expires={round(DECIDED_S) + 56}")
        self._alarms.set("decided", DECIDED_S, lambda: self.settle(False))
        if referral.replaces is None:
            self._owner.tell(TransferRequested(referral.number, "blind"))
        else:
            consult = self._finder.call_id_of(referral.replaces)
            self._owner.tell(TransferRequested(referral.number, "attended", consult))

    def settle(self, transferred: bool) -> None:
        """Tell the far end how it went, if it waits for that."""
        if not self._open:
            return
        self._open = False
        self._alarms.clear()
        status = "SIP/2.0 200 OK" if transferred else "SIP/2.0 503 Service Unavailable"
        self._notify(status, "terminated;reason=noresource")

    def close(self) -> None:
        """The dialog is gone."""
        self._open = False
        self._alarms.clear()

    def _notify(self, status: str, state: str, done: Callable[[], None] = lambda: None) -> None:
        if self._event:
            self._path.ask(
                "NOTIFY",
                lambda status, response: done(),
                headers=[("Event", self._event), ("Subscription-State", state)],
                body=f"{status}\r\n".encode(),
            )
