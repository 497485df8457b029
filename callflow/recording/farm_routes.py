"""Layer 2: which worker has which leg and recording, and what must wait while some of them move. Sans-IO.

A *group* is what must live on one worker: legs that are bridged, in one room, or that one recording listens
to, and whatever hangs on those. When a command joins groups of two workers, the smaller one moves: its worker
is told to pack it (``PackGroup``), what comes back goes to the other (``AdoptGroup``), and commands that
touch what is on the move wait, in order; so do later ones that touch what a waiting one touches.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from callflow.media.messages import (
    AddLeg,
    Bridge,
    JoinRoom,
    LeaveRoom,
    RemoveLeg,
    RtpPlace,
    RtpSource,
    Unbridge,
)
from callflow.media.taps import legs_of
from callflow.recording.farm_keys import about, leg_key, recording_key, room_key
from callflow.recording.messages import LegNotice, MoveTaps, RecordingSpec, StartRecording
from callflow.recording.worker_protocol import AdoptGroup, GroupPacked, PackGroup

NOBODY = -1
"""The worker of what is about a leg or recording that does not exist: the farm answers it."""


class Order(NamedTuple):
    """A message for a worker (or ``NOBODY``), and the descriptors that go with it."""

    worker: int
    message: object
    fds: tuple[int, ...] = ()


class Lost(NamedTuple):
    """What a dead worker had: legs (with the place of each, None for pretend ones) and recordings."""

    legs: dict[str, RtpPlace | None]
    recordings: dict[str, RecordingSpec]


@dataclass(slots=True)
class _Leg:
    worker: int
    place: RtpPlace | None
    peer: str = ""
    room: str = ""
    recordings: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Recording:
    worker: int
    spec: RecordingSpec
    legs: frozenset[str]


@dataclass(slots=True)
class _Move:
    number: int
    source: int
    target: int
    legs: frozenset[str]
    touched: frozenset[str]


class Routes:
    """The tables. ``workers``: how many there are."""

    def __init__(self, workers: int) -> None:
        self._load = [0] * workers
        self._legs: dict[str, _Leg] = {}
        self._recordings: dict[str, _Recording] = {}
        self._rooms: dict[str, set[str]] = {}  # the legs in each
        self._moves: dict[int, _Move] = {}
        self._number = 0
        self._waiting: list[object] = []
        self._blocked: set[str] = set()
        self._resting: set[int] = set()

    # ---- asking ------------------------------------------------------------------------------------

    def worker_of(self, leg: str) -> int | None:
        """The worker that has ``leg``; None: nobody has."""
        found = self._legs.get(leg)
        return None if found is None else found.worker

    def load(self, worker: int) -> int:
        """How many legs it has."""
        return self._load[worker]

    def least_loaded(self) -> int:
        """The worker with the fewest legs; of those that live, if one does."""
        living = [worker for worker in range(len(self._load)) if worker not in self._resting]
        return min(living or range(len(self._load)), key=self._load.__getitem__)

    @property
    def moving(self) -> int:
        """How many groups are on the move."""
        return len(self._moves)

    # ---- commands ----------------------------------------------------------------------------------

    def send(self, command: object) -> list[Order]:
        """What to tell whom for ``command``; nothing, if it has to wait."""
        touched = self._touched(command)
        if self._blocked and not self._blocked.isdisjoint(touched):
            self._wait(command, touched)
            return []
        together = self._together(command)
        if len({worker for worker, _ in together}) > 1:
            self._wait(command, touched)
            return self._bring_together(command, together)
        return [Order(self._carry_out(command), command)]

    def _touched(self, command: object) -> set[str]:
        """The keys of all that ``command`` is about, and that may not overtake it."""
        legs, recording, room = about(command)
        keys = {leg_key(name) for name in legs}
        if recording:
            keys.add(recording_key(recording))
        if room:
            keys.add(room_key(room))
        for name in legs:
            found = self._legs.get(name)
            if found is not None:
                keys.update(map(recording_key, found.recordings))
        return keys

    def _together(self, command: object) -> list[tuple[int, str]]:
        """(worker, leg) of all that must be on one worker for it; leg empty: a recording that has none."""
        names: Iterable[str] = ()
        found: list[tuple[int, str]] = []
        match command:
            case Bridge(a, b):
                if a in self._legs and b in self._legs:
                    names = (a, b)
            case JoinRoom(leg, room):
                if leg in self._legs:
                    names = (leg, *sorted(self._rooms.get(room, set()) - {leg})[:1])
            case StartRecording(spec):
                if spec.id not in self._recordings:
                    names = legs_of(spec.taps)
            case MoveTaps(id, taps):
                recording = self._recordings.get(id)
                if recording is not None and recording.spec.follow_transfer:
                    living = self._heard(id)
                    names = {*living, *legs_of(taps)}
                    if not living:
                        found = [(recording.worker, "")]
        return found + [(self._legs[name].worker, name) for name in sorted(names) if name in self._legs]

    def _carry_out(self, command: object) -> int:
        """Note in the tables what ``command`` does; the worker that it goes to."""
        match command:
            case AddLeg(leg, _, source):
                return self._add(leg, source.place if isinstance(source, RtpSource) else None)
            case RemoveLeg(leg):
                return self._remove(leg)
            case Bridge(a, b):
                return self._bridge(a, b)
            case Unbridge(leg):
                self._part(leg)
                return self._worker(leg)
            case JoinRoom(leg, room):
                self._leave(leg)
                if leg in self._legs:
                    self._legs[leg].room = room
                    self._rooms.setdefault(room, set()).add(leg)
                return self._worker(leg)
            case LeaveRoom(leg):
                self._leave(leg)
                return self._worker(leg)
            case StartRecording(spec):
                return self._begin(spec)
            case MoveTaps(id, taps):
                recording = self._recordings.get(id)
                if recording is None:
                    return NOBODY
                if recording.spec.follow_transfer:
                    self._listen(id, recording, frozenset(point.leg for point in taps))
                return recording.worker
            case LegNotice(leg):
                return self._worker(leg)
        id = about(command)[1]
        if id:
            known = self._recordings.get(id)
            return NOBODY if known is None else known.worker
        return self._worker(getattr(command, "leg", ""))

    def _worker(self, leg: str) -> int:
        found = self._legs.get(leg)
        return NOBODY if found is None else found.worker

    def _add(self, leg: str, place: RtpPlace | None) -> int:
        known = self._legs.get(leg)
        if known is not None:
            return known.worker  # it will be refused there
        worker = self.least_loaded() if place is None else place.worker
        self._legs[leg] = _Leg(worker, place)
        self._load[worker] += 1
        for name, recording in self._recordings.items():
            if leg in recording.legs and recording.worker == worker:  # asked to listen before there was a leg
                self._legs[leg].recordings.add(name)
        return worker

    def _remove(self, leg: str) -> int:
        self._part(leg)
        self._leave(leg)
        known = self._legs.pop(leg, None)
        if known is None:
            return NOBODY
        self._load[known.worker] -= 1
        return known.worker

    def _bridge(self, a: str, b: str) -> int:
        one, other = self._legs.get(a), self._legs.get(b)
        if one is None or other is None or a == b:
            return self._worker(b if one is None else a)
        self._part(a)
        self._part(b)
        one.peer, other.peer = b, a
        return one.worker

    def _part(self, leg: str) -> None:
        known = self._legs.get(leg)
        if known is not None and known.peer:
            peer = self._legs.get(known.peer)
            known.peer = ""
            if peer is not None:
                peer.peer = ""

    def _leave(self, leg: str) -> None:
        known = self._legs.get(leg)
        if known is not None and known.room:
            members = self._rooms[known.room]
            members.discard(leg)
            if not members:
                del self._rooms[known.room]
            known.room = ""

    def _begin(self, spec: RecordingSpec) -> int:
        known = self._recordings.get(spec.id)
        if known is not None:
            return known.worker  # it will be refused there
        legs = frozenset(legs_of(spec.taps))
        names = (place.leg for point in spec.taps for place in point.places)
        found = [self._legs[name].worker for name in names if name in self._legs]
        worker = found[0] if found else self.least_loaded()
        recording = self._recordings[spec.id] = _Recording(worker, spec, frozenset())
        self._listen(spec.id, recording, legs)
        return worker

    def _listen(self, id: str, recording: _Recording, legs: frozenset[str]) -> None:
        for name in recording.legs:
            if name in self._legs:
                self._legs[name].recordings.discard(id)
        recording.legs = legs
        for name in legs:
            if name in self._legs:
                self._legs[name].recordings.add(id)

    def _heard(self, id: str) -> set[str]:
        """The living legs that a recording listens to. (Of one that came later, and elsewhere, it hears
        nothing.)
        """
        legs = self._recordings[id].legs
        return {leg for leg in legs if leg in self._legs and id in self._legs[leg].recordings}

    def closed(self, recording_id: str) -> None:
        """Its spool is closed: nobody has it any more."""
        recording = self._recordings.pop(recording_id, None)
        if recording is not None:
            self._listen(recording_id, recording, frozenset())

    # ---- moves -------------------------------------------------------------------------------------

    def group(self, leg: str) -> tuple[set[str], set[str]]:
        """The legs and recordings that must live where ``leg`` lives."""
        legs, recordings, look = {leg}, set[str](), [leg]
        while look:
            here = self._legs.get(look.pop())
            if here is None:
                continue
            near = {here.peer} if here.peer else set()
            near |= self._rooms.get(here.room, set())
            for name in here.recordings - recordings:
                recordings.add(name)
                near |= self._heard(name)
            look += near - legs
            legs |= near
        return legs, recordings

    def _bring_together(self, command: object, together: Sequence[tuple[int, str]]) -> list[Order]:
        """Move all smaller groups to the worker of the largest."""
        if isinstance(command, Bridge):  # their former bridges end with it: who was there need not come along
            orders = [Order(worker, Unbridge(leg)) for worker, leg in together if self._legs[leg].peer]
            for _, leg in together:
                self._part(leg)
        elif isinstance(command, JoinRoom) and self._legs[command.leg].room:  # so does the room that it is in
            orders = [Order(self._worker(command.leg), LeaveRoom(command.leg))]
            self._leave(command.leg)
        else:
            orders = []
        sizes: dict[int, int] = {}
        groups: list[tuple[int, set[str], set[str]]] = []
        for worker, leg in together:
            if not leg:
                sizes[worker] = 1 << 30  # a recording without legs cannot be moved: they come to it
            elif not any(leg in legs for _, legs, _ in groups):
                legs, recordings = self.group(leg)
                groups.append((worker, legs, recordings))
                sizes[worker] = sizes.get(worker, 0) + len(legs)
        target = max(sorted(sizes), key=sizes.__getitem__)
        for worker, legs, recordings in groups:
            if worker != target:
                orders.append(self._move(worker, target, legs, recordings))
        return orders

    def _move(self, source: int, target: int, legs: set[str], recordings: set[str]) -> Order:
        self._number += 1
        rooms = {self._legs[leg].room for leg in legs if leg in self._legs} - {""}
        touched = frozenset([*map(leg_key, legs), *map(recording_key, recordings), *map(room_key, rooms)])
        self._moves[self._number] = _Move(self._number, source, target, frozenset(legs), touched)
        self._blocked |= touched
        return Order(source, PackGroup(self._number, tuple(sorted(legs))))

    def packed(self, packed: GroupPacked, fds: Sequence[int]) -> list[Order]:
        """A group is on its way: to whom it goes, and what has waited for it."""
        move = self._moves.pop(packed.move, None)
        if move is None:
            return []
        orders = []
        if packed.state:
            for name in packed.legs:
                known = self._legs.get(name)
                if known is not None:
                    known.worker = move.target
                    self._load[move.source] -= 1
                    self._load[move.target] += 1
            for name in packed.recordings:
                if name in self._recordings:
                    self._recordings[name].worker = move.target
            orders.append(Order(move.target, AdoptGroup(packed.move, packed.state), tuple(fds)))
        return orders + self._go_on(refuse_joins=not packed.state)

    def _wait(self, command: object, touched: set[str]) -> None:
        self._waiting.append(command)
        self._blocked |= touched

    def _go_on(self, *, refuse_joins: bool = False) -> list[Order]:
        """Send what need not wait any more. ``refuse_joins``: what cannot be brought together is given up."""
        waiting, self._waiting = self._waiting, []
        self._blocked = {key for move in self._moves.values() for key in move.touched}
        orders: list[Order] = []
        for command in waiting:
            touched = self._touched(command)
            if (
                refuse_joins
                and self._blocked.isdisjoint(touched)
                and len({worker for worker, _ in self._together(command)}) > 1
            ):
                refuse_joins = False
                continue
            orders += self.send(command)
        return orders

    # ---- deaths ------------------------------------------------------------------------------------

    def born(self, worker: int) -> None:
        """A new process takes the place of a dead one."""
        self._resting.discard(worker)

    def died(self, worker: int) -> tuple[Lost, list[Order]]:
        """``worker`` is dead: what it had is gone from the tables; and what others were waiting for."""
        legs = {name: leg.place for name, leg in self._legs.items() if leg.worker == worker}
        recordings = {name: each.spec for name, each in self._recordings.items() if each.worker == worker}
        self._resting.add(worker)
        for name in legs:
            self._remove(name)
        for name in recordings:
            self.closed(name)
        for number, move in tuple(self._moves.items()):
            if move.source == worker:
                del self._moves[number]
        return Lost(legs, recordings), self._go_on()

    @property
    def tables(self) -> tuple[int, int, int]:
        """How many legs, recordings and waiting commands it knows (tests look for what is left over)."""
        return len(self._legs), len(self._recordings), len(self._waiting)
