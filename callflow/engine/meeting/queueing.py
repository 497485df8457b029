"""Layer 3: queues of callers, as values: who waits in which order, which agents are free, who rings for whom.

No input or output: times go in, decisions come out. ``modules/_queue_member.py`` waits, rings and plays. All
of it lives in memory: when the process ends its callers have gone. Who is logged in is kept
(``modules/_queue.py``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

REST_S = 5.0
"""An agent who has missed or refused a call is left alone for so long: nobody is rung without a pause."""

MOST_REMEMBERED = 10_000
"""Waits that a queue remembers, for its average."""

MOST_AGENTS = 500
"""Agents of one queue; further ones are left out."""

RING_ALL = "ring_all"
MOST_IDLE = "most_idle"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRules:
    """What a queue's document says (its schema has the defaults). Times in seconds; 0 means no limit for
    ``connection_timeout_s`` and ``max_size``.
    """

    strategy: str
    agents: tuple[str, ...]
    ring_s: float
    wrapup_s: float
    connection_timeout_s: float
    max_size: int
    enter_when_empty: bool
    exit_key: str
    simultaneously: int

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> QueueRules:
        """From a checked document (``Account.get`` fills the defaults in)."""
        agents = document.get("agents")
        return cls(
            strategy=str(document["strategy"]),
            agents=tuple(str(agent) for agent in agents[:MOST_AGENTS]) if isinstance(agents, list) else (),
            ring_s=float(document["agent_ring_timeout"]),
            wrapup_s=float(document["agent_wrapup_time"]),
            connection_timeout_s=float(document["connection_timeout"]),
            max_size=int(document["max_queue_size"]),
            enter_when_empty=bool(document["enter_when_empty"]),
            exit_key=str(document["caller_exit_key"]),
            simultaneously=int(document["ring_simultaneously"]),
        )


@dataclass(slots=True)
class Agent:
    """What an agent does at this moment. ``idle_since``: the end of the latest call; ``offered``: the number
    of the latest offer (0: none yet).
    """

    busy: bool = False
    free_at: float = 0.0
    idle_since: float = 0.0
    offered: int = 0


class Agents:
    """The agents of an account: an agent has one call at a time, whatever the queue."""

    def __init__(self) -> None:
        self._agents: dict[str, Agent] = {}
        self._offers = 0

    def of(self, agent: str) -> Agent:
        """The agent, as somebody new if need be."""
        return self._agents.setdefault(agent, Agent())

    def free(self, names: Sequence[str], strategy: str, now: float) -> list[str]:
        """Those of ``names`` who can be rung now, whoever is next first: ``round_robin`` by the latest offer,
        ``most_idle`` by how long they have had no call, ``ring_all`` in their order.
        """
        free = [name for name in names if not self.of(name).busy and self.of(name).free_at <= now]
        if strategy == RING_ALL:
            return free
        if strategy == MOST_IDLE:
            return sorted(free, key=lambda name: (self.of(name).idle_since, self.of(name).offered))
        return sorted(free, key=lambda name: self.of(name).offered)

    def offer(self, name: str) -> None:
        """The agent's phones ring."""
        self._offers += 1
        agent = self.of(name)
        agent.busy, agent.offered = True, self._offers

    def missed(self, name: str, now: float) -> None:
        """The agent has not taken the call."""
        agent = self.of(name)
        agent.busy, agent.free_at = False, now + REST_S

    def passed(self, name: str) -> None:
        """Another has taken the call, or the caller has gone."""
        self.of(name).busy = False

    def handled(self, name: str, wrapup_s: float, now: float) -> None:
        """The agent's talk is over."""
        agent = self.of(name)
        agent.busy, agent.idle_since, agent.free_at = False, now, now + wrapup_s

    def next_free_at(self, names: Sequence[str], now: float) -> float | None:
        """When one of those who rest will be free; None: nobody rests."""
        times = [self.of(name).free_at for name in names if not self.of(name).busy]
        return min((at for at in times if at > now), default=None)


@dataclass(eq=False, slots=True)
class Waiting:
    """A caller in a queue. ``wake`` is called when something may have changed for it."""

    call_id: str
    priority: int
    entered: float
    wake: Callable[[], None]
    ringing: bool = False


class QueueRoom:
    """One queue: its callers, those of a higher priority first, else in the order of their coming."""

    def __init__(self) -> None:
        self._waiting: list[Waiting] = []
        self._waits: deque[tuple[float, float]] = deque(maxlen=MOST_REMEMBERED)

    def __len__(self) -> int:
        return len(self._waiting)

    def enter(self, waiting: Waiting) -> None:
        """A caller comes."""
        self._waiting.append(waiting)
        self._waiting.sort(key=lambda one: -one.priority)  # stable: of one priority who came first is first

    def leave(self, waiting: Waiting, now: float) -> None:
        """A caller is connected, or has gone."""
        if waiting in self._waiting:
            self._waiting.remove(waiting)
            self._waits.append((now, now - waiting.entered))
            self.wake()

    def position(self, waiting: Waiting) -> int:
        """The caller's place; 1 is the next. 0: not here."""
        return self._waiting.index(waiting) + 1 if waiting in self._waiting else 0

    def wake(self) -> None:
        """Let every caller look again."""
        for waiting in self._waiting:
            waiting.wake()

    def choose(self, waiting: Waiting, free: Sequence[str], rules: QueueRules) -> list[str]:
        """Whom to ring for ``waiting``: agents are for those before it first."""
        unserved = [one for one in self._waiting if not one.ringing]
        if waiting not in unserved:
            return []
        place = unserved.index(waiting)
        if rules.strategy == RING_ALL:
            return list(free) if place == 0 else []
        width = max(1, rules.simultaneously)
        return list(free[place * width : (place + 1) * width])

    def average_wait(self, now: float, window_s: float) -> float:
        """How long those waited, on average, whose wait ended in the last ``window_s`` seconds (0: ever)."""
        waits = [wait for ended, wait in self._waits if not window_s or ended > now - window_s]
        return sum(waits) / len(waits) if waits else 0.0


@dataclass(slots=True)
class QueueRooms:
    """The queues of an account. ``services.calls.queues``."""

    agents: Agents = field(default_factory=Agents)
    _rooms: dict[str, QueueRoom] = field(default_factory=dict)

    def room(self, queue_id: str) -> QueueRoom:
        """The queue of that id."""
        return self._rooms.setdefault(queue_id, QueueRoom())

    def wake(self) -> None:
        """Let every caller of every queue look again."""
        for room in self._rooms.values():
            room.wake()
