"""Layer 2: registrar, admission and locator of one process, loaded together and changed together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from callflow.channels.sip.admission import Admission
from callflow.channels.sip.locate import Locator
from callflow.channels.sip.registrar import Registrar
from callflow.clock import Clock
from callflow.documents.accounts import Account
from callflow.documents.settings import SipSettings


class Access:
    """Who may call and where everybody is. ``state``: the state folder, where registrations outlive a restart
    (None: they do not).
    """

    admission: Admission
    registrar: Registrar
    locator: Locator

    def __init__(
        self,
        accounts: Mapping[str, Account],
        settings: SipSettings,
        clock: Clock,
        *,
        state: Path | None = None,
    ) -> None:
        raise NotImplementedError

    async def start(self) -> None:
        """Read the registrations of the last run, resolve the names of gateways; from then on registrations
        are written a moment after they change, and names are resolved anew now and then.
        """
        raise NotImplementedError

    async def reload(self, accounts: Mapping[str, Account], settings: SipSettings) -> None:
        """Other documents from now on; running calls and registrations stay."""
        raise NotImplementedError

    async def close(self) -> None:
        """Write what is not written yet, and stop."""
        raise NotImplementedError
