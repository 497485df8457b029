"""Layer 2: one media process as the engine sees it: spawned, spoken to through a socket pair, ended.

Commands of one turn of the loop go as one frame, with the engine time: a worker that reads them late carries
them out at the sample that they were meant for. A worker that does not read for long, or sends what is no
frame, is killed: it counts as dead.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

from callflow.clock import Clock
from callflow.errors import WorkerGone
from callflow.log import logger
from callflow.recording.worker_protocol import FramedSocket

UNSENT_LIMIT = 32 << 20
"""Bytes of commands that may wait for a worker; one with more has stood still for minutes."""

END_WAIT_S = 3.0
"""How long a worker may take to end by itself."""

COMMAND = (sys.executable, "-m", "callflow.worker")

OnMessage = Callable[["WorkerLink", object, list[int]], None]
OnEnd = Callable[["WorkerLink"], None]


class WorkerLink:
    """``on_message`` gets each message (and the descriptors of its frame, with the first); ``on_end``: the
    pipe has ended, the process may still be there (``reap``).
    """

    def __init__(
        self,
        number: int,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        on_message: OnMessage,
        on_end: OnEnd,
    ) -> None:
        self.number = number
        self._clock = clock
        self._loop = loop
        self._on_message = on_message
        self._on_end = on_end
        self._outbox: list[object] = []
        self._writing = False
        self.unheard = 0
        """How often the farm has looked since anything came."""
        self._closed = False
        self._ending = False
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        with theirs:
            # Its own session: a Ctrl-C at the terminal is for the parent, which ends it in order.
            self._process = subprocess.Popen(
                [*COMMAND, str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._pipe = FramedSocket(ours)
        self._fd = ours.fileno()
        loop.add_reader(self._fd, self._read)

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

    def send(self, message: object, fds: Sequence[int] = ()) -> None:
        """Send ``message``, in order, at the end of this turn of the loop. ``fds`` are ours from now on."""
        if fds:
            self._flush()
            self._pipe.push((message,), fds, self._clock.now())
            self._watch()
            return
        if not self._outbox:
            self._loop.call_soon(self._flush)
        self._outbox.append(message)

    def hang_up(self) -> None:
        """Say that nothing more comes: it then ends by itself."""
        self._flush()
        self._ending = True
        self._watch()

    def kill(self) -> None:
        """End it at once."""
        with suppress(ProcessLookupError):
            self._process.kill()

    async def reap(self) -> None:
        """Wait until its process is gone (all its locks are free then); killed if it takes too long."""
        loop = self._loop
        try:
            await loop.run_in_executor(None, self._process.wait, END_WAIT_S)
        except subprocess.TimeoutExpired:
            logger.error("media worker %d does not end: killed", self.number)
            self.kill()
            await loop.run_in_executor(None, self._process.wait)

    def close(self) -> None:
        """Let go of the pipe."""
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._fd)
            if self._writing:
                self._loop.remove_writer(self._fd)
            self._pipe.close()

    # ---- inside ----

    def _flush(self) -> None:
        if self._closed or not self._outbox:
            self._outbox.clear()
            return
        messages, self._outbox = self._outbox, []
        self._pipe.push(messages, (), self._clock.now())
        self._watch()

    def _watch(self) -> None:
        """Look after what could not be sent yet."""
        waits = self._pipe.unsent > 0
        if self._pipe.unsent > UNSENT_LIMIT:
            logger.error("media worker %d does not read any more: killed", self.number)
            self.kill()
        elif self._ending and not waits and not self._closed:
            self._pipe.shut()
        if waits is not self._writing and not self._closed:
            self._writing = waits
            if waits:
                self._loop.add_writer(self._fd, self._write)
            else:
                self._loop.remove_writer(self._fd)

    def _write(self) -> None:
        self._pipe.flush()
        self._watch()

    def _read(self) -> None:
        self.unheard = 0
        try:
            frames = self._pipe.pull()
        except WorkerGone as error:
            logger.error("media worker %d: %s", self.number, error)
            self.kill()
            frames = []
            self._pipe.ended = True
        for frame in frames:
            fds = frame.fds
            for message in frame.messages:
                try:
                    self._on_message(self, message, fds)
                except Exception:  # one event must not cost the others
                    logger.exception("media worker %d: %s", self.number, type(message).__name__)
                fds = []
        if self._pipe.ended:
            self.close()
            self._on_end(self)
