"""Layer 1: what is known of each row of a bank, as columns: one array a fact, so that a batch is a few
operations on arrays.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

SEEN = 256
"""Sequence numbers that are remembered, to know duplicates."""
FOREVER = 1 << 62

_Ints = NDArray[np.int64]


@dataclass(slots=True)
class Columns:
    """Places are samples of the sender's clock at the bank's rate, counted without a wrap; sample ``s`` of
    the bank's clock plays place ``s + shift``. Sequence numbers are extended by 65536 a wrap.
    """

    playing: NDArray[np.bool_]  # a packet has come and time is mapped
    mute: NDArray[np.bool_]  # nothing is heard: before the first packet, after a hole, in silence
    opened: NDArray[np.bool_]  # a hole is being concealed or left
    ssrc: _Ints  # -1: none yet
    base_seq: _Ints
    max_seq: _Ints
    ref_time: _Ints  # RTP timestamp of some packet,
    ref_place: _Ints  # and its place
    shift: _Ints
    hold: _Ints  # how long packets are held for late ones
    end: _Ints  # place after the last sample that has come
    silent_from: _Ints  # holes from here
    silent_to: _Ints  # to here are silence, not loss
    transit: _Ints  # of the last packet, for its jitter
    late_count: _Ints  # packets in a row that came too late,
    late_since: _Ints  # and when the first of them came
    switched: _Ints  # when the SSRC changed
    renewed: _Ints  # until then the far end, whose address has changed, may begin anew
    want: _Ints  # samples that are still to be slipped
    received: _Ints
    received_now: _Ints  # of this SSRC, duplicates too,
    unique_now: _Ints  # and without them
    lost_before: _Ints  # of former SSRCs
    late: _Ints
    duplicates: _Ints
    concealed: _Ints
    slipped: _Ints
    jitter: NDArray[np.float64]
    level: NDArray[np.float64]  # RMS of the comfort noise
    seen: NDArray[np.int32]

    def grow(self, rows: int) -> None:
        """More rows."""
        more = columns(rows - len(self.ssrc))
        for one in fields(self):
            setattr(self, one.name, np.concatenate([getattr(self, one.name), getattr(more, one.name)]))

    def reset(self, row: int) -> None:
        """The row is new."""
        self.adopt(row, {one.name: getattr(_NEW, one.name)[0] for one in fields(self)})

    def export(self, row: int) -> dict[str, object]:
        """The row's facts by name."""
        return {one.name: getattr(self, one.name)[row].copy() for one in fields(self)}

    def adopt(self, row: int, facts: dict[str, object]) -> None:
        """What ``export`` gave."""
        for name, fact in facts.items():
            getattr(self, name)[row] = fact


def columns(rows: int) -> Columns:
    """New rows."""

    def ints(value: int = 0) -> _Ints:
        return np.full(rows, value, np.int64)

    def no() -> NDArray[np.bool_]:
        return np.zeros(rows, np.bool_)

    return Columns(
        playing=no(), mute=~no(), opened=no(), ssrc=ints(-1), base_seq=ints(), max_seq=ints(),
        ref_time=ints(), ref_place=ints(), shift=ints(), hold=ints(), end=ints(),
        silent_from=ints(-1), silent_to=ints(-1), transit=ints(), late_count=ints(), late_since=ints(),
        switched=ints(-FOREVER), renewed=ints(-FOREVER), want=ints(), received=ints(), received_now=ints(),
        unique_now=ints(), lost_before=ints(), late=ints(), duplicates=ints(),
        concealed=ints(), slipped=ints(),
        jitter=np.zeros(rows), level=np.zeros(rows), seen=np.full((rows, SEEN), -1, np.int32),
    )  # fmt: skip


_NEW = columns(1)
