"""Layer 4, module ``audio_macro``: prompts, media, spoken numbers, text and tones, one after the other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from callflow.engine.call import Call
from callflow.engine.outcome import Continue, Outcome
from callflow.errors import CallflowError, CallGone
from callflow.media.messages import Clip, ToneClip
from callflow.modules._speaking import number_prompts, prompt_clips, spoken
from callflow.modules.tones import as_tgml

MAX_MACROS = 100
MAX_LOOPS = 100
LAST_MOMENT = 4_102_444_800
"""The end of this century, in Unix seconds."""

DIGIT_BY_DIGIT = frozenset(
    {"telephone_number", "telephone_extension", "account_number", "postal_address", "name_spelled"}
)
"""Types of ``say`` that are read character by character, whatever the method."""

MOMENTS = {
    "current_date": "%A, %B %d, %Y",
    "current_time": "%H:%M",
    "current_date_time": "%A, %B %d, %Y, %H:%M",
    "short_date_time": "%B %d, %H:%M",
}
"""Types whose text is a moment (Unix seconds), and how it is said."""


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Play each of ``macros``; a terminator ends all of it. What cannot be had is a notice, and left out."""
    written = data["macros"] if isinstance(data["macros"], list) else []
    macros = [macro for macro in written if isinstance(macro, Mapping)][:MAX_MACROS]
    await call.answer()
    played = 0
    for macro in macros:
        merged = {"language": data.get("language"), **{key: value for key, value in macro.items() if value}}
        clips = await _clips(merged, call)
        if not clips:
            continue
        played += 1
        own = macro.get("terminators")
        terminators = "".join(str(key) for key in (own if isinstance(own, list) else data["terminators"]))
        count = macro.get("loop_count")
        loops = min(MAX_LOOPS, max(1, count)) if isinstance(count, int) else 1
        digit = await call.play(clips, terminators=terminators, loops=loops)
        if digit:
            return Continue(did=f"played {played} of {len(macros)}, ended by digit {digit}")
    return Continue(did=f"played {played} of {len(macros)}")


async def _clips(macro: Mapping[str, Any], call: Call) -> tuple[Clip, ...]:
    """The sound of one macro; empty, and a notice, if there is none."""
    kind = str(macro.get("macro") or "")
    maker = KINDS.get(kind)
    if maker is None:
        _warn(call, f"there is no macro {kind!r}", f"It is one of {', '.join(KINDS)}.")
        return ()
    try:
        return await maker(macro, call)
    except CallGone:
        raise
    except CallflowError as error:
        _warn(call, f"{kind} {str(macro.get('id') or '')!r} is not played: {error}", error.hint)
        return ()


async def _play(macro: Mapping[str, Any], call: Call) -> tuple[Clip, ...]:
    return await call.clips_for(str(macro.get("id") or ""))


async def _prompt(macro: Mapping[str, Any], call: Call) -> tuple[Clip, ...]:
    name = str(macro.get("id") or "")
    clips = call.clips.prompt(name, str(macro.get("language") or call.language))
    if not clips:
        _warn(call, f"there is no prompt {name!r}", "Put media with this id into the account's media folder.")
    return clips


async def _tts(macro: Mapping[str, Any], call: Call) -> tuple[Clip, ...]:
    voice, language = str(macro.get("voice") or ""), str(macro.get("language") or "")
    return await spoken(str(macro.get("text") or ""), call, voice=voice, language=language)


async def _tone(macro: Mapping[str, Any], call: Call) -> tuple[Clip, ...]:
    spec = as_tgml(macro)
    if not spec:
        _warn(call, "the tone has no frequencies or no duration_on", "Write both.")
    return (ToneClip(spec),) if spec else ()


async def _say(macro: Mapping[str, Any], call: Call) -> tuple[Clip, ...]:
    """Numbers and digits by prompts where those are in the language, everything else by speech synthesis."""
    text, kind = str(macro.get("text") or "").strip(), str(macro.get("type") or "")
    language = str(macro.get("language") or call.language)
    whole = text.isascii() and text.isdigit()
    one_by_one = macro.get("method") == "iterated" or kind in DIGIT_BY_DIGIT
    if kind in MOMENTS and whole:
        return await spoken(_moment(int(text), kind, call), call, language=language)
    if whole and not one_by_one and language.lower().startswith("en"):
        return prompt_clips(number_prompts(int(text)) if len(text) <= 6 else _digits(text), call)
    if one_by_one and not whole:
        text = ", ".join(text.replace(" ", ""))
    elif one_by_one and not language.lower().startswith("en"):
        text = " ".join(text)
    return await spoken(text, call, language=language)


def _digits(text: str) -> list[str]:
    return [f"digits-{digit}" for digit in text]


def _moment(seconds: int, kind: str, call: Call) -> str:
    """A moment in words, in the account's time zone."""
    try:
        zone: tzinfo = ZoneInfo(str(call.account.document.get("timezone") or "UTC"))
    except (OSError, ValueError, KeyError):
        zone = UTC
    return datetime.fromtimestamp(min(seconds, LAST_MOMENT), zone).strftime(MOMENTS[kind])


def _warn(call: Call, said: str, hint: str) -> None:
    call.notice("warning", "CF-RUN-MACRO", f"audio_macro: {said}", hint)


KINDS: Mapping[str, Callable[[Mapping[str, Any], Call], Awaitable[tuple[Clip, ...]]]] = {
    "play": _play,
    "prompt": _prompt,
    "say": _say,
    "tts": _tts,
    "tone": _tone,
}
