"""Layer 2: SIP messages out of a stream of bytes (RFC 3261 18.3), and keep-alives between them (RFC 5626)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from callflow.channels.sip.limits import StackLimits
from callflow.errors import MalformedMessage

PING = b"\r\n\r\n"
PONG = b"\r\n"
_LENGTH = re.compile(
    rb"\r\n(?:Content-Length|l)[ \t]*:(?:[ \t]|\r\n[ \t])*([0-9]{1,9})[ \t]*(?=\r\n)", re.IGNORECASE
)
_ANY_LENGTH = re.compile(rb"\r\n(?:Content-Length|l)[ \t]*:", re.IGNORECASE)


class Framer:
    """``feed`` bytes as they come; whole messages come out, and ``PING`` for a keep-alive to be answered.

    ``broken``: why the end of the last message that came out cannot be told (no Content-Length or a bad one,
    or more than the limits allow). It came out as far as it is known, so that it can be answered; the
    connection cannot be read on.
    """

    def __init__(self, limits: StackLimits) -> None:
        self._limits = limits
        self._held = bytearray()
        self._breaks = 0
        self._searched = 0
        self._needed = 0
        self.broken: MalformedMessage | None = None

    @property
    def within(self) -> bool:
        """Part of a message has come."""
        return bool(self._held)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Messages and ``PING``, in order."""
        if self.broken:
            return
        self._held += data
        while self._held:
            if not self._needed and self._held.startswith(PONG):
                del self._held[:2]
                self._searched = 0
                self._breaks = (self._breaks + 1) % 2
                if self._breaks == 0:
                    yield PING
                continue
            whole = self._whole()
            if whole is None:
                return
            self._breaks = 0
            yield whole

    def _whole(self) -> bytes | None:
        """The message at the beginning, if all of it is there."""
        if not self._needed:
            end = self._held.find(b"\r\n\r\n", max(0, self._searched - 3))
            self._searched = len(self._held)
            if end > self._limits.header_bytes or (end < 0 and self._searched > self._limits.header_bytes):
                return self._broken(513, "too many headers")
            if end < 0:
                return None
            head = bytes(self._held[: end + 2])
            found = _LENGTH.findall(head)
            if len(found) != 1 or len(_ANY_LENGTH.findall(head)) != 1:
                return self._broken(400, "Content-Length: one is needed on a stream")
            if int(found[0]) > self._limits.body_bytes:
                return self._broken(513, "too long a body")
            self._needed = end + 4 + int(found[0])
        if len(self._held) < self._needed:
            return None
        message = bytes(self._held[: self._needed])
        del self._held[: self._needed]
        self._needed = self._searched = 0
        return message

    def _broken(self, status: int, why: str) -> bytes:
        self.broken = MalformedMessage(why)
        self.broken.status = status
        message = bytes(self._held)
        self._held.clear()
        return message
