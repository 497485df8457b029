"""Layer 1: the datagram sockets of RTP, and what of them the rest needs: tests have them in memory."""

from __future__ import annotations

import ctypes
import os
import select
import socket
import struct
import sys
from collections.abc import Sequence
from typing import Protocol

from callflow.clock import SystemClock

Address = tuple[str, int]

RECEIVE_BYTES = 64 << 10
"""Kernel receive buffer of an RTP socket: about 3 s of a leg's packets (the kernel doubles it, and counts
its own bookkeeping, some 800 bytes a packet)."""
_RTCP_RECEIVE_BYTES = 16 << 10
_AF_UNSPEC_ADDRESS = bytes(16)


class Datagrams(Protocol):
    """What is used of a non-blocking ``socket.socket``; same names, same results, same OSErrors."""

    def fileno(self) -> int: ...

    def recv_into(self, buffer: memoryview, /) -> int: ...

    def recvfrom_into(self, buffer: memoryview, /) -> tuple[int, Address]: ...

    def recv(self, size: int, flags: int, /) -> bytes: ...

    def send(self, data: memoryview | bytes, /) -> int: ...

    def sendto(self, data: memoryview | bytes, address: Address, /) -> int: ...

    def connect(self, address: Address, /) -> None: ...

    def detach(self) -> int: ...

    def close(self) -> None: ...


class Poller(Protocol):
    """What is used of ``select.epoll``."""

    def register(self, fd: int, eventmask: int = ..., /) -> None: ...

    def unregister(self, fd: int, /) -> None: ...

    def poll(self, timeout: float, maxevents: int, /) -> Sequence[tuple[int, int]]: ...

    def close(self) -> None: ...


class Net(Protocol):
    """Where sockets come from."""

    def bind(self, host: str, port: int, receive_bytes: int = RECEIVE_BYTES) -> Datagrams:
        """A non-blocking UDP socket on ``port`` (0: any). Raises OSError."""

    def port_of(self, sock: Datagrams) -> int:
        """The local port of ``sock``."""

    def disconnect(self, sock: Datagrams) -> None:
        """Take packets from everywhere again; the local port stays."""

    def adopt(self, fd: int) -> Datagrams:
        """The socket of a descriptor that came from another process."""

    def poller(self) -> Poller: ...

    def waited(self, sock: Datagrams) -> float | None:
        """How many seconds ago the packet that was read last had come; None: nobody knows."""

    def waits(self, sock: Datagrams) -> float | None:
        """The same of the packet that is read next; None: also if there is none."""


class UdpNet:
    """The machine's."""

    def bind(self, host: str, port: int, receive_bytes: int = RECEIVE_BYTES) -> socket.socket:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM | getattr(socket, "SOCK_NONBLOCK", 0))
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
            sock.bind((host, port))
            self.waited(sock)  # from now on it is noted
        except BaseException:
            sock.close()
            raise
        return sock

    def port_of(self, sock: Datagrams) -> int:
        assert isinstance(sock, socket.socket)
        port: int = sock.getsockname()[1]
        return port

    def disconnect(self, sock: Datagrams) -> None:
        # POSIX: connect() to an address of the family AF_UNSPEC; Python's own connect cannot say that.
        if sys.platform != "linux":  # pragma: no cover
            return
        if _libc.connect(sock.fileno(), _AF_UNSPEC_ADDRESS, len(_AF_UNSPEC_ADDRESS)) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    def adopt(self, fd: int) -> socket.socket:
        sock = socket.socket(fileno=fd)
        sock.setblocking(False)
        return sock

    def poller(self) -> select.epoll:
        return select.epoll()

    def waited(self, sock: Datagrams) -> float | None:
        # socket(7): SIOCGSTAMP; from the first call on the kernel notes when packets come.
        if sys.platform != "linux":  # pragma: no cover
            return None
        stamp = bytearray(_STAMP.size)
        try:
            fcntl.ioctl(sock.fileno(), _SIOCGSTAMPNS, stamp)
        except OSError:
            return None
        seconds, nanoseconds = _STAMP.unpack(stamp)
        return _CLOCK.wall() - float(seconds) - float(nanoseconds) / 1e9

    def waits(self, sock: Datagrams) -> float | None:
        assert isinstance(sock, socket.socket)
        try:
            sock.recv(1, socket.MSG_PEEK)
        except OSError:
            return None
        return self.waited(sock)


_STAMP = struct.Struct("@ll")
_SIOCGSTAMPNS = 0x8907
_CLOCK = SystemClock(0.0)

if sys.platform == "linux":
    import fcntl

    _libc = ctypes.CDLL(None, use_errno=True)
