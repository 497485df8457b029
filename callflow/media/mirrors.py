"""Layer 1: legs of two rates hear each other: phones that speak G.722 (16 kHz) and G.711 (8 kHz) meet.

They are members of a room (a bridge of two rates is a room of its own). Each member has a mirror among the
rows of the other rate, which says what the member says, resampled. A mirror hears nothing: its member hears
the mirrors of the others. The same pairs hear each other as if all had one rate. The filter takes 2 ms; in
live time a mirror speaks a tick (10 ms) later, since the rows of one rate are done before those of the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from callflow.media.crossing import NARROW, RATES, WIDE, crossed
from callflow.media.rooms import Member
from callflow.media.rtp.halfband import Doubler, Halver
from callflow.media.taps import Samples

if TYPE_CHECKING:
    from callflow.media.leg import Leg
    from callflow.media.liveplane import LivePlane
    from callflow.media.plane import Plane

Said = tuple[NDArray[np.intp], Samples]
_READ = 0


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
    """From one rate to the other: the mirrors there, by leg and room; those that are new."""

    mirrors: dict[tuple[str, str], Mirror] = field(default_factory=dict)
    fresh: list[Mirror] = field(default_factory=list)


P = TypeVar("P", bound="Plane")


class _Mirrors(Generic[P]):
    """All mirrors of a pump."""

    def __init__(self) -> None:
        self._ways = {rate: _Way() for rate in RATES}  # by the rate that it comes from
        self._seen = (0, 0)

    def _sync(self, planes: Mapping[int, P]) -> bool:
        """Let there be a mirror for each member of a room of both rates, and no other; True: some are new."""
        narrow, wide = planes.get(NARROW), planes.get(WIDE)
        if narrow is None or wide is None or self._seen == (narrow.rooms.version, wide.rooms.version):
            return False
        self._reflect(narrow, wide)
        self._reflect(wide, narrow)
        self._seen = (narrow.rooms.version, wide.rooms.version)
        return True

    def _reflect(self, here: P, there: P) -> None:
        """The mirrors ``there`` of the members ``here``."""
        way = self._ways[here.rate]
        way.fresh = []
        both = {room for room in here.rooms.real if room in there.rooms.real}
        wanted = {(leg.name, room): leg for room in both for leg in here.rooms.real[room]}
        for key, known in tuple(way.mirrors.items()):
            if wanted.get(key) is not known.leg:
                del way.mirrors[key]
                there.rooms.expel(key[1], known)
                there.give_back(known.row)
        for key, leg in wanted.items():
            if key not in way.mirrors:
                way.mirrors[key] = mirror = Mirror(leg, there.lend())
                way.fresh.append(mirror)
                there.rooms.admit(key[1], mirror)
        there.rooms.refresh(both)


class LiveMirrors(_Mirrors["LivePlane"]):
    """In live time: what a member says in a tick its mirror says in the next."""

    def __init__(self) -> None:
        super().__init__()
        self._carry: dict[int, Doubler | Halver] = {NARROW: Doubler(), WIDE: Halver()}
        self._rows = {rate: (np.zeros(0, np.intp),) * 2 for rate in RATES}  # of members, of their mirrors

    def sync(self, planes: Mapping[int, LivePlane]) -> None:
        """Before a tick."""
        if not self._sync(planes):
            return
        for rate, way in self._ways.items():
            fresh = {mirror.row for mirror in way.fresh}
            for row in fresh:
                self._carry[rate].reset(row)
            mirrors = way.mirrors.values()
            to_rows = np.array([mirror.row for mirror in mirrors], np.intp)
            self._rows[rate] = np.array([mirror.leg.row for mirror in mirrors], np.intp), to_rows
            there = planes[NARROW + WIDE - rate]
            there.mirrored = _kept(there.mirrored, set(to_rows.tolist()) - fresh)

    def carry(self, planes: Mapping[int, LivePlane]) -> None:
        """After a tick."""
        for rate, (from_rows, to_rows) in self._rows.items():
            if len(from_rows):
                said = planes[rate].rows[from_rows, _READ]
                planes[NARROW + WIDE - rate].mirrored = (to_rows, self._carry[rate](to_rows, said))


def _kept(said: Said | None, rows: set[int]) -> Said | None:
    """What those of ``rows`` were to say in the next tick."""
    if said is None:
        return None
    keep = np.isin(said[0], np.array(sorted(rows), np.intp))
    return said[0][keep], said[1][keep]


class BlockMirrors(_Mirrors["Plane"]):
    """In blocks, which may be made anew and shorter: what a member says its mirror says in the same block."""

    def sound(self, planes: Mapping[int, Plane], first: int, ticks: int) -> None:
        """Let mirrors speak in a block from tick ``first`` on, before it is rendered."""
        self._sync(planes)
        for rate, way in self._ways.items():
            here, there = planes.get(rate), planes.get(NARROW + WIDE - rate)
            if here is None or there is None:
                continue
            there.echoes = set()
            for mirror in way.mirrors.values():
                said = np.empty((1 + ticks) * here.tick, np.int16)
                said[: here.tick] = here.before[mirror.leg.row, _READ]
                mirror.leg.render_read(said[here.tick :], first * here.tick)
                row = there.rows[mirror.row, _READ, : ticks * there.tick]
                if said.any():
                    there.echoes.add(mirror.row)
                    row[:] = crossed(said, rate)[there.tick :]
                else:
                    row[:] = 0
