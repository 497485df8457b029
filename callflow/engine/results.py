"""Layer 3: what the waiting methods of a ``Call`` give back."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Digits:
    """What the caller pressed: ``digits`` without the ``terminator`` that ended them (empty: none did).
    ``timed_out``: the time was over before there were enough.
    """

    digits: str
    terminator: str = ""
    timed_out: bool = False


@dataclass(frozen=True, slots=True)
class BridgeResult:
    """How a bridge went.

    ``answered``: somebody did; it has ended since, ``cause`` says why. Otherwise ``cause`` is why nobody
    did (``USER_BUSY``, ``NO_ANSWER`` ...) and ``code`` the SIP status that the far end gave (0: none).
    ``transferred``: a party was transferred meanwhile, or who was rung has forwarded the call; the walk is
    over or goes on with another flow, whatever the module's next move (return ``HandOver``).
    """

    answered: bool
    cause: str
    code: int = 0
    transferred: bool = False
