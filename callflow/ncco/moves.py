"""Layer 4: what an NCCO action can decide. An action returns one; the runner carries it out."""

from __future__ import annotations

from dataclasses import dataclass

from callflow.ncco.script import Script


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """Go on with the next action; after the last one the call ends. ``stay``: if this was the last one, the
    call stays up until somebody hangs up (an asynchronous ``record``, ncco.md 1.3).
    """

    did: str = ""
    stay: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Replace:
    """Go on with the first action of another script; the rest of this one is dropped."""

    script: Script
    did: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """End the call, with a Q.850 ``cause``."""

    cause: str = "NORMAL_CLEARING"
    did: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """The leg is driven by somebody else from here on, or gone: the script ends without a hangup."""

    did: str = ""


Move = Next | Replace | End | Left
