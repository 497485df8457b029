"""Late packets of many legs at once cost little, and are what late packets of one leg are."""

from __future__ import annotations

import numpy as np
import pytest

from callflow.media.rtp.placing import Bank
from tests.rtp.core.line import Line, Sender, arrivals, source, tone

ROWS = 5


@pytest.mark.parametrize("stall_ms", [90, 140, 300, 700])
def test_a_stall_is_the_same_for_all_rows_at_once_and_one_by_one(
    stall_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    together, alone = Line(rows=ROWS), Line(rows=ROWS)
    for line in (together, alone):
        for row in range(ROWS):
            line.receiver.add(row, source(), 0)
    packets = [
        (time if not 0.5 < time < 0.5 + stall_ms / 1000 else 0.5 + stall_ms / 1000, row, raw)
        for row in range(ROWS)
        for time, raw in Sender(ssrc=row + 1).say(tone(300 + 70 * row, 2.0))
    ]
    # As it comes from the sockets: one packet of each leg at a time, then the next of each.
    for line in (together, alone):
        take = line.receiver.take

        def in_rounds(batch, now, take=take, alone=line is alone):  # type: ignore[no-untyped-def]
            found = []
            left = list(zip(batch.rows.tolist(), batch.data, batch.sizes.tolist(), strict=True))
            while left:
                rows: dict[int, bytes] = {}
                rest = []
                for row, data, size in left:
                    if row in rows or (alone and rows):
                        rest.append((row, data, size))
                    else:
                        rows[row] = data[:size].tobytes()
                found += take(arrivals(rows.items(), batch.time), now)
                left = rest
            return found + take(arrivals([], batch.time), now)

        monkeypatch.setattr(line.receiver, "take", in_rounds)
    heard = together.run(packets, 2.2)
    # The other one knows no late packets as a batch: each is looked at by itself.
    sort_out = Bank.sort_out

    def none_late(self, *args):  # type: ignore[no-untyped-def]
        batch = sort_out(self, *args)
        batch.late[:] = False
        return batch

    monkeypatch.setattr(Bank, "sort_out", none_late)
    assert np.array_equal(alone.run(packets, 2.2), heard)
    for row in range(ROWS):
        assert together.receiver.stats(row) == alone.receiver.stats(row)
    assert together.receiver.stats(0).late > 0
