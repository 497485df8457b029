"""Layer 4, voicemail: a mailbox: who owns it, what is in it, and how something is recorded for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from callflow.documents.record_settings import RecordSettings, resolve_record
from callflow.engine.call import Call
from callflow.engine.recordings import By, RecordingHandle
from callflow.media.messages import Clip, FileClip, ToneClip
from callflow.modules._caller_only import ANY_DIGIT, END_OF_SPEECH, caller_tap
from callflow.recording.messages import Target
from callflow.state import messages
from callflow.state.messages import Message

SOURCE = "voicemail"
BEEP = ToneClip("%(500,100,440)")
RECORDED = "recording://"
"""Begins a ``media`` id that is a recording made by phone: a greeting, a name."""

MIN_MESSAGE_S = 1
"""A shorter message is a caller who hung up at the beep; it is discarded, and an event says so."""


@dataclass(frozen=True, slots=True)
class Box:
    """A mailbox as a call sees it. ``document``: as it is at this moment."""

    call: Call
    id: str
    interdigit_s: float

    @property
    def document(self) -> Mapping[str, Any]:
        """The mailbox's document, with what calls have changed in it."""
        return self.call.account.get("vmbox", self.id) or {}

    @property
    def is_owners(self) -> bool:
        """Whether the caller owns it."""
        owner = self.document.get("owner_id")
        return bool(owner) and owner == self.call.variables.owner_id

    @property
    def media(self) -> Mapping[str, Any]:
        """Greetings and name, by their keys."""
        media = self.document.get("media")
        return media if isinstance(media, Mapping) else {}

    async def messages(self) -> list[Message]:
        """New and saved messages, in the order in which they are to be heard."""
        services, account_id = self.call.services, self.call.account.id
        found = await services.clock.outside(
            services.database.submit(lambda conn: messages.list_messages(conn, account_id, self.id))
        )
        return found[::-1] if self.document.get("oldest_message_first") is True else found

    async def put(self, message: Message, folder: str) -> None:
        """Move a message, for good."""
        services = self.call.services
        await services.clock.outside(
            services.database.submit(lambda conn: messages.put_into_folder(conn, message.id, folder))
        )

    async def full(self) -> bool:
        """Whether it takes no more messages."""
        most = self.call.settings.callflow.voicemail.max_message_count
        return bool(most) and len(await self.messages()) >= most

    def file_clip(self, file: str) -> FileClip:
        """What is kept in the state folder under that name, to be played."""
        return FileClip(str(self.call.services.database.path.parent / file))

    async def clips_for(self, media_id: str) -> tuple[Clip, ...]:
        """A media id of the document as sound. Raises as ``Call.clips_for``."""
        if not media_id.startswith(RECORDED):
            return await self.call.clips_for(media_id)
        services, id = self.call.services, media_id.removeprefix(RECORDED)
        file = await services.clock.outside(
            services.database.submit(lambda conn: messages.file_of_recording(conn, id))
        )
        return (self.file_clip(file),) if file else ()

    async def record(
        self, settings: RecordSettings, origin: str, facts: Mapping[str, Any]
    ) -> RecordingHandle | None:
        """Beep, and record what the caller says, until a digit, silence, the limit or the hangup. Has no part
        in what else is recorded on the call.
        """
        call = self.call
        await call.play((BEEP,))
        call.flush_digits()
        return await call.recordings.start(
            settings,
            origin=origin,
            taps=caller_tap(call),
            target=Target(kind="local", reason=f"voicemail of mailbox {self.id}"),
            dtmf_stop=ANY_DIGIT,
            document={**self._facts(), **facts},
            by=By.MESSAGE,
        )

    def settings(self, limit_s: int) -> RecordSettings:
        """How it is recorded: the settings of a recording, with voicemail's own limits and ends."""
        call = self.call
        wanted = {"action": "start", "format": self.document.get("media_extension") or "mp3"}
        return replace(
            resolve_record(wanted, call.settings),
            time_limit=min(limit_s, call.settings.media.max_recording_time_limit),
            silence=END_OF_SPEECH,
            record_min_sec=MIN_MESSAGE_S,
            record_on_answer=False,
            record_on_bridge=False,
            should_follow_transfer=False,
        )

    def _facts(self) -> dict[str, Any]:
        """What the recording's document says beside the facts of every recording."""
        facts = {
            "source_type": SOURCE,
            "mailbox_id": self.id,
            "mailbox": self.document.get("mailbox"),
            "mailbox_name": self.document.get("name"),
            "owner_id": self.document.get("owner_id"),
        }
        return {key: value for key, value in facts.items() if value is not None}


def box_of_number(number: str, call: Call) -> str:
    """The id of the mailbox with that number; empty: there is none."""
    boxes = call.account.all("vmbox").items()
    return next((id for id, box in boxes if number and str(box.get("mailbox")) == number), "")
