"""Layer 1: who holds what. A lock on a file that the system frees when its process dies, however it dies."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    def _lock(fd: int, *, wait: bool) -> bool:
        while True:
            try:
                msvcrt.locking(fd, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
            except OSError:
                if not wait:
                    return False
            else:
                return True

else:
    import fcntl

    def _lock(fd: int, *, wait: bool) -> bool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class FileLock:
    """An exclusive lock on the file ``path``, held until ``release`` or the end of the process.

    It belongs to the opened file (``flock(2)``): a second ``try_acquire`` fails within the same process too.
    """

    __slots__ = ("_fd", "path")

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self._fd = fd

    @classmethod
    def try_acquire(cls, path: Path) -> FileLock | None:
        """Take the lock; ``None``: somebody else holds it. The file is made if it is not there.

        Raises OSError where the file cannot be made (no such folder, no permission, full disk).
        """
        return cls._acquire(path, wait=False)

    @classmethod
    def acquire(cls, path: Path) -> FileLock:
        """Take the lock as soon as it is free. Blocks. Raises OSError as ``try_acquire``."""
        lock = cls._acquire(path, wait=True)
        assert lock is not None
        return lock

    @classmethod
    def adopt(cls, path: Path, fd: int) -> FileLock:
        """A lock that another process has held and given to us (``give_away``): it was never free."""
        return cls(path, fd)

    def give_away(self) -> int:
        """Let go of the lock without freeing it: whoever gets this descriptor holds it."""
        fd, self._fd = self._fd, -1
        return fd

    @classmethod
    def _acquire(cls, path: Path, *, wait: bool) -> FileLock | None:
        while True:
            fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                if not _lock(fd, wait=wait):
                    os.close(fd)
                    return None
                same = _same_file(fd, path)
            except BaseException:
                os.close(fd)
                raise
            if same:
                return cls(path, fd)
            os.close(fd)  # a former holder has removed the file meanwhile: lock the new one

    @property
    def held(self) -> bool:
        """False once released."""
        return self._fd >= 0

    def release(self, *, remove: bool = False) -> None:
        """Give it back; ``remove`` takes the file away first. Doing it again does nothing."""
        if self._fd < 0:
            return
        fd, self._fd = self._fd, -1
        if sys.platform == "win32":  # pragma: no cover
            os.close(fd)
        if remove:  # before unlocking: nobody can lock a file about to go
            with contextlib.suppress(OSError):  # a free lock that stays does no harm
                self.path.unlink(missing_ok=True)
        if sys.platform != "win32":
            os.close(fd)


def _same_file(fd: int, path: Path) -> bool:
    """Whether ``path`` still names the opened file."""
    try:
        named = os.stat(path)
    except FileNotFoundError:
        return False
    opened = os.fstat(fd)
    return (opened.st_dev, opened.st_ino) == (named.st_dev, named.st_ino)
