"""Layer 4: what ``record_caller`` and ``voicemail`` share. Not a module: how a caller alone is recorded."""

from __future__ import annotations

from callflow.documents.record_settings import SilenceSettings
from callflow.engine.call import Call
from callflow.media.messages import Side, TapPoint

ANY_DIGIT = "0123456789*#"

END_OF_SPEECH = SilenceSettings(initial_ms=5000, final_ms=5000, threshold=200)
"""5 s of silence, from the start or after speech: what Kazoo asks of ``record`` (kazoo.md 1.5)."""


def caller_tap(call: Call) -> tuple[TapPoint, ...]:
    """One channel: what the caller says."""
    return (TapPoint(call.leg, Side.READ),)
