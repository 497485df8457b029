"""Layer 6: what the route files of the HTTP server work with."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from callflow.clock import SystemClock
from callflow.documents.catalog import Catalog, Tenant
from callflow.events import EventBus
from callflow.livecalls import LiveCalls
from callflow.server.turns import Turns
from callflow.state.database import Database
from callflow.state.folder import StateFolder

if TYPE_CHECKING:
    from callflow.app import Engine
    from callflow.exchange.exchange import Exchange
    from callflow.keeping import Keeping
    from callflow.server.meter import Meter
    from callflow.server.standing import Standing
    from callflow.server.tokens import Tokens


@dataclass(frozen=True)
class Parts:
    """The server of calls behind the HTTP server, and who may ask.

    ``closing`` is set when the process is about to end: answers that go on for ever end then.
    ``judging``: documents that clients send are judged and drawn one after the other.
    """

    exchange: Exchange
    tokens: Tokens
    meter: Meter
    standing: Standing
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    judging: Turns = field(default_factory=partial(Turns, "documents"))

    @property
    def engine(self) -> Engine:
        """Its engine."""
        return self.exchange.engine

    @property
    def keeping(self) -> Keeping:
        """Recordings, outbox and what else outlives calls."""
        return self.exchange.engine.keeping

    @property
    def database(self) -> Database:
        """The state folder's database."""
        return self.exchange.engine.database

    @property
    def folder(self) -> StateFolder:
        """The state folder."""
        return self.exchange.engine.folder

    @property
    def live(self) -> LiveCalls:
        """The calls of this moment."""
        return self.exchange.engine.live

    @property
    def bus(self) -> EventBus:
        """Every event of the process, on its loop."""
        return self.exchange.bus

    @property
    def clock(self) -> SystemClock:
        """What time it is."""
        return self.exchange.clock

    @property
    def catalog(self) -> Catalog:
        """All documents as they are in force now: look it up anew in each request."""
        return self.exchange.catalog

    def tenant(self, account_id: str) -> Tenant | None:
        """The account and its settings; None: there is no such account."""
        return self.exchange.catalog.tenants.get(account_id)
