"""Layer 5: a media process: pump, recordings and spool writer, spoken to through a socket pair.

``python -m callflow.worker FD`` is started by ``callflow.recording.farm``; ``FD`` is its end of the pipe. It
lives as long as the pipe: when that ends (the engine has closed it, or has died, however it died), what was
recorded goes to disk, the spools are let go for whoever recovers them, and the process ends.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import sys
import threading
from collections import deque
from pathlib import Path

import numpy as np

from callflow.clock import SystemClock
from callflow.media.live import LivePump
from callflow.media.rtp.ports import PortPool
from callflow.recording.host import RecordingHost
from callflow.recording.messages import SpoolClosed
from callflow.recording.worker_clips import ClipGate, ReadyClips
from callflow.recording.worker_loop import WorkerLoop
from callflow.recording.worker_move import LegMover
from callflow.recording.worker_protocol import Frame, FramedSocket, WorkerReady, WorkerSetup
from callflow.recording.writer import SpoolWriter
from callflow.state.folder import StateFolder

LAST_S = 1.5
"""How long the end may take: a disk that stands still must not keep the process."""
_NICE = -10
_SETUP_WAIT_S = 30.0


def main(fd: int) -> None:
    """Run a media process over the pipe ``fd``."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the engine decides when it is over
    pipe = FramedSocket(socket.socket(fileno=fd))
    first = _first(pipe)
    if first:
        _run(pipe, first)


def _first(pipe: FramedSocket) -> list[Frame]:
    """What comes first: the setup, and maybe commands already. Empty: nobody is there any more."""
    while not pipe.ended:
        select.select([pipe], [], [], _SETUP_WAIT_S)
        if frames := pipe.pull():
            return frames
    return []


def _run(pipe: FramedSocket, first: list[Frame]) -> None:
    _be_preferred()
    setup = first[0].messages[0]
    assert isinstance(setup, WorkerSetup)
    clock = SystemClock(setup.origin)
    writer = SpoolWriter(StateFolder.open(Path(setup.state)), patient=False)
    pool = _pool(setup)
    clips = ReadyClips()
    pump = LivePump(clips, pool)
    closed: deque[SpoolClosed] = deque()
    host = RecordingHost(pump, writer, on_closed=closed.append)
    gate = ClipGate(clips)
    ticks: list[float] | None = [] if setup.tick_log else None
    loop = WorkerLoop(pipe, pump, host, gate, pool, clock, closed, setup.alive_s, ticks)
    mover = LegMover(pump, host, writer, loop, pool)
    _be_quick()
    try:
        loop.run(mover, [WorkerReady(setup.number, os.getpid())], first)
    finally:
        _end_soon()
        host.abandon()
        writer.close()
        pump.close()
        gate.close()
        if ticks is not None:
            np.save(setup.tick_log, np.array(ticks))


def _pool(setup: WorkerSetup) -> PortPool | None:
    if setup.ports is None:
        return None
    return PortPool(setup.host, *setup.ports, bind=setup.bind, worker=setup.number)


def _be_preferred() -> None:
    """To other processes: mostly not permitted. On Linux it is for this thread and those that it starts from
    now on. None of ours may be less preferred than the ticks: it would be held up while it holds the
    interpreter, and they with it (ticks of 0.3 to 0.5 s were seen as recordings began on a busy machine).
    """
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, 0, _NICE)


def _be_quick() -> None:
    """Nothing may hold a tick up: no long collection of garbage, no long turn of another thread."""
    gc.collect()
    gc.freeze()
    gc.disable()  # the loop collects in its spare time
    sys.setswitchinterval(0.0005)


def _end_soon() -> None:
    """Whatever hangs (a disk, a library), the process ends."""
    last = threading.Timer(LAST_S, os._exit, (1,))
    last.daemon = True
    last.start()


if __name__ == "__main__":
    main(int(sys.argv[1]))
