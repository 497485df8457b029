"""Layer 4: what digits can do in the middle of a call (metaflows).

``recording.py`` record_call · ``holding.py`` hold, resume · ``sound.py`` play, say, tts, break ·
``leaving.py`` transfer, callflow, hangup · ``parties.py`` who is who. The engine's part is
``callflow/engine/metaflows.py``; keys and defaults are in ``schemas/metaflows``.
"""

from __future__ import annotations

from collections.abc import Mapping

from callflow.engine.metaflows import Action
from callflow.modules._metaflow.holding import hold, resume
from callflow.modules._metaflow.leaving import callflow, hangup, transfer
from callflow.modules._metaflow.recording import record_call
from callflow.modules._metaflow.sound import play, say, stop_playing

ACTIONS: Mapping[str, Action] = {
    "break": stop_playing,
    "callflow": callflow,
    "hangup": hangup,
    "hold": hold,
    "play": play,
    "record_call": record_call,
    "resume": resume,
    "say": say,
    "transfer": transfer,
    "tts": say,
}
"""Every action that has code, by its name in a metaflow."""
