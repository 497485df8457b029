"""Layer 2: the life of a media process: ticks on time, commands between them, events once a tick. One thread.

Between two ticks the loop waits for commands. A burst of them never delays a tick: the clock is asked after
each, and what is left is carried out after the tick. A process that stood still makes up for its ticks, and
does what it was told meanwhile at the ticks at which it was told. Events leave together after each tick. If
the engine does not read them, they wait here; beyond ``UNSENT_LIMIT`` the engine counts as dead.
"""

from __future__ import annotations

import gc
import select
from collections import deque
from collections.abc import Callable, Sequence
from math import inf
from typing import Any, NamedTuple, Protocol, TypeVar

from callflow.clock import Clock
from callflow.errors import CallflowError, MediaError, NoMediaPort, WorkerGone
from callflow.log import logger
from callflow.media.messages import AddLeg, LegCommand, RemoveLeg, RtpLost, RtpPlace, RtpSource
from callflow.media.pump import TICK_S
from callflow.recording.host import RecordingHost
from callflow.recording.messages import RecordingCommand, SpoolClosed
from callflow.recording.worker_clips import ClipGate
from callflow.recording.worker_protocol import (
    Alive,
    AllEnded,
    EndAll,
    Frame,
    FramedSocket,
    PortReturned,
    PortsBound,
)

T = TypeVar("T")

UNSENT_LIMIT = 64 << 20
"""Bytes of events that may wait: hours of them."""
PORTS_AHEAD = 128
"""So many bound ports the engine can take without asking: for what comes while this process is late."""
PORTS_LOW = 64
"""With fewer of them, some are bound also between ticks that are late: a call without a port is refused."""
PORTS_A_TURN = 8
_PORTS_AGAIN_S = 0.25
_IDLE_WAIT_S = 0.25
_LEAST_S = 0.001
"""So long commands are carried out after a tick, however late that was."""
PATIENCE_S = 2.0
"""A command that was read waits no longer than this for its sample: a process that has too much to do for
good must still be told of calls that are over."""
_COLLECT_EVERY_S = 5.0
_COLLECT_ALL = 12
"""Each so many-th time circles among old objects are looked for, too. There should be none: it takes some
milliseconds, but a server runs for months.
"""
_COLLECT_ROOM_S = 0.005


class LivePump(Protocol):
    """What the loop needs of ``callflow.media.live.LivePump``."""

    @property
    def now(self) -> float: ...

    def command(self, command: LegCommand) -> list[object]: ...

    def advance(self, until: float) -> tuple[float, list[object]]: ...


class Pool(Protocol):
    """What the loop needs of ``callflow.media.rtp.ports.PortPool``."""

    def take(self) -> RtpPlace: ...

    def refill(self) -> None: ...


class Mover(Protocol):
    """What the loop needs of ``worker_move.LegMover``; its answers go through ``WorkerLoop.answer``."""

    @property
    def waits(self) -> bool: ...

    def handle(self, message: object, fds: list[int]) -> None: ...

    def settle(self) -> None: ...


class _Told(NamedTuple):
    """A message and its descriptors. ``at``: the engine time of its sending; ``came``: when it was read."""

    message: object
    fds: list[int]
    at: float
    came: float


class WorkerLoop:
    """``closed``: spools that the writer has closed (filled in its thread). ``tick_times``: gets the seconds
    of each tick, if given.
    """

    def __init__(
        self,
        pipe: FramedSocket,
        pump: LivePump,
        host: RecordingHost,
        gate: ClipGate,
        pool: Pool | None,
        clock: Clock,
        closed: deque[SpoolClosed],
        alive_s: float,
        tick_times: list[float] | None = None,
    ) -> None:
        self._pipe = pipe
        self._pump = pump
        self._host = host
        self._gate = gate
        self._pool = pool
        self._clock = clock
        self._closed = closed
        self._alive_s = alive_s
        self._alive_at = 0.0
        self._ticks = self._late = 0
        self._tick_times = tick_times
        self._mover: Mover | None = None
        self._inbox: deque[_Told] = deque()
        self._outbox: list[object] = []
        self._legs: set[str] = set()
        self._ending = False
        self._announced = 0  # ports that the engine has, and no leg yet
        self._ports_at = 0.0
        self._collect_at = 0.0
        self._collected = 0
        self._poll = select.epoll()
        self._mask = 0
        self._told = ""

    def run(self, mover: Mover, hello: Sequence[object], first: Sequence[Frame] = ()) -> None:
        """Until the pipe ends. ``hello``: said first; ``first``: what has come already."""
        self._mover = mover
        self._outbox += hello
        self._take(first)
        self._jump()
        self._bind(PORTS_AHEAD)
        self._send()
        while not self._pipe.ended:
            now = self._clock.now()
            if now >= self._alive_at:
                self._alive_at = now + self._alive_s
                self._pipe.push((Alive(self._ticks, self._late),))
                self._ticks = self._late = 0
            left = self._pump.now + TICK_S - now
            if left <= 0:
                if self._idle:  # what was to be done first is here by now, if we stood still
                    self._listen(0.0)
                self._tick(now)
                self._listen(0.0)
                self._work(max(self._pump.now + TICK_S, self._clock.now() + _LEAST_S))
                if self._announced < PORTS_LOW and now >= self._ports_at:
                    self._bind(PORTS_A_TURN)
                self._send()
                continue
            if self._inbox and not mover.waits:
                self._work(now + left)
                continue
            self._spare(now, left)
            if self._listen(_IDLE_WAIT_S if self._idle else max(0.0, left)) and self._idle:
                self._jump()
                self._work(self._clock.now() + _LEAST_S)
                self._send()
        self._poll.close()

    def answer(self, message: object, fds: Sequence[int] = ()) -> None:
        """Tell the engine; with descriptors (ours from now on) at once, after all that was said before."""
        self._outbox.append(message)
        if fds:
            last = self._outbox.pop()
            self._flush()
            self._pipe.push((last,), fds)

    def came(self, leg: str, rate: int) -> None:
        """A leg came from another worker."""
        self._legs.add(leg)
        self._gate.arrive(leg, rate)

    def went(self, leg: str) -> list[LegCommand]:
        """A leg goes to another worker; the commands that waited for its clips."""
        self._legs.discard(leg)
        return self._gate.leave(leg)

    def carry_out(self, command: LegCommand) -> None:
        """Do it, as if it had come now."""
        for each in self._gate.admit(command):
            self._leg_command(each)

    # ---- time ----------------------------------------------------------------------------------------

    @property
    def _idle(self) -> bool:
        """Nothing can happen by itself."""
        return not (
            self._legs or self._host.busy or self._closed or self._outbox or self._inbox or self._gate
        )

    def _tick(self, now: float) -> None:
        begin = self._clock.now()
        if self._legs:
            self._ticks += 1
            self._late += now - self._pump.now >= 2 * TICK_S
        if self._inbox and not self._legs:  # nothing sounds: time jumps, but not past what was to be done
            now = self._not_past(now)
        events = self._guarded(self._pump.advance, now)
        self._outbox += events[1] if events else []
        for command in self._gate.ready():
            self._leg_command(command)
        self._settle()
        if self._tick_times is not None:
            self._tick_times.append(self._clock.now() - begin)

    def _settle(self) -> None:
        self._outbox += self._guarded(self._host.settle) or []
        assert self._mover is not None
        self._guarded(self._mover.settle)
        while self._closed:
            self._outbox.append(self._closed.popleft())
        if self._ending and not self._host.busy:
            self._ending = False
            self._outbox.append(AllEnded())

    def _jump(self) -> None:
        """Without legs nothing has happened meanwhile: the pump's time moves to the clock's at once; but not
        past what was to be done: we may have stood still since that was said.
        """
        while (now := self._not_past(self._clock.now())) - self._pump.now >= TICK_S:
            before = self._pump.now
            self._guarded(self._pump.advance, now)
            if self._pump.now == before:
                return

    def _not_past(self, now: float) -> float:
        """``now``, or the time of the first message that waits; but none that is over."""
        return max(self._pump.now, min(now, self._inbox[0].at)) if self._inbox else now

    def _spare(self, now: float, left: float) -> None:
        """What needs doing at some time, in the time that is left before the next tick."""
        if self._pool is not None and now >= self._ports_at and self._announced < PORTS_AHEAD:
            self._bind(PORTS_A_TURN)
            self._send()
        if now >= self._collect_at and (left >= _COLLECT_ROOM_S or self._idle):
            self._collect_at = now + _COLLECT_EVERY_S
            self._collected += 1
            gc.collect(1 if self._collected % _COLLECT_ALL else 2)

    def _bind(self, most: int) -> None:
        """Have some more ports ready for the engine."""
        if self._pool is None:
            return
        ports: list[int] = []
        try:
            while len(ports) < most and self._announced + len(ports) < PORTS_AHEAD:
                ports.append(self._pool.take().port)
        except NoMediaPort:
            self._ports_at = self._clock.now() + _PORTS_AGAIN_S
        if ports:
            self._announced += len(ports)
            self._outbox.append(PortsBound(tuple(ports)))

    # ---- the pipe ------------------------------------------------------------------------------------

    def _listen(self, wait_s: float) -> bool:
        """Wait for the pipe. True: something has come."""
        mask = select.EPOLLIN | (select.EPOLLOUT if self._pipe.unsent else 0)
        if mask != self._mask:
            (self._poll.modify if self._mask else self._poll.register)(self._pipe.fileno(), mask)
            self._mask = mask
        ready = self._poll.poll(wait_s, 1)
        if not ready:
            return False
        self._pipe.flush()
        try:
            frames = self._pipe.pull()
        except WorkerGone as error:  # the engine does not say such things: something is badly wrong
            logger.error("%s", error)
            self._pipe.ended = True
            return False
        self._take(frames)
        return bool(frames)

    def _take(self, frames: Sequence[Frame]) -> None:
        now = self._clock.now() if frames else 0.0
        for frame in frames:
            fds, at = frame.fds, min(frame.at, now) if frame.at else now
            for message in frame.messages:
                self._inbox.append(_Told(message, fds, at, now))
                fds = []

    def _send(self) -> None:
        self._flush()
        if self._pipe.unsent > UNSENT_LIMIT:
            logger.error("the engine does not read any more")
            self._pipe.ended = True

    def _flush(self) -> None:
        if self._outbox:
            told, self._outbox = self._outbox, []
            self._pipe.push(told)
        elif self._pipe.unsent:
            self._pipe.flush()

    # ---- commands ------------------------------------------------------------------------------------

    def _work(self, until: float) -> None:
        """Carry out what has come, at most until the clock says ``until``."""
        assert self._mover is not None
        now = self._clock.now()
        while self._inbox and not self._mover.waits:
            told = self._inbox[0]
            if self._pump.now + TICK_S < told.at and now - told.came < PATIENCE_S:
                return  # ticks that are late come first
            self._inbox.popleft()
            self._guarded(self._do, told.message, told.fds)
            now = self._clock.now()
            if now >= until:
                return

    def _do(self, message: object, fds: list[int]) -> None:
        if isinstance(message, LegCommand):
            self.carry_out(message)
        elif isinstance(message, RecordingCommand):
            self._outbox += self._host.command(message)
        elif isinstance(message, EndAll):
            self._ending = True
            self._outbox += self._host.end_all(message.reason)
        elif isinstance(message, PortReturned):
            self._ports_at = 0.0
        assert self._mover is not None
        self._mover.handle(message, fds)

    def _leg_command(self, command: LegCommand) -> None:
        if isinstance(command, AddLeg):
            self._legs.add(command.leg)
            if isinstance(command.source, RtpSource):
                self._announced -= 1
        try:
            self._outbox += self._pump.command(command)
        except MediaError as error:
            logger.error("media refused %s: %s", type(command).__name__, error)
            if isinstance(command, AddLeg) and isinstance(command.source, RtpSource):
                self._outbox.append(RtpLost(command.leg, self._pump.now, inf))
        if isinstance(command, RemoveLeg):
            self._legs.discard(command.leg)

    def _guarded(self, do: Callable[..., T], *args: Any) -> T | None:
        """A fault of ours costs one command or event, not the process with all its calls."""
        try:
            return do(*args)
        except CallflowError as error:
            logger.error("%s", error)
        except Exception as error:
            if repr(error) != self._told:  # not a hundred times a second
                self._told = repr(error)
                logger.exception("a fault in the media")
        return None
