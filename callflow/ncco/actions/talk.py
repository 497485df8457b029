"""Layer 4, action ``talk``: says a text, by eSpeak NG on this machine (ncco.md 2.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.errors import SpeechError
from callflow.media.messages import Clip, SilenceClip
from callflow.ncco.moves import Move, Next
from callflow.ncco.prompting import play_prompt
from callflow.ncco.session import Session
from callflow.ncco.ssml import Pause, pieces


async def run(data: Mapping[str, Any], call: Call, session: Session) -> Move:
    """Answer and say ``text``. Nothing here can speak: a notice that says what to install, and the next
    action.
    """
    text = str(data["text"])
    await call.answer()
    clips = await spoken(text, data, call)
    if not clips:
        return Next(did="could not speak")
    said = await play_prompt(clips, data, call, session)
    return Next(did=f"said {len(text)} characters" + (f", {said}" if said else ""))


async def spoken(text: str, data: Mapping[str, Any], call: Call) -> tuple[Clip, ...]:
    """``text``, which may be SSML, as sound; empty if nothing here can say it, which a notice tells.
    ``data``: ``language`` and ``style`` of the action.
    """
    found, fault = pieces(text)
    if fault:
        call.notice(
            "warning",
            "CF-RUN-SSML",
            f"talk: the SSML cannot be read ({fault}): it is said without its tags",
            "Write XML: <speak>...</speak>, with & as &amp;.",
        )
    voice = "male" if int(data.get("style") or 0) % 2 else "female"
    clips: list[Clip] = []
    try:
        for piece in found:
            if isinstance(piece, Pause):
                clips.append(SilenceClip(piece.seconds))
            else:
                language = (piece.language or str(data.get("language") or "en-US")).lower()
                clips += await call.speaking.clips(piece.text, voice=voice, language=language)
    except SpeechError as error:
        call.notice("warning", "CF-RUN-SPEECH", f"talk: nothing is said: {error}", error.hint)
        return ()
    return tuple(clips)
