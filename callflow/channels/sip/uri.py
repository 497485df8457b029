"""Layer 2: SIP, SIPS and TEL URIs, and the addresses of From, To, Contact and Route (RFC 3261 19.1, 20.10, RFC 3966).

Read leniently where real peers are careless (``#`` in the user part, unquoted display names with commas),
compared as RFC 3261 19.1.4 says, and written so that what comes out is always valid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, eq=False)
class SipUri:
    """A URI. ``user`` and ``password`` are without ``%`` escapes; ``host`` is lower case, IPv6 in brackets;
    ``port`` 0: none was given. ``params`` and ``headers`` have their names in lower case, and "" for a
    parameter without a value (``;lr``). Of a ``tel:`` URI the number is the ``user``; of any other scheme
    ``user`` is the text after the colon, as it is, and the rest is empty.

    ``==`` is RFC 3261 19.1.4.
    """

    scheme: str = "sip"
    user: str = ""
    host: str = ""
    port: int = 0
    password: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def parse(text: str) -> SipUri:
        """Read ``sip:user@host;param?header=value``. Raises MalformedMessage."""
        raise NotImplementedError

    @property
    def is_sip(self) -> bool:
        """A ``sip:`` or ``sips:`` URI."""
        return self.scheme in ("sip", "sips")

    @property
    def transport(self) -> str:
        """``udp``, ``tcp`` or ``tls``: of the parameter, else of the scheme; "" where neither says."""
        raise NotImplementedError

    def with_params(self, params: Mapping[str, str]) -> SipUri:
        """The same with ``params`` set over its own."""
        raise NotImplementedError

    def bare(self) -> SipUri:
        """Without headers, password, port and parameters: an address of record."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class NameAddr:
    """``"display" <uri>;params``: the value of From, To, Contact, Route, Refer-To ..."""

    uri: SipUri
    display: str = ""
    params: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def parse(text: str) -> NameAddr:
        """Read one value. Raises MalformedMessage."""
        raise NotImplementedError

    @staticmethod
    def parse_many(text: str) -> list[NameAddr]:
        """Read a comma-separated list. Raises MalformedMessage."""
        raise NotImplementedError

    @property
    def tag(self) -> str:
        """The tag of a From or To, "" without."""
        return self.params.get("tag", "")

    @property
    def is_star(self) -> bool:
        """``Contact: *``: all bindings."""
        return self.uri.scheme == "*"

    def with_tag(self, tag: str) -> NameAddr:
        """The same with that tag."""
        return NameAddr(self.uri, self.display, {**self.params, "tag": tag})
