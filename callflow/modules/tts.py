"""Layer 4, module ``tts``: speak a text to the caller, by eSpeak NG on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Continue, Outcome
from callflow.modules._speaking import spoken

FOR_EVER = 0


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Answer, speak ``text`` until it ends or a terminator is pressed. Nothing here can speak: a notice that
    says what to install, and on to ``_``.
    """
    text = str(data.get("text") or "")
    if not text.strip():
        call.notice("error", "CF-RUN-TTS", "tts: there is no text", "Write data.text.")
        return Continue(did="had nothing to say")
    await call.answer()
    clips = await spoken(text, call, voice=str(data["voice"]), language=str(data.get("language") or ""))
    if not clips:
        return Continue(did="could not speak")
    loops = FOR_EVER if data["endless_playback"] else 1
    digit = await call.play(clips, terminators="".join(data["terminators"]), loops=loops)
    did = f"said {len(text)} characters"
    return Continue(did=f"{did}, ended by digit {digit}" if digit else did)
