"""Layer 3: a call's way to speech: clips of spoken texts, made once and kept for the life of the engine."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from callflow.errors import SpeechError
from callflow.media import speech
from callflow.media.messages import Clip, FileClip

if TYPE_CHECKING:
    from callflow.engine.call import Call


class Speaking:
    """Speaks for one call."""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def clips(self, text: str, *, voice: str = "", language: str = "") -> tuple[Clip, ...]:
        """``text`` as sound. ``language`` "": the call's; ``voice``: ``female`` (also ""), ``male``, or one
        of eSpeak NG's. Raises SpeechError, CallGone.
        """
        wanted = speech.Speech(text, language or self._call.language, voice or "female")
        file = self._call.services.fetched / wanted.file_name()
        await self._call.line.guard(self._make(wanted, file))
        return (FileClip(str(file)),)

    async def _make(self, wanted: speech.Speech, file: Path) -> None:
        services = self._call.services
        if not _is_there(file):
            if services.speech.full:
                raise SpeechError("too many texts wait to be spoken", hint="Play a file where many call.")
            with services.clock.external():
                await services.speech.run(partial(speech.speak, wanted, file))
        services.kept.used(file)


def _is_there(file: Path) -> bool:
    return file.exists()
