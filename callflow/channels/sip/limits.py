"""Layer 2: how much of anything the network may make the SIP stack hold. Over a bound a message is answered
503 or dropped, or its connection closed: docs/sip.md says which.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StackLimits:
    """Bounds of the stack. Sizes in bytes, times in seconds."""

    datagram_bytes: int = 65_535
    """A longer datagram is dropped (its end was cut off, or it is nonsense)."""
    header_bytes: int = 32_768
    """Start line and headers of one message."""
    header_count: int = 256
    """Header lines of one message."""
    body_bytes: int = 262_144
    """The body of one message."""
    connections: int = 4_096
    """TCP and TLS connections, in and out, together."""
    connections_per_address: int = 256
    """Incoming connections of one address."""
    unsent_bytes: int = 1_048_576
    """What may wait for a peer that does not read, per connection; over it the connection is closed."""
    transactions: int = 20_000
    """Server transactions that live, answered ones included that wait for retransmissions."""
    transactions_per_address: int = 10_000
    """The same of one source address: a front proxy is one address."""
    pending_per_address: int = 2_000
    """Server transactions of one source address without a final answer yet."""
    idle_s: float = 3_900.0
    """A connection that has been silent that long, and that no transaction uses, is closed. Longer than a
    registration lasts: a phone behind NAT can be rung only through its own connection."""
    stranger_idle_s: float = 120.0
    """The same for an incoming connection on which nobody has proved who he is."""
    handshake_s: float = 10.0
    """How long a TLS handshake may take."""
    handshakes: int = 512
    """TLS handshakes of others that are under way; who comes then is closed at once."""
    handshakes_per_address: int = 32
    """The same of one address: many phones behind one NAT come back together, and try again."""
    first_message_s: float = 30.0
    """A new incoming connection that has not sent a whole message by then is closed."""
    message_s: float = 30.0
    """A message on a connection must be whole that long after its first byte."""
    udp_bytes: int = 1_300
    """A longer request goes by TCP where the peer takes it (RFC 3261 18.1.1)."""
    connect_s: float = 5.0
    """How long a connection may take to come up."""
    big_connect_s: float = 1.0
    """The same where it is only tried because a request is too long for UDP."""
