"""Layer 4: what a caller says to a speech ``input``: a clip of it, what a recogniser hears in it, the result.

The clip is a recording like any other, which ends by silence, after the longest time that speech may last,
or by a digit. It is listened to once it is whole, and then discarded, unless ``saveAudio`` keeps it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from callflow.documents.keeping_rules import recipients_of
from callflow.documents.ncco import speech_of
from callflow.documents.record_settings import SilenceSettings, resolve_record
from callflow.engine.call import Call
from callflow.engine.recordings import By, RecordingHandle
from callflow.engine.sound.listening import ALL_DIGITS
from callflow.errors import CallflowError
from callflow.events import Event, RecordingChanged
from callflow.media.messages import Side, TapPoint
from callflow.media.transcribing.interface import Recogniser, Request, Transcription
from callflow.media.transcribing.paper import raw_sentence
from callflow.media.transcribing.plugins import missing
from callflow.ncco.recording import ENDED, RATE, recording_url
from callflow.ncco.session import Session
from callflow.ncco.uuids import new_uuid
from callflow.recording.messages import FileFormat, RecordingSpec, StopRecording, Target
from callflow.recording.outcome import HEARD
from callflow.state.transcripts import CLIP, discard_clip

LIMIT_S = 30.0
"""A caller waits at most so long for the recogniser, and twice the length of what he has said."""

REASONS: Mapping[str, str] = {
    "silence": "end_on_silence_timeout",
    "max_duration": "max_duration",
    "time_limit": "max_duration",
    "no_speech": "start_timeout",
}
"""Why a recording ended, and ``timeout_reason`` of the event."""

USUAL_SENSITIVITY = 90
_HALF_AS_LOUD = 20
_MOST_HINTS, _LONGEST_HINT = 200, 200


@dataclass(frozen=True, slots=True)
class Said:
    """``speech`` of the event; ``by_digit``: a key was pressed, so there is nothing to be heard."""

    body: Mapping[str, object]
    by_digit: bool = False


def unable(call: Call) -> CallflowError | None:
    """Why no speech is recognised here; None: it is."""
    return missing(call.settings.ncco.transcription.transcriber)


async def listen(data: Mapping[str, Any], call: Call, session: Session, *, digits: bool) -> Said:
    """Wait until the caller has said something, or nothing for too long. ``digits``: a digit ends it at once.
    Does not raise for what a recogniser cannot do: that is the result's ``error``. Raises CallGone.
    """
    settings = speech_of(data)
    save = bool(settings["saveAudio"]) and not _sealed(call)
    clip = await _start(settings, call, session, save=save, digits=digits)
    if clip is None:
        return Said({"error": "what is said cannot be recorded here"})
    try:
        await call.line.guard(clip.settled())
    finally:
        clip.close()
    reason, seconds = await clip.handle.ended()
    if reason == "digit":
        return Said({}, by_digit=True)
    body: dict[str, object] = {"timeout_reason": REASONS.get(reason, "max_duration")}
    if reason not in HEARD:
        return Said(body)
    if not clip.file:
        return Said({**body, "error": "what was said could not be kept"})
    try:
        body |= await call.line.guard(_understood(clip.path, seconds, settings, call))
    finally:
        if not save:
            clip.discard()
    if save:
        body["recording_url"] = recording_url(session, clip.handle.id)
    return Said(body)


class _Clip:
    """The recording. ``file``: relative to the state folder, once it is settled; empty: there is none."""

    def __init__(self, call: Call, handle: RecordingHandle) -> None:
        self.handle = handle
        self.file = ""
        self._call = call
        self._done = asyncio.Event()
        self._forget: Callable[[], None] = call.services.bus.subscribe(self._hear, call_id=call.id)

    @property
    def path(self) -> Path:
        return self._call.services.database.path.parent / self.file

    async def settled(self) -> None:
        """Wait until its file is there, or never will be."""
        await self._done.wait()

    def close(self) -> None:
        """End it, if it goes on: the call, or the script, is somewhere else."""
        self._forget()
        if not self.handle.over:
            self.handle.stopping = True
            self._call.services.media.send(StopRecording(self.handle.id, "stopped"))

    def discard(self) -> None:
        """Nobody waits for it."""
        database, id = self._call.services.database, self.handle.id
        database.submit(lambda conn: discard_clip(conn, id, database.path.parent))

    def _hear(self, event: Event) -> None:
        if not isinstance(event, RecordingChanged) or event.recording_id != self.handle.id:
            return
        if event.change in ENDED:
            self.file = event.file or ""
            self._done.set()


async def _start(
    settings: Mapping[str, Any], call: Call, session: Session, *, save: bool, digits: bool
) -> _Clip | None:
    usual = resolve_record({"action": "start", "silence_detection": True}, call.settings)
    assert usual.silence is not None
    initial_ms, final_ms = (round(1000 * settings[key]) for key in ("startTimeout", "endOnSilence"))
    longest_ms = round(1000 * settings["maxDuration"])
    threshold = _threshold(usual.silence.threshold, float(settings["sensitivity"]))
    id = new_uuid(call.services.ids)
    wanted = replace(
        usual,
        format="wav",
        label="",
        media_id=id,
        media_name=f"{id}.wav",
        record_min_sec=0,
        record_on_answer=False,
        record_on_bridge=False,
        record_sample_rate=RATE,
        should_follow_transfer=False,
        silence=SilenceSettings(initial_ms, final_ms, threshold),
        time_limit=(initial_ms + longest_ms) // 1000 + 1,
        url=None,
    )

    def adjust(spec: RecordingSpec) -> RecordingSpec:
        assert spec.silence is not None
        file = FileFormat("wav", RATE, 0, call.settings.media.mp3_quality)
        return replace(spec, silence=replace(spec.silence, longest_ms=longest_ms), format=file)

    facts = {"conversation_uuid": session.conversation_uuid, "application_id": session.application.id}
    handle = await call.recordings.start(
        wanted,
        origin=CLIP,
        taps=(TapPoint(_leg(settings, call, session), Side.READ),),
        target=Target("local", reason="speech is listened to here"),
        dtmf_stop=ALL_DIGITS if digits else "",
        document=facts if save else {**facts, "temporary": True},
        by=By.MESSAGE,
        adjust=adjust,
    )
    return None if handle is None else _Clip(call, handle)


async def _understood(
    path: Path, seconds: float, settings: Mapping[str, Any], call: Call
) -> dict[str, object]:
    """``results``, or ``error``."""
    ours = call.settings.ncco.transcription
    hints = tuple(str(hint)[:_LONGEST_HINT] for hint in (settings.get("context") or ())[:_MOST_HINTS])
    request = Request(str(settings["language"]), hints, options=ours.options)
    try:
        heard = await call.services.clock.outside(
            call.services.hearing.submit(
                path, request, Recogniser(ours.transcriber, ours.model), LIMIT_S + 2 * seconds
            )
        )
    except CallflowError as error:
        call.notice("warning", error.code, f"input: what was said is not understood: {error}", error.hint)
        return {"error": error.message}
    return {"results": _results(heard)}


def _results(heard: Transcription) -> list[dict[str, str]]:
    """What was heard, as one text; nothing: an empty list. The confidence is a text, as Vonage sends it."""
    words = [word for channel in heard.channels for word in channel]
    if not words:
        return []
    confidence = sum(word.confidence for word in words) / len(words)
    return [{"text": raw_sentence(words), "confidence": f"{confidence:.2f}"}]


def _leg(settings: Mapping[str, Any], call: Call, session: Session) -> str:
    """Whose speech is meant: the leg of ``uuid``, else the first one."""
    wanted = settings.get("uuid") or ()
    for member in session.conversation.members:
        if member.uuid in wanted:
            return member.leg
    if wanted:
        call.notice(
            "warning",
            "CF-RUN-NCCO-SPEECH",
            f"input: there is no leg {str(wanted[0])[:60]} here: the first one is listened to",
            "Write the uuid of a leg of this conversation.",
        )
    return call.leg


def _threshold(usual: int, sensitivity: float) -> int:
    """How loud speech must be at least: what is usual at 90, more for a lower sensitivity."""
    return max(1, round(usual * 2 ** ((USUAL_SENSITIVITY - sensitivity) / _HALF_AS_LOUD)))


def _sealed(call: Call) -> bool:
    """Whether nothing that is said may be kept in the clear."""
    if recipients_of(call.account.document) is None:
        return False
    call.notice(
        "warning",
        "CF-RUN-NCCO-SPEECH",
        "input: the audio is not kept: recordings of this account are sealed, and this one would not be",
        "Leave saveAudio out.",
    )
    return True
