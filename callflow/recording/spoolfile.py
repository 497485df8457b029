"""Layer 2: the files of one spool while it is written. Calls block: only the writer's threads make them."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from pathlib import Path

from callflow.errors import SpoolError
from callflow.media.taps import Samples
from callflow.media.wav import unfinished_header
from callflow.recording.crashpoints import crash_point
from callflow.recording.messages import RecordingSpec
from callflow.recording.spool import AUDIO, JOURNAL, META, SAMPLE_BYTES, header_bytes, meta_bytes
from callflow.state.folder import sync_folder
from callflow.state.lock import FileLock

SYNC_EVERY_S = 5.0
_WRITE: int = os.O_WRONLY | getattr(os, "O_BINARY", 0)
"""Windows would put a carriage return before every byte 10 without being told."""

if sys.platform == "linux":
    _sync_data = os.fdatasync
else:  # pragma: no cover
    _sync_data = os.fsync


class SpoolFile:
    """Writes one spool folder. ``samples``: whole ones per channel that are written."""

    __slots__ = (
        "_fd",
        "_frame_bytes",
        "_head_bytes",
        "_lock",
        "_lock_path",
        "_names_new",
        "_noted",
        "_syncing",
        "folder",
        "samples",
    )

    def __init__(self, folder: Path, lock_path: Path, channels: int) -> None:
        self.folder = folder
        self.samples = 0
        self._lock_path = lock_path
        self._frame_bytes = SAMPLE_BYTES * channels
        self._head_bytes = header_bytes(channels)
        self._lock: FileLock | None = None
        self._fd = -1
        self._names_new = True
        self._noted = False
        self._syncing = threading.Lock()  # so that no descriptor is closed (and used anew) under a sync

    def open(self, spec: RecordingSpec, asked: float) -> None:
        """Take the lock, make the folder and its ``meta.json``. Raises OSError, SpoolError (id in use)."""
        lock = FileLock.try_acquire(self._lock_path)
        if lock is None:
            raise SpoolError(f"another process is making a recording {spec.id!r}", hint="use another id")
        try:
            self.folder.mkdir(mode=0o700)
        except OSError as error:
            lock.release(remove=not isinstance(error, FileExistsError))
            if isinstance(error, FileExistsError):
                raise SpoolError(
                    f"there is an unfinished recording {spec.id!r}", hint="use another id"
                ) from error
            raise
        try:
            os.close(_new_file(self.folder / META, meta_bytes(spec, asked), 0o600))
            # Its mode is that of the finished file, which it may become; until then the folder guards it.
            header = unfinished_header(spec.rate, len(spec.taps))
            self._fd = _new_file(self.folder / AUDIO, header, 0o666)
        except OSError:
            shutil.rmtree(self.folder, ignore_errors=True)
            lock.release(remove=True)
            raise
        self._lock = lock

    def give_away(self) -> tuple[int, int]:
        """Let go of an open spool without freeing its lock: descriptors of the sound and of the lock, for
        another process to ``take_over``.
        """
        with self._syncing:
            fd, self._fd = self._fd, -1
        assert fd >= 0 and self._lock is not None
        lock, self._lock = self._lock.give_away(), None
        return fd, lock

    def take_over(self, sound: int, lock: int, samples: int) -> None:
        """Go on with a spool of another process, of which ``samples`` are written; in place of ``open``."""
        self._fd = sound
        self._lock = FileLock.adopt(self._lock_path, lock)
        self.samples = samples

    def append(self, frames: Samples) -> None:
        """Write ``frames`` (int16 ``[n, channels]``, C order). If it fails, whole samples are kept."""
        crash_point("appending")
        data = frames.data.cast("B")
        written = 0
        try:
            written = os.write(self._fd, data)
            while written < len(data):  # a disk about to be full takes a part
                written += os.write(self._fd, data[written:])
        except OSError:
            self.samples += written // self._frame_bytes
            self._cut()
            raise
        self.samples += len(frames)

    def skip(self, samples: int) -> None:
        """Go on after ``samples`` of silence; costs no space and next to no time."""
        self.samples += samples
        self._cut()

    def note(self, line: bytes) -> None:
        """Append a line to the journal; opened each time, since changes are rare and descriptors are not."""
        fd = os.open(self.folder / JOURNAL, _WRITE | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._noted = True
            _write_all(fd, line)
        finally:
            os.close(fd)

    def sync(self) -> None:
        """Bring what is written to the disk itself, so that it outlasts a power cut."""
        with self._syncing:
            if self._fd < 0:
                return
            _sync_data(self._fd)
            if self._noted:
                self._noted = False
                _sync_file(self.folder / JOURNAL)
            if self._names_new:  # the facts and the names, once
                _sync_file(self.folder / META)
                sync_folder(self.folder)
                sync_folder(self.folder.parent)
                self._names_new = False

    def close(self) -> None:
        """Close the files, free the lock."""
        with self._syncing:
            fd, self._fd = self._fd, -1
            if fd >= 0:
                os.close(fd)
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _cut(self) -> None:
        """Make the file as long as its ``samples``."""
        os.ftruncate(self._fd, self._head_bytes + self.samples * self._frame_bytes)


def _new_file(path: Path, data: bytes, mode: int) -> int:
    """Make a file that begins with ``data``; its descriptor, for appending."""
    fd = os.open(path, _WRITE | os.O_CREAT | os.O_APPEND | os.O_EXCL, mode)
    try:
        _write_all(fd, data)
    except OSError:
        os.close(fd)
        raise
    return fd


def _write_all(fd: int, data: bytes) -> None:
    """A disk that fills up may take a part first."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _sync_file(path: Path) -> None:
    fd = os.open(path, _WRITE)
    try:
        _sync_data(fd)
    finally:
        os.close(fd)


def allow_many_files() -> None:
    """Raise the soft limit of open files to the hard one: each recording needs two."""
    if sys.platform == "win32":  # pragma: no cover
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 1 << 16 if hard == resource.RLIM_INFINITY else min(hard, 1 << 16)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
