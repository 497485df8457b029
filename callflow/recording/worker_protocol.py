"""Layer 2: what goes through the pipe between the engine and a media process: frames, and their own messages.

A frame is its length (4 bytes, big-endian), the number of descriptors that came with it (1 byte), the engine
time at which it was sent (8 bytes; 0: nobody wants to know), and a pickled tuple of messages. Both ends are
ours and the pipe is a socket pair that nobody else has, so pickle is safe here. Besides these messages, all
commands and events of ``callflow.media.messages`` and ``callflow.recording.messages`` go through as they are.
"""

from __future__ import annotations

import array
import os
import pickle
import socket
import struct
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from callflow.errors import WorkerGone

FRAME_LIMIT = 64 << 20
"""Bytes of a frame. Larger is nothing that we have sent."""

FDS_PER_FRAME = 200
"""Descriptors with one frame: Linux lets 253 pass at once."""

_HEAD = struct.Struct("!IBd")
_READ = 1 << 18


# ---- parent to worker ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WorkerSetup:
    """The first message. ``origin``: the machine's monotonic seconds at engine time 0. ``state``: the state
    folder. ``host``: the address of RTP that is announced, ``bind``: the one to bind (empty: the same),
    ``ports``: first and last UDP port that it may use (None: no RTP). ``tick_log``: a file that gets the
    durations of all ticks at the end (benchmarks; empty: none). ``alive_s``: how often it is to say that it
    lives.
    """

    number: int
    origin: float
    state: str
    host: str
    bind: str
    ports: tuple[int, int] | None
    alive_s: float
    tick_log: str = ""


@dataclass(frozen=True, slots=True)
class PortReturned:
    """Bind this port again: it had gone to another worker with a leg, which has ended."""

    port: int


@dataclass(frozen=True, slots=True)
class EndAll:
    """End every recording (``reason``), and answer ``AllEnded`` when the last spool is closed."""

    reason: str


@dataclass(frozen=True, slots=True)
class PackGroup:
    """Give these legs, and all recordings that listen to one of them, away: they go to another worker."""

    move: int
    legs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AdoptGroup:
    """Go on with legs and recordings of another worker. ``state``: as it came with ``GroupPacked``; its
    descriptors come with this frame.
    """

    move: int
    state: bytes


# ---- worker to parent ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WorkerReady:
    """It takes commands."""

    number: int
    pid: int


@dataclass(frozen=True, slots=True)
class PortsBound:
    """These RTP ports are open, and nobody's yet."""

    ports: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Alive:
    """It runs; said now and then. ``ticks``: made since it said so last, with legs; ``late``: those among
    them that began a tick or more after their time.
    """

    ticks: int = 0
    late: int = 0


@dataclass(frozen=True, slots=True)
class AllEnded:
    """No recording is open any more."""


@dataclass(frozen=True, slots=True)
class GroupPacked:
    """The legs of ``PackGroup`` are here no more; the descriptors that belong to ``state`` come with this
    frame. ``state`` empty: they stay where they are (``message`` says why).
    """

    move: int
    legs: tuple[str, ...]
    recordings: tuple[str, ...]
    state: bytes
    message: str = ""


@dataclass(frozen=True, slots=True)
class GroupAdopted:
    """They are here now. ``message``: why not all of them, if so."""

    move: int
    legs: tuple[str, ...]
    message: str = ""


class Frame(NamedTuple):
    """What has come: messages, the descriptors that came with them (the reader's to close), and the engine
    time of their sending.
    """

    messages: tuple[object, ...]
    fds: list[int]
    at: float = 0.0


class FramedSocket:
    """One end of the pipe. Neither ``push`` nor ``pull`` waits; the socket is made non-blocking.

    ``unsent``: bytes that wait because the other end does not read.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._out: deque[tuple[memoryview, tuple[int, ...]]] = deque()
        self._in = bytearray()
        self._fds: deque[int] = deque()
        self.unsent = 0
        self.ended = False
        """The other end is closed."""

    def fileno(self) -> int:
        """For a selector; -1 once closed."""
        return self._sock.fileno()

    def push(self, messages: Sequence[object], fds: Sequence[int] = (), at: float = 0.0) -> None:
        """Send a frame, or what goes now of it (``flush`` sends the rest). ``fds`` are ours from now on: they
        are closed once sent. ``at``: the engine time now. Raises nothing: a pipe that has ended shows in
        ``ended``.
        """
        if self.ended:
            _close_all(fds)
            return
        body = pickle.dumps(tuple(messages), pickle.HIGHEST_PROTOCOL)
        data = memoryview(_HEAD.pack(len(body), len(fds), at) + body)
        self._out.append((data, tuple(fds)))
        self.unsent += len(data)
        self.flush()

    def flush(self) -> None:
        """Send what waits, as far as it goes now."""
        while self._out and not self.ended:
            data, fds = self._out[0]
            try:
                if fds:
                    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds).tobytes())]
                    sent = self._sock.sendmsg([data], rights)
                else:
                    sent = self._sock.send(data)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:  # EPIPE, ECONNRESET: nobody is there any more
                self._end()
                return
            _close_all(fds)
            self.unsent -= sent
            if sent == len(data):
                self._out.popleft()
            else:
                self._out[0] = (data[sent:], ())

    def pull(self) -> list[Frame]:
        """What has come. At the end of the pipe ``ended`` is set. Raises WorkerGone for what is no frame."""
        room = socket.CMSG_SPACE(FDS_PER_FRAME * array.array("i").itemsize)
        frames: list[Frame] = []
        while not self.ended:
            try:
                data, ancillary, _, _ = self._sock.recvmsg(_READ, room)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                self._end()
                break
            for level, kind, rights in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    got = array.array("i")
                    got.frombytes(rights[: len(rights) - len(rights) % got.itemsize])
                    self._fds.extend(got)
            if not data:
                self._end()
                break
            self._in += data
            frames += self._cut()
            if len(data) < _READ and not ancillary:
                break
        return frames

    def shut(self) -> None:
        """Say that nothing more comes from here; what comes can still be read."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close it, and every descriptor that was on its way."""
        self._end()
        _close_all(self._fds)
        self._fds.clear()
        self._sock.close()

    def _cut(self) -> Iterable[Frame]:
        """The whole frames at the begin of what has come."""
        at, have = 0, len(self._in)
        frames = []
        while have - at >= _HEAD.size:
            size, fds, sent_at = _HEAD.unpack_from(self._in, at)
            if size > FRAME_LIMIT or fds > FDS_PER_FRAME:
                raise WorkerGone(f"a frame of {size} bytes and {fds} descriptors came through the pipe")
            if have - at - _HEAD.size < size:
                break
            at += _HEAD.size
            try:
                messages = pickle.loads(memoryview(self._in)[at : at + size])
            except Exception as error:  # pickle raises whatever it likes
                raise WorkerGone(f"what came through the pipe cannot be read: {error!r}") from error
            at += size
            theirs = [self._fds.popleft() for _ in range(min(fds, len(self._fds)))]
            frames.append(Frame(messages, theirs, sent_at))
        if at:
            del self._in[:at]
        return frames

    def _end(self) -> None:
        self.ended = True
        for _, fds in self._out:
            _close_all(fds)
        self._out.clear()
        self.unsent = 0


def _close_all(fds: Iterable[int]) -> None:
    for fd in fds:
        with suppress(OSError):
            os.close(fd)
