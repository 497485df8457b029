"""Layer 4, module ``voicemail``: take a message for a mailbox (action ``compose``).

The message is a recording like any other (same recorder, spool, media store), of the caller's side only.
It has no part in what ``record_call`` does on the same call: those recordings go on undisturbed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from callflow.documents.record_settings import RecordSettings, resolve_record
from callflow.engine.call import Call
from callflow.engine.flow import Flow
from callflow.engine.outcome import Branch, Continue, Outcome
from callflow.errors import CallflowError, CallGone
from callflow.media.messages import ToneClip
from callflow.modules._caller_only import ANY_DIGIT, END_OF_SPEECH, caller_tap
from callflow.recording.messages import Target

COMPOSE = "compose"
ORIGIN = "voicemail"
BEEP = ToneClip("%(500,100,440)")
MIN_MESSAGE_S = 1
"""A shorter message is a caller who hung up at the beep; it is discarded, and an event says so."""

GREETINGS = ("temporary_unavailable", "unavailable")
"""Keys of the mailbox's ``media``: the first that is set is what its owner wants played."""


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Greet, beep, record; then ``_``, or the operator's flow if the caller presses the operator key."""
    if data["action"] != COMPOSE:
        call.notice(
            "warning",
            "CF-RUN-VOICEMAIL",
            f"voicemail: the action {data['action']!r} is not available; the node is passed over",
            "compose, taking a message, is the action there is.",
        )
        return Continue(did="passed over: only compose is available")
    await call.answer()
    box_id, box = find_mailbox(data, call)
    if box is None:
        call.notice(
            "error",
            "CF-RUN-MAILBOX",
            f"voicemail: there is no mailbox {box_id!r}",
            "The id is a file's name in the account's vmboxes folder, without .json.",
        )
        await call.prompt("vm-no_mailbox")
        return Continue(did="found no such mailbox")
    if await _greet(box, call) == call.settings.callflow.operator_key and (flow := _operator(call)):
        return Branch(flow=flow, did="the caller asked for the operator")
    return await _take_message(box_id, box, data, call)


def find_mailbox(data: Mapping[str, Any], call: Call) -> tuple[str, Mapping[str, Any] | None]:
    """The mailbox that ``id`` names; without an id, the one whose number the flow's pattern captured."""
    box_id = str(data.get("id") or "")
    if box_id:
        return box_id, call.account.get("vmbox", box_id)
    for other_id, box in call.account.all("vmbox").items():
        if call.capture_group and str(box.get("mailbox")) == call.capture_group:
            return other_id, box
    return call.capture_group, None


async def _greet(box: Mapping[str, Any], call: Call) -> str:
    """Play the greeting and the instructions; any digit skips what is left and is given back."""
    digit = ""
    if box.get("skip_greeting") is not True:
        digit = await _greeting(box, call)
    if not digit and box.get("skip_instructions") is not True:
        digit = await call.prompt("vm-record_message", terminators=ANY_DIGIT)
    return digit


async def _greeting(box: Mapping[str, Any], call: Call) -> str:
    """The owner's own greeting; without one, or if it cannot be played, the stock one."""
    media = box.get("media")
    own = next((media[key] for key in GREETINGS if media.get(key)), "") if isinstance(media, Mapping) else ""
    if own:
        try:
            return await call.play_media(str(own), terminators=ANY_DIGIT)
        except CallGone:
            raise
        except CallflowError as error:
            call.notice("error", error.code, f"voicemail: the greeting was not played: {error}", error.hint)
    for prompt in ("vm-person", "vm-not_available"):
        if digit := await call.prompt(prompt, terminators=ANY_DIGIT):
            return digit
    return ""


async def _take_message(box_id: str, box: Mapping[str, Any], data: Mapping[str, Any], call: Call) -> Outcome:
    await call.play((BEEP,))
    call.flush_digits()
    handle = await call.record(
        message_settings(box, data, call),
        origin=ORIGIN,
        taps=caller_tap(call),
        target=Target(kind="local", reason=f"a message for mailbox {box_id}"),
        dtmf_stop=ANY_DIGIT,
        document=message_facts(box_id, box),
    )
    if handle is None:
        return Continue(did="could not record a message")
    reason, seconds = await handle.ended()
    did = f"took a message of {seconds:.2f} s for {box_id}, ended by {reason}"
    if reason == "digit":
        pressed = await call.collect_digits(max_digits=1, timeout_s=0.1, interdigit_s=0.1)
        if pressed.digits == call.settings.callflow.operator_key and (flow := _operator(call)):
            return Branch(flow=flow, did=f"{did}, who asked for the operator")
    await call.prompt("vm-saved")
    return Continue(did=did)


def message_settings(box: Mapping[str, Any], data: Mapping[str, Any], call: Call) -> RecordSettings:
    """How a message is recorded: the settings of a recording, with voicemail's own limits and ends."""
    # The node's own limit counts before the mailbox's, and that before the node's default.
    written = "max_message_length" in call.node.data
    wanted_s = (
        data["max_message_length"] if written else box.get("max_message_length") or data["max_message_length"]
    )
    limit = min(int(wanted_s), call.settings.media.max_recording_time_limit)
    wanted = {"action": "start", "format": box.get("media_extension") or "mp3"}
    return replace(
        resolve_record(wanted, call.settings),
        time_limit=limit,
        silence=END_OF_SPEECH,
        record_min_sec=MIN_MESSAGE_S,
        should_follow_transfer=False,
    )


def message_facts(box_id: str, box: Mapping[str, Any]) -> dict[str, Any]:
    """What the message's document says beside the facts of every recording."""
    facts = {
        "source_type": ORIGIN,
        "mailbox_id": box_id,
        "mailbox": box.get("mailbox"),
        "mailbox_name": box.get("name"),
        "owner_id": box.get("owner_id"),
    }
    return {key: value for key, value in facts.items() if value is not None}


def _operator(call: Call) -> Flow | None:
    """The account's flow for the operator key (a flow with that number), or None, with a notice."""
    key = call.settings.callflow.operator_key
    flow = call.route(key)
    if flow is None:
        call.notice(
            "warning",
            "CF-RUN-OPERATOR",
            f"voicemail: the caller pressed {key} for the operator, but no callflow has the number {key!r}",
            "Give the operator's callflow this number, or change callflow.operator_key.",
        )
    return flow
