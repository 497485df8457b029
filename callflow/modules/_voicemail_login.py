"""Layer 4, voicemail: who may hear a mailbox's messages: mailbox number, PIN, owner (Kazoo's ``check``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Continue, Outcome
from callflow.engine.pins import PinDoor
from callflow.modules._voicemail_box import Box, box_of_number
from callflow.modules._voicemail_menu import main_menu

FIRST_DIGIT_S = 5.0
"""How long to wait for the first digit of a number."""

END = "#"


async def check(box: Box, *, known: bool = False) -> Outcome:
    """Let the caller in if it may, and to the main menu. ``known``: the caller id has said who it is."""
    if not known and not await _may_enter(box):
        return Continue(did=f"was not let into {box.id}")
    return Continue(did=await main_menu(box))


async def find_and_check(data: Mapping[str, Any], call: Call) -> Outcome:
    """The same for a node that names no mailbox: the caller's only one, that of its number, or the one whose
    number it enters.
    """
    interdigit_s = data["interdigit_timeout"] / 1000
    number = call.party.from_number
    ours = bool(call.party.device_id or call.party.user_id)
    if data["callerid_match_login"] and ours and (id := box_of_number(number, call)):
        return await check(Box(call, id, interdigit_s), known=True)
    if data["single_mailbox_login"] and (id := _only_one(call)):
        return await check(Box(call, id, interdigit_s))
    voicemail = call.settings.callflow.voicemail
    for _ in range(voicemail.max_login_attempts):
        entered = await _ask("vm-enter_id", voicemail.max_box_number_length, call, interdigit_s)
        if id := box_of_number(entered, call):
            return await check(Box(call, id, interdigit_s))
        await call.prompt("menu-invalid_entry")
    await call.prompt("vm-abort")
    return Continue(did="found no mailbox")


def knows_caller(data: Mapping[str, Any], box: Box) -> bool:
    """Whether ``callerid_match_login`` lets the caller in without a PIN: a phone of the account whose number
    is the mailbox's. (Anybody can show any number to a carrier.)
    """
    party = box.call.party
    if not data["callerid_match_login"] or not (party.device_id or party.user_id):
        return False
    return party.from_number == str(box.document.get("mailbox"))


def _only_one(call: Call) -> str:
    """The id of the mailbox of a caller who has just one."""
    owner = call.variables.owner_id
    own = [id for id, box in call.account.all("vmbox").items() if owner and box.get("owner_id") == owner]
    return own[0] if len(own) == 1 else ""


async def _may_enter(box: Box) -> bool:
    """The owner without more, unless ``require_pin``; everybody else with the PIN."""
    call, voicemail = box.call, box.call.settings.callflow.voicemail
    if box.is_owners and box.document.get("require_pin") is not True:
        return True
    pin = str(box.document.get("pin") or "")
    if not pin:
        await call.prompt("vm-no_access")
        return False
    longest = max(voicemail.max_pin_length, len(pin))
    door = PinDoor(call, f"mailbox {box.id}")

    async def asking() -> str:
        return await _ask("vm-enter_pass", longest, call, box.interdigit_s)

    tries = voicemail.max_login_attempts
    if await door.enter(asking, [pin], tries=tries, wrong="vm-fail_auth") is not None:
        return True
    await call.prompt("vm-abort")
    return False


async def _ask(prompt: str, longest: int, call: Call, interdigit_s: float) -> str:
    digits = await call.collect_digits(
        max_digits=longest,
        timeout_s=FIRST_DIGIT_S,
        interdigit_s=interdigit_s,
        terminators=END,
        clips=call.clips.prompt(prompt, call.language),
    )
    return digits.digits
