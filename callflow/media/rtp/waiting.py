"""Layer 1: packets of codecs with a memory wait as they came, and are decoded in order in their time.

So reordering is no matter for the decoder, and Python runs once a packet.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from dataclasses import dataclass

from callflow.media.rtp.codecs import Decoder, decoder
from callflow.media.rtp.placing import Bank
from callflow.media.rtp.playing import SLACK
from callflow.media.rtp.ring import filled

_MOST = 100
"""Packets of a row that wait; with more of them the earliest is given up."""

_RECENT = 10
"""Packets that are remembered for a decoder elsewhere: its memory is shorter."""


@dataclass(frozen=True, slots=True)
class Waited:
    """What ``Waiting`` has of a row."""

    packets: tuple[tuple[int, str, bytes], ...]
    recent: tuple[tuple[str, bytes], ...]


class Waiting:
    """The waiting packets of a bank's rows."""

    def __init__(self, bank: Bank) -> None:
        self._bank = bank
        self._packets: dict[int, list[tuple[int, str, bytes]]] = {}  # in order: place, codec, payload
        self._decoders: dict[int, tuple[str, Decoder]] = {}
        self._recent: dict[int, deque[tuple[str, bytes]]] = {}  # codec, payload

    def put(self, row: int, place: int, codec: str, payload: bytes) -> None:
        """A packet whose place is known."""
        packets = self._packets.setdefault(row, [])
        insort(packets, (place, codec, payload))
        if len(packets) > _MOST:
            del packets[0]

    def decode(self, now: int, n: int) -> None:
        """Decode all that is needed to play ``n`` samples from sample ``now`` of the bank's clock on."""
        for row in list(self._packets):
            packets = self._packets[row]
            until = now + int(self._bank.columns.shift[row]) + n + SLACK
            while packets and packets[0][0] < until:
                place, codec, payload = packets.pop(0)
                sound = filled(self._decoder(row, codec)(payload))
                self._recent.setdefault(row, deque(maxlen=_RECENT)).append((codec, payload))
                self._bank.write(row, place, sound, now)
            if not packets:
                del self._packets[row]

    def _decoder(self, row: int, codec: str) -> Decoder:
        known = self._decoders.get(row)
        if known is None or known[0] != codec:
            known = self._decoders[row] = (codec, decoder(codec, self._bank.rate))
        return known[1]

    def forget(self, row: int) -> None:
        """The row is gone, or begins anew."""
        self._packets.pop(row, None)
        self._decoders.pop(row, None)
        self._recent.pop(row, None)

    def export(self, row: int) -> Waited:
        """What waits of a row, and what was decoded last."""
        return Waited(tuple(self._packets.get(row, ())), tuple(self._recent.get(row, ())))

    def adopt(self, row: int, waited: Waited) -> None:
        """What ``export`` gave. The decoder hears the last packets again, so that it goes on as it was."""
        if waited.packets:
            self._packets[row] = list(waited.packets)
        for codec, payload in waited.recent:
            self._decoder(row, codec)(payload)
