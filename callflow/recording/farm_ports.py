"""Layer 2: the RTP ports of all media processes, as the engine takes them: without asking anybody.

Each worker binds ports of its own part of the range ahead of time and says so (``PortsBound``); when one
becomes a leg's, it binds another. What is taken here is open already.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable

from callflow.errors import MediaError, NoMediaPort
from callflow.media.messages import RtpPlace
from callflow.recording.farm_routes import Routes


def split_ports(ports: tuple[int, int], workers: int) -> list[tuple[int, int]]:
    """First and last port of each worker: whole pairs of an even port and the next. Raises MediaError if
    there are fewer pairs than workers.
    """
    first, last = ports[0] + ports[0] % 2, ports[1]
    pairs = (last - first + 1) // 2
    if first <= 0 or last > 65535 or pairs < workers:
        raise MediaError(
            f"ports {ports[0]} to {ports[1]} hold {max(0, pairs)} pairs for {workers} workers",
            hint="give a range such as 16384-32768",
        )
    edges = [first + 2 * (pairs * number // workers) for number in range(workers + 1)]
    return [(low, high - 1) for low, high in itertools.pairwise(edges)]


class FarmPorts:
    """The ``RtpPorts`` of a farm: see ``callflow.media.port``."""

    def __init__(self, host: str, workers: int, routes: Routes) -> None:
        self._host = host
        self._routes = routes
        self._free: list[deque[int]] = [deque() for _ in range(workers)]
        self._taken: list[set[int]] = [set() for _ in range(workers)]  # taken, but no leg's yet

    @property
    def free(self) -> int:
        """How many could be taken now; the workers bind more as these go."""
        return sum(map(len, self._free))

    def take(self, near: str = "") -> RtpPlace:
        """A port of the worker that has ``near``, else of the one with the least to do. Raises
        NoMediaPort.
        """
        wanted = self._routes.worker_of(near) if near else None
        order: Iterable[int] = sorted(range(len(self._free)), key=self._work)
        if wanted is not None:
            order = (wanted, *order)
        for worker in order:
            if self._free[worker]:
                port = self._free[worker].popleft()
                self._taken[worker].add(port)
                return RtpPlace(self._host, port, worker)
        raise NoMediaPort(
            "all RTP ports are in use", hint="give a wider range with --media-ports, or end some calls"
        )

    def give_back(self, place: RtpPlace) -> None:
        """Free a port that never became a leg's; others are ignored."""
        if self.claim(place):
            self._free[place.worker].append(place.port)

    def claim(self, place: RtpPlace) -> bool:
        """It becomes a leg's. False: it was not taken, or its worker has died since."""
        if not 0 <= place.worker < len(self._taken) or place.port not in self._taken[place.worker]:
            return False
        self._taken[place.worker].remove(place.port)
        return True

    def bound(self, worker: int, ports: Iterable[int]) -> None:
        """These of ``worker`` are open."""
        self._free[worker].extend(ports)

    def lost(self, worker: int) -> None:
        """``worker`` is dead, and its sockets with it."""
        self._free[worker].clear()
        self._taken[worker].clear()

    def _work(self, worker: int) -> int:
        return self._routes.load(worker) + len(self._taken[worker])
