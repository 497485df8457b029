"""Layer 5, below ``callflow.keeping``: webhooks of accounts hear what happens on their calls.

What a transaction makes true (a recording is finished, a file is delivered) is announced in that transaction
(``state/hooks.py``). What happens on a call is nowhere but in this process: it is put into the outbox as soon
as it has happened, in one order.
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from callflow.clock import Clock
from callflow.documents.accounts import Account
from callflow.documents.delivery_hosts import NOWHERE, without_literals
from callflow.documents.secrets import is_secret
from callflow.errors import StorageError
from callflow.events import (
    CallAnswered,
    CallBridged,
    CallEnded,
    CallStarted,
    DeliveryChanged,
    Event,
    EventBus,
    RecordingChanged,
)
from callflow.log import logger, mask_url
from callflow.state.account_documents import put_account
from callflow.state.database import Database
from callflow.state.events import read_message
from callflow.state.hooks import ALL, RECORDING, announce, announce_recording, gregorian
from callflow.state.records import DeliveryRow, find_recording

ON_THE_WAY = frozenset({"started", "masked", "unmasked", "paused", "resumed"})
"""Changes of a recording that no end of it is."""

_Rows = list[DeliveryRow]


@dataclass(frozen=True, slots=True)
class _Talk:
    """A call that is under way, as its account's webhooks see it."""

    account_id: str
    facts: Mapping[str, Any]


class Announcer:
    """Hears ``bus`` and fills the outbox; ``wake`` is called when something is in it."""

    def __init__(self, database: Database, clock: Clock, bus: EventBus, wake: Callable[[], None]) -> None:
        self._database = database
        self._clock = clock
        self._bus = bus
        self._wake = wake
        self._loop = asyncio.get_running_loop()
        self._hooks: dict[str, frozenset[str]] = {}
        self._talks: dict[str, _Talk] = {}
        self._name, self._count = secrets.token_hex(8), 0
        self._pending = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._leave = bus.subscribe(self._on_event)

    def know(self, accounts: Iterable[Account]) -> Callable[[sqlite3.Connection], None]:
        """From now on these accounts' webhooks count; gives what writes them down for the outbox."""
        known = [
            (account.id, _delivery(account), {id: _kept(one) for id, one in account.all("webhook").items()})
            for account in accounts
        ]
        for account_id, _, webhooks in known:
            enabled = [one for one in webhooks.values() if one.get("enabled") is not False]
            self._hooks[account_id] = frozenset(str(one.get("hook", "")) for one in enabled)

        def put(conn: sqlite3.Connection) -> None:
            for account_id, delivery, webhooks in known:
                put_account(conn, account_id, delivery, webhooks)

        return put

    async def settled(self) -> None:
        """Wait until all that has happened is in the outbox, and was told."""
        await self._idle.wait()

    async def close(self) -> None:
        """Hear nothing more."""
        self._leave()
        await self.settled()

    # ---- events --------------------------------------------------------------------------------

    def _on_event(self, event: Event) -> None:
        match event:
            case CallStarted():
                if self._hooks.get(event.account_id):
                    self._talks[event.call_id] = _Talk(event.account_id, _facts(event))
                    self._tell(event, "channel_create", {})
            case CallAnswered():
                self._tell(event, "channel_answer", {})
            case CallBridged():
                more = {"other_leg_call_id": event.peer, "endpoint": event.endpoint}
                self._tell(event, "channel_bridge", more)
            case CallEnded():
                self._tell(event, "channel_destroy", _ending(event))
                self._talks.pop(event.call_id, None)
            case RecordingChanged() if event.change in ON_THE_WAY:
                if any(wanted & {RECORDING, *ALL} for wanted in self._hooks.values()):
                    self._submit(partial(_recording, event=event, fact=self._fact()))

    def _tell(self, event: Event, hook: str, more: Mapping[str, Any]) -> None:
        talk = self._talks.get(event.call_id)
        if talk is None or not self._hooks.get(talk.account_id, frozenset()) & {hook, *ALL}:
            return
        body = {**talk.facts, **more, "timestamp": gregorian()}
        fact = self._fact()
        self._submit(
            lambda conn: announce(conn, talk.account_id, hook, body, fact=fact, call_id=event.call_id)
        )

    def _fact(self) -> str:
        """What happens here happens once, and no other process tells of it."""
        self._count += 1
        return f"{self._name} {self._count}"

    def _submit(self, action: Callable[[sqlite3.Connection], _Rows]) -> None:
        """Told, not awaited: a call does not wait for it; virtual time does."""
        try:
            work = self._database.submit(action)
        except StorageError as error:
            logger.warning("webhooks are not told: %s", error)
            return
        hold = self._clock.external()
        hold.__enter__()
        self._pending += 1
        self._idle.clear()
        work.add_done_callback(lambda done: self._loop.call_soon_threadsafe(self._done, done, hold))

    def _done(self, work: Future[_Rows], hold: Any) -> None:
        hold.__exit__(None, None, None)
        self._pending -= 1
        error = work.exception()
        if error is not None:
            logger.error("webhooks are not told: %s", error)
        else:
            for row in work.result():
                self._bus.publish(_queued(row, self._clock.now()))
            if work.result():
                self._wake()
        if not self._pending:
            self._idle.set()


def _recording(conn: sqlite3.Connection, event: RecordingChanged, fact: str) -> _Rows:
    row = find_recording(conn, event.recording_id)
    if row is None:
        return []
    now = replace(row, state=event.state, reason=event.reason, samples=round(event.seconds * row.rate))
    return announce_recording(conn, now, event.change, fact=fact)


def _facts(event: CallStarted) -> dict[str, Any]:
    return {
        "call_id": event.call_id,
        "call_direction": "inbound",
        "from": event.from_number,
        "to": event.to_number,
        "caller_id_number": event.from_number,
        "callee_id_number": event.to_number,
        "flow_id": event.flow_id or None,
        "flow_name": event.flow_name or None,
    }


def _ending(event: CallEnded) -> dict[str, Any]:
    return {
        "hangup_cause": event.cause,
        "ended_by": event.by,
        "duration_seconds": int(event.duration),
        "duration_ms": int(event.duration * 1000),
    }


def _queued(row: DeliveryRow, time: float) -> DeliveryChanged:
    return DeliveryChanged(
        time=time,
        call_id=read_message(row)[1],
        delivery_id=row.id,
        recording_id=row.recording_id,
        change="queued",
        method=row.method.upper(),
        url=mask_url(row.url),
    )


def _delivery(account: Account) -> Mapping[str, Any]:
    found = account.document.get("delivery")
    return without_literals(found) if isinstance(found, Mapping) else {}


def _kept(webhook: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without a secret that is written into the document."""
    said = webhook.get("secrets")
    named = said if isinstance(said, list) else [NOWHERE] if said else []
    return {**webhook, "secrets": [one if is_secret(one) else NOWHERE for one in named]}
