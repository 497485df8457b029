"""Layer 6: calls in tests: a pytest plugin, and scenario files with expectations (``callflow test``).

``rig.py`` an engine in a thread, whose virtual time goes on only while a test waits · ``engines.py`` what
the fixture gives · ``calls.py`` a call that a test drives, ``callees.py`` whom it rings, ``driver.py`` both
on the engine's loop · ``recordings.py``, ``tracks.py`` what was recorded · ``sounds.py`` words for sound ·
``hearing.py`` one sound in another · ``receiver.py`` takes uploads, with faults · ``assertions.py`` ·
``telling.py`` a call in a few lines, ``outcome.py`` all that came of it · ``expectations.py`` ``expect`` of
a scenario held against it, ``scenarios.py`` finds, reads and runs scenario files, ``reports.py`` TAP and
JUnit · ``leaks.py`` what is left behind · ``plugin.py`` the fixtures; nothing else here needs pytest.

Names are imported when they are asked for: pytest loads the plugin in every project of an environment.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from callflow.testing.assertions import (
        assert_event,
        assert_heard,
        assert_no_errors,
        assert_not_heard,
        assert_silent,
        assert_steps,
        assert_uploaded,
    )
    from callflow.testing.callees import Callee
    from callflow.testing.calls import AsyncCall, Call
    from callflow.testing.engines import AsyncCallflow, Callflow, Setup
    from callflow.testing.receiver import RecordingReceiver
    from callflow.testing.recordings import Recording
    from callflow.testing.sounds import silence, tone
    from callflow.testing.tracks import Track

_HOMES = {
    "assert_event": "assertions",
    "assert_heard": "assertions",
    "assert_no_errors": "assertions",
    "assert_not_heard": "assertions",
    "assert_silent": "assertions",
    "assert_steps": "assertions",
    "assert_uploaded": "assertions",
    "Callee": "callees",
    "AsyncCall": "calls",
    "Call": "calls",
    "AsyncCallflow": "engines",
    "Callflow": "engines",
    "Setup": "engines",
    "RecordingReceiver": "receiver",
    "Recording": "recordings",
    "silence": "sounds",
    "tone": "sounds",
    "Track": "tracks",
}

__all__ = [
    "AsyncCall",
    "AsyncCallflow",
    "Call",
    "Callee",
    "Callflow",
    "Recording",
    "RecordingReceiver",
    "Setup",
    "Track",
    "assert_event",
    "assert_heard",
    "assert_no_errors",
    "assert_not_heard",
    "assert_silent",
    "assert_steps",
    "assert_uploaded",
    "silence",
    "tone",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
