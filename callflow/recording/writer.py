"""Layer 2: brings recorded samples to disk; in real time in a thread, so that no tick ever waits for a file.

The pump's thread hands over blocks and journal lines; the writer's thread makes the spool, appends, and
frees the lock at the end. In virtual time no tick can be late, so all of that is done at once, in the pump's
thread: two threads that pass Python's one lock to and fro with each block cost a good part of what the
writing does. Another thread calls fdatasync every few seconds. A spool that cannot be written fails by
itself: the reason is told once, its further blocks are thrown away, and the others go on.
"""

from __future__ import annotations

import errno
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from callflow.errors import SpoolError
from callflow.log import logger
from callflow.media.taps import Samples
from callflow.recording.messages import RecordingSpec, SpoolClosed
from callflow.recording.spool import line_bytes
from callflow.recording.spoolfile import SYNC_EVERY_S, SpoolFile, allow_many_files
from callflow.state.folder import StateFolder

_POLL_S = 0.1
"""Blocks leave for the disk at least so often, also if nobody kicks."""
_KICKS = 5
"""Of so many kicks one wakes our thread for sound alone: many blocks at a time, in the pause after a tick.
What somebody waits for (a spool opened, a line, an end) wakes it at once.
"""

OnClosed = Callable[[SpoolClosed], None]


class Failure(NamedTuple):
    """Why a spool cannot be written: ``reason`` is ``disk_full`` or ``spool_unwritable``."""

    reason: str
    message: str


class SpoolHandle:
    """One recording's spool as the pump's thread sees it. ``opened``: it is on disk; ``closed``: it is
    complete and free; ``gap_samples``: written as silence because the queue was full; ``owed``: those of
    them that were not handed over yet.
    """

    __slots__ = (
        "closed",
        "failure",
        "file",
        "gap_samples",
        "on_closed",
        "opened",
        "owed",
        "owed_at",
        "spec",
        "time",
    )

    def __init__(self, spec: RecordingSpec, file: SpoolFile, time: float, on_closed: OnClosed) -> None:
        self.spec = spec
        self.file = file
        self.time = time
        self.on_closed = on_closed
        self.opened = False
        self.closed = False
        self.failure: Failure | None = None
        self.gap_samples = 0
        self.owed = 0
        self.owed_at = 0


class _Open(NamedTuple):
    asked: float


class _Close(NamedTuple):
    time: float


class _GiveAway(NamedTuple):
    done: Callable[[SpoolHandle, tuple[int, int]], None]


class _Gap(NamedTuple):
    samples: int
    at: int


_What = Samples | bytes | _Open | _Close | _GiveAway | _Gap | Failure
_Item = tuple[SpoolHandle, _What]


class SpoolWriter:
    """Appends blocks to spools, from one thread's calls, in the order of the calls.

    ``patient`` (virtual time): everything is done when the call returns, in the caller's thread. Else (real
    time) nothing ever waits: a thread does it, and what finds no room becomes silence of the same length.
    """

    def __init__(self, folder: StateFolder, *, patient: bool, limit_bytes: int = 32 << 20) -> None:
        self._folder = folder
        self._patient = patient
        self._limit = limit_bytes
        self._queue: deque[_Item] = deque()
        self._used: dict[tuple[int, int], deque[Samples]] = {}  # written arrays, to be filled again
        self._wake = threading.Event()
        self._kicks = 0
        self._urgent = False
        self._put = 0  # bytes handed over; only the caller's thread writes it
        self._done = 0  # bytes written or thrown away; only our thread writes it
        self._items_put = 0
        self._items_done = 0
        self._progress = threading.Condition()
        self._waiting = False
        self._open: dict[int, SpoolHandle] = {}
        self._stop = threading.Event()
        self.news: deque[SpoolHandle] = deque()
        """Spools that have opened, closed or failed, for the caller's thread to take."""
        allow_many_files()
        self._threads = [threading.Thread(target=self._sync, name="callflow-sync", daemon=True)]
        if not patient:
            self._threads.append(threading.Thread(target=self._main, name="callflow-spool", daemon=True))
        for thread in self._threads:
            thread.start()

    # ---- the caller's side ------------------------------------------------------------------------

    def open(self, spec: RecordingSpec, asked: float, on_closed: OnClosed) -> SpoolHandle:
        """Make the spool of ``spec``, asked for at engine time ``asked``.

        ``on_closed`` is called once, in whatever thread: after ``close_spool``, or when the spool has failed.
        It must not wait for the caller's thread.
        """
        path = self.folder_of(spec)
        file = SpoolFile(path, self._folder.lock_of(path), len(spec.taps))
        spool = SpoolHandle(spec, file, asked, on_closed)
        self._hand((spool, _Open(asked)))
        return spool

    def folder_of(self, spec: RecordingSpec) -> Path:
        """Where its spool is, or would be."""
        return self._folder.spool_of(spec.id)

    def buffer(self, n: int, channels: int) -> Samples:
        """An array ``[n, channels]`` to fill and ``append``: one that was written already, if there is one
        (it is still in the processor's cache), else a new one.
        """
        used = self._used.setdefault((n, channels), deque())
        return used.pop() if used else np.empty((n, channels), np.int16)

    def append(self, spool: SpoolHandle, frames: Samples, at: int) -> None:
        """Write ``frames`` (int16 ``[n, channels]``, C order; ours from now on); ``at``: its first sample."""
        if self._put - self._done > self._limit:
            if not spool.gap_samples:
                logger.warning("recording %s: the disk is too slow, sound is lost", spool.spec.id)
            spool.gap_samples += len(frames)
            spool.owed += len(frames)  # however long the disk stands still, this is one number
            spool.owed_at = at + len(frames) - spool.owed
            return
        self._pay(spool)
        self._put += frames.nbytes
        self._hand((spool, frames))

    def note(self, spool: SpoolHandle, line: Mapping[str, object]) -> None:
        """Append a line to the journal."""
        self._pay(spool)
        self._hand((spool, line_bytes(line)))

    def close_spool(self, spool: SpoolHandle, time: float) -> None:
        """Nothing more comes: free the lock, then call ``on_closed``. ``time``: of the recording's end."""
        self._pay(spool)
        self._hand((spool, _Close(time)))

    def give_away(self, spool: SpoolHandle, done: Callable[[SpoolHandle, tuple[int, int]], None]) -> None:
        """Let go of it for another process: once all that was handed over is written, ``done`` gets the
        descriptors of its sound and its lock, in our thread. Of a spool that has failed nothing is given.
        """
        self._pay(spool)
        self._hand((spool, _GiveAway(done)))

    def take_over(
        self, spec: RecordingSpec, sound: int, lock: int, samples: int, asked: float, on_closed: OnClosed
    ) -> SpoolHandle:
        """Go on with a spool that another process has given away; in place of ``open``."""
        path = self.folder_of(spec)
        file = SpoolFile(path, self._folder.lock_of(path), len(spec.taps))
        file.take_over(sound, lock, samples)
        spool = SpoolHandle(spec, file, asked, on_closed)
        spool.opened = True
        self._open[id(spool)] = spool
        return spool

    def kick(self) -> None:
        """Wake our thread, if there is something to write that cannot wait: called after each tick."""
        if not self._queue:
            return
        self._kicks += 1
        if self._patient:  # the syncer has found a spool that cannot be written
            self._do(*self._queue.popleft())
        elif self._urgent or self._kicks >= _KICKS:
            self._urgent, self._kicks = False, 0
            self._wake.set()

    def wait_idle(self) -> None:
        """Wait until all that was handed over is on disk (in the page cache)."""
        self._wake.set()
        with self._progress:
            self._waiting = True
            self._progress.wait_for(lambda: self._items_done >= self._items_put)
            self._waiting = False

    def close(self) -> None:
        """Write what is left, free every lock, end the threads. Spools still open are for recovery."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._wake.set()
        for thread in self._threads:
            thread.join()
        for spool in self._open.values():
            spool.file.close()
        self._open.clear()

    def _pay(self, spool: SpoolHandle) -> None:
        """Silence for what found no room."""
        if spool.owed:
            self._hand((spool, _Gap(spool.owed, spool.owed_at)))
            spool.owed = 0

    def _hand(self, item: _Item) -> None:
        self._items_put += 1
        if self._patient:
            self._do(*item)
        else:
            self._queue.append(item)
            self._urgent |= not isinstance(item[1], np.ndarray)

    # ---- our thread -------------------------------------------------------------------------------

    def _main(self) -> None:
        while True:
            try:
                item = self._queue.popleft()
            except IndexError:
                if self._stop.is_set():
                    return
                self._wake.wait(_POLL_S)
                self._wake.clear()
                continue
            self._do(*item)
            if self._waiting:
                with self._progress:
                    self._progress.notify_all()

    # ---- in our thread, or the caller's who is patient --------------------------------------------

    def _do(self, spool: SpoolHandle, what: _What) -> None:
        try:
            self._carry_out(spool, what)
        except (OSError, SpoolError) as error:
            self._fail(spool, _failure(spool, error))
        except Exception as error:  # a fault of ours must cost one recording, not all of them
            logger.exception("spool of recording %s", spool.spec.id)
            self._fail(spool, Failure("spool_unwritable", f"internal error: {error!r}"))
        if isinstance(what, np.ndarray):
            self._done += what.nbytes
            if what.base is None:
                self._used.setdefault((what.shape[0], what.shape[1]), deque()).append(what)
        self._items_done += 1

    def _carry_out(self, spool: SpoolHandle, what: object) -> None:
        if spool.failure is not None:
            return
        if isinstance(what, np.ndarray):
            spool.file.append(what)
        elif isinstance(what, bytes):
            spool.file.note(what)
        elif isinstance(what, _Gap):
            spool.file.skip(what.samples)
            spool.file.note(line_bytes({"what": "gap", "samples": what.at, "length": what.samples}))
        elif isinstance(what, _Open):
            spool.file.open(spool.spec, what.asked)
            self._open[id(spool)] = spool
            spool.opened = True
            self.news.append(spool)
        elif isinstance(what, Failure):
            self._fail(spool, what)
        elif isinstance(what, _GiveAway):
            self._open.pop(id(spool), None)
            what.done(spool, spool.file.give_away())
        elif isinstance(what, _Close):
            self._open.pop(id(spool), None)
            spool.file.close()
            spool.time = what.time
            self._closed(spool)

    def _fail(self, spool: SpoolHandle, failure: Failure) -> None:
        self._open.pop(id(spool), None)
        with suppress(OSError):  # a full disk often still has room for a line
            if spool.opened:
                # a line of its own: the one before may be cut off
                spool.file.note(b"\n" + line_bytes({"what": "failed", **failure._asdict()}))
        with suppress(OSError):
            spool.file.close()
        spool.failure = failure
        self._closed(spool)

    def _closed(self, spool: SpoolHandle) -> None:
        reason, message = spool.failure or ("", "")
        closed = SpoolClosed(spool.spec.id, str(spool.file.folder), spool.time, reason, message)
        try:
            spool.on_closed(closed)
        except Exception:  # this thread writes for all recordings: it must not die of one
            logger.exception("recording %s is closed, but not finished", spool.spec.id)
        spool.closed = True
        self.news.append(spool)

    def _sync(self) -> None:
        """Every few seconds of real time, what is in the page cache goes to the disk itself."""
        while not self._stop.wait(SYNC_EVERY_S):
            for spool in tuple(self._open.values()):
                try:
                    spool.file.sync()
                except OSError as error:
                    self._queue.append((spool, _failure(spool, error)))
                if self._stop.is_set():
                    return


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _failure(spool: SpoolHandle, error: OSError | SpoolError) -> Failure:
    kept = spool.file.samples
    if kept:
        tail = f"what was recorded until then ({kept / spool.spec.rate:.1f} s) is kept"
    else:
        tail = "nothing of it was recorded"
    if isinstance(error, SpoolError):
        return Failure("spool_unwritable", f"{error.message}; {tail}")
    if error.errno in _FULL:
        return Failure("disk_full", f"the disk of the state folder is full ({error.strerror}); {tail}")
    return Failure("spool_unwritable", f"the spool cannot be written ({error.strerror}); {tail}")
