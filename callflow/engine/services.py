"""Layer 3: what a call needs from the rest of the engine, in one frozen bundle.

``callflow.app`` makes one ``Services`` for an engine and gives it to every call. Nothing here knows
where audio, time, accounts or HTTP come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from callflow.channels.channel import Dialer
from callflow.clock import Clock
from callflow.documents.accounts import Account
from callflow.documents.settings import Settings
from callflow.engine.meeting.queueing import QueueRooms
from callflow.engine.meeting.slots import ParkingLot
from callflow.engine.pins import WrongPins
from callflow.engine.rooms import RoomTable
from callflow.engine.router import MediaRouter
from callflow.engine.sound.kept import KeptSounds
from callflow.engine.turns import Turns
from callflow.events import EventBus
from callflow.ids import Ids
from callflow.media.port import MediaPort
from callflow.media.transcribing.hearing import Hearing
from callflow.state.database import Database

if TYPE_CHECKING:
    from callflow.engine.call import Call
    from callflow.engine.metaflows import Action

AT_ONCE, MOST_WAITING = 2, 200
"""Texts that are spoken, and mails that are sent, at a time; and how many may wait for that."""

FETCH_LIMIT_BYTES = 100 * 1024 * 1024
"""The largest file that ``play`` fetches from a url."""


class HttpResponse(Protocol):
    """An answer: its status, its headers and (the first part of) its body."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def body(self) -> bytes: ...


class HttpPort(Protocol):
    """The guarded HTTP client, as a call sees it. Whoever implements it holds virtual time still while
    the outside world is awaited. Raises ``BlockedAddress``, ``BadUrl`` and ``FetchError``.
    """

    async def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        follow: int = 10,
    ) -> HttpResponse:
        """Send a request; redirects are followed ``follow`` times."""

    async def fetch_file(self, url: str, into: Path, max_bytes: int) -> None:
        """Write what ``url`` gives to the file ``into``; larger than ``max_bytes`` is a ``FetchError``."""


@dataclass(slots=True)
class Calls:
    """The calls that are up, found by the call id of any of their legs: an attended transfer names the
    channel on which the transferor has talked to the target. And where they wait for others: parking slots,
    queues; and what calls before them did: wrong PINs.
    """

    parking: ParkingLot = field(default_factory=ParkingLot)
    queues: QueueRooms = field(default_factory=QueueRooms)
    pins: WrongPins = field(default_factory=WrongPins)
    _by_leg: dict[str, Call] = field(default_factory=dict)

    def add(self, channel_id: str, call: Call) -> None:
        """``channel_id`` is a leg of ``call`` from now on."""
        self._by_leg[channel_id] = call

    def remove(self, channel_id: str) -> None:
        """The leg is gone; one that was never there is no mistake."""
        self._by_leg.pop(channel_id, None)
        self.queues.wake()  # an agent may be free now

    def find(self, channel_id: str) -> Call | None:
        """The call that has this leg, if it is up."""
        return self._by_leg.get(channel_id)

    def all(self) -> list[Call]:
        """Every call that is up, the oldest first."""
        return list(dict.fromkeys(self._by_leg.values()))


@dataclass(frozen=True, slots=True)
class Services:
    """All that calls share.

    ``variables``: ``--var NAME=VALUE``. ``fetched``: a folder for sound files that a flow's urls name.
    ``flows``: callflow documents by id beside the account's own (a single file's). ``router`` hears
    ``media`` and hands its events to the calls they belong to. ``actions``: what metaflows can do, by name.
    """

    media: MediaPort
    router: MediaRouter
    clock: Clock
    ids: Ids
    bus: EventBus
    settings: Settings
    account: Account
    dialer: Dialer
    http: HttpPort
    database: Database
    fetched: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    flows: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    calls: Calls = field(default_factory=Calls)
    rooms: RoomTable = field(default_factory=RoomTable)
    actions: Mapping[str, Action] = field(default_factory=dict)
    kept: KeptSounds = field(default_factory=KeptSounds)
    speech: Turns = field(default_factory=lambda: Turns(AT_ONCE, MOST_WAITING))
    hearing: Hearing = field(default_factory=Hearing)
    mails: Turns = field(default_factory=lambda: Turns(AT_ONCE, MOST_WAITING))

    def callflows(self) -> dict[str, Mapping[str, Any]]:
        """Every callflow document by id: the account's, and those of ``flows`` over them."""
        return {**self.account.all("callflow"), **self.flows}
