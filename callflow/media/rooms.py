"""Layer 1: rooms: many legs hear each other. Who hears whom (``Rooms``), as rows to be added up (``Mix``).

Most members hear everybody but themselves: the sum of all speakers is made once a room, and each hears it
less its own part. Who hears only some is given the sum of just those. All rooms of a plane are mixed in the
same few numpy calls, so that what a tick costs grows with members, not with rooms.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from callflow.media.room_commands import JoinRoom, SetMember
from callflow.media.taps import Samples

if TYPE_CHECKING:
    from callflow.media.leg import Leg
    from callflow.media.mirrors import Mirror

_LOUDEST = 32767
_READ, _WRITE = 0, 1
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Member:
    """What a leg may do in its room; see ``JoinRoom``."""

    room: str
    speaks: bool
    hears: bool
    speaks_to: frozenset[str] | None
    hears_from: frozenset[str] | None

    @classmethod
    def of(cls, command: JoinRoom | SetMember, room: str) -> Member:
        """As a command says."""
        to, heard = command.speaks_to, command.hears_from
        return cls(
            room,
            command.speaks,
            command.hears,
            None if to is None else frozenset(to),
            None if heard is None else frozenset(heard),
        )


class Rooms:
    """The rooms of one plane. ``real``: their members; ``version``: how often something has changed; ``mix``:
    how to add them up, made anew after each change.
    """

    def __init__(self) -> None:
        self.real: dict[str, list[Leg]] = {}
        self.version = 0
        self._mirrors: dict[str, list[Mirror]] = {}  # of members of another rate
        self._parts: dict[str, _Part] = {}  # of rooms that have not changed since
        self._mix: Mix | None = None

    def __bool__(self) -> bool:
        return bool(self.real)

    def __contains__(self, room: str) -> bool:
        return room in self.real

    def size(self, room: str) -> int:
        """How many members it has."""
        return len(self.real.get(room, ()))

    def join(self, leg: Leg) -> None:
        """``leg`` (whose ``member`` says which room) is in."""
        assert leg.member is not None
        self.real.setdefault(leg.member.room, []).append(leg)
        self.changed(leg)

    def leave(self, leg: Leg) -> None:
        """``leg`` is out; its ``member`` is left to the caller."""
        assert leg.member is not None
        room = leg.member.room
        self.real[room].remove(leg)
        if not self.real[room]:
            del self.real[room]
        self.changed(leg)

    def changed(self, leg: Leg) -> None:
        """What it may do in its room, or its bridge or hold, has changed; nothing, if it is in none."""
        if leg.member is not None:
            self.version += 1
            self.refresh((leg.member.room,))

    def admit(self, room: str, mirror: Mirror) -> None:
        """A member of another rate is heard here. (For ``Mirrors``, which calls ``refresh`` then.)"""
        self._mirrors.setdefault(room, []).append(mirror)

    def expel(self, room: str, mirror: Mirror) -> None:
        """It is not heard here any more."""
        self._mirrors[room].remove(mirror)
        if not self._mirrors[room]:
            del self._mirrors[room]
        self.refresh((room,))

    def refresh(self, rooms: Iterable[str]) -> None:
        """Who hears whom there is to be found anew."""
        for room in rooms:
            self._parts.pop(room, None)
        self._mix = None

    @property
    def stale(self) -> bool:
        """Something has changed since ``mix`` was last asked for."""
        return self._mix is None

    @property
    def mix(self) -> Mix:
        """Who hears whom at present."""
        if self._mix is None:
            for name, legs in self.real.items():
                if name not in self._parts:
                    self._parts[name] = _part([*legs, *self._mirrors.get(name, ())])
            self._mix = Mix(list(self._parts.values()))
        return self._mix


@dataclass(frozen=True, slots=True)
class _Part:
    """One room in rows: ``speakers``: all that anybody hears. ``full``: those that hear all speakers but
    themselves, ``own``: the place of each among the speakers, -1: it is none. ``some``: those that hear only
    some, and which rows.
    """

    speakers: list[int]
    full: list[int]
    own: list[int]
    some: list[tuple[int, list[int]]]


def _part(legs: Sequence[Leg | Mirror]) -> _Part:
    speakers = {
        leg.name: leg
        for leg in legs
        if leg.member is not None and leg.member.speaks and not (leg.held or leg.muted)
    }
    to_all = all(_member(leg).speaks_to is None for leg in speakers.values())
    place = {name: number for number, name in enumerate(speakers)}
    full: list[int] = []
    own: list[int] = []
    some: list[tuple[int, list[int]]] = []
    for leg in legs:
        member = _member(leg)
        hears = member.hears and not (leg.held or leg.deaf)
        if hears and to_all and member.hears_from is None and leg.hears is None:
            if speakers.keys() - {leg.name}:
                full.append(leg.row)
                own.append(place.get(leg.name, -1))
            continue
        rows = {other.row for other in speakers.values() if hears and _reaches(other, leg)}
        if rows and leg.hears is not None:
            rows.add(leg.hears.row)
        if rows:
            some.append((leg.row, sorted(rows)))
    return _Part([leg.row for leg in speakers.values()], full, own, some)


def _member(leg: Leg | Mirror) -> Member:
    assert leg.member is not None
    return leg.member


def _reaches(speaker: Leg | Mirror, hearer: Leg | Mirror) -> bool:
    """Whether one hears the other, of two members of a room."""
    to, heard = _member(speaker).speaks_to, _member(hearer).hears_from
    return (
        speaker is not hearer
        and (to is None or hearer.name in to)
        and (heard is None or speaker.name in heard)
    )


class Mix:
    """Rows to be added up. ``sources``: who is heard by somebody; ``listeners``: who hears somebody."""

    def __init__(self, parts: Sequence[_Part]) -> None:
        full = [part for part in parts if part.full]
        said = [row for part in full for row in part.speakers]
        some = [pair for part in parts for pair in part.some]
        self._said = _rows(said)
        self._starts = _rows(_begins(len(part.speakers) for part in full))
        self._full = _rows(row for part in full for row in part.full)
        self._room = _rows(number for number, part in enumerate(full) for _ in part.full)
        own = [
            -1 if place < 0 else begin + place
            for begin, part in zip(self._starts.tolist(), full, strict=True)
            for place in part.own
        ]
        self._who = _rows(number for number, place in enumerate(own) if place >= 0)
        self._own = _rows(place for place in own if place >= 0)
        self._few = _rows(row for _, rows in some for row in rows)
        self._few_starts = _rows(_begins(len(rows) for _, rows in some))
        self._some = _rows(row for row, _ in some)
        self.sources = frozenset([*said, *self._few.tolist()])
        self.listeners = frozenset([*self._full.tolist(), *self._some.tolist()])

    @classmethod
    def of(cls, legs: Iterable[Leg]) -> Mix:
        """What ``legs`` hear of each other in their rooms."""
        rooms = Rooms()
        for leg in legs:
            if leg.member is not None:
                rooms.join(leg)
        return rooms.mix

    def __call__(self, rows: Samples, n: int) -> None:
        """Make what the listeners hear, ``rows[listener, 1]``, of what is said, for ``n`` samples."""
        if len(self._full):
            said = rows[self._said, _READ, :n]
            heard = np.add.reduceat(said, self._starts, axis=0, dtype=np.int32)[self._room]
            heard[self._who] -= said[self._own]
            rows[self._full, _WRITE, :n] = np.clip(heard, -_LOUDEST - 1, _LOUDEST, out=heard)
        if len(self._some):
            few = rows[self._few, _READ, :n]
            heard = np.add.reduceat(few, self._few_starts, axis=0, dtype=np.int32)
            rows[self._some, _WRITE, :n] = np.clip(heard, -_LOUDEST - 1, _LOUDEST, out=heard)


def _rows(numbers: Iterable[int]) -> Rows:
    return np.array(list(numbers), np.intp)


def _begins(sizes: Iterable[int]) -> list[int]:
    """Where each of several lists begins, laid end to end."""
    begins, at = [], 0
    for size in sizes:
        begins.append(at)
        at += size
    return begins
