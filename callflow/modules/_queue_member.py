"""Layer 4: one caller in a queue: hears music, and is connected with an agent. Not a module of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from callflow.channels.channel import DialTarget
from callflow.documents.record_settings import resolve_record
from callflow.engine.call import BridgeResult, Call, RecordingHandle
from callflow.engine.dialling.ringing import NO_RINGBACK
from callflow.engine.meeting.queueing import QueueRules, Waiting
from callflow.engine.sound.holdmusic import HoldMusic, hold_music
from callflow.errors import MissingDocument
from callflow.events import QueueChanged
from callflow.modules._bridging import may_ring
from callflow.modules._queue import PAUSED, agents_in, on_the_phone, pause_left, status_of
from callflow.modules._saying import digit_clips

A_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class QueueEnd:
    """How it went: ``handled`` (that talk is over; ``transferred``: a party of it was transferred), or why
    the caller left: ``timeout``, ``exit_key``, ``empty``, ``full``.
    """

    reason: str
    agent: str = ""
    waited: float = 0.0
    transferred: bool = False


class Member:
    """The caller's stay in a queue."""

    def __init__(self, call: Call, queue_id: str, rules: QueueRules, priority: int) -> None:
        self._call = call
        self._queue_id = queue_id
        self._rules = rules
        self._room = call.services.calls.queues.room(queue_id)
        self._agents = call.services.calls.queues.agents
        self._changed = asyncio.Event()
        now = call.services.clock.now()
        self._waiting = Waiting(call.id, priority, now, self._changed.set)
        self._offered: list[str] = []
        self._agent = ""
        self._connected = False
        self._beside: list[asyncio.Task[None]] = []

    async def run(self) -> QueueEnd:
        """Wait and talk. Raises ``CallGone``."""
        call, rules = self._call, self._rules
        if rules.max_size and len(self._room) >= rules.max_size:
            return self._left("full")
        if not rules.enter_when_empty and not agents_in(self._queue_id, rules, call):
            return self._left("empty")
        document = call.account.get("queue", self._queue_id) or {}
        music = await hold_music(call, media_id=str(document.get("moh") or ""))
        recording = await self._record(document)
        reason = "hangup"
        self._room.enter(self._waiting)
        self._tell("entered")
        music.start()
        connected = self._on_connect(music)
        call.bridging.on_connect.append(connected)
        try:
            end = await self._wait(music, document)
            reason = end.reason
            return end
        finally:
            call.bridging.on_connect.remove(connected)
            music.stop()
            if not self._connected:
                self._room.leave(self._waiting, call.services.clock.now())
                self._left(reason)
                if recording is not None:
                    await call.stop_recording(media_id=recording.id)

    async def _wait(self, music: HoldMusic, document: Mapping[str, Any]) -> QueueEnd:
        """Until an agent was talked with, the time is over, or the caller pressed the exit key."""
        call = self._call
        serve = asyncio.ensure_future(self._serve())
        key = asyncio.ensure_future(self._exit_key())
        self._beside = [key, asyncio.ensure_future(self._announce(music, document))]
        try:
            limit = self._rules.connection_timeout_s or None
            await asyncio.wait({serve, key}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            if self._connected or serve.done():
                return await serve
            call.line.check()
            return QueueEnd("exit_key" if key.done() else "timeout", waited=self._waited())
        finally:
            for task in (serve, *self._beside):
                task.cancel()
            await asyncio.gather(serve, *self._beside, return_exceptions=True)

    # ---- being served ------------------------------------------------------------------------

    async def _serve(self) -> QueueEnd:
        call = self._call
        while True:
            self._changed.clear()
            agents = self._choose()
            if agents:
                result = await self._ring(agents)
                if result.answered or result.transferred:
                    return QueueEnd("handled", self._agent, self._waited(), result.transferred)
            else:
                await call.line.guard(self._change_within(self._until_free()))

    def _choose(self) -> list[str]:
        """The agents to ring for this caller now."""
        now = self._call.services.clock.now()
        ready = [
            agent
            for agent in agents_in(self._queue_id, self._rules, self._call)
            if status_of(agent, self._call) != PAUSED and not on_the_phone(agent, self._call)
        ]
        free = self._agents.free(ready, self._rules.strategy, now)
        return self._room.choose(self._waiting, free, self._rules)

    def _until_free(self) -> float | None:
        """Seconds until an agent's rest or pause ends; None: none ends by itself."""
        now = self._call.services.clock.now()
        names = agents_in(self._queue_id, self._rules, self._call)
        waits = [pause_left(agent, self._call) for agent in names]
        rest = self._agents.next_free_at(names, now)
        waits += [] if rest is None else [rest - now]
        return min((wait for wait in waits if wait > 0), default=None)

    async def _change_within(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _ring(self, agents: Sequence[str]) -> BridgeResult:
        """Ring the phones of ``agents``; the first that answers has the caller."""
        call = self._call
        self._offered = list(agents)
        self._waiting.ringing = True
        for agent in agents:
            self._agents.offer(agent)
            self._tell("offered", agent)
        self._room.wake()
        over = False
        try:
            result = await call.bridging.run(
                [target for agent in agents for target in self._phones(agent)],
                timeout_s=self._rules.ring_s,
                ringback=NO_RINGBACK,
                fail_on_single_reject=False,
                ignore_early_media=True,
            )
            over = not self._connected
            return result
        finally:
            self._rung(missed=over)

    def _rung(self, *, missed: bool) -> None:
        """The ringing, or the talk, is over: the agents are free again, in time."""
        now = self._call.services.clock.now()
        self._waiting.ringing = False
        for agent in self._offered:
            if missed:
                self._agents.missed(agent, now)
                self._tell("missed", agent)
            else:
                self._agents.passed(agent)
        self._offered = []
        if self._agent:
            self._agents.handled(self._agent, self._rules.wrapup_s, now)
            self._tell("handled", self._agent)
        self._call.services.calls.queues.wake()

    def _phones(self, agent: str) -> list[DialTarget]:
        call = self._call
        try:
            found = call.endpoints_of_user(agent)
        except MissingDocument as error:
            call.notice("error", error.code, f"queue {self._queue_id}: {error}", error.hint)
            return []
        return [target for target in found if may_ring(target, call)]

    def _on_connect(self, music: HoldMusic) -> Any:
        def connected() -> None:
            if self._connected:
                return
            call = self._call
            self._connected = True
            music.stop()
            for task in self._beside:
                task.cancel()
            peer = call.bridging.peer
            owner = "" if peer is None else _owner(peer.channel.party.device_id, call)
            self._agent = owner if owner in self._offered else ""
            for agent in self._offered:
                if agent != self._agent:
                    self._agents.passed(agent)
            self._offered = []
            self._tell("connected", self._agent)
            self._room.leave(self._waiting, call.services.clock.now())

        return connected

    # ---- beside ------------------------------------------------------------------------------

    async def _exit_key(self) -> None:
        """Until the caller presses the key that leads out."""
        while True:
            got = await self._call.collect_digits(max_digits=1, timeout_s=A_DAY_S, interdigit_s=1.0)
            if got.digits and got.digits == self._rules.exit_key:
                return

    async def _announce(self, music: HoldMusic, document: Mapping[str, Any]) -> None:
        """Tell the caller's position every so often, if the queue wants that."""
        said = document.get("announcements")
        wanted: Mapping[str, Any] = said if isinstance(said, Mapping) else {}
        if wanted.get("position_announcements_enabled") is not True:
            return
        call = self._call
        while True:
            await call.sleep(float(wanted.get("interval") or 30))
            position = digit_clips(str(self._room.position(self._waiting)), call)
            before, after = (
                call.clips.prompt(name, call.language)
                for name in ("queue-you_are_at_position", "queue-in_the_queue")
            )
            music.interrupt((*before, *position, *after))

    async def _record(self, document: Mapping[str, Any]) -> RecordingHandle | None:
        """The recording of the talk, which waits for it; None: not wanted."""
        if document.get("record_caller") is not True:
            return None
        data = {"action": "start", "record_on_bridge": True, "label": self._queue_id}
        if url := document.get("recording_url"):
            data["url"] = str(url)
        settings = resolve_record(data, self._call.settings)
        return await self._call.record(settings, origin=f"acdc : {self._queue_id}")

    # ---- what is told ------------------------------------------------------------------------

    def _waited(self) -> float:
        return self._call.services.clock.now() - self._waiting.entered

    def _left(self, reason: str) -> QueueEnd:
        self._tell("left", reason=reason)
        return QueueEnd(reason, waited=self._waited())

    def _tell(self, change: str, agent: str = "", reason: str = "") -> None:
        call = self._call
        call.services.bus.publish(
            QueueChanged(
                time=call.services.clock.now(),
                call_id=call.id,
                change=change,
                queue_id=self._queue_id,
                agent=agent,
                position=self._room.position(self._waiting),
                waited=self._waited(),
                reason=reason,
            )
        )


def _owner(device_id: str, call: Call) -> str:
    return str((call.account.get("device", device_id) or {}).get("owner_id") or "")
