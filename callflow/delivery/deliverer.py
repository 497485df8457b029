"""Layer 2: empties the outbox: claims what is due, sends it side by side, settles it, and starts again.

It lives on a loop of real time. Everything that decides is elsewhere and pure (``outbox``, ``retry``,
``urls``, ``guard``); here are only tasks, leases and waiting.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from functools import partial
from math import inf
from typing import Any

from callflow.clock import Clock
from callflow.delivery import outbox
from callflow.delivery.attempt import Tried, attempt
from callflow.delivery.destinations.couchdb import CouchDestination
from callflow.delivery.destinations.destination import Destination
from callflow.delivery.destinations.event import EventDestination
from callflow.delivery.destinations.http import HttpDestination
from callflow.delivery.destinations.storage import StorageDestination
from callflow.delivery.destinations.tus import Uploads
from callflow.delivery.guard import Guard
from callflow.delivery.http import GuardedHttp
from callflow.delivery.leftovers import forget_file, leftovers, let_go
from callflow.delivery.outbox import DeliveryState, Parcel
from callflow.delivery.stores.store import Ways
from callflow.delivery.turns import Turns
from callflow.documents.delivery_hosts import rule_for
from callflow.documents.settings import DeliverySettings
from callflow.errors import CallflowError
from callflow.events import DeliveryChanged
from callflow.log import logger, mask_url
from callflow.state.account_documents import storage_of
from callflow.state.database import Database
from callflow.state.folder import StateFolder
from callflow.state.lock import FileLock
from callflow.state.records import DeliveryRow

LEASE_S = 60.0
POLL_S = 5.0
"""How often the outbox is looked at without being woken: another process may have put something in."""
VIRTUAL_POLL_S = 3600.0
LAST_POLL_S = 0.25
"""The same while all that is left is with other processes, and we end when they are done."""
TIDY_S = 600.0
"""How often files are looked for that were delivered and stayed."""
BACK_S = 5.0
"""How long to wait after the database could not be used."""


class Deliverer:
    """Delivers what is in the outbox of ``folder``; several, in several processes, may share one folder.

    ``publish`` gets a DeliveryChanged for each step, on the loop that runs ``run``. ``allow_loopback``: for
    pretend calls and tests. ``url_metadata``: ``media.call_recording.url_metadata``. ``halfway``: called when
    half of a file is on its way (a test may die there).
    """

    def __init__(
        self,
        database: Database,
        folder: StateFolder,
        settings: DeliverySettings,
        clock: Clock,
        publish: Callable[[DeliveryChanged], None],
        *,
        allow_loopback: bool = False,
        url_metadata: bool = False,
        halfway: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._folder = folder
        self._settings = settings
        self._clock = clock
        self._publish = publish
        guard = Guard(settings.allow_networks, allow_loopback=allow_loopback)
        self._client = GuardedHttp(
            guard,
            connect_timeout_s=settings.connect_timeout_s,
            progress_timeout_s=settings.progress_timeout_s,
            hosts=settings.hosts,
        )
        self._destinations: dict[str, Destination] = {
            "http": HttpDestination(
                self._client,
                url_metadata=url_metadata,
                halfway=halfway,
                wall=clock.wall,
                uploads=Uploads(database),
            ),
            "couchdb": CouchDestination(self._client),
            "event": EventDestination(self._client, clock.wall),
            "storage": StorageDestination(
                Ways(self._client, guard, settings.connect_timeout_s, settings.progress_timeout_s),
                self._plan_of,
            ),
        }
        self._owner = f"{os.getpid()}-{secrets.token_hex(6)}"
        self._lock: FileLock | None = None
        self._sending: dict[asyncio.Task[None], Parcel] = {}
        self._woken = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turns = Turns()
        self._renewed: float | None = None
        self._wall = inf
        self._tidied: float | None = None

    def wake(self) -> None:
        """Something was put into the outbox: look at once. From any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._woken.set)

    async def run(self, until_empty: bool = False) -> None:
        """Deliver for ever; ``until_empty``: until nothing is queued, waiting or being sent by anybody.

        Whatever goes wrong (a full disk, a locked database, a fault of ours) is logged and tried again.
        """
        self._loop = asyncio.get_running_loop()
        while True:
            try:
                self._hold()
                await self._tidy()
                if await self._round(until_empty):
                    return
            except (CallflowError, OSError) as error:
                logger.error("the outbox cannot be used, trying again in %g s: %s", BACK_S, error)
                await self._clock.sleep(BACK_S)
            except Exception:  # ended silently, it would never deliver anything again
                logger.exception("a fault in the deliverer, going on in %g s", BACK_S)
                await self._clock.sleep(BACK_S)

    async def close(self) -> None:
        """Stop what is being sent (it is due again at once) and close. Call it after ``run`` was ended.

        If the database cannot be used now, others find out by our lock that we are gone.
        """
        for task in tuple(self._sending):
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        await self._client.close()
        now = self._clock.wall()
        try:
            with self._clock.external():
                await self._database.arun(lambda conn: outbox.release(conn, self._owner, now))
        except CallflowError as error:
            logger.warning("what was being sent stays marked so until the next start: %s", error)
        finally:
            if self._lock is not None:
                self._lock.release(remove=True)
                self._lock = None

    async def _plan_of(self, account_id: str) -> Mapping[str, Any]:
        """The account's storage plan as it is now, as far as this state folder knows it."""
        return await self._database.arun(lambda conn: storage_of(conn, account_id))

    # ---- a round ------------------------------------------------------------------------------

    async def _round(self, until_empty: bool) -> bool:
        """Claim and start what may be sent now, then wait for a reason to look again. True: all is done."""
        self._woken.clear()
        await self._keep_leases()
        with self._clock.external():
            parcels, due, left = await self._database.arun(self._claim)
        for parcel in parcels:
            self._start(parcel)
        if until_empty and not left and not self._sending:
            return True
        poll_s = VIRTUAL_POLL_S if self._clock.virtual else POLL_S
        if until_empty and due is None and not self._sending:
            poll_s = LAST_POLL_S
        await self._wait(poll_s if due is None else min(poll_s, max(0.0, due - self._clock.wall())))
        return False

    def _claim(self, conn: sqlite3.Connection) -> tuple[list[Parcel], float | None, bool]:
        """All that may be sent now; when the next is due; whether anything is left."""
        now = self._clock.wall()
        parcels: list[Parcel] = []
        while more := self._claim_more(conn, now, (*self._sending.values(), *parcels)):
            parcels += more
        return parcels, outbox.next_due(conn, now), outbox.any_left(conn)

    def _claim_more(self, conn: sqlite3.Connection, now: float, sending: Collection[Parcel]) -> list[Parcel]:
        """What has its turn; an account that has all it may then makes room for the next."""
        return outbox.claim(
            conn,
            self._owner,
            now,
            lease_s=LEASE_S,
            limit=self._settings.parallel - len(sending),
            per_host=self._settings.parallel_per_host,
            in_flight=Counter(parcel.delivery.host for parcel in sending),
            host_bound=self._bound_of,
            per_account=self._settings.parallel_per_account,
            of_accounts=Counter(parcel.delivery.account_id for parcel in sending),
            turns=self._turns,
        )

    def _bound_of(self, host: str) -> int:
        name, _, port = host.rpartition(":") if host[-1:] != "]" else (host, "", "")
        if not name or not port.isdigit():
            name, port = host, "0"
        return rule_for(name.strip("[]"), int(port), self._settings.hosts, {}).parallel

    async def _wait(self, seconds: float) -> None:
        """Until woken, or ``seconds`` have gone. Virtual time stands still while something is being sent."""
        waiting = asyncio.ensure_future(self._woken.wait())
        sleeping = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            if self._sending:
                with self._clock.external():
                    await asyncio.wait((waiting, sleeping), return_when=asyncio.FIRST_COMPLETED)
            else:
                await asyncio.wait((waiting, sleeping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            sleeping.cancel()

    def _start(self, parcel: Parcel) -> None:
        self._tell(parcel, parcel.delivery, "sending")
        task = asyncio.create_task(self._send(parcel))
        self._sending[task] = parcel
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Whatever a task may have raised: a delivery that nobody sends is given back by ``_keep_leases``."""
        parcel = self._sending.pop(task)
        self._woken.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("delivery %s ended in a fault", parcel.delivery.id, exc_info=error)

    # ---- one delivery -------------------------------------------------------------------------

    async def _send(self, parcel: Parcel) -> None:
        path = self._folder.root / parcel.delivery.file
        with self._clock.external():
            tried = await attempt(parcel, path, self._destinations, self._clock, random.random())
        row, file = await self._settle(parcel, tried)
        if row is None:
            return
        wait_s = row.next_wall - self._clock.wall() if row.state == DeliveryState.WAITING else None
        try:
            if file:
                await self._remove(row.id, file)
        finally:
            self._tell(parcel, row, row.state.lower(), tried, wait_s)

    async def _settle(self, parcel: Parcel, tried: Tried) -> tuple[DeliveryRow | None, str]:
        """Write it down, however long the database refuses: what was sent must not be forgotten, nor what is
        written down stay untold, also if we are stopped meanwhile (``close`` releases what is left after what
        was handed in before). With the file that may be removed now, or nothing.
        """

        def settle(conn: sqlite3.Connection) -> tuple[DeliveryRow | None, str]:
            row = outbox.settle(conn, self._owner, tried.attempt, tried.decision, self._clock.wall())
            if row is None or row.state != DeliveryState.DELIVERED or self._settings.keep_delivered:
                return row, ""
            return row, let_go(conn, row.id)

        stopped = False
        while not stopped:
            try:
                with self._clock.external():
                    settling = asyncio.ensure_future(self._database.arun(settle))
                    try:
                        return await asyncio.shield(settling)
                    except asyncio.CancelledError:
                        stopped = True
                        return await settling
            except CallflowError as error:
                logger.error("delivery %s cannot be settled yet: %s", parcel.delivery.id, error)
                if not stopped:
                    await self._clock.sleep(BACK_S)
        return None, ""

    async def _remove(self, delivery_id: str, file: str) -> None:
        """The commit that lets it go came first; now the file, then the note that it is gone. What cannot be
        removed now, or is still wanted here, is tidied away later.
        """
        try:
            with self._clock.external():
                await asyncio.to_thread((self._folder.root / file).unlink, missing_ok=True)
                await self._database.arun(lambda conn: forget_file(conn, delivery_id, file))
        except (CallflowError, OSError) as error:
            logger.warning("the file of delivery %s, which is done, stays here: %s", delivery_id, error)

    def _tell(
        self,
        parcel: Parcel,
        row: DeliveryRow,
        change: str,
        tried: Tried | None = None,
        next_attempt_in: float | None = None,
    ) -> None:
        self._publish(
            DeliveryChanged(
                time=self._clock.now(),
                call_id=parcel.recording.call_id,
                delivery_id=row.id,
                recording_id=row.recording_id,
                change=change,
                method=row.method.upper(),
                url=mask_url(row.url),
                attempt=parcel.delivery.attempts,
                status=tried.attempt.status if tried else None,
                seconds=tried.attempt.seconds if tried else None,
                next_attempt_in=next_attempt_in,
                message=tried.attempt.error if tried else "",
            )
        )

    # ---- leases -------------------------------------------------------------------------------

    def _hold(self) -> None:
        """Show that this owner is alive: a lock that goes with the process."""
        if self._lock is None:
            leases = self._folder.root / "leases"
            leases.mkdir(exist_ok=True)
            while self._lock is None:  # who looks whether we are dead has it for a moment
                self._lock = FileLock.try_acquire(leases / f"{self._owner}.lock")
            for path in leases.glob(
                "*.lock"
            ):  # of those that were killed; who holds none is dead all the same
                self._is_dead(path.stem)

    async def _tidy(self) -> None:
        """From time to time: remove files that a process delivered and had no time to remove, or that were
        wanted here longer than that.
        """
        since_start = self._clock.now()
        if self._settings.keep_delivered or (
            self._tidied is not None and since_start - self._tidied < TIDY_S
        ):
            return
        self._tidied = since_start
        with self._clock.external():
            found = await self._database.arun(leftovers)
        for delivery_id in found:
            with self._clock.external():
                file = await self._database.arun(partial(let_go, delivery_id=delivery_id))
            if file:
                await self._remove(delivery_id, file)

    async def _keep_leases(self) -> None:
        """Renew ours; take back what dead owners, leases that are over and faults of ours held."""
        since_start = self._clock.now()  # not the wall's time: that may be put back by hours
        if self._renewed is not None and since_start - self._renewed < POLL_S * 0.9:
            return
        self._renewed = since_start
        now = self._clock.wall()
        was, self._wall = self._wall, now
        sending = frozenset(parcel.delivery.id for parcel in self._sending.values())
        with self._clock.external():
            if now < was - 1.0:
                await self._database.arun(lambda conn: outbox.put_back(conn, now))
            others = await self._database.arun(
                lambda conn: outbox.renew(conn, self._owner, sending, now, LEASE_S)
            )
            dead = [name for name in others if self._is_dead(name)]
            if dead:
                await self._database.arun(lambda conn: [outbox.release(conn, name, now) for name in dead])

    def _is_dead(self, owner: str) -> bool:
        try:
            lock = FileLock.try_acquire(self._folder.root / "leases" / f"{owner}.lock")
        except OSError:
            return False  # not known: its lease will be over one day
        if lock is not None:
            lock.release(remove=True)
        return lock is not None
