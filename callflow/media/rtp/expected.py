"""Layer 1: the packet that each row is to bring next. Nearly every packet is that one: its header needs no
reading and its place no finding, one comparison says all.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from callflow.media.rtp.arrivals import Arrivals
from callflow.media.rtp.g711 import decode_g711
from callflow.media.rtp.kinds import CODECS, Which
from callflow.media.rtp.masks import every
from callflow.media.rtp.packet import HEADER, Headers
from callflow.media.rtp.placing import Bank

_PLAIN = 0x80 << 56  # version 2, no padding, no extension, no contributing sources; no marker
_BYTES = 0xFFFF  # of a form: the packet's size; above them the number of its codec

_Rows = NDArray[np.intp]
_Ints = NDArray[np.int64]


class Expected:
    """Of the rows of a narrow bank that bring G.711. A row expects something after a packet that was its
    newest in number and in time; whatever else comes, or changes at the row, ends that (``forget``).
    """

    def __init__(self, bank: Bank) -> None:
        self._bank = bank
        self._heads: NDArray[np.uint64] = np.zeros(0, np.uint64)  # first eight bytes; 0: nothing expected
        self._forms: _Ints = np.zeros(0, np.int64)

    def _grown(self) -> None:
        """The bank may have more rows now; what was expected may be forgotten at any time."""
        if len(self._heads) < (rows := len(self._bank.columns.ssrc)):
            self._heads, self._forms = np.zeros(rows, np.uint64), np.zeros(rows, np.int64)

    def forget(self, rows: _Rows | int) -> None:
        """Nothing is known of what they bring next."""
        self._grown()
        if not isinstance(rows, int) or rows < len(self._heads):
            self._heads[rows] = 0

    def follow(
        self, rows: _Rows, head: Headers, which: Which, kinds: NDArray[np.uint8], places: _Ints,
        sequences: _Ints,
    ) -> None:  # fmt: skip
        """Regular packets ``which`` have been accepted: what comes after those that are the newest."""
        c = self._bank.columns
        self._grown()
        size = (head.end - head.start)[which]
        newest = ((sequences == c.max_seq[rows]) & (places + size == c.end[rows])).nonzero()[0]
        if not len(newest):
            return
        next_number = (sequences + 1 & 0xFFFF) << 32
        next_time = head.timestamp[which] + size & 0xFFFFFFFF
        heads = (head.payload_type[which].astype(np.int64) << 48 | next_number | next_time).view(np.uint64)
        forms = kinds[which].astype(np.int64) << 16 | size + HEADER
        rows = rows[newest]
        self._heads[rows] = heads[newest] | np.uint64(_PLAIN)
        self._forms[rows] = forms[newest]

    def take(self, arrivals: Arrivals, now: int) -> tuple[_Rows, _Rows]:
        """Put those of ``arrivals`` (one of a row at most) that are expected, and in time, where they belong.
        ``now``: sample of the bank's clock. Gives the rows of those, and which of ``arrivals`` are left.
        """
        data, rows, sizes = arrivals.data, arrivals.rows, arrivals.sizes
        bank, c = self._bank, self._bank.columns
        self._grown()
        words = data[:, : HEADER + 4].copy().view(">u8").astype(np.uint64)
        heads, forms = words[:, 0], self._forms[rows]
        places = c.end[rows]
        last = places - now - c.shift[rows] + (sizes - (HEADER + 1))  # of its samples: not yet played
        fits = (heads == self._heads[rows]) & ((words[:, 1] >> 32).view(np.int64) == c.ssrc[rows])
        fits &= (forms & _BYTES == sizes) & (last.view(np.uint64) < bank.ahead)  # a negative one is large
        which: Which = slice(None)
        left = _NONE
        if not every(fits):
            left, taken = (~fits).nonzero()[0], fits.nonzero()[0]
            if not len(taken):
                return _NONE, left
            rows, sizes, which = rows[taken], sizes[taken], taken
            heads, forms, places = heads[taken], forms[taken], places[taken]
        size = sizes - HEADER
        first = int(forms[0])
        if every(forms == first):
            self._put(first, data[which, HEADER : first & _BYTES], rows, places)
        else:
            for form in set(forms.tolist()):
                same = (forms == form).nonzero()[0]
                packets = same if isinstance(which, slice) else which[same]
                self._put(form, data[packets, HEADER : form & _BYTES], rows[same], places[same])
        bank.go_on(rows, (heads & _TIME).view(np.int64), places, size, now)
        # Where the time (or the number) wraps here the next packet is none that is expected: no harm.
        self._heads[rows] = heads + (size + (1 << 32)).view(np.uint64)
        return rows, left

    def _put(self, form: int, payloads: NDArray[np.uint8], rows: _Rows, places: _Ints) -> None:
        sound = np.empty(payloads.shape, np.int16)
        decode_g711(CODECS[form >> 16], payloads, sound)
        self._bank.ring.write(rows, places, sound)


_NONE: _Rows = np.zeros(0, np.intp)
_TIME = np.uint64(0xFFFFFFFF)
