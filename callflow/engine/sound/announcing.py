"""Layer 3: lets the parties know that they are recorded: an announcement before it, a beep from time to time.

Both are off unless settings say otherwise (``media.call_recording``). What is played is heard by the
parties, and so it is in the recordings of their legs, as FreeSWITCH would have it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from callflow.documents.record_settings import RecordSettings
from callflow.engine.sound.legsound import play_to_legs
from callflow.errors import CallflowError, CallGone
from callflow.media.messages import Clip, Play, ToneClip

if TYPE_CHECKING:
    from callflow.engine.call import Call


class Announcing:
    """What the parties of one call are told of its recordings."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._on = False  # a recording was announced: whoever joins is told too
        self._told: set[str] = set()
        self._beeping = False
        self.whispers: list[Callable[[str], Awaitable[None]]] = []
        """What else a leg that has answered is told before it is joined, by its name."""

    async def before_recording(self, settings: RecordSettings, also: str = "") -> None:
        """A recording is about to start: if it is to be announced, tell whoever has not been told. ``also``:
        a leg that has just answered. Raises ``CallGone``.
        """
        if settings.should_announce_when_recording:
            self._on = True
            await self._call.line.progress()
            await self._tell([self._call.leg, *([also] if also else []), *self._peers()])

    async def meet(self, leg: str) -> None:
        """``leg`` is about to talk with the line: it is told what the others were. Raises ``CallGone``."""
        for whisper in tuple(self.whispers):
            await whisper(leg)
        if self._on and self._call.recordings.recording:
            await self._tell([leg])

    async def _tell(self, legs: list[str]) -> None:
        new = [leg for leg in dict.fromkeys(legs) if leg not in self._told]
        self._told.update(new)
        if new:
            await play_to_legs(self._call, new, await self._announcement())

    async def _announcement(self) -> tuple[Clip, ...]:
        name = self._call.settings.media.call_recording.announcement
        try:
            return await self._call.clips_for(name)
        except CallGone:
            raise
        except CallflowError as error:
            self._call.notice("error", error.code, f"recording was not announced: {error}", error.hint)
            return ()

    def _peers(self) -> tuple[str, ...]:
        """Who talks with the line at this moment."""
        peer = self._call.bridging.peer
        return (peer.name,) if peer is not None and self._call.bridging.bridged else ()

    # ---- the beep --------------------------------------------------------------------------------

    def recording_began(self) -> None:
        """Sound is recorded from now on: let the beep come, if settings want one."""
        interval = self._call.settings.media.call_recording.beep_interval_s
        if interval > 0 and not self._beeping:
            self._beeping = True
            self._call.spawn(self._beep(interval))

    async def _beep(self, interval: float) -> None:
        call = self._call
        tone = (ToneClip(call.settings.media.call_recording.beep_tone),)
        try:
            while call.recordings.recording:
                await call.sleep(interval)
                if call.recordings.hears:
                    for leg in (call.leg, *self._peers()):
                        call.services.media.send(Play(leg, call.services.ids.short(), tone, over=True))
        finally:
            self._beeping = False
