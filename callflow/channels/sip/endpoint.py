"""Layer 2: the SIP user agent of this process: every request finds its dialog, or begins one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from callflow.channels.channel import Dialer, Party
from callflow.channels.sip.channel import SipChannel
from callflow.clock import Clock
from callflow.ids import Ids
from callflow.media.port import MediaPort, RtpPorts

if TYPE_CHECKING:
    Admitted = SipStack = Way = SipUri = Hop = Any  # the modules of others, until they are there


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
        admission: Any,
        registrar: Any,
        locator: Any,
        settings: Any,
        ids: Ids,
        on_call: Callable[[SipChannel, Admitted], None],
        draining: Callable[[], bool] = lambda: False,
    ) -> None:
        raise NotImplementedError

    def dialer(self, account_id: str) -> Dialer:
        """Where outbound legs of an account come from (for ``Services.dialer``)."""
        raise NotImplementedError

    async def call(
        self, way: Way, *, caller: Party, rate: int, call_id: str, near: str = "", account_id: str = ""
    ) -> SipChannel:
        """Call somebody by ``way``; what the dialer does, for a way that the caller has made himself."""
        raise NotImplementedError

    async def ping(self, uri: SipUri, hop: Hop) -> int:
        """OPTIONS to a peer: the status of its answer, 0 if none came."""
        raise NotImplementedError

    @property
    def calls(self) -> int:
        """Legs that are up or being set up."""
        raise NotImplementedError

    async def close(self) -> None:
        """Hang up everything and wait until nothing of it is left (at most a few seconds)."""
        raise NotImplementedError
