"""A child that sends every datagram back to where it came from, from a socket each (as engine legs have).

``python -m benchmarks._load_echo '{"sockets": 800}'`` prints the ports as JSON and echoes until its input
ends. ``"swap": 1`` sends back what the neighbouring socket got (a crossed connection), ``"drop": n`` loses
each nth.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import threading
import time

from benchmarks.table import options


def echo(sockets: int, swap: bool = False, drop: int = 0) -> None:
    """Until standard input is closed."""
    poll, found = select.epoll(), {}
    ports = []
    for _ in range(sockets):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        ports.append(sock.getsockname()[1])
        found[sock.fileno()] = [sock, None, ports[-1]]
        poll.register(sock, select.EPOLLIN)
    order = list(found)
    other = {
        fd: order[index ^ 1] if swap and index ^ 1 < len(order) else fd for index, fd in enumerate(order)
    }
    print(json.dumps(ports), flush=True)
    ended = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    count = 0
    while not ended.is_set():
        time.sleep(0.01)  # as a pump's tick
        for fd, _ in poll.poll(0.1):
            entry = found[fd]
            try:
                data, entry[1] = entry[0].recvfrom(2000)
            except OSError:
                continue
            count += 1
            out = found[other[fd]]
            if out[1] is not None and not (drop and count % drop == 0):
                out[0].sendto(data, out[1])


if __name__ == "__main__":
    asked = options()
    echo(asked["sockets"], bool(asked.get("swap")), asked.get("drop", 0))
