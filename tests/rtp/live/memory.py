"""A network in memory with a clock of its own: packets are lost, late and out of order as a test says."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Sequence

from callflow.media.rtp.sockets import RECEIVE_BYTES, Address, Datagrams

Fate = Callable[[int], float | None]
"""``fate(number)``: after how many seconds a packet arrives; None: never."""


class MemorySocket:
    """What is used of a socket. ``peer``: connected to."""

    def __init__(self, net: MemoryNet, fd: int, name: Address) -> None:
        self.name = name
        self.peer: Address | None = None
        self.queue: deque[tuple[bytes, Address, float]] = deque()  # the last: when it came
        self.came: float | None = None  # the packet that was read last
        self._net = net
        self._fd = fd

    def fileno(self) -> int:
        return self._fd

    def recv_into(self, buffer: memoryview, /) -> int:
        return self.recvfrom_into(buffer)[0]

    def recvfrom_into(self, buffer: memoryview, /) -> tuple[int, Address]:
        if not self.queue:
            raise BlockingIOError
        data, source, self.came = self.queue.popleft()
        data = data[: len(buffer)]
        buffer[: len(data)] = data
        return len(data), source

    def recv(self, size: int, flags: int, /) -> bytes:
        raise NotImplementedError

    def send(self, data: memoryview | bytes, /) -> int:
        assert self.peer is not None
        return self.sendto(data, self.peer)

    def sendto(self, data: memoryview | bytes, address: Address, /) -> int:
        self._net.carry(bytes(data), self.name, address)
        return len(data)

    def connect(self, address: Address, /) -> None:
        self.peer = address

    def detach(self) -> int:
        return self._fd

    def close(self) -> None:
        self._net.sockets.pop(self.name, None)


class MemoryPoller:
    """What is used of epoll: level-triggered."""

    def __init__(self, net: MemoryNet) -> None:
        self._net = net
        self._fds: dict[int, MemorySocket] = {}

    def register(self, fd: int, eventmask: int = 1, /) -> None:
        self._fds[fd] = next(sock for sock in self._net.sockets.values() if sock.fileno() == fd)

    def unregister(self, fd: int, /) -> None:
        self._fds.pop(fd, None)

    def poll(self, timeout: float, maxevents: int, /) -> Sequence[tuple[int, int]]:
        return [(fd, 1) for fd, sock in self._fds.items() if sock.queue][:maxevents]

    def close(self) -> None:
        self._fds.clear()


class MemoryNet:
    """All its sockets. ``fate``: of each packet, by source port; default: at once. ``stamps``: it is known
    when packets came.
    """

    def __init__(self, *, stamps: bool = False) -> None:
        self.stamps = stamps
        self.sockets: dict[Address, MemorySocket] = {}
        self.fate: dict[int, Fate] = {}
        self.now = 0.0
        self._flying: list[tuple[float, int, bytes, Address, Address]] = []
        self._sent: dict[int, int] = {}
        self._fds = 100

    def bind(self, host: str, port: int, receive_bytes: int = RECEIVE_BYTES) -> MemorySocket:
        if (host, port) in self.sockets:
            raise OSError(98, "in use")
        self._fds += 1
        sock = self.sockets[host, port] = MemorySocket(self, self._fds, (host, port))
        return sock

    def adopt(self, fd: int) -> MemorySocket:
        return next(sock for sock in self.sockets.values() if sock.fileno() == fd)

    def port_of(self, sock: Datagrams) -> int:
        assert isinstance(sock, MemorySocket)
        return sock.name[1]

    def disconnect(self, sock: Datagrams) -> None:
        assert isinstance(sock, MemorySocket)
        sock.peer = None

    def waited(self, sock: Datagrams) -> float | None:
        assert isinstance(sock, MemorySocket)
        return self.now - sock.came if self.stamps and sock.came is not None else None

    def waits(self, sock: Datagrams) -> float | None:
        assert isinstance(sock, MemorySocket)
        return self.now - sock.queue[0][2] if self.stamps and sock.queue else None

    def poller(self) -> MemoryPoller:
        return MemoryPoller(self)

    def carry(self, data: bytes, source: Address, target: Address) -> None:
        """A packet begins its way."""
        number = self._sent[source[1]] = self._sent.get(source[1], -1) + 1
        fate = self.fate.get(source[1])
        takes = 0.0 if fate is None else fate(number)
        if takes is not None:
            heapq.heappush(self._flying, (self.now + takes, len(self._flying) + number, data, source, target))
            self.run(self.now)

    def run(self, until: float) -> None:
        """What arrives by then arrives."""
        self.now = until
        while self._flying and self._flying[0][0] <= until + 1e-9:
            due, _, data, source, target = heapq.heappop(self._flying)
            sock = self.sockets.get(target)
            if sock is not None and sock.peer in (None, source):
                sock.queue.append((data, source, due))
