"""Layer 4: what ``talk`` and ``stream`` share: a prompt that is played, or cut short by who barges in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from callflow.engine.call import Call
from callflow.engine.sound.leveling import at_level
from callflow.media.messages import Clip
from callflow.ncco.session import Session

PROMPTS = ("talk", "stream")


async def play_prompt(clips: Sequence[Clip], data: Mapping[str, Any], call: Call, session: Session) -> str:
    """Play ``clips`` as ``loop``, ``level`` and ``bargeIn`` of ``data`` say; gives what happened, in words
    (empty: nothing out of the usual). ``bargeIn``, once said, counts up to the next ``input``.
    """
    session.barge_in = session.barge_in or bool(data["bargeIn"])
    at = await at_level(call, clips, float(data["level"]))
    loops = int(data["loop"])
    if not (session.barge_in and _input_follows(session)):
        await call.play(at, loops=loops)
        return ""
    if not session.barged:
        session.barged = await call.listening.play_to_digit(at, loops=loops)
        return "cut short by a digit" if session.barged else ""
    return "passed over: a digit was pressed before"


def _input_follows(session: Session) -> bool:
    following = (action.name for action in session.ahead)
    return next((name for name in following if name not in PROMPTS), "") == "input"
