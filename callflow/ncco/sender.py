"""Layer 4: events into the outbox: once ``send`` has come back, a message is on disk and will be tried."""

from __future__ import annotations

from collections.abc import Callable

from callflow.clock import Clock
from callflow.ids import Ids
from callflow.state.database import Database
from callflow.state.events import Message, message_row
from callflow.state.records import add_delivery


class OutboxSender:
    """An ``EventSender``. ``wake``: tells the deliverer to look (``Keeping.wake``)."""

    def __init__(
        self, database: Database, clock: Clock, ids: Ids, wake: Callable[[], None], wall: Callable[[], float]
    ) -> None:
        """``wall``: the deliverer's seconds since 1970, which are the machine's."""
        self._database = database
        self._clock = clock
        self._ids = ids
        self._wake = wake
        self._wall = wall

    async def send(self, message: Message, call_id: str, recording_id: str = "") -> None:
        """Put ``message`` into the outbox. Raises StorageError."""
        row = message_row(
            message, id=self._ids.short(), call_id=call_id, recording_id=recording_id, wall=self._wall()
        )
        await self._clock.outside(self._database.submit(lambda conn: add_delivery(conn, row)))
        self._wake()
