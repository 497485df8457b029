"""Layer 2: where devices are: REGISTER (RFC 3261 10.3, 5626, 3327), kept by device. No input or output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from callflow.clock import Clock
from callflow.documents.settings import SipSettings

if TYPE_CHECKING:
    from callflow.channels.sip.admission import Admitted
    from callflow.channels.sip.message import Request, Response
    from callflow.channels.sip.transport import Hop


@dataclass(frozen=True, slots=True)
class Binding:
    """One phone of a device. ``expires_at``: wall seconds since 1970. ``hop``: where its REGISTER came from:
    requests go back there, whatever the contact says (NAT). ``path``: RFC 3327, first is nearest to us.
    """

    account_id: str
    device_id: str
    contact: str
    expires_at: float
    q: float
    call_id: str
    cseq: int
    hop: Hop
    path: tuple[str, ...] = ()
    instance: str = ""
    reg_id: int = 0
    user_agent: str = ""


class Registrar:
    """All bindings of this process."""

    def __init__(self, settings: SipSettings, clock: Clock) -> None:
        raise NotImplementedError

    def register(self, request: Request, source: Hop, admitted: Admitted) -> Response:
        """Carry out a REGISTER of somebody who has been let in as a device."""
        raise NotImplementedError

    def bindings(self, account_id: str, device_id: str) -> tuple[Binding, ...]:
        """The phones of a device that are registered now, highest q first."""
        raise NotImplementedError

    def forget_flow(self, hop: Hop) -> None:
        """A stream connection is gone: the phones on it cannot be reached until they register again."""
        raise NotImplementedError

    @property
    def count(self) -> int:
        """Bindings that are there now."""
        raise NotImplementedError
