"""What rooms cost in a live pump's ticks: 200 legs that all talk, alone, bridged in pairs, and in rooms.

Without RTP and taps: the difference between the rows is what bridging and mixing add. CPU time of this
process, best of three runs, as a share of one core in real time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from benchmarks.table import Row
from callflow.documents.shipped import examples_dir
from callflow.media.clips import ClipLoader
from callflow.media.live import LivePump
from callflow.media.messages import AddLeg, Bridge, FileClip, JoinRoom, PretendSource, Say

AUDIO = examples_dir() / "audio" / "caller.wav"
RATE = 8000
LEGS = 200
TICKS = 1000
MOST = 5.0
"""Percent of a core that 50 rooms of 4 may add."""


def _alone(pump: LivePump, number: int) -> None:
    pass


def _paired(pump: LivePump, number: int) -> None:
    if number % 2:
        pump.command(Bridge(f"leg{number - 1}", f"leg{number}"))


def _rooms(size: int) -> Callable[[LivePump, int], None]:
    def join(pump: LivePump, number: int) -> None:
        pump.command(JoinRoom(f"leg{number}", f"room{number // size}"))

    return join


def share(meet: Callable[[LivePump, int], None]) -> float:
    """Percent of a core for ``LEGS`` legs, each brought together with others by ``meet``."""
    return min(_share(meet) for _ in range(3))


def _share(meet: Callable[[LivePump, int], None]) -> float:
    pump = LivePump(ClipLoader())
    for number in range(LEGS):
        leg = f"leg{number}"
        pump.command(AddLeg(leg, RATE, PretendSource()))
        pump.command(Say(leg, (FileClip(str(AUDIO)),), loop=True))
        meet(pump, number)
    pump.advance(1e9)
    start = time.process_time()
    for _ in range(TICKS):
        pump.advance(1e9)
    return (time.process_time() - start) / (TICKS / 100) * 100


def measure() -> Iterator[Row]:
    """200 talking legs in ticks of 10 ms."""
    alone = share(_alone)
    yield Row("200 talking legs in live ticks, alone, of a core", f"{alone:.1f} %")
    yield Row("the same, bridged in pairs: more by", f"{share(_paired) - alone:.1f} %")
    fours = share(_rooms(4)) - alone
    yield Row("the same, 50 rooms of 4: more by", f"{fours:.1f} %", f"under {MOST:.0f} %", fours < MOST)
    yield Row("the same, 4 rooms of 50: more by", f"{share(_rooms(50)) - alone:.1f} %")
