"""Layer 6: what happens, numbered and kept for a while, for those who listen to it over HTTP.

An event is told once its fact is on disk: one about a recording, its transcript or a delivery waits for the
database to have committed what was handed in before, and its account is read there. The feed begins with its
first listener.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sqlite3
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import get_args

from callflow.errors import StorageError
from callflow.events import (
    CallAnswered,
    CallBridged,
    CallEnded,
    CallRinging,
    CallStarted,
    CallTransferred,
    CallUnbridged,
    DeliveryChanged,
    Event,
    EventBus,
    RecordingChanged,
    StepEnded,
    StepStarted,
    TranscriptChanged,
    as_json,
)
from callflow.livecalls import LiveCalls
from callflow.state.database import Database

KEPT = 5_000
"""So many events are kept for who comes back."""
KEPT_BYTES = 8 * 1024 * 1024
MOST_CALLS = 20_000
OF_CALLS = (
    CallStarted,
    CallRinging,
    CallAnswered,
    CallBridged,
    CallUnbridged,
    CallTransferred,
    CallEnded,
    StepStarted,
    StepEnded,
)
OF_RECORDINGS = RecordingChanged | TranscriptChanged | DeliveryChanged
Name = str


@dataclass(frozen=True, slots=True)
class Told:
    """An event as it is sent. ``name``: ``call.ended``, ``recording.ready``, ``delivery.waiting`` ..."""

    number: int
    account_id: str
    name: str
    call_id: str
    recording_id: str
    text: str


class Ring:
    """The latest events, bounded by number and size. ``epoch`` names this feed: numbers of another one mean
    nothing here.
    """

    def __init__(self, most: int = KEPT, most_bytes: int = KEPT_BYTES) -> None:
        self.epoch = secrets.token_hex(4)
        self.number = 0
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._kept: deque[Told] = deque()

    def add(self, account_id: str, name: str, event: Event) -> Told:
        """Number an event and keep it."""
        self.number += 1
        body = {"account_id": account_id, **as_json(event)}
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        recording_id = getattr(event, "recording_id", "")
        told = Told(self.number, account_id, name, event.call_id, recording_id, text)
        self._kept.append(told)
        self._bytes += len(text)
        while len(self._kept) > self._most or (self._bytes > self._most_bytes and len(self._kept) > 1):
            self._bytes -= len(self._kept.popleft().text)
        return told

    def id_of(self, number: int) -> str:
        """The id of an event, as the client gives it back."""
        return f"{self.epoch}-{number}"

    def since(self, id: str) -> tuple[Told, ...] | None:
        """What came after the event ``id``; None: that is not known any more, or never was."""
        epoch, _, text = id.partition("-")
        if epoch != self.epoch or not (text.isascii() and text.isdigit() and len(text) < 16):
            return None
        number = int(text)
        first = self._kept[0].number if self._kept else self.number + 1
        if not first - 1 <= number <= self.number:
            return None
        return tuple(told for told in self._kept if told.number > number)


class Feed:
    """Hears ``bus`` from ``start`` on, and hands each event to every listener."""

    def __init__(self, bus: EventBus, database: Database, live: LiveCalls) -> None:
        self.ring = Ring()
        self.listeners: set[Callable[[Told], None]] = set()
        self.accounts: Counter[str] = Counter()  # how many of each listen
        self._bus = bus
        self._database = database
        self._live = live
        self._calls: OrderedDict[str, str] = OrderedDict()
        self._waiting: list[tuple[Event, str]] = []
        self._busy = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """On the running loop; again: nothing happens."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            for call in self._live.list():
                self._know(call.call_id, call.account_id)
            self._bus.subscribe(self._on_event)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, CallStarted):
            self._know(event.call_id, event.account_id)
        if isinstance(event, OF_RECORDINGS):
            self._waiting.append((event, ""))
        elif isinstance(event, OF_CALLS) and event.call_id in self._calls:
            self._waiting.append((event, self._calls[event.call_id]))
        else:
            return
        if not self._busy and self._loop is not None:
            self._busy = True
            self._loop.call_soon(self._look_up)  # after whoever else hears of it has handed in its note

    def _know(self, call_id: str, account_id: str) -> None:
        self._calls[call_id] = account_id
        while len(self._calls) > MOST_CALLS:
            self._calls.popitem(last=False)

    def _look_up(self) -> None:
        """One look for all that has come meanwhile: they are told in their order."""
        batch, self._waiting = self._waiting, []
        events = [event for event, account_id in batch if not account_id]
        if not events:
            self._tell(batch, {})
            return
        try:
            work = self._database.submit(lambda conn: {id(one): _account(conn, one) for one in events})
        except StorageError:  # it is being closed
            return
        loop = self._loop
        assert loop is not None
        work.add_done_callback(lambda done: loop.call_soon_threadsafe(self._looked_up, batch, done))

    def _looked_up(self, batch: list[tuple[Event, str]], work: Future[dict[int, str]]) -> None:
        self._tell(batch, {} if work.exception() is not None else work.result())

    def _tell(self, batch: list[tuple[Event, str]], found: dict[int, str]) -> None:
        for event, account_id in batch:
            told = self.ring.add(account_id or found.get(id(event), ""), name_of(event), event)
            for listener in tuple(self.listeners):
                listener(told)
        self._busy = bool(self._waiting)
        if self._busy:
            self._look_up()


def name_of(event: Event) -> Name:
    """The name that clients filter by."""
    if isinstance(event, OF_RECORDINGS):
        return f"{event.NAME}.{event.change}"
    return event.NAME


def names() -> Iterator[str]:
    """What a filter may begin with."""
    yield from sorted({kind.NAME for kind in (*OF_CALLS, *get_args(OF_RECORDINGS))})


def _account(conn: sqlite3.Connection, event: Event) -> str:
    table, key = "recordings", getattr(event, "recording_id", "")
    if isinstance(event, DeliveryChanged):
        table, key = "deliveries", event.delivery_id
    row = conn.execute(f"SELECT account_id FROM {table} WHERE id = ?", (key,)).fetchone()
    return str(row[0]) if row else ""
