"""``sendmmsg`` and ``recvmmsg`` (Linux) by ctypes: many datagrams a system call, to and from numpy rows."""

from __future__ import annotations

import ctypes
import errno
import os
import socket

import numpy as np
from numpy.typing import NDArray

_LIBC = ctypes.CDLL(None, use_errno=True)
MOST = 1024
"""Datagrams of a call (the kernel's UIO_MAXIOV)."""
_MSG_DONTWAIT = socket.MSG_DONTWAIT
_HEADER = np.dtype(
    [
        ("name", "u8"),
        ("name_size", "u4"),
        ("pad1", "u4"),
        ("iov", "u8"),
        ("iov_count", "u8"),
        ("control", "u8"),
        ("control_size", "u8"),
        ("flags", "i4"),
        ("pad2", "u4"),
        ("size", "u4"),
        ("pad3", "u4"),
    ]
)
"""``struct mmsghdr`` on a 64-bit Linux."""


class Datagrams:
    """``count`` datagrams of ``size`` bytes: ``data[count, size]``, ``names[count, 16]`` (sockaddr_in)."""

    def __init__(self, count: int, size: int) -> None:
        self.data: NDArray[np.uint8] = np.zeros((count, size), np.uint8)
        self.names: NDArray[np.uint8] = np.zeros((count, 16), np.uint8)
        self._iovs: NDArray[np.uint64] = np.zeros((count, 2), np.uint64)
        self._iovs[:, 0] = self.data.ctypes.data + np.arange(count, dtype=np.uint64) * np.uint64(size)
        self._iovs[:, 1] = size
        self.headers = np.zeros(count, _HEADER)
        self.headers["name"] = self.names.ctypes.data + np.arange(count, dtype=np.uint64) * np.uint64(16)
        self.headers["name_size"] = 16
        self.headers["iov"] = self._iovs.ctypes.data + np.arange(count, dtype=np.uint64) * np.uint64(16)
        self.headers["iov_count"] = 1
        self.sizes = self.headers["size"]
        """Of what was received."""
        self.ports: NDArray[np.uint16] = self.names[:, 2:4].view(">u2")[:, 0]
        self._words: NDArray[np.uint64] = self.headers.view(np.uint64).reshape(count, 8)
        self._scratch: NDArray[np.uint64] = np.empty((count, 8), np.uint64)

    def address(self, row: int, host: str, port: int) -> None:
        """Where ``row`` goes."""
        name = self.names[row]
        name[:2] = np.frombuffer(np.uint16(socket.AF_INET).tobytes(), np.uint8)
        name[2:4] = port >> 8, port & 0xFF
        name[4:8] = np.frombuffer(socket.inet_aton(host), np.uint8)

    def send(self, sock: int, rows: NDArray[np.intp] | int) -> int:
        """Send the first ``rows``, or those rows; gives how many the kernel refused."""
        if isinstance(rows, int):
            at, count = self.headers.ctypes.data, rows
        else:
            count = len(rows)
            np.take(self._words, rows, axis=0, out=self._scratch[:count], mode="clip")
            at = self._scratch.ctypes.data
        done = refused = 0
        while done < count:
            most = min(count - done, MOST)
            sent = _LIBC.sendmmsg(sock, ctypes.c_void_p(at + done * 64), most, _MSG_DONTWAIT)
            if sent < 0:  # the first one was refused (an ICMP error of before, a full buffer): pass over it
                refused += 1
                sent = 1
            done += sent
        return refused

    def receive(self, sock: int) -> int:
        """Receive what waits, at most ``MOST``; gives how many came. Earlier ICMP errors are passed over."""
        at = ctypes.c_void_p(self.headers.ctypes.data)
        for _ in range(1000):
            got = _LIBC.recvmmsg(sock, at, min(len(self.headers), MOST), _MSG_DONTWAIT, None)
            if got >= 0:
                return int(got)
            code = ctypes.get_errno()
            if code == errno.EAGAIN:
                return 0
            if code not in (errno.ECONNREFUSED, errno.EINTR, errno.EHOSTUNREACH):
                raise OSError(code, os.strerror(code))
        return 0


def udp_pair(host: str, buffer: int = 8_000_000) -> tuple[socket.socket, socket.socket]:
    """Two UDP sockets on an even port and the next one (RTP and RTCP, RFC 3550 11)."""
    for _ in range(200):
        first, second = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        try:
            first.bind((host, 0))
            port = first.getsockname()[1]
            if port % 2 or port > 65000:
                raise OSError
            second.bind((host, port + 1))
        except OSError:
            first.close()
            second.close()
            continue
        for kind in (33, socket.SO_RCVBUF):  # 33: SO_RCVBUFFORCE, for root
            try:
                first.setsockopt(socket.SOL_SOCKET, kind, buffer)
                break
            except OSError:
                continue
        first.setblocking(False)
        second.setblocking(False)
        return first, second
    raise OSError("no pair of UDP ports is free")
