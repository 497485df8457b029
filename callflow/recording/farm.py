"""Layer 2: the engine's side of the media processes: a ``MediaPort`` whose pumps run in N workers.

    engine --send--> MediaFarm --frames--> worker 0 .. N-1 (``python -m callflow.worker``)
    engine <-events-- MediaFarm <-frames-- worker

No command waits for an answer. Which worker has a leg or a recording is known here; free RTP ports are known
here too (each worker binds its own ahead of time). Legs that must hear each other but live on two workers are
brought together first, and what is said to them meanwhile waits in order (``farm_routes.py``). A worker that
dies loses its calls (``RtpLost`` for each of its legs), but no recording: its spools are finished by the
engine, and a new worker takes its place.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import inf

from callflow.clock import SystemClock
from callflow.errors import MediaError, WorkerGone
from callflow.log import logger
from callflow.media.handlers import Handlers
from callflow.media.messages import AddLeg, Play, PlaybackDone, RtpLost, RtpPlace, RtpReport, RtpSource
from callflow.media.port import MediaHandler
from callflow.recording.farm_link import WorkerLink
from callflow.recording.farm_ports import FarmPorts, split_ports
from callflow.recording.farm_routes import NOBODY, Order, Routes
from callflow.recording.farm_views import Views
from callflow.recording.host import RecordingView
from callflow.recording.messages import (
    LegNotice,
    RecordingCommand,
    RecordingEvent,
    SpoolClosed,
    StartRecording,
    StopRecording,
)
from callflow.recording.worker_protocol import (
    Alive,
    AllEnded,
    EndAll,
    GroupAdopted,
    GroupPacked,
    PortReturned,
    PortsBound,
    WorkerReady,
    WorkerSetup,
)
from callflow.state.folder import StateFolder

MOST_WORKERS = 64
START_WAIT_S = 30.0
MOST_DEATHS = 5
"""A worker that dies so often in ``DEATHS_IN_S`` seconds is not started again until those are over."""
DEATHS_IN_S = 10.0
LOOKS = 10
"""A worker that is well says so about as often in ``FarmOptions.patience_s``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FarmOptions:
    """``workers``: how many processes (1 to 64). ``host``: the local address of RTP (announced in SDP).
    ``bind``: the address to bind, if it is another. ``ports``: first and last UDP port, split evenly among
    the workers; ``None``: no RTP (pretend legs only). ``tick_log``: a folder that gets the durations of all
    ticks (benchmarks; empty: none). ``patience_s``: a worker that has said nothing for so long hangs, and is
    killed.
    """

    workers: int = 1
    host: str = "127.0.0.1"
    bind: str = ""
    ports: tuple[int, int] | None = None
    tick_log: str = ""
    patience_s: float = 15.0


class MediaFarm:
    """A ``MediaPort`` over worker processes; the same surface as ``InlineMedia``.

    ``start()`` spawns the workers on the running loop, ``await ready()`` waits until all take commands and
    have ports; ``await end_recordings()`` ends what is recorded and waits until it is closed; ``await
    close()`` ends the workers. ``on_closed``: a spool can be finished (``ClosingDesk.on_closed``), called on
    the loop. Raises MediaError for options that cannot be.
    """

    def __init__(
        self,
        options: FarmOptions,
        folder: StateFolder,
        clock: SystemClock,
        *,
        on_closed: Callable[[SpoolClosed], None],
    ) -> None:
        if not 1 <= options.workers <= MOST_WORKERS:
            raise MediaError(f"{options.workers} media workers: 1 to {MOST_WORKERS} are possible")
        self._options = options
        self._folder = folder
        self._clock = clock
        self._on_closed = on_closed
        self._routes = Routes(options.workers)
        self._parts = split_ports(options.ports, options.workers) if options.ports else []
        self.ports = FarmPorts(options.host, options.workers, self._routes)
        self._views = Views()
        self._places: dict[str, RtpPlace] = {}  # of RTP legs, until their report comes
        self._handlers = Handlers()
        self._links: list[WorkerLink] = []
        self._ready: list[asyncio.Event] = []
        self._ended: list[asyncio.Event] = []
        self._deaths: list[list[float]] = [[] for _ in range(options.workers)]
        self._mourning: set[asyncio.Task[None]] = set()
        self._closing = False
        self.ticks = self.late_ticks = 0
        """Ticks of all workers with legs, and those among them that began a tick or more after their time."""

    # ---- life ----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Spawn the workers. On the loop of the calls."""
        self._loop = asyncio.get_running_loop()
        for number in range(self._options.workers):
            self._ready.append(asyncio.Event())
            self._ended.append(asyncio.Event())
            self._links.append(self._spawn(number))
        self._looking = self._loop.call_later(self._look_s, self._look)

    @property
    def _look_s(self) -> float:
        return self._options.patience_s / LOOKS

    def _look(self) -> None:
        """Who hangs? Counted in looks, not in seconds: while the engine itself stands still nobody does."""
        self._looking = self._loop.call_later(self._look_s, self._look)
        for link, ready in zip(self._links, self._ready, strict=True):
            link.unheard += ready.is_set()
            if link.unheard == LOOKS:
                logger.error("media worker %d (process %d) hangs: killed", link.number, link.pid)
                link.kill()

    @property
    def down(self) -> int:
        """How many workers do not take commands at the moment."""
        return sum(not ready.is_set() for ready in self._ready)

    async def ready(self) -> None:
        """Wait until every worker takes commands and has bound ports. Raises WorkerGone if one does not
        start.
        """
        started = asyncio.gather(*(event.wait() for event in self._ready))
        try:
            async with asyncio.timeout(START_WAIT_S):
                while not started.done():
                    await asyncio.wait((started,), timeout=0.1)
                    if max(map(len, self._deaths)) >= MOST_DEATHS:
                        raise WorkerGone(
                            "a media process dies as it starts", hint="look at what it has logged"
                        )
        except TimeoutError:
            raise WorkerGone("a media process does not start", hint="look at what it has logged") from None
        finally:
            started.cancel()

    async def end_recordings(self) -> None:
        """End what is still being recorded (reason ``shutdown``), and wait until it is on disk and told."""
        for link, ended in zip(self._links, self._ended, strict=True):
            ended.clear()
            link.send(EndAll("shutdown"))
        await asyncio.gather(*(ended.wait() for ended in self._ended))
        await asyncio.gather(*self._mourning)

    async def close(self) -> None:
        """End the workers; legs that are still there fall silent."""
        self._closing = True
        self._looking.cancel()
        for link in self._links:
            link.hang_up()
        await asyncio.gather(*(link.reap() for link in self._links))
        for link in self._links:
            link.close()
        for task in self._mourning:
            task.cancel()
        await asyncio.gather(*self._mourning, return_exceptions=True)

    def _spawn(self, number: int) -> WorkerLink:
        link = WorkerLink(number, self._loop, self._clock, self._on_message, self._on_end)
        options = self._options
        link.send(
            WorkerSetup(
                number=number,
                origin=self._clock.origin,
                state=str(self._folder.root),
                host=options.host,
                bind=options.bind,
                ports=self._parts[number] if self._parts else None,
                alive_s=self._look_s,
                tick_log=os.path.join(options.tick_log, f"ticks-{number}.npy") if options.tick_log else "",
            )
        )
        return link

    @property
    def pids(self) -> tuple[int, ...]:
        """The process ids of the workers, by number."""
        return tuple(link.pid for link in self._links)

    @property
    def recordings(self) -> tuple[RecordingView, ...]:
        """Those that wait or run, oldest first."""
        return self._views.now(self._clock.now())

    # ---- MediaPort -----------------------------------------------------------------------------------

    def send(self, command: object) -> None:
        if isinstance(command, AddLeg) and isinstance(command.source, RtpSource):
            place = command.source.place
            if not self.ports.claim(place):  # its worker has died since the port was taken
                logger.error("leg %s: RTP port %d is not there any more", command.leg, place.port)
                self._loop.call_soon(self._handlers.tell, RtpLost(command.leg, self._clock.now(), inf))
                return
            self._places[command.leg] = place
        elif isinstance(command, StartRecording):
            self._views.asked(command)
            spec = command.spec
            owner = spec.leg if spec.leg is not None else spec.taps[0].leg if spec.taps else ""
            orphan = bool(owner) and self._routes.worker_of(owner) is None
            self._carry_out(self._routes.send(command))
            if orphan:  # its worker has died, and the call has not heard of it yet: nothing else would end it
                self._carry_out(self._routes.send(StopRecording(command.spec.id, "hangup")))
            return
        self._carry_out(self._routes.send(command))

    def subscribe(self, handler: MediaHandler, *, leg: str | None = None) -> Callable[[], None]:
        return self._handlers.add(handler, leg)

    def _carry_out(self, orders: Sequence[Order]) -> None:
        for worker, message, fds in orders:
            if worker != NOBODY:
                self._links[worker].send(message, fds)
            elif (answer := self._nobody(message)) is not None:
                self._loop.call_soon(self._handlers.tell, answer)

    def _nobody(self, command: object) -> object | None:
        """What the pump and the host say of a leg or a recording that does not exist."""
        now = self._clock.now()
        if isinstance(command, Play):
            return PlaybackDone(command.leg, command.playback, "leg_gone", now)
        if isinstance(command, RecordingCommand) and not isinstance(command, StartRecording | LegNotice):
            message = f"recording {command.id!r} neither waits nor runs"
            return RecordingEvent(command.id, "refused", "", now, 0, message=message)
        return None

    # ---- what the workers say ------------------------------------------------------------------------

    def _on_message(self, link: WorkerLink, message: object, fds: list[int]) -> None:
        match message:
            case SpoolClosed():
                self._closed(message)
            case PortsBound(ports):
                self.ports.bound(link.number, ports)
            case WorkerReady():
                self._ready[link.number].set()
            case AllEnded():
                self._ended[link.number].set()
            case Alive(ticks, late):
                self.ticks += ticks
                self.late_ticks += late
            case GroupPacked():
                if message.message:
                    logger.error("legs %s cannot move: %s", ", ".join(message.legs), message.message)
                self._carry_out(self._routes.packed(message, fds))
            case GroupAdopted():
                if message.message:
                    logger.error("legs %s: %s", ", ".join(message.legs), message.message)
            case _:
                if isinstance(message, RecordingEvent):
                    self._views.heard(message)
                elif isinstance(message, RtpReport):
                    self._port_free(message.leg, link.number)
                self._handlers.tell(message)

    def _closed(self, closed: SpoolClosed) -> None:
        self._routes.closed(closed.id)
        self._views.closed(closed.id)
        self._on_closed(closed)

    def _port_free(self, leg: str, worker: int) -> None:
        """A leg has ended: if it had moved, its port goes back to the worker whose it is."""
        place = self._places.pop(leg, None)
        if place is not None and place.worker != worker:
            self._links[place.worker].send(PortReturned(place.port))

    # ---- deaths --------------------------------------------------------------------------------------

    def _on_end(self, link: WorkerLink) -> None:
        if self._closing:
            return
        logger.error("media worker %d (process %d) has died", link.number, link.pid)
        link.kill()
        task = self._loop.create_task(self._bury(link))
        self._mourning.add(task)
        task.add_done_callback(self._mourning.discard)

    async def _bury(self, link: WorkerLink) -> None:
        """Take stock once it is really gone, and start another in its place."""
        number = link.number
        self._ready[number].clear()
        await link.reap()  # the system has freed the locks of its spools
        self._mourn(number)
        self._ended[number].set()
        now = self._clock.now()
        deaths = [*(time for time in self._deaths[number] if now - time < DEATHS_IN_S), now]
        self._deaths[number] = deaths
        if len(deaths) >= MOST_DEATHS:
            logger.error("media worker %d dies again and again: it rests for %g s", number, DEATHS_IN_S)
            await self._clock.sleep(DEATHS_IN_S)
            self._mourn(number)  # what was given to it since
        if not self._closing:
            self._routes.born(number)
            self._links[number] = self._spawn(number)
        self._ended[number].set()

    def _mourn(self, worker: int) -> None:
        """Tell the calls, and have their recordings finished: what is on disk of them is whole."""
        now = self._clock.now()
        lost, orders = self._routes.died(worker)
        self.ports.lost(worker)
        for recording in lost.recordings:
            if (event := self._views.died(recording, now)) is not None:
                self._handlers.tell(event)
            folder = self._folder.spool_of(recording)
            with suppress(Exception):
                self._closed(SpoolClosed(recording, str(folder), now))
        for leg in lost.legs:
            self._port_free(leg, worker)
            self._handlers.tell(RtpLost(leg, now, inf))
        self._carry_out(orders)
