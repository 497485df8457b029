"""Layer 2: where an outbound leg goes: from a target of the engine's to a request uri, a hop, a From."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from callflow.channels.channel import DialTarget, Party
from callflow.channels.sip.credentials import Credentials
from callflow.clock import Clock
from callflow.documents.accounts import Account
from callflow.documents.settings import SipSettings

if TYPE_CHECKING:
    from callflow.channels.sip.registrar import Registrar
    from callflow.channels.sip.transport import Hop
    from callflow.channels.sip.uri import NameAddr, SipUri


@dataclass(frozen=True, slots=True)
class Way:
    """How to call a target. ``cause``: not at all, and why (``USER_NOT_REGISTERED`` ...); the rest is empty
    then. ``hop`` None: resolve ``routes`` or ``request_uri`` (``SipStack.hop_for``). ``codecs`` and ``srtp``
    empty: as the settings say. ``from_`` and ``to`` are without tags.
    """

    request_uri: SipUri | None
    from_: NameAddr | None
    to: NameAddr | None
    routes: tuple[str, ...] = ()
    hop: Hop | None = None
    headers: tuple[tuple[str, str], ...] = ()
    credentials: Credentials | None = None
    codecs: tuple[str, ...] = ()
    srtp: str = ""
    cause: str = ""
    code: int = 0
    extra: Mapping[str, str] = field(default_factory=dict)


class Locator:
    """Knows the accounts' documents, the registered phones and how the gateways are doing."""

    def __init__(
        self, accounts: Mapping[str, Account], registrar: Registrar, settings: SipSettings, clock: Clock
    ) -> None:
        raise NotImplementedError

    def expand(self, account_id: str, target: DialTarget) -> Sequence[DialTarget]:
        """One target for each registered phone of a device (see ``Dialer.expand``)."""
        raise NotImplementedError

    def way(self, account_id: str, target: DialTarget, caller: Party) -> Way:
        """How to call ``target``. Does not wait and does not raise."""
        raise NotImplementedError

    def resting(self, account_id: str, target: DialTarget) -> bool:
        """A gateway that failed a moment ago: to be tried after the others (for ``Dialer.resting``)."""
        raise NotImplementedError

    def outcome(self, account_id: str, target: DialTarget, status: int) -> None:
        """How a leg to ``target`` went, for gateways: its first final status; 0: no answer or no connection."""
        raise NotImplementedError
