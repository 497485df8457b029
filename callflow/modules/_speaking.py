"""Layer 4: text and numbers as sound. Not a module of its own."""

from __future__ import annotations

from datetime import datetime, tzinfo

from callflow.engine.call import Call
from callflow.errors import SpeechError
from callflow.media.messages import Clip

HUNDRED, THOUSAND = 100, 1000
MOST = 999_999


def number_prompts(number: int) -> list[str]:
    """The prompts that speak a whole number from 0 to 999,999; larger ones digit by digit."""
    if not 0 <= number <= MOST:
        return [f"digits-{digit}" for digit in str(abs(number))]
    if number >= THOUSAND:
        rest = number_prompts(number % THOUSAND) if number % THOUSAND else []
        return [*number_prompts(number // THOUSAND), "number-thousand", *rest]
    if number >= HUNDRED:
        rest = number_prompts(number % HUNDRED) if number % HUNDRED else []
        return [*number_prompts(number // HUNDRED), "number-hundred", *rest]
    if number < 10:
        return [f"digits-{number}"]
    if number <= 20 or number % 10 == 0:
        return [f"number-{number}"]
    return [f"number-{number - number % 10}", f"digits-{number % 10}"]


def moment_prompts(wall: float, zone: tzinfo) -> list[str]:
    """The prompts that speak a moment (seconds since 1970) in a time zone: month, day, and the time."""
    moment = datetime.fromtimestamp(wall, zone)
    minute = ["time-oclock"] if moment.minute == 0 else number_prompts(moment.minute)
    if 0 < moment.minute < 10:
        minute = ["time-oh", *minute]
    day = [f"time-month_{moment.month}", *number_prompts(moment.day)]
    return [*day, "time-at", *number_prompts(moment.hour), *minute]


def prompt_clips(names: list[str], call: Call) -> tuple[Clip, ...]:
    """The clips of prompts, in a row; one that is not there is a warning notice."""
    found: list[Clip] = []
    for name in names:
        clips = call.clips.prompt(name, call.language)
        if not clips:
            call.notice("warning", "CF-RUN-PROMPT", f"there is no prompt {name!r}; nothing is played")
        found += clips
    return tuple(found)


async def spoken(text: str, call: Call, *, voice: str = "", language: str = "") -> tuple[Clip, ...]:
    """``text`` as sound: digits alone by prompts (they are English); anything else by speech synthesis. A
    notice says what could not be said.
    """
    bare = text.strip()
    english = (language or call.language).lower().startswith("en")
    if english and bare.isascii() and bare.isdigit():
        return prompt_clips([f"digits-{digit}" for digit in bare], call)
    try:
        return await call.speaking.clips(text, voice=voice, language=language)
    except SpeechError as error:
        call.notice("warning", "CF-RUN-SPEECH", f"{call.node.module}: nothing is said: {error}", error.hint)
        return ()
