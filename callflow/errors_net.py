"""Layer 0: the tree of errors (``errors.py`` draws it): of calls and of what reaches this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.errors_root import CallflowError


class SipError(CallflowError):
    """A SIP call cannot be made or taken."""

    code = "CF-SIP-000"
    fix = "Read the message: it names the peer and what is wrong."
    status: int = 500
    """The SIP status that tells the peer."""


class MalformedMessage(SipError):
    """Bytes that are not a SIP message we can use."""

    code = "CF-SIP-001"
    fix = "Mend the peer that sent it; docs/sip.md says what is answered."
    status = 400
    answer: object = None
    """The SIP response to send (a ``Response`` of layer 2), None: silence."""


class BadDescription(SipError):
    """An SDP that cannot be read or agreed on."""

    code = "CF-SIP-002"
    fix = "Offer RTP/AVP or RTP/SAVP audio with PCMU, PCMA or G722."
    status = 488
    warning = 399
    """Of the Warning header (RFC 3261 20.43): 399 is any fault of its own."""


class TransportFailed(SipError):
    """A SIP message could not be sent."""

    code = "CF-SIP-003"
    fix = "See that the peer is up, and that this machine reaches it."
    retryable = True


class ListenError(SipError):
    """An address that cannot be listened on."""

    code = "CF-SIP-004"
    fix = "See who listens on it, or choose another address or port with --bind."


class ApiError(CallflowError):
    """A request to the HTTP server that is answered with an error.

    ``status``: of HTTP; ``data``: what is wrong field by field, ``{field: {rule: {"message": ...}}}``;
    ``headers``: of the answer.
    """

    code = "CF-HTTP-001"
    fix = "Read the answer: its data names what is wrong."

    def __init__(
        self,
        status: int,
        message: str,
        data: Mapping[str, Any] | None = None,
        *,
        hint: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.data: Mapping[str, Any] = data or {}
        self.headers: Mapping[str, str] = headers or {}


class UnknownToken(CallflowError):
    """No such token."""

    code = "CF-HTTP-002"
    fix = "See callflow tokens list."


class HttpListenError(CallflowError):
    """An address that the HTTP server cannot listen on, or must not."""

    code = "CF-HTTP-003"
    fix = "See who listens on it, or choose another address or port with --http."


class CallGone(CallflowError):
    """The caller has hung up: raised out of every ``Call`` method that waits. Control flow, not a fault."""

    code = "CF-CAL-001"
    fix = "Nothing: it is how a module learns that the call is over."


class ScenarioError(CallflowError):
    """A pretend call's scenario that cannot be played."""

    code = "CF-SIM-000"
    fix = "callflow schema scenario lists the keys; docs/scenarios.md explains them."
