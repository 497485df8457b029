"""Layer 2: which transaction a message belongs to (RFC 3261 17.1.3, 17.2.3, 8.2.2.2)."""

from __future__ import annotations

import secrets

from callflow.channels.sip.header_via import MAGIC
from callflow.channels.sip.message_types import Request, Response

ServerKey = tuple[str, ...]
ClientKey = tuple[str, str]
MergeKey = tuple[str, str, int, str]


def new_branch() -> str:
    """One that nobody can guess: responses are known by it."""
    return f"{MAGIC}-{secrets.token_hex(10)}"


def server_key(request: Request, host: str, method: str = "") -> ServerKey:
    """Of a request from ``host``; an ACK has that of its INVITE, ``method`` asks for another's (a CANCEL's
    INVITE). Before ``received`` and ``rport`` are put into its Via.

    The sender's address belongs to it, beyond the RFC: phones behind two NATs may have the same private
    address and branches that are not random, and no stranger can cancel a call.
    """
    method = method or ("INVITE" if request.method == "ACK" else request.method)
    via = request.via
    if via.branch.startswith(MAGIC):
        return (via.branch, via.sent_by, method, host)
    number = str(request.cseq.number)  # RFC 2543: no branch that means anything
    top = request.get("Via")
    return (str(request.uri), request.from_.tag, request.call_id, number, top, method, host)


def merge_key(request: Request) -> MergeKey:
    """The same for every copy of a request that came by several ways (RFC 3261 8.2.2.2)."""
    return (request.from_.tag, request.call_id, request.cseq.number, request.method)


def client_key(response: Response) -> ClientKey:
    """Of the request that a response answers."""
    return (response.via.branch, response.cseq.method)
