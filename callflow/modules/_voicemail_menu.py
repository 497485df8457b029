"""Layer 4, voicemail: the main menu of a mailbox, and its messages one after the other (Kazoo's keys)."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from callflow.engine.call import Call
from callflow.errors import CallflowError, CallGone
from callflow.media.messages import Clip
from callflow.modules._speaking import moment_prompts, number_prompts, prompt_clips
from callflow.modules._voicemail_box import Box
from callflow.modules._voicemail_setup import set_up, settings_menu
from callflow.state.messages import DELETED, NEW, SAVED, Message

HEAR_NEW, HEAR_SAVED, CONFIGURE, EXIT = "1", "2", "5", "#"
KEEP, REPLAY, PREVIOUS, NEXT, DELETE, RETURN = "1", "2", "4", "6", "7", "0"
CHOICE_S = 5.0
"""How long to wait for a choice."""

LOOPS = 4
"""So often without a choice ends a menu: nobody is there."""

MOST_CHOICES = 1000
"""Of one call in one menu."""


async def main_menu(box: Box) -> str:
    """Until the caller leaves; gives what was done, in words."""
    call = box.call
    configurable = box.document.get("not_configurable") is not True
    if configurable and box.document.get("is_setup") is not True and not await set_up(box):
        await call.prompt("vm-goodbye")
        return f"did not set up {box.id}"
    idle = 0
    for _ in range(MOST_CHOICES):
        if idle >= LOOPS:
            break
        found = await box.messages()
        menu = "vm-main_menu" if configurable else "vm-main_menu_not_configurable"
        call.flush_digits()
        choice = await choose([*_count(found), menu], call)
        if choice == EXIT:
            return f"left {box.id}"
        if choice in (HEAR_NEW, HEAR_SAVED):
            folder = NEW if choice == HEAR_NEW else SAVED
            await _play_all(box, [message for message in found if message.folder == folder])
        elif choice == CONFIGURE and configurable:
            await settings_menu(box)
        else:
            idle += 1
            continue
        idle = 0
    await call.prompt("vm-goodbye")
    return f"was not told anything any more in {box.id}"


async def choose(prompts: list[str], call: Call, clips: tuple[Clip, ...] = ()) -> str:
    """Play prompts (after ``clips``) until a digit is pressed, and give it; empty: none was. Digits that were
    typed ahead count.
    """
    digits = await call.collect_digits(
        max_digits=1, timeout_s=CHOICE_S, interdigit_s=CHOICE_S, clips=(*clips, *prompt_clips(prompts, call))
    )
    return digits.digits


def _count(found: list[Message]) -> list[str]:
    """The prompts that say how many messages there are."""
    new = sum(message.folder == NEW for message in found)
    saved = len(found) - new
    if not found:
        return ["vm-no_messages"]
    said = ["vm-you_have"]
    if new:
        said += [*number_prompts(new)]
        said.append("vm-new_and" if saved else "vm-new_message" if new == 1 else "vm-new_messages")
    if saved:
        said += [*number_prompts(saved), "vm-saved_message" if saved == 1 else "vm-saved_messages"]
    return said


# ---- messages ----------------------------------------------------------------------------------


async def _play_all(box: Box, found: list[Message]) -> None:
    """Each with its menu, until all have been gone through or the caller returns to the main menu."""
    left, at, heard = list(found), 0, True
    for _ in range(MOST_CHOICES):
        if at >= len(left):
            return
        message = left[at]
        choice = await _hear(box, message, found.index(message) + 1, whole=heard)
        heard = choice in (KEEP, REPLAY, PREVIOUS, NEXT, DELETE)
        if choice in (KEEP, RETURN):
            await box.put(message, SAVED)
            await box.call.prompt("vm-saved")
            if choice == RETURN:
                return
            at += 1
        elif choice == DELETE:
            await box.put(message, DELETED)
            await box.call.prompt("vm-deleted")
            left.pop(at)
        elif choice == PREVIOUS:
            at = max(0, at - 1)
        elif choice == NEXT:
            at = min(len(left) - 1, at + 1)
        elif choice != REPLAY:
            await box.call.prompt("menu-invalid_entry")
            box.call.line.check()


async def _hear(box: Box, message: Message, number: int, *, whole: bool) -> str:
    """A message (``whole``, or only its menu again), and what is to become of it."""
    call = box.call
    if not whole:
        return await choose(["vm-message_menu"], call)
    before = prompt_clips(["vm-message_number", *number_prompts(number)], call)
    said = ["vm-message_menu"]
    if box.document.get("skip_envelope") is not True:
        said = ["vm-received", *moment_prompts(message.received, _zone(box)), *said]
    clips = (*before, box.file_clip(message.file))
    try:
        return await choose(said, call, clips)
    except CallGone:
        raise
    except CallflowError as error:
        call.notice(
            "error", error.code, f"voicemail: message {message.id} was not played: {error}", error.hint
        )
        return await choose(said, call, before)


def _zone(box: Box) -> ZoneInfo:
    """The mailbox's time zone, else its owner's, else the account's, else UTC."""
    account = box.call.account
    owner = account.get("user", str(box.document.get("owner_id") or "")) or {}
    for document in (box.document, owner, account.document):
        try:
            return ZoneInfo(str(document["timezone"]))
        except (KeyError, ValueError, OSError):
            continue
    return ZoneInfo("UTC")
