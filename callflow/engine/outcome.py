"""Layer 3: the moves a module can make (kazoo.md 2.2). A module returns one; the walker carries it out."""

from __future__ import annotations

from dataclasses import dataclass

from callflow.engine.flow import DEFAULT_KEY, Flow


@dataclass(frozen=True, slots=True, kw_only=True)
class Continue:
    """Go to child ``key``; missing: to ``_``; that missing too: stop."""

    key: str = DEFAULT_KEY
    did: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """Go to the first of ``keys`` that is a child (and not empty); none: carry out ``otherwise``."""

    keys: tuple[str, ...]
    otherwise: Outcome
    did: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """Run another flow; this node's own ``_`` child (if any) is stacked and runs when that one stops."""

    flow: Flow
    did: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceFlow:
    """Go on with another flow; the stack stays as it is (Kazoo's continue_with_flow)."""

    flow: Flow
    did: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Run the stacked flow, if any; else end the call with ``cause``."""

    cause: str = "NORMAL_CLEARING"
    did: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HardStop:
    """End the call at once; the stack is ignored."""

    cause: str = "NORMAL_CLEARING"
    did: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """The walk ends without a hangup: somebody else drives (or has ended) the call."""

    did: str = ""


Outcome = Continue | Attempt | Branch | ReplaceFlow | Stop | HardStop | HandOver
