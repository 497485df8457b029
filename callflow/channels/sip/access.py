"""Layer 2: registrar, admission and locator of one process, loaded together and changed together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from callflow.channels.sip.admission import Admission
from callflow.channels.sip.locate import Locator
from callflow.channels.sip.registrar import Registrar
from callflow.channels.sip.registrar_file import read_bindings, write_bindings
from callflow.channels.sip.trunks import Resolve, Trunks, resolve_host
from callflow.clock import Clock
from callflow.documents.accounts import Account
from callflow.documents.settings import SipSettings
from callflow.log import logger

T = TypeVar("T")

WRITE_AFTER_S = 2.0
"""How long a change of the registrations waits for others before it is written; a second more for each
thousand that there are.
"""

RESOLVE_EVERY_S = 60.0


class Access:
    """Who may call and where everybody is. ``state``: the state folder, where registrations outlive a restart
    (None: they do not). ``resolve``: looks up names of gateways.
    """

    def __init__(
        self,
        accounts: Mapping[str, Account],
        settings: SipSettings,
        clock: Clock,
        *,
        state: Path | None = None,
        resolve: Resolve = resolve_host,
    ) -> None:
        self.trunks = Trunks(accounts)
        self.registrar = Registrar(settings, clock)
        self.admission = Admission(accounts, settings, clock, trunks=self.trunks)
        self.locator = Locator(accounts, self.registrar, settings, clock, trunks=self.trunks)
        self._accounts = dict(accounts)
        self._clock = clock
        self._state = state
        self._resolve = resolve
        self._dirty = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="registrations") if state else None

    async def start(self) -> None:
        """Read the registrations of the last run, resolve the names of gateways; from then on registrations
        are written a moment after they change, and names are resolved anew now and then.
        """
        state = self._state
        if state is not None:
            self.registrar.restore(await self._on_disk(lambda: read_bindings(state)))
            self._drop_strangers()
        self.registrar.changed = self._dirty.set
        await self.trunks.refresh(self._resolve)
        self._tasks = [asyncio.create_task(self._keep_written()), asyncio.create_task(self._keep_resolved())]

    async def reload(self, accounts: Mapping[str, Account], settings: SipSettings) -> None:
        """Other documents from now on. Calls stay, and registrations of devices that are still there."""
        trunks = Trunks(accounts)
        trunks.inherit(self.trunks)
        await trunks.refresh(self._resolve)
        self.trunks, self._accounts = trunks, dict(accounts)
        self.registrar.settings = settings
        self.admission.load(accounts, settings, trunks)
        self.locator.load(accounts, settings, trunks)
        self._drop_strangers()

    async def close(self) -> None:
        """Write what is not written yet, and stop."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        if self._dirty.is_set():
            await self._write()
        if self._disk is not None:
            self._disk.shutdown()

    def _drop_strangers(self) -> None:
        accounts = self._accounts.values()
        self.registrar.keep_only(
            {
                (account.id, id)
                for account in accounts
                for id, device in account.all("device").items()
                if device.get("enabled") is not False
            }
        )

    async def _keep_written(self) -> None:
        while True:
            await self._dirty.wait()
            await self._clock.sleep(WRITE_AFTER_S + self.registrar.count / 1000)
            await self._write()

    async def _write(self) -> None:
        self._dirty.clear()
        state = self._state
        if state is None:
            return
        bindings = tuple(self.registrar.all())
        try:
            await self._on_disk(lambda: write_bindings(state, bindings))
        except OSError as error:
            logger.error("registrations cannot be written: %s", error.strerror)
            self._dirty.set()

    async def _keep_resolved(self) -> None:
        while True:
            await self._clock.sleep(RESOLVE_EVERY_S)
            await self.trunks.refresh(self._resolve)
            _ = self.registrar.count  # what has expired is told and forgotten

    async def _on_disk(self, work: Callable[[], T]) -> T:
        assert self._disk is not None
        return await self._clock.outside(self._disk.submit(work))
