"""Layer 2: who may call, and as whom. Every request from outside a dialog is judged here.

A device by digest, a trunk by its address or by digest; where an account knows neither devices with passwords
nor trunks, whoever is on this machine. Everybody else is challenged, and learns nothing by it: an unknown
realm, an unknown user and a wrong password take the same way and get the same answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from callflow.channels.channel import Party
from callflow.clock import Clock
from callflow.documents.accounts import Account
from callflow.documents.settings import SipSettings

if TYPE_CHECKING:
    from callflow.channels.sip.message import Request, Response
    from callflow.channels.sip.transport import Hop


@dataclass(frozen=True, slots=True)
class Admitted:
    """May call. ``party``: who calls whom, in the account's words. ``trunk``: the resource it comes by."""

    account_id: str
    party: Party
    realm: str
    trunk: str = ""


@dataclass(frozen=True, slots=True)
class Challenged:
    """Has to say who it is: send ``response`` (401)."""

    response: Response


@dataclass(frozen=True, slots=True)
class Refused:
    """May not, whoever it is: send ``response``."""

    response: Response


@dataclass(frozen=True, slots=True)
class Ignored:
    """Gets no answer at all."""


Verdict = Admitted | Challenged | Refused | Ignored


@dataclass(frozen=True, slots=True)
class AdmissionCounts:
    """Since the start."""

    admitted: int = 0
    challenged: int = 0
    wrong: int = 0
    stale: int = 0
    banned: int = 0  # addresses
    ignored: int = 0  # requests


class Admission:
    """Judges requests (see above)."""

    def __init__(
        self,
        accounts: Mapping[str, Account],
        settings: SipSettings,
        clock: Clock,
        *,
        secret: bytes | None = None,
    ) -> None:
        raise NotImplementedError

    def judge(self, request: Request, source: Hop) -> Verdict:
        """May this request (INVITE, REGISTER, any other outside a dialog) be served, and for whom?"""
        raise NotImplementedError

    def ignored(self, source: Hop) -> bool:
        """Whether this address is banned now: for requests that are answered without a judgement (OPTIONS)."""
        raise NotImplementedError

    @property
    def counts(self) -> AdmissionCounts:
        """What has come so far."""
        raise NotImplementedError

    @property
    def guarded(self) -> bool:
        """Every account has devices with passwords or known trunks: it may be reached from other machines."""
        raise NotImplementedError
