"""Layer 4: a digit string that is spoken in a prompt. Not a module of its own."""

from __future__ import annotations

from collections.abc import Sequence

from callflow.engine.call import Call
from callflow.media.messages import Clip

KEYS = {"*": "star", "#": "pound"}


def digit_clips(digits: str, call: Call) -> tuple[Clip, ...]:
    """``digits`` (``0-9*#``) one by one; anything else in it is left out."""
    names = (f"digits-{KEYS.get(digit, digit)}" for digit in digits if digit in KEYS or digit.isdigit())
    return tuple(clip for name in names for clip in call.clips.prompt(name, call.language))


async def say(call: Call, prompt: str, digits: Sequence[Clip]) -> None:
    """Play a prompt and the digits after it, in one go. Raises ``CallGone``."""
    clips = (*call.clips.prompt(prompt, call.language), *digits)
    if clips:
        await call.play(clips)
