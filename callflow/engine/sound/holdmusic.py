"""Layer 3: music on hold for the one on the line: it plays until it is stopped, whatever else the call does.

It stays with the line when another party comes on it. What is announced meanwhile interrupts it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from callflow.errors import CallflowError, CallGone
from callflow.media.messages import Clip, Play, StopPlay, ToneClip

if TYPE_CHECKING:
    from callflow.engine.call import Call

NO_MUSIC = ToneClip("v=-13;%(150,100,523);%(150,4600,659)")
"""What is heard where no document names any music: two soft notes every five seconds."""


class HoldMusic:
    """The hold music of one call. Nothing here waits."""

    def __init__(self, call: Call, clips: Sequence[Clip]) -> None:
        self._call = call
        self._clips = tuple(clips)
        self._playback = ""

    def start(self) -> None:
        """From now on, on whatever leg is on the line; nothing happens if it plays."""
        if not self._playback:
            self._play(now=True)
            self._call.line.on_reseat.append(self._reseated)

    def interrupt(self, clips: Sequence[Clip]) -> None:
        """``clips`` are heard, then the music again (from its beginning)."""
        if self._playback and clips:
            call = self._call
            call.services.media.send(Play(call.leg, call.services.ids.short(), tuple(clips), now=True))
            self._play(now=False)

    def stop(self) -> None:
        """At once; and what interrupted it."""
        if self._playback:
            self._playback = ""
            self._call.line.on_reseat.remove(self._reseated)
            if not self._call.gone:
                self._call.services.media.send(StopPlay(self._call.leg))

    def _play(self, *, now: bool) -> None:
        self._playback = self._call.services.ids.short()
        self._call.services.media.send(Play(self._call.leg, self._playback, self._clips, loops=0, now=now))

    def _reseated(self) -> None:
        self._play(now=True)


async def hold_music(call: Call, *documents: Mapping[str, Any] | None, media_id: str = "") -> HoldMusic:
    """The music of ``media_id``, else of the first of ``documents`` (a device, its owner ...) that has a
    ``music_on_hold``, else of the account, else two soft notes. Raises ``CallGone``.
    """
    for named in (media_id, *map(_music_of, (*documents, call.account.document))):
        if named:
            try:
                clips = await call.clips_for(named)
            except CallGone:
                raise
            except CallflowError as error:
                call.notice("warning", error.code, f"music on hold: {error}", error.hint)
            else:
                return HoldMusic(call, clips)
    return HoldMusic(call, (NO_MUSIC,))


def _music_of(document: Mapping[str, Any] | None) -> str:
    music = (document or {}).get("music_on_hold")
    return str(music.get("media_id") or "") if isinstance(music, Mapping) else ""
