"""Layer 4, module ``tones``: play tones to the caller: TGML texts, usual names, or Kazoo's tone objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Continue, Outcome
from callflow.media.messages import ToneClip


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Play each of ``tones`` in turn, as early media on a call that is not answered.

    A tone without an end (``busy``, ``ringback``) sounds until the caller hangs up.
    """
    wanted = data.get("tones") or []
    specs = [spec for tone in ([wanted] if isinstance(wanted, str) else wanted) if (spec := as_tgml(tone))]
    if not specs:
        call.notice(
            "error",
            "CF-RUN-TONES",
            "tones: there is no tone to play",
            'Write data.tones, such as "%(500,500,440)" or ["busy"].',
        )
        return Continue(did="had nothing to play")
    await call.progress()
    await call.play([ToneClip(spec) for spec in specs])
    return Continue(did=f"played {len(specs)} {'tone' if len(specs) == 1 else 'tones'}")


def as_tgml(tone: object) -> str:
    """A tone as TGML: a text stays as it is; for an object of Kazoo's (times in ms, ``volume``
    in dB, ``repeat`` how often) the text that says the same. Empty: the object does not say enough.
    """
    if isinstance(tone, str):
        return tone
    if not isinstance(tone, Mapping):
        return ""
    frequencies, on_ms = tone.get("frequencies"), tone.get("duration_on")
    if not frequencies or not on_ms:
        return ""
    settings = f"v={tone['volume']};" if "volume" in tone else ""
    if tone.get("repeat", 1) != 1:
        settings += f"l={tone['repeat']};"
    sounds = ",".join(str(number) for number in (on_ms, tone.get("duration_off", 0), *frequencies))
    return f"{settings}%({sounds})"
