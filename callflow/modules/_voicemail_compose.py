"""Layer 4, voicemail: takes a message: greeting, instructions, beep, recording."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.flow import Flow
from callflow.engine.outcome import Branch, Continue, Outcome
from callflow.errors import CallflowError, CallGone
from callflow.modules._caller_only import ANY_DIGIT
from callflow.modules._voicemail_box import Box
from callflow.modules._voicemail_login import check
from callflow.state.messages import NEW, ORIGIN

LOGIN = "*"
"""The digit during the greeting that leads to the mailbox's messages."""

GREETINGS = ("temporary_unavailable", "unavailable")
"""Keys of the mailbox's ``media``: the first that is set is what its owner wants played."""


async def compose(box: Box, data: Mapping[str, Any]) -> Outcome:
    """Greet, beep, record; then ``_``, or the operator's flow if the caller presses the operator key."""
    call = box.call
    full = await box.full()
    digit = await _greet(box, full=full)
    if digit == LOGIN:
        return await check(box)
    if full:
        return Continue(did=f"took no message: {box.id} is full")
    if digit == call.settings.callflow.operator_key and (flow := _operator(call)):
        return Branch(flow=flow, did="the caller asked for the operator")
    return await _take_message(box, data)


async def _greet(box: Box, *, full: bool) -> str:
    """Play the greeting and the instructions; any digit skips what is left and is given back."""
    digit, document = "", box.document
    if document.get("skip_greeting") is not True:
        digit = await _greeting(box)
    if digit:
        return digit
    if full:
        return await box.call.prompt("vm-mailbox_full", terminators=ANY_DIGIT)
    if document.get("skip_instructions") is not True:
        digit = await box.call.prompt("vm-record_message", terminators=ANY_DIGIT)
    return digit


async def _greeting(box: Box) -> str:
    """The owner's own greeting; without one, or if it cannot be played, the stock one."""
    call = box.call
    own = next((str(box.media[key]) for key in GREETINGS if box.media.get(key)), "")
    if own:
        try:
            clips = await box.clips_for(own)
            if clips:
                return await call.play(clips, terminators=ANY_DIGIT)
        except CallGone:
            raise
        except CallflowError as error:
            call.notice("error", error.code, f"voicemail: the greeting was not played: {error}", error.hint)
    for prompt in ("vm-person", "vm-not_available"):
        if digit := await call.prompt(prompt, terminators=ANY_DIGIT):
            return digit
    return ""


async def _take_message(box: Box, data: Mapping[str, Any]) -> Outcome:
    call = box.call
    handle = await box.record(box.settings(_limit_s(box, data)), ORIGIN, {"folder": NEW})
    if handle is None:
        return Continue(did="could not record a message")
    reason, seconds = await handle.ended()
    did = f"took a message of {seconds:.2f} s for {box.id}, ended by {reason}"
    if reason == "digit":
        pressed = await call.collect_digits(max_digits=1, timeout_s=0.1, interdigit_s=0.1)
        if pressed.digits == call.settings.callflow.operator_key and (flow := _operator(call)):
            return Branch(flow=flow, did=f"{did}, who asked for the operator")
    await call.prompt("vm-saved")
    return Continue(did=did)


def _limit_s(box: Box, data: Mapping[str, Any]) -> int:
    """The node's own limit counts before the mailbox's, and that before the node's default."""
    written = "max_message_length" in box.call.node.data
    own = box.document.get("max_message_length")
    return int(data["max_message_length"] if written else own or data["max_message_length"])


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
