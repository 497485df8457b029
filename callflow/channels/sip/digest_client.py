"""Layer 2: digest authentication, the client's side (RFC 7616, 8760, 2617): answers to 401 and 407."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from callflow.channels.sip.credentials import Credentials

if TYPE_CHECKING:
    from callflow.channels.sip.message import Response


class DigestAnswers:
    """Answers challenges to one request and to those that follow it in its dialog. One for each dialog or
    registration; not shared.

    ``cnonce``: makes a fresh client nonce (for a repeatable run); None: random.
    """

    def __init__(self, credentials: Credentials | None, *, cnonce: Callable[[], str] | None = None) -> None:
        raise NotImplementedError

    def answer(self, response: Response, method: str, uri: str, body: bytes = b"") -> bool:
        """Take in a 401 or 407. True: send the request again (new CSeq) with ``headers``; False: there is
        nothing (more) to answer it with: no credentials, another realm, or they were refused before.
        """
        raise NotImplementedError

    def headers(self, method: str, uri: str, body: bytes = b"") -> list[tuple[str, str]]:
        """``Authorization`` and ``Proxy-Authorization`` of a request, for the challenges so far; each call
        counts the nonce up. ``uri``: as in the request line.
        """
        raise NotImplementedError
