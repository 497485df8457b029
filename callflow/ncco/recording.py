"""Layer 4: a conversation's recording: what is wanted, its channels while legs come and go, its event.

``record`` starts one of the conversation that its call is in, ``conversation`` and REST one of a room. One at
a time: Vonage's REST names a conversation, not a recording, so a second start is refused while one runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from callflow.documents.record_settings import RecordSettings, SilenceSettings, resolve_record
from callflow.engine.recordings import RecordingHandle
from callflow.events import CallBridged, Event, RecordingChanged
from callflow.media.transcribing.plugins import missing
from callflow.ncco import events
from callflow.ncco.application import Webhook
from callflow.ncco.channels import ChannelPlan, Layout, layout_of
from callflow.ncco.uuids import new_uuid
from callflow.recording.messages import FileFormat, MoveTaps, RecordingSpec, StopRecording, Target
from callflow.state.transcripts import TranscriptWish

if TYPE_CHECKING:
    from callflow.engine.call import Call
    from callflow.ncco.session import Conversation, Member, Session

RATE = 16000
MP3_KBPS = 32
"""Of the file: ncco.md 1.4. (A stereo MP3 has it a channel.)"""

ENDED = frozenset({"ready", "discarded", "cancelled", "failed"})
"""Changes after which a recording's event, if there is one, is in the outbox."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a ``record``, a ``conversation`` or a REST body asks for. ``channels`` None: not written.
    ``end_on_silence_s`` and ``time_out_s`` 0, ``end_on_key`` empty: not written. ``webhook`` None: nobody is
    told. ``transcription`` None: none.
    """

    format: str = ""
    split: bool = False
    channels: int | None = None
    end_on_silence_s: int = 0
    end_on_key: str = ""
    time_out_s: int = 0
    webhook: Webhook | None = None
    transcription: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, data: Mapping[str, Any], webhook: Webhook | None) -> Wanted:
        """Read an action's prepared data."""
        transcription = data.get("transcription")
        return cls(
            format=str(data.get("format") or ""),
            split=data.get("split") == "conversation",
            channels=data.get("channels"),
            end_on_silence_s=int(data.get("endOnSilence") or 0),
            end_on_key=str(data.get("endOnKey") or ""),
            time_out_s=int(data.get("timeOut") or 0),
            webhook=webhook,
            transcription=transcription if isinstance(transcription, Mapping) else None,
        )


class ConversationRecording:
    """One recording of a conversation. ``uuid``: its name in events, which is not that of its file."""

    def __init__(self, call: Call, handle: RecordingHandle, plan: ChannelPlan, uuid: str) -> None:
        self.handle = handle
        self.plan = plan
        self.uuid = uuid
        self._call = call
        self._points = handle.taps
        self._moves = len(call.recordings.moves)
        self._leg = handle.spec.leg
        self._done = asyncio.Event()
        self._change = ""
        self._watched: list[Callable[[], None]] = []
        self._watched.append(call.services.bus.subscribe(self._hear, call_id=call.id))

    @property
    def over(self) -> bool:
        """Nothing more is recorded, or it was told to stop."""
        return self.handle.over or self.handle.stopping

    async def settled(self) -> str:
        """Wait until it is over and its event is in the outbox; gives what became of it (``ready`` ...)."""
        await self._done.wait()
        return self._change

    def stop(self, reason: str = "stopped") -> None:
        """End it; nothing, if it is over."""
        if not self.over:
            self.handle.stopping = True
            self._call.services.media.send(StopRecording(self.handle.id, reason))

    # ---- legs ----------------------------------------------------------------------------------

    def reseated(self) -> None:
        """Another leg is on the call's line: a party has transferred the other, or was replaced."""
        if self.plan.layout is Layout.LEGS:
            self.belongs_to(self._call.leg)
            return
        moves = self._call.recordings.moves
        for move in moves[self._moves :]:
            self.plan.moved(move)
        self._moves = len(moves)
        self._points = self.handle.taps
        self.listen()

    def follow(self, conversation: Conversation) -> None:
        """Give the legs of ``conversation`` their channels, those that join later too."""
        for member in conversation.members:
            self.plan.join(member.leg)
        self.listen()
        tell = self._joined
        conversation.on_joined.append(tell)
        self._watched.append(lambda: conversation.on_joined.remove(tell))
        bus = self._call.services.bus
        self._watched.append(bus.subscribe(self._talks, call_id=self._call.id))

    def _talks(self, event: Event) -> None:
        """Also whoever a transfer has brought, who is no member, has a channel."""
        if isinstance(event, CallBridged):
            for leg in (event.leg, event.peer):
                self.join(leg)

    def _joined(self, member: Member) -> None:
        self.plan.join(member.leg)
        self.listen()

    def join(self, leg: str) -> None:
        """``leg`` is in the conversation."""
        self.plan.join(leg)
        self.listen()

    def leave(self, leg: str) -> None:
        """``leg`` is in it no more."""
        self.plan.forget(leg)
        self.listen()

    def mute(self, leg: str, muted: bool) -> None:
        """A muted leg is not in the recording."""
        self.plan.mute(leg, muted)
        self.listen()

    def replaced(self, leg: str, by: str) -> None:
        """Another leg is in the place of ``leg``."""
        self.plan.replaced(leg, by)
        self.listen()

    def belongs_to(self, leg: str) -> None:
        """It ends with that leg, from now on."""
        if self._leg and self._leg != leg:
            self._leg = leg
            self._move()

    def listen(self) -> None:
        """Let the recorder hear what the plan says."""
        if self.plan.points() != self._points:
            self._move()

    def _move(self) -> None:
        if self.over:
            return
        self._points = self.handle.taps = self.plan.points()
        # A muted first leg is no place to listen to: whose recording it is must be said.
        leg = self._call.leg if self._leg is None else self._leg
        self._call.services.media.send(MoveTaps(self.handle.id, self._points, leg))

    # ---- its end -------------------------------------------------------------------------------

    def _hear(self, event: Event) -> None:
        if not isinstance(event, RecordingChanged) or event.recording_id != self.handle.id:
            return
        if event.change in ENDED:
            self._change = event.change
            self._done.set()
        if self.handle.over and event.change in ENDED:
            for forget in self._watched:
                forget()
            self._watched.clear()


async def start_recording(
    session: Session, wanted: Wanted, *, origin: str, room: Sequence[str] | None = None
) -> ConversationRecording | None:
    """Start a recording of the conversation that ``session``'s call is in. ``room``: the legs that are in it,
    in joining order, of a named conversation: then it belongs to no leg, and ends when it is told to. Gives
    None if one runs already or it cannot be kept; a notice has said so. Raises ``CallGone``.
    """
    call, conversation = session.call, session.conversation
    if conversation.recording is not None and not conversation.recording.over:
        await session.report("the conversation is being recorded already", "End that one first.")
        return None
    layout, channels = layout_of(split=wanted.split, channels=wanted.channels, room=room is not None)
    plan = ChannelPlan(layout, channels)
    for leg in room if room is not None else [member.leg for member in conversation.members]:
        plan.join(leg)
    for member in conversation.members:
        plan.mute(member.leg, member.uuid in session.muted)
    file = _file_format(wanted, channels, call)
    uuid = new_uuid(call.services.ids)
    handle = await call.recordings.start(
        _settings(wanted, file.name, call, uuid),
        origin=origin,
        taps=plan.points(),
        target=Target("local", reason="an NCCO's recordings are fetched"),
        dtmf_stop=wanted.end_on_key,
        document=_document(session, wanted, uuid),
        adjust=lambda spec: _adjusted(spec, session, wanted, file, uuid, _owner(layout, room, call)),
    )
    if handle is None:
        return None
    recording = conversation.recording = ConversationRecording(call, handle, plan, uuid)
    session.recordings.append(recording)
    if room is None:
        call.line.on_reseat.append(recording.reseated)
        if layout is Layout.LEGS:
            recording.follow(conversation)
    return recording


def recording_url(session: Session, file_id: str) -> str:
    """Where the file is fetched: ``GET /v1/files/ID`` of this server."""
    base = session.call.settings.ncco.public_url or session.sessions.base_url
    return f"{base.rstrip('/')}/v1/files/{file_id}"


# ---- what is asked of the recorder ---------------------------------------------------------------


def _owner(layout: Layout, room: Sequence[str] | None, call: Call) -> str | None:
    if room is not None:
        return ""
    return call.leg if layout is Layout.LEGS else None


def _file_format(wanted: Wanted, channels: int, call: Call) -> FileFormat:
    """MP3 if nothing is written, WAV above two channels, whatever is written: the others have at most two."""
    name = wanted.format or ("wav" if channels > 2 else "mp3")
    if channels > 2 and name != "wav":
        call.notice(
            "warning",
            "CF-RUN-NCCO-FORMAT",
            f"a file of {channels} channels cannot be {name}: it is wav",
            'Write "format": "wav", or at most 2 channels.',
        )
        name = "wav"
    return FileFormat(name, RATE, MP3_KBPS, call.settings.media.mp3_quality)


def _settings(wanted: Wanted, format: str, call: Call, uuid: str) -> RecordSettings:
    """In the words of callflow's recorder. Silence counts from the last sound, or from the start; without
    ``timeOut`` the longest that ``media.max_recording_time_limit`` allows.
    """
    usual = resolve_record({"action": "start", "silence_detection": True}, call.settings)
    assert usual.silence is not None
    ms = 1000 * wanted.end_on_silence_s
    return replace(
        usual,
        format=format,
        label="",
        media_id=new_uuid(call.services.ids),
        media_name=f"{uuid}.{format}",
        record_min_sec=0,
        record_on_answer=False,
        record_on_bridge=False,
        record_sample_rate=RATE,
        should_follow_transfer=True,
        silence=SilenceSettings(ms, ms, usual.silence.threshold) if ms else None,
        time_limit=wanted.time_out_s or call.settings.media.max_recording_time_limit,
        url=None,
    )


def _document(session: Session, wanted: Wanted, uuid: str) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "recording_uuid": uuid,
        "conversation_uuid": session.conversation_uuid,
        "application_id": session.application.id,
    }
    if wanted.transcription is not None:
        facts["transcription"] = dict(wanted.transcription)
    return facts


def _adjusted(
    spec: RecordingSpec,
    session: Session,
    wanted: Wanted,
    file: FileFormat,
    uuid: str,
    owner: str | None,
) -> RecordingSpec:
    """What only this dialect knows: who it belongs to, its bit rate, and the event that tells of it."""
    event = None
    if wanted.webhook is not None:
        body = events.recording(uuid, session.conversation_uuid, recording_url(session, spec.id))
        event = session.message(body, wanted.webhook)
    wish = None if wanted.transcription is None else _wish(session, wanted, uuid)
    return replace(spec, format=file, leg=owner, event=event, transcript=wish)


def _wish(session: Session, wanted: Wanted, uuid: str) -> TranscriptWish:
    """What is said is written down. Who hears of it: ``eventUrl`` of ``transcription``, else whoever hears of
    the recording (ncco.md 1.5).
    """
    asked = wanted.transcription or {}
    _warn(session.call, asked)
    id = new_uuid(session.call.services.ids)
    webhook = session.webhook(asked) if asked.get("eventUrl") else wanted.webhook
    conversation = session.conversation_uuid
    told = None
    if webhook is not None:
        told = session.message(events.transcribed(uuid, conversation, recording_url(session, id)), webhook)
    return TranscriptWish(
        id=id,
        language=str(asked.get("language") or "en-US"),
        event=told,
        failed=events.transcription_failed(uuid, conversation, ""),
    )


def _warn(call: Call, asked: Mapping[str, Any]) -> None:
    """What ``transcription`` asks for, and will not get."""
    why = missing(call.settings.ncco.transcription.transcriber)
    if why is not None:
        said = f"the recording will not be transcribed: {why.message}"
        call.notice("warning", "CF-RUN-NCCO-TRANSCRIPTION", said, why.hint)
    for key in ("sentimentAnalysis", "provider", "providerOptions"):
        if asked.get(key):
            said = f"transcription: {key} has no effect here"
            call.notice("warning", "CF-RUN-NCCO-TRANSCRIPTION", said, "Take it out, or live without it.")
