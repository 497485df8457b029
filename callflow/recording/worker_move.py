"""Layer 2: a group of legs and recordings goes from one media process to another, without a gap.

The giving side stops at a tick: taps get all sound up to it, legs and recorders are packed, and the writer
lets go of the spools (their locks go along, and are never free). The taking side goes on at that very tick,
makes up for those that have passed meanwhile out of what the legs still hold (sound is held for late packets
anyway), and finds what has come since in the kernel's buffers, since the sockets themselves have moved.
"""

from __future__ import annotations

import os
import pickle
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from typing import Protocol

from callflow.errors import CallflowError
from callflow.log import logger
from callflow.media.messages import LegCommand, RtpLost
from callflow.media.moved import MovedLegs
from callflow.media.pump import TICKS_PER_S
from callflow.media.taps import Tap
from callflow.recording.host import RecordingHost
from callflow.recording.messages import SpoolClosed
from callflow.recording.recorder import RUNNING, Recorder
from callflow.recording.tap import RecordingTap
from callflow.recording.worker_protocol import (
    FDS_PER_FRAME,
    FRAME_LIMIT,
    AdoptGroup,
    GroupAdopted,
    GroupPacked,
    PackGroup,
    PortReturned,
)
from callflow.recording.writer import SpoolHandle, SpoolWriter

_FDS_OF_LEG = 2
STATE_LIMIT = FRAME_LIMIT - (1 << 20)


class MovingPump(Protocol):
    """What is needed of ``callflow.media.live.LivePump``."""

    @property
    def now(self) -> float: ...

    def give_away(self, names: Sequence[str]) -> tuple[MovedLegs, list[int]]: ...

    def take_in(self, moved: MovedLegs, sockets: Sequence[int]) -> None: ...

    def attach_since(self, tap: Tap, tick: int) -> list[object]: ...


class MovingLoop(Protocol):
    """What is needed of ``worker_loop.WorkerLoop``."""

    def answer(self, message: object, fds: Sequence[int] = ()) -> None: ...

    def came(self, leg: str, rate: int) -> None: ...

    def went(self, leg: str) -> list[LegCommand]: ...

    def carry_out(self, command: LegCommand) -> None: ...


class ReturnedPorts(Protocol):
    """What is needed of ``callflow.media.rtp.ports.PortPool``."""

    def returned(self, port: int) -> None: ...


@dataclass(frozen=True, slots=True)
class _MovedRecording:
    recorder: Recorder
    samples: int
    asked: float


@dataclass(frozen=True, slots=True)
class _State:
    """``commands``: those that had waited for their clips. Descriptors: the legs' sockets, then sound and
    lock of each recording.
    """

    legs: MovedLegs
    recordings: tuple[_MovedRecording, ...]
    commands: tuple[LegCommand, ...]


@dataclass(slots=True)
class _Packing:
    """A group whose spools the writer has not let go of yet."""

    move: int
    names: tuple[str, ...]
    legs: MovedLegs
    sockets: list[int]
    commands: list[LegCommand]
    taps: list[RecordingTap]
    given: dict[SpoolHandle, tuple[int, int]] = field(default_factory=dict)


class LegMover:
    """``closed``: where ``host`` has its closed spools told. One thread, but for the writer's ``_let_go``."""

    def __init__(
        self,
        pump: MovingPump,
        host: RecordingHost,
        writer: SpoolWriter,
        loop: MovingLoop,
        pool: ReturnedPorts | None,
    ) -> None:
        self._pump = pump
        self._host = host
        self._writer = writer
        self._loop = loop
        self._pool = pool
        self._packing: list[_Packing] = []
        self._let_go: deque[tuple[SpoolHandle, tuple[int, int]]] = deque()  # from the writer's thread
        self._early: tuple[AdoptGroup, _State, list[int]] | None = None

    @property
    def waits(self) -> bool:
        """A group has come whose tick has not: no command may be carried out before it is there."""
        return self._early is not None

    def handle(self, message: object, fds: list[int]) -> None:
        """Take ``message``, if it is about a move."""
        if isinstance(message, PackGroup):
            self._pack(message)
        elif isinstance(message, AdoptGroup):
            self._adopt(message, pickle.loads(message.state), fds)
        elif isinstance(message, PortReturned) and self._pool is not None:
            self._pool.returned(message.port)

    def settle(self) -> None:
        """After each tick: what has become ready."""
        while self._let_go:
            spool, given = self._let_go.popleft()
            for packing in self._packing:
                if any(tap.spool is spool for tap in packing.taps):
                    packing.given[spool] = given
        for packing in tuple(self._packing):
            if all(tap.spool in packing.given or tap.spool.failure for tap in packing.taps):
                self._packing.remove(packing)
                self._send(packing)
        if self._early is not None and self._is_time(self._early[1]):
            message, state, fds = self._early
            self._early = None
            self._adopt(message, state, fds)

    # ---- giving --------------------------------------------------------------------------------------

    def _pack(self, message: PackGroup) -> None:
        names = message.legs
        if len(names) * _FDS_OF_LEG > FDS_PER_FRAME // 2:
            problem = f"{len(names)} legs at once are too many"
            self._loop.answer(GroupPacked(message.move, names, (), b"", problem))
            return
        commands = [command for name in names for command in self._loop.went(name)]
        taps = self._host.give_away(set(names))
        legs, sockets = self._pump.give_away(names)
        self._packing.append(_Packing(message.move, names, legs, sockets, commands, taps))
        for tap in taps:
            self._writer.give_away(tap.spool, lambda spool, given: self._let_go.append((spool, given)))
        self._writer.kick()
        self.settle()

    def _send(self, packing: _Packing) -> None:
        for tap in packing.taps:
            for event in self._host.gone(tap):
                self._loop.answer(event)
        taps = [tap for tap in packing.taps if tap.spool in packing.given]
        moved = tuple(_MovedRecording(tap.recorder, tap.spool.file.samples, tap.spool.time) for tap in taps)
        whole = _State(packing.legs, moved, tuple(packing.commands))
        state = pickle.dumps(whole, pickle.HIGHEST_PROTOCOL)
        ids = tuple(tap.recorder.spec.id for tap in taps)
        fds = [*packing.sockets, *(fd for tap in taps for fd in packing.given[tap.spool])]
        if len(state) > STATE_LIMIT or len(fds) > FDS_PER_FRAME:  # an hour of music, say: they stay
            self._adopt(AdoptGroup(packing.move, b""), whole, fds)
            problem = f"{len(state)} bytes and {len(fds)} descriptors at once are too much"
            self._loop.answer(GroupPacked(packing.move, packing.names, (), b"", problem))
            return
        self._loop.answer(GroupPacked(packing.move, packing.names, ids, state), fds)

    # ---- taking --------------------------------------------------------------------------------------

    def _is_time(self, state: _State) -> bool:
        return round(self._pump.now * TICKS_PER_S) >= state.legs.tick

    def _adopt(self, message: AdoptGroup, state: _State, fds: list[int]) -> None:
        if not self._is_time(state):  # the other process was a tick ahead
            self._early = (message, state, fds)
            return
        legs = state.legs
        split = _FDS_OF_LEG * sum(net is not None for net in legs.nets)
        problem = ""
        try:
            self._pump.take_in(legs, fds[:split])
        except (CallflowError, StopIteration, OSError) as error:
            problem = str(error) or type(error).__name__
            logger.exception("legs that came from another process")
            for leg in legs.legs:
                self._loop.answer(RtpLost(leg.name, self._pump.now, inf))
        for leg in legs.legs:
            self._loop.came(leg.name, leg.rate)
        descriptors = iter(fds[split:])
        for recording, sound, lock in zip(state.recordings, descriptors, descriptors, strict=False):
            self._take_recording(recording, sound, lock, legs.tick)
        for command in state.commands:
            self._loop.carry_out(command)
        self._loop.answer(GroupAdopted(message.move, tuple(leg.name for leg in legs.legs), problem))

    def _take_recording(self, recording: _MovedRecording, sound: int, lock: int, tick: int) -> None:
        recorder = recording.recorder
        try:
            spool = self._writer.take_over(
                recorder.spec, sound, lock, recording.samples, recording.asked, self._host.on_closed
            )
            tap = self._host.take_in(recorder, spool)
            if recorder.state in RUNNING:
                for event in self._pump.attach_since(tap, tick):
                    self._loop.answer(event)
        except Exception as error:  # what is on disk of it is still worth something
            logger.exception("recording %s, which came from another process", recorder.spec.id)
            for fd in (sound, lock):
                with suppress(OSError):
                    os.close(fd)
            folder = str(self._writer.folder_of(recorder.spec))
            event = recorder.event("failed", self._pump.now, "handed_over", repr(error))
            self._loop.answer(event)
            self._host.on_closed(
                SpoolClosed(recorder.spec.id, folder, event.time, "handed_over", repr(error))
            )
