"""Layer 2: the engine's side of the media processes: a ``MediaPort`` whose pumps run in N workers.

    engine --send--> MediaFarm --frames--> worker 0 .. N-1 (``python -m callflow.worker``)
    engine <-events-- MediaFarm <-frames-- worker

No command waits for an answer. Which worker has a leg or a recording is known here; free RTP ports are known here
too (each worker binds its own ahead of time). Legs that must hear each other but live on two workers are brought
together first, and what is said to them meanwhile waits in order. A worker that dies loses its calls (``RtpLost``
for each of its legs), but no recording: its spools are finished here, and a new worker takes its place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from callflow.clock import SystemClock
from callflow.media.messages import RtpPlace
from callflow.media.port import MediaHandler
from callflow.recording.host import RecordingView
from callflow.recording.messages import SpoolClosed
from callflow.state.folder import StateFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class FarmOptions:
    """``workers``: how many processes (1 to 64). ``host``: the local address of RTP (announced in SDP).
    ``ports``: first and last UDP port, split evenly among the workers; ``None``: no RTP (pretend legs only).
    """

    workers: int = 1
    host: str = "127.0.0.1"
    ports: tuple[int, int] | None = None
    tick_log: str = ""


class FarmPorts:
    """The ``RtpPorts`` of a farm: see ``callflow.media.port``."""

    @property
    def free(self) -> int:
        """How many could be taken now."""
        raise NotImplementedError

    def take(self, near: str = "") -> RtpPlace:
        raise NotImplementedError

    def give_back(self, place: RtpPlace) -> None:
        raise NotImplementedError


class MediaFarm:
    """A ``MediaPort`` over worker processes; the same surface as ``InlineMedia``.

    ``start()`` spawns the workers on the running loop, ``await ready()`` waits until all take commands and have
    ports; ``await end_recordings()`` ends what is recorded and waits until it is closed; ``await close()`` ends the
    workers. ``on_closed``: a spool can be finished (``ClosingDesk.on_closed``), called on the loop.
    """

    ports: FarmPorts

    def __init__(
        self,
        options: FarmOptions,
        folder: StateFolder,
        clock: SystemClock,
        *,
        on_closed: Callable[[SpoolClosed], None],
    ) -> None:
        raise NotImplementedError

    def start(self) -> None:
        """Spawn the workers. On the loop of the calls."""
        raise NotImplementedError

    async def ready(self) -> None:
        """Wait until every worker takes commands. Raises WorkerGone if one cannot start."""
        raise NotImplementedError

    async def end_recordings(self) -> None:
        """End what is still being recorded (reason ``shutdown``), and wait until it is on disk and told."""
        raise NotImplementedError

    async def close(self) -> None:
        """End the workers; legs that are still there fall silent."""
        raise NotImplementedError

    def send(self, command: object) -> None:
        raise NotImplementedError

    def subscribe(self, handler: MediaHandler, *, leg: str | None = None) -> Callable[[], None]:
        raise NotImplementedError

    @property
    def recordings(self) -> tuple[RecordingView, ...]:
        """Those that wait or run, oldest first."""
        raise NotImplementedError

    @property
    def pids(self) -> tuple[int, ...]:
        """The process ids of the workers, by number."""
        raise NotImplementedError
