"""Layer 4: ``record``: the conversation that this call is in, beside the script or until something ends it.

ncco.md 1.3: with ``endOnSilence``, ``endOnKey`` or ``timeOut`` the script waits, and the event is in the
outbox before the next action runs; without any of them the script goes on, and the recording until the call
ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.media.messages import ToneClip
from callflow.ncco.moves import Move, Next
from callflow.ncco.recording import ConversationRecording, Wanted, start_recording
from callflow.ncco.session import Session

BEEP = ToneClip("%(300,0,1000)")
"""``beepStart``: heard before the recording begins, so it is not in the file."""


async def run(data: Mapping[str, Any], call: Call, session: Session) -> Move:
    """Start it; wait for its end if something is to end it."""
    wanted = Wanted.of(data, session.webhook(data))
    if wanted.channels and wanted.channels > 1 and not wanted.split:
        call.notice(
            "warning",
            "CF-RUN-NCCO-SPLIT",
            f"channels {wanted.channels} without split: a channel a leg is meant",
            'Write "split": "conversation" beside channels.',
        )
    waits = _waits(wanted, call)
    await call.answer()
    if data.get("beepStart"):
        await call.play([BEEP])
    recording = await start_recording(session, wanted, origin="ncco record")
    if recording is None:
        return Next(did="recorded nothing")
    if not waits:
        return Next(did="records beside the script", stay=True)
    return await _until_its_end(recording, call)


def _waits(wanted: Wanted, call: Call) -> bool:
    """Whether the script waits for the end (ncco.md 1.3; the sources disagree on ``timeOut`` alone)."""
    if wanted.end_on_silence_s or wanted.end_on_key:
        return True
    return bool(wanted.time_out_s) and call.settings.ncco.timeout_alone == "sync"


async def _until_its_end(recording: ConversationRecording, call: Call) -> Move:
    """Wait until it is over and its event is in the outbox. Raises ``CallGone``: a hang-up ends it too."""
    reason, seconds = await call.line.guard(recording.handle.ended())
    if reason == "digit":
        call.flush_digits()  # the key is used up
    became = await call.line.guard(recording.settled())
    if became != "ready":
        return Next(did=f"recorded nothing that could be kept: {became}")
    return Next(did=f"recorded {seconds:g} s, until {reason}")
