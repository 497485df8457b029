"""Layer 1: rooms of two rates, in live time: phones that speak G.722 (16 kHz) and G.711 (8 kHz) meet.

Each member has a mirror among the rows of the other rate, which says what the member says, resampled, a tick
later (10 ms, and 2 ms of the filter). A mirror hears nothing: its member hears the mirrors of the others. The
same pairs hear each other as if all had one rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from callflow.media.rooms import Member
from callflow.media.rtp.halfband import Doubler, Halver
from callflow.media.taps import Samples

if TYPE_CHECKING:
    from callflow.media.leg import Leg
    from callflow.media.liveplane import LivePlane

Said = tuple[NDArray[np.intp], Samples]
NARROW, WIDE = 8000, 16000
RATES = (NARROW, WIDE)
"""The rates between which sound is carried."""


class Mirror:
    """What stands for ``leg`` in a room of the other rate: as much of a leg as a room needs."""

    hears = None
    deaf = False

    def __init__(self, leg: Leg, row: int) -> None:
        self.leg = leg
        self.row = row

    @property
    def name(self) -> str:
        """Its leg's: pairs that hear each other are told by name."""
        return self.leg.name

    @property
    def held(self) -> bool:
        """As its leg."""
        return self.leg.held

    @property
    def muted(self) -> bool:
        """As its leg."""
        return self.leg.muted

    @property
    def member(self) -> Member | None:
        """As its leg, but that it hears nobody."""
        return None if self.leg.member is None else replace(self.leg.member, hears=False)


@dataclass(slots=True)
class _Way:
    """From one rate to the other: the mirrors there, by leg and room, and the rows at both ends."""

    carry: Doubler | Halver
    mirrors: dict[tuple[str, str], Mirror]
    from_rows: NDArray[np.intp]
    to_rows: NDArray[np.intp]


class Mirrors:
    """All mirrors of a live pump."""

    def __init__(self) -> None:
        none = np.zeros(0, np.intp)
        self._ways = {
            NARROW: _Way(Doubler(), {}, none, none),  # by the rate that it comes from
            WIDE: _Way(Halver(), {}, none, none),
        }
        self._seen = (0, 0)

    def sync(self, planes: Mapping[int, LivePlane]) -> None:
        """Before a tick: let there be a mirror for each member of a room of both rates, and no other."""
        narrow, wide = planes.get(NARROW), planes.get(WIDE)
        if narrow is None or wide is None:
            return
        if self._seen != (narrow.rooms.version, wide.rooms.version):
            self._reflect(narrow, wide)
            self._reflect(wide, narrow)
            self._seen = (narrow.rooms.version, wide.rooms.version)

    def carry(self, planes: Mapping[int, LivePlane]) -> None:
        """After a tick: what members have said in it, mirrors say in the next."""
        for rate, way in self._ways.items():
            if len(way.from_rows):
                other = planes[NARROW + WIDE - rate]
                said = planes[rate].rows[way.from_rows, 0]
                other.mirrored = (way.to_rows, way.carry(way.to_rows, said))

    def _reflect(self, here: LivePlane, there: LivePlane) -> None:
        """The mirrors ``there`` of the members ``here``."""
        way = self._ways[here.rate]
        fresh: set[int] = set()
        both = {room for room in here.rooms.real if room in there.rooms.real}
        wanted = {(leg.name, room): leg for room in both for leg in here.rooms.real[room]}
        for key in way.mirrors.keys() - wanted.keys():
            mirror = way.mirrors.pop(key)
            there.rooms.expel(key[1], mirror)
            there.give_back(mirror.row)
        for key, leg in wanted.items():
            known = way.mirrors.get(key)
            if known is None or known.leg is not leg:
                if known is not None:
                    there.rooms.expel(key[1], known)
                    there.give_back(known.row)
                row = there.lend()
                fresh.add(row)
                way.carry.reset(row)
                way.mirrors[key] = Mirror(leg, row)
                there.rooms.admit(key[1], way.mirrors[key])
        there.rooms.refresh(both)
        way.from_rows = np.array([mirror.leg.row for mirror in way.mirrors.values()], np.intp)
        way.to_rows = np.array([mirror.row for mirror in way.mirrors.values()], np.intp)
        there.mirrored = _kept(there.mirrored, set(way.to_rows.tolist()) - fresh)


def _kept(said: Said | None, rows: set[int]) -> Said | None:
    """What those of ``rows`` were to say in the next tick."""
    if said is None:
        return None
    keep = np.isin(said[0], np.array(sorted(rows), np.intp))
    return said[0][keep], said[1][keep]
