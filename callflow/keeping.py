"""Layer 5: what outlives the calls: the state folder, its database, finishing, deliveries, recovery.

One ``Keeping`` belongs to one engine. Calls and media come and go above it; what it was given is safe.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from functools import partial
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING

from callflow.announcing import Announcer
from callflow.clock import Clock, OutsideLoop, SystemClock, monotonic
from callflow.delivery import outbox
from callflow.delivery.ahead import import_ahead
from callflow.delivery.deliverer import Deliverer
from callflow.delivery.guard import Guard
from callflow.delivery.http import GuardedHttp
from callflow.delivery.outside import OutsideHttp
from callflow.documents.accounts import Account
from callflow.documents.changes import Changes
from callflow.documents.keeping_rules import account_rules, folder_rules, lifetimes
from callflow.documents.settings import Settings
from callflow.errors import CallflowError
from callflow.events import DeliveryChanged, EventBus, TranscriptChanged
from callflow.ids import Ids
from callflow.log import logger, mask_url
from callflow.media.transcribing.hearing import Hearing
from callflow.recording.closing import ClosingDesk
from callflow.recording.crashpoints import crash_point
from callflow.recording.finish import Finished, Finisher
from callflow.recording.keeper import Keeper
from callflow.recording.recover import recover
from callflow.recording.transcribing import Transcribed, TranscribingDesk
from callflow.state.account_documents import put_keeping, put_storage
from callflow.state.changes import list_changes
from callflow.state.database import Database
from callflow.state.events import Message, message_row
from callflow.state.folder import StateFolder
from callflow.state.quota import WHOLE_FOLDER
from callflow.state.reader import Reader
from callflow.state.records import ACTIVE, DeliveryRow, add_delivery, get_delivery, list_deliveries
from callflow.state.transcripts import discard_clip, forgotten_clips, under_way

if TYPE_CHECKING:
    from callflow.delivery.websockets import OpenSocket

SOON_S = (2.0, 10.0)
"""After so many seconds failed recordings are tried again first."""

CLIP_S = 3600.0
"""A clip of speech that is older was left by a process that has died."""


class Keeping:
    """Opens the state folder at ``start`` and finishes, keeps and delivers what is recorded into it.

    ``bus`` hears of it. ``allow_loopback``: files may be sent to this machine. ``deliver`` False: what is
    finished stays in the outbox. Raises SettingsError for networks that cannot be read, and StorageError from
    ``start``.
    """

    def __init__(
        self,
        state: Path,
        settings: Settings,
        clock: Clock,
        bus: EventBus,
        *,
        allow_loopback: bool,
        deliver: bool,
    ) -> None:
        self._state = state
        self._settings = settings
        self._clock = clock
        self._bus = bus
        self._allow_loopback = allow_loopback
        self._deliver = deliver
        self._guard = Guard(settings.delivery.allow_networks, allow_loopback=allow_loopback)
        self._retrying: asyncio.Task[None] | None = None
        self._ids = Ids()
        self._last_wall = 0.0

    # ---- life ----------------------------------------------------------------------------------

    async def start(self, life: AsyncExitStack) -> None:
        """Open everything; ``life`` gets what closes it again."""
        if not self._clock.virtual:
            import_ahead()
        self._loop = asyncio.get_running_loop()
        self.folder = StateFolder.open(self._state)
        self.database = Database.open(self.folder.database)
        life.callback(self.database.close)
        self.reader = Reader(self.folder.database)
        life.callback(self.reader.close)
        self._changes: dict[str, Changes] = {}
        for row in self.database.run(list_changes):
            self.changes_of(row.account_id).put(row.kind, row.document_id, row.patch, row.revision)
        self._outside = OutsideLoop()
        life.callback(self._outside.close)
        self.announcer = Announcer(self.database, self._clock, self._bus, self.wake)
        life.push_async_callback(self.announcer.close)
        self._start_delivery(life)
        self.desk = ClosingDesk(Finisher(self.folder, self.database), self._clock, self._on_finished)
        self.keeper = Keeper(self.folder, self.database, self._clock)
        self._start_transcribing(life)

    def _start_delivery(self, life: AsyncExitStack) -> None:
        settings = self._settings
        self._http = GuardedHttp(
            self._guard,
            connect_timeout_s=settings.delivery.connect_timeout_s,
            progress_timeout_s=settings.delivery.progress_timeout_s,
            hosts=settings.delivery.hosts,
        )
        self.http = OutsideHttp(self._http, self._outside, self._clock)
        self._deliverer = Deliverer(
            self.database,
            self.folder,
            settings.delivery,
            SystemClock(),
            self._on_delivery,
            allow_loopback=self._allow_loopback,
            url_metadata=settings.media.call_recording.url_metadata,
            halfway=partial(crash_point, "sending"),
        )
        life.push_async_callback(self._close_outside)
        if self._deliver:
            life.callback(self._outside.submit(self._deliverer.run()).cancel)

    def _start_transcribing(self, life: AsyncExitStack) -> None:
        self.hearing = Hearing()
        life.callback(self.hearing.close)
        self._transcribing = TranscribingDesk(
            self.folder, self.database, self._settings.ncco.transcription, self._on_transcribed
        )
        life.callback(self._transcribing.close)
        if self._deliver:
            self._transcribing.start()
        for id in self.database.run(lambda conn: forgotten_clips(conn, self._clock.wall() - CLIP_S)):
            with suppress(OSError):  # it is one of the next start's, too
                self.database.run(partial(discard_clip, recording_id=id, root=self.folder.root))

    async def _close_outside(self) -> None:
        if not self._outside.used:
            return
        await self._outside.run(self._deliverer.close(), self._clock)
        await self._outside.run(self._http.close(), self._clock)

    @property
    def outside(self) -> OutsideLoop:
        """Where connections to web servers are."""
        return self._outside

    async def open_socket(self, url: str, headers: Mapping[str, str]) -> OpenSocket:
        """A WebSocket to a document's url; on the outside loop. Raises BadUrl, BlockedAddress, FetchError."""
        from callflow.delivery.websockets import open_socket

        within_s = self._settings.delivery.connect_timeout_s
        return await open_socket(self._guard, url, headers, within_s=within_s)

    def changes_of(self, account_id: str) -> Changes:
        """What calls have changed in the account's documents: one object for as long as the engine runs."""
        return self._changes.setdefault(account_id, Changes())

    def remember(self, accounts: Sequence[Account], settings: Mapping[str, Settings] | None = None) -> None:
        """What deliveries must know of these accounts, in this process and in any other of the state folder.
        ``settings``: those that hold for an account, by its id. Raises StorageError.
        """
        own = settings or {}

        def put(conn: sqlite3.Connection) -> None:
            for account in accounts:
                put_storage(conn, account.id, account.storage)
                if account.document or not account.broken:  # else what was known before still holds
                    rules = account_rules(account, own.get(account.id, self._settings)).plain()
                    put_keeping(conn, account.id, rules, lifetimes(account))
            put_sending(conn)

        put_sending = self.announcer.know(accounts)
        self.database.run(put)

    # ---- recordings ----------------------------------------------------------------------------

    async def recover(self) -> None:
        """Finish what a crash has left behind, and tell it. Raises StorageError."""
        with self._clock.external():
            recovered = await asyncio.to_thread(recover, self.folder, self.desk.finisher)
        for finished in recovered:
            self._on_finished(finished)

    def keep_tidy(self) -> None:
        """From now on erase what has had its time, and what is too much (``recording/keeper.py``)."""
        rules = folder_rules(self._settings.media).plain()
        self.database.run(lambda conn: put_keeping(conn, WHOLE_FOLDER, rules, {}))
        self.keeper.start()

    def retry_failed(self, every_s: float) -> None:
        """From now on try again, every ``every_s`` seconds, to finish recordings that failed and kept their
        spool (a full disk, a fault that an update has mended). What fails again is not told again. The first
        time is soon: media processes of a server that was killed hold their spools a moment longer.
        """
        self._retrying = self._loop.create_task(self._retry(every_s))

    async def stop_retrying(self) -> None:
        """No more of that, nor of tidying; what is being finished at this moment is."""
        await self.keeper.stop()
        if self._retrying is not None:
            self._retrying.cancel()
            await asyncio.gather(self._retrying, return_exceptions=True)
            self._retrying = None

    async def _retry(self, every_s: float) -> None:
        for wait_s in chain((min(wait_s, every_s) for wait_s in SOON_S), repeat(every_s)):
            await self._clock.sleep(wait_s)
            trying = asyncio.ensure_future(
                asyncio.to_thread(recover, self.folder, self.desk.finisher, self.desk.owns)
            )
            try:
                recovered = await asyncio.shield(trying)
            except asyncio.CancelledError:
                await asyncio.gather(trying, return_exceptions=True)  # the database is still open
                raise
            except (CallflowError, OSError) as error:
                logger.warning("recordings that failed are tried again later: %s", error)
                continue
            for finished in recovered:
                if finished.change != "failed":
                    self._on_finished(finished)

    def _on_finished(self, finished: Finished) -> None:
        """A recording has come to its end (``cancelled`` was told already, by the recorder)."""
        self.keeper.grown()
        if finished.to_transcribe and self._deliver:
            self._transcribing.wake()
        if finished.change != "cancelled":
            self._bus.publish(finished.event(self._clock.now()))
        if finished.delivery_id is not None:
            self._bus.publish(
                DeliveryChanged(
                    time=self._clock.now(),
                    call_id=finished.call_id,
                    delivery_id=finished.delivery_id,
                    recording_id=finished.id,
                    change="queued",
                    method=finished.method,
                    url=finished.url or "",
                )
            )
        self.wake()  # what is sent of it, and webhooks that hear of it

    # ---- transcripts ---------------------------------------------------------------------------

    def _on_transcribed(self, news: Transcribed) -> None:
        """From one of its threads: told on the engine's loop, at the engine's time."""
        with suppress(RuntimeError):  # the loop has ended: the outbox knows it all the same
            self._loop.call_soon_threadsafe(self._tell_transcribed, news)

    def _tell_transcribed(self, news: Transcribed) -> None:
        now = self._clock.now()
        self._bus.publish(
            TranscriptChanged(
                time=now,
                call_id=news.call_id,
                recording_id=news.recording_id,
                change="failed" if news.error else "transcribed",
                file=news.file,
                error=news.error,
            )
        )
        if news.delivery_id:
            self._bus.publish(
                DeliveryChanged(
                    time=now,
                    call_id=news.call_id,
                    delivery_id=news.delivery_id,
                    recording_id=news.recording_id,
                    change="queued",
                    method=news.method,
                    url=mask_url(news.url),
                )
            )
        self.wake()  # webhooks of the account hear of it, too

    # ---- deliveries ----------------------------------------------------------------------------

    async def send(self, message: Message, call_id: str, recording_id: str = "") -> None:
        """Put a JSON message for a web server into the outbox; when this returns it is on disk. Raises
        StorageError.
        """
        id = self._ids.short()
        wall = self._last_wall = max(self._clock.wall(), self._last_wall + 1e-6)  # they go out in this order
        row = message_row(message, id=id, call_id=call_id, wall=wall, recording_id=recording_id)
        with self._clock.external():
            await self.database.arun(lambda conn: add_delivery(conn, row))
        self._bus.publish(
            DeliveryChanged(
                time=self._clock.now(),
                call_id=call_id,
                delivery_id=id,
                recording_id=recording_id,
                change="queued",
                method=message.method,
                url=mask_url(message.url),
            )
        )
        self._deliverer.wake()

    def _on_delivery(self, event: DeliveryChanged) -> None:
        """From the outside loop: told on the engine's, at the engine's time."""
        self._loop.call_soon_threadsafe(self._tell_delivery, event)

    def _tell_delivery(self, event: DeliveryChanged) -> None:
        self._bus.publish(replace(event, time=self._clock.now()))

    def wake(self) -> None:
        """Something was put into the outbox: it is looked at now."""
        self._deliverer.wake()

    async def hurry(self, recording_id: str) -> None:
        """Send again now what waits for its next attempt: a test does not wait for the schedule."""
        with self._clock.external():
            now = SystemClock().wall()
            await self.database.arun(lambda conn: outbox.hurry(conn, recording_id, now))
        self._deliverer.wake()

    async def deliveries_settled(
        self, recording_ids: Collection[str], wait_s: float, messages: Collection[str] = ()
    ) -> list[DeliveryRow]:
        """Wait, at most ``wait_s`` seconds of real time, until nothing of these recordings, and none of these
        ``messages`` (ids of deliveries), is on its way or being transcribed any more; gives their deliveries
        as they then are, the first first.
        """
        changed = threading.Event()
        unsubscribe = self._bus.subscribe(
            lambda event: changed.set() if isinstance(event, DeliveryChanged | TranscriptChanged) else None
        )
        deadline = monotonic() + wait_s
        try:
            while True:
                changed.clear()
                rows, transcribing = await self._deliveries_of(recording_ids, messages)
                left = deadline - monotonic()
                if left <= 0 or not (transcribing or any(row.state in ACTIVE for row in rows)):
                    return rows
                with self._clock.external():
                    await asyncio.to_thread(changed.wait, min(left, 1.0))
        finally:
            unsubscribe()

    async def _deliveries_of(
        self, recording_ids: Collection[str], messages: Collection[str]
    ) -> tuple[list[DeliveryRow], bool]:
        """And whether any of the recordings is still to be transcribed here."""

        def find(conn: sqlite3.Connection) -> tuple[list[DeliveryRow], bool]:
            found = [row for one in recording_ids for row in list_deliveries(conn, recording_id=one)]
            wanted = self._deliver and bool(under_way(conn, recording_ids))
            return found + [get_delivery(conn, one) for one in messages], wanted

        with self._clock.external():
            rows, transcribing = await self.database.arun(find)
        return sorted(rows, key=lambda row: (row.created_wall, row.id)), transcribing
