"""Layer 5: a server of real calls: SIP in front, an engine behind, accounts that change, an orderly end."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING

from callflow.app import Engine, EngineOptions
from callflow.channels.sip.access import Access
from callflow.channels.sip.admission import Admission, Admitted
from callflow.channels.sip.endpoint import SipEndpoint
from callflow.channels.sip.stack import SipStack
from callflow.channels.sip.transport import Hop
from callflow.channels.websocket.channel import WebSocketGround
from callflow.channels.websocket.dialer import WithWebSockets
from callflow.clock import SystemClock
from callflow.documents.catalog import Catalog, Prints, Refusal, differences, read_catalog
from callflow.documents.settings import user_folder
from callflow.documents.storing import Undo
from callflow.engine.walker import FAULT
from callflow.errors import CallflowError, ListenError, StorageError
from callflow.events import EventBus, Noticed
from callflow.exchange.binding import listen, uri_of
from callflow.exchange.media import make_media, near_address, try_ports
from callflow.exchange.options import ExchangeOptions
from callflow.exchange.watching import Watcher
from callflow.log import logger, one_line
from callflow.recording.farm import MediaFarm
from callflow.recording.inline import InlineMedia
from callflow.state.folder import StateFolder
from callflow.state.lock import FileLock

if TYPE_CHECKING:
    from callflow.channels.channel import Dialer
    from callflow.channels.sip.channel import SipChannel

LOCK = "serve.lock"
TELL_EVERY_S = 5.0
"""How often a drain says what it waits for."""
MOST_MISTAKES = 20
"""So many mistakes of a refused set are told; ``callflow check`` says all."""
AT_START_ONLY = ("delivery.", "media.call_recording.url_metadata")
"""Settings that the outbox takes when it is opened."""


class Exchange:
    """A server on the running loop. ``start`` and ``close``, or ``async with``; ``drain`` before an orderly
    end. ``bus`` has every event of its calls, and what happens to itself as notices without a call id.

    Raises from ``start``: StorageError (the state folder, or another server has it), ListenError (an address
    that cannot be listened on, or must not be), MediaError.
    """

    def __init__(self, options: ExchangeOptions, catalog: Catalog, *, prints: Prints | None = None) -> None:
        self.options = options
        self.catalog = catalog
        self.clock = SystemClock()
        self.hops: list[Hop] = []
        self.draining = False
        self.started = False
        self._prints = prints
        self._hurry = asyncio.Event()
        self._reloading = asyncio.Lock()
        self._refusing: set[asyncio.Task[None]] = set()
        self.engine = Engine(
            EngineOptions(
                state=options.state,
                settings=catalog.settings,
                flows=options.flows,
                variables=options.variables,
                allow_loopback=options.allow_loopback,
            ),
            self.clock,
            media=partial(make_media, options),
        )

    @property
    def bus(self) -> EventBus:
        """Every event of this process."""
        return self.engine.bus

    @property
    def uris(self) -> list[str]:
        """The URIs that it can be called at, without a user."""
        return [uri_of(hop) for hop in self.hops]

    @property
    def registrations(self) -> int:
        """How many phones are registered now."""
        return self._access.registrar.count

    async def __aenter__(self) -> Exchange:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # ---- life ----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Take the state folder, recover, start media and SIP; from then on calls are taken."""
        self._life = AsyncExitStack()
        try:
            self._refuse_strangers(self.catalog)
            self._tls = self._tls_context()
            self._life.callback(self._lock().release)
            self._life.push_async_callback(self.engine.close)
            await self.engine.start()
            self.catalog = self.engine.with_changes(self.catalog)
            if isinstance(self.engine.media, MediaFarm):
                await self.engine.media.ready()
            await self._start_sip()
            self.engine.keeping.retry_failed(self.options.retry_s)
            self.engine.keeping.keep_tidy()
            await self._start_watching()
            self.started = True
        except BaseException:
            await self._life.aclose()
            raise

    async def close(self) -> None:
        """Hang up what is left, finish its recordings, and stop; deliveries stay in the outbox."""
        self.draining = True
        await self._life.aclose()

    async def _start_sip(self) -> None:
        options, settings = self.options, self.catalog.settings.sip
        self._access = Access(self.catalog.accounts, settings, self.clock, state=self.engine.folder.root)
        await self._access.start()
        self._life.push_async_callback(self._access.close)
        stack = self.stack = SipStack(self.clock)
        stack.when_gone(self._access.registrar.forget_flow)
        self._life.push_async_callback(stack.close)
        media = self.engine.media
        assert isinstance(media, MediaFarm | InlineMedia)
        assert media.ports is not None
        try_ports(media.ports, options.media.ports)
        self._endpoint = SipEndpoint(
            stack,
            clock=self.clock,
            media=media,
            ports=media.ports,
            admission=self._access.admission,
            registrar=self._access.registrar,
            locator=self._access.locator,
            settings=settings,
            ids=self.engine.ids,
            on_call=self._on_call,
            draining=lambda: self.draining,
        )
        self._life.push_async_callback(self._endpoint.close)
        self._websockets = WebSocketGround(
            media=media,
            ports=media.ports,
            host=near_address(options),
            outside=self.engine.keeping.outside,
            opens=self.engine.keeping.open_socket,
        )
        self._life.push_async_callback(self.engine.live.close)
        self.engine.serve(self.catalog.tenants, self._dialer)
        for bind in options.bind:
            self.hops += await listen(stack, bind, self._tls)

    def _dialer(self, account_id: str) -> Dialer:
        return WithWebSockets(self._endpoint.dialer(account_id), self._websockets)

    def _tls_context(self) -> ssl.SSLContext | None:
        """Raises ListenError for a certificate that is missing or cannot be used."""
        needed = [bind for bind in self.options.bind if "tls" in bind.transports]
        if self.options.tls is not None:
            return self.options.tls.server_context()
        if needed:
            raise ListenError(
                f"--bind {needed[0]} needs a certificate", hint="give --tls-cert and --tls-key, as PEM files"
            )
        return None

    def _lock(self) -> FileLock:
        folder = StateFolder.open(self.options.state)
        path = folder.root / LOCK
        try:
            lock = FileLock.try_acquire(path)
            if lock is not None:
                path.write_text(f"{os.getpid()}\n")
                return lock
            holder = path.read_text().strip()
        except OSError as error:
            raise StorageError(f"{path} cannot be used: {error.strerror}") from error
        raise StorageError(
            f"another callflow serve{f' (process {one_line(holder, 20)})' if holder else ''} uses the state "
            f"folder {folder.root}",
            hint="stop it, or give this one a folder of its own: --state DIR",
        )

    # ---- calls ---------------------------------------------------------------------------------

    def _on_call(self, channel: SipChannel, admitted: Admitted) -> None:
        try:
            self.engine.take_call(channel, admitted.account_id)
        except CallflowError as error:  # the account was removed at this moment
            logger.warning("a call is refused: %s", one_line(error))
            task = asyncio.get_running_loop().create_task(channel.hangup(FAULT))
            self._refusing.add(task)
            task.add_done_callback(self._refusing.discard)

    # ---- what keeps strangers out --------------------------------------------------------------

    def _refuse_strangers(self, catalog: Catalog) -> None:
        """Raises ListenError if other machines could reach an account that lets in anybody."""
        exposed = [bind for bind in self.options.bind if not bind.loopback]
        unguarded = unguarded_accounts(catalog, self.clock) if exposed else []
        if unguarded:
            names = ", ".join(one_line(name, 60) for name in unguarded[:5])
            raise ListenError(
                f"refuses to listen on {exposed[0]}: other machines can reach it, and account {names} has "
                "neither a device with a password nor a gateway",
                hint="give a device sip.username and sip.password, or a gateway; or --bind 127.0.0.1",
            )

    # ---- other documents -----------------------------------------------------------------------

    async def _start_watching(self) -> None:
        folders = [self.options.accounts]
        config = user_folder(self.options.system_config)
        if config is not None:
            folders.append(config)
        self._watcher = Watcher(folders, self.clock, self.options.poll_s, self.reload)
        if self.options.poll_s > 0:
            await self._watcher.start(known=self._prints)
            self._life.push_async_callback(self._watcher.close)

    async def reload(self) -> bool:
        """Read all documents anew and use them, if they are without a mistake; else the old ones stay, and
        what is wrong is told. Calls under way keep what they began with; registrations stay.
        """
        async with self._reloading:
            refusal = await self._read_anew()
            if refusal is not None:
                self._tell_refusal(refusal)
            return refusal is None

    async def change(self, write: Callable[[], Undo]) -> Refusal | None:
        """Let ``write`` (in a thread) change documents on disk, and use them: when this returns they are in
        force. Documents that are refused are taken back, and why is returned. One change at a time; what
        ``write`` raises is raised.
        """
        return await asyncio.shield(self._change(write))

    async def _change(self, write: Callable[[], Undo]) -> Refusal | None:
        async with self._reloading:
            undo = await asyncio.to_thread(write)
            try:
                refusal = await self._read_anew()
            except BaseException:
                await asyncio.to_thread(undo)
                raise
            if refusal is not None:
                await asyncio.to_thread(undo)
                self._watcher.read(await self._watcher.look())
            return refusal

    async def _read_anew(self) -> Refusal | None:
        prints = await self._watcher.look()
        options = self.options
        found = await asyncio.to_thread(read_catalog, options.accounts, options.system_config, options.around)
        self._watcher.read(prints)
        if isinstance(found, Refusal):
            return found
        try:
            self._refuse_strangers(found)
        except ListenError as error:
            return Refusal((), error)
        found = self.engine.with_changes(found)
        changes = differences(self.catalog, found)
        await self._access.reload(found.accounts, found.settings.sip)
        self._endpoint.reload(found.settings.sip)
        self.engine.serve(found.tenants, self._dialer)
        self.catalog = found
        self._tell_changes(changes)
        return None

    def _tell_refusal(self, refusal: Refusal) -> None:
        lines = refusal.lines()
        for line in lines[:MOST_MISTAKES]:
            self._notice("error", "CF-RUN-RELOAD-REFUSED", line)
        more = f" ({len(lines) - MOST_MISTAKES} more mistakes)" if len(lines) > MOST_MISTAKES else ""
        said = f"the changed documents are not used, the old ones stay{more}"
        self._notice(
            "error", "CF-RUN-RELOAD-REFUSED", said, "Correct them: they are read again by themselves."
        )

    def _tell_changes(self, changes: list[str]) -> None:
        for change in changes[:MOST_MISTAKES]:
            later = change.startswith(tuple(f"setting {name}" for name in AT_START_ONLY))
            self._notice("info", "CF-RUN-RELOAD", change + (" (from the next start on)" if later else ""))
        more = "" if changes else ", no changes"
        if len(changes) > MOST_MISTAKES:
            more = f", {len(changes) - MOST_MISTAKES} more changes"
        count = f"{len(self.catalog.tenants)} account{'s' * (len(self.catalog.tenants) != 1)}"
        self._notice("info", "CF-RUN-RELOAD", f"documents read: {count}{more}")

    # ---- the end -------------------------------------------------------------------------------

    async def drain(self, within_s: float | None = None) -> bool:
        """Take no more calls, and let those that run come to their end, at most ``within_s`` seconds (None:
        ``sip.drain_s``); then hang them up. False: some had to be.
        """
        self.draining = True
        left_s = float(self.catalog.settings.sip.drain_s) if within_s is None else within_s
        deadline = self.clock.now() + left_s
        while len(self.engine.live):
            left_s = deadline - self.clock.now()
            if left_s <= 0 or self._hurry.is_set():
                break
            count = len(self.engine.live)
            self._notice(
                "info",
                "CF-RUN-DRAIN",
                f"waiting for {count} call{'s' * (count != 1)} to end, at most {left_s:.0f} s",
            )
            await self._fewer(min(left_s, TELL_EVERY_S))
        count = len(self.engine.live)
        if count:
            said = "the call that is left is" if count == 1 else f"the {count} calls that are left are"
            self._notice("warning", "CF-RUN-DRAIN-OVER", f"{said} hung up")
        await self.engine.live.close()
        return not count

    def hurry(self) -> None:
        """Wait no longer for calls to end by themselves."""
        self._hurry.set()

    async def _fewer(self, within_s: float) -> None:
        empty = asyncio.ensure_future(self.engine.live.empty(within_s))
        hurry = asyncio.ensure_future(self._hurry.wait())
        try:
            await asyncio.wait((empty, hurry), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in (empty, hurry):
                waiting.cancel()
                with suppress(asyncio.CancelledError):
                    await waiting

    def _notice(self, level: str, code: str, message: str, hint: str = "") -> None:
        self.bus.publish(Noticed(time=self.clock.now(), level=level, code=code, message=message, hint=hint))


def unguarded_accounts(catalog: Catalog, clock: SystemClock) -> list[str]:
    """The accounts that know neither a device with a password nor a gateway: they would let in anybody."""
    settings = catalog.settings.sip
    return [
        id
        for id, account in catalog.accounts.items()
        if not Admission({id: account}, settings, clock).guarded
    ]
