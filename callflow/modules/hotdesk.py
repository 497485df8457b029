"""Layer 4, module ``hotdesk``: a user logs in to the phone that calls; its calls are the user's until logout.

Kept in the phone's document under ``hotdesk.users``, as in Kazoo; what follows from it is in
``callflow/documents/accounts.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.channels.channel import DialTarget
from callflow.documents.accounts import sitting_at
from callflow.engine.call import Call
from callflow.engine.outcome import Continue, Outcome
from callflow.engine.pins import PinDoor
from callflow.modules._bridging import ring
from callflow.modules._feature import Mine, ask, find

TRIES = 3
MAX_PIN_DIGITS = 15
MAX_ID_DIGITS = 15
"""Kazoo has 6 and 10 by default (settings of its own); ids and PINs of documents may be that long."""

RINGING: Mapping[str, Any] = {"timeout": 0, "can_call_self": False, "fail_on_single_reject": False}
"""How action bridge rings."""


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Log in or out, whichever fits (``toggle``), or ring where the user has logged in (``bridge``)."""
    user = await _who(data, call)
    if user is None:
        return Continue(did="found no such user")
    action = str(data.get("action") or "")
    desks = _desks(user.id, call)
    if action == "bridge":
        return await _ring(user, desks, call)
    if action == "toggle":
        action = "logout" if desks else "login"
    if action == "login":
        return await _login(user, desks, data, call)
    if action == "logout":
        return await _logout(user, desks, call)
    return Continue(did="had no action")


def _desks(user_id: str, call: Call) -> list[str]:
    """The phones that the user has logged in to."""
    return [
        id
        for id, device in sorted(call.account.all("device").items())
        if isinstance(device.get("hotdesk"), Mapping)
        and device["hotdesk"].get("users")
        and user_id in sitting_at(device)
    ]


async def _who(data: Mapping[str, Any], call: Call) -> Mine | None:
    """The user: ``id``; to log out, who has logged in to this phone; else by the hot desk id, asked for."""
    user_id = str(data.get("id") or "")
    if not user_id and data.get("action") == "logout":
        phone = call.account.get("device", call.party.device_id) or {}
        sitting = sitting_at(phone)
        user_id = sitting[0] if len(sitting) == 1 else ""
    if user_id:
        found = find(call, ("user", user_id))
        if found is None:
            await call.prompt("hotdesk-abort")
        return found
    await call.answer()
    for _ in range(TRIES):
        entered = await ask(call, "hotdesk-enter_id", data, max_digits=MAX_ID_DIGITS)
        for id, document in sorted(call.account.all("user").items()):
            user = Mine("user", id, document)
            if entered.digits and str(user.part("hotdesk").get("id") or "") == entered.digits:
                return user
        if entered.digits:
            await call.prompt("hotdesk-invalid_entry")
    await call.prompt("hotdesk-abort")
    return None


async def _login(user: Mine, desks: list[str], data: Mapping[str, Any], call: Call) -> Outcome:
    await call.answer()
    said = user.part("hotdesk")
    if said.get("require_pin") is True and not await _knows_pin(user, data, call):
        return await _give_up(f"{user.id} did not know the PIN", call)
    phone = call.party.device_id
    if call.account.get("device", phone) is None:
        return await _give_up("the call comes from no phone of the account", call)
    if said.get("keep_logged_in_elsewhere") is not True:
        await _leave(user.id, [desk for desk in desks if desk != phone], call)
    await call.change("device", phone, {"hotdesk": {"users": {user.id: {}}}})
    await call.prompt("hotdesk-logged_in")
    await call.prompt("vm-goodbye")
    return Continue(did=f"{user.id} has logged in to {phone}")


async def _logout(user: Mine, desks: list[str], call: Call) -> Outcome:
    await call.answer()
    if call.account.get("device", call.party.device_id) is None:  # else strangers could log everybody out
        return await _give_up("the call comes from no phone of the account", call)
    stays = user.part("hotdesk").get("keep_logged_in_elsewhere") is True
    await _leave(user.id, [desk for desk in desks if not stays or desk == call.party.device_id], call)
    await call.prompt("hotdesk-logged_out")
    await call.prompt("vm-goodbye")
    return Continue(did=f"{user.id} has logged out")


async def _leave(user_id: str, desks: list[str], call: Call) -> None:
    for desk in desks:
        await call.change("device", desk, {"hotdesk": {"users": {user_id: None}}})


async def _knows_pin(user: Mine, data: Mapping[str, Any], call: Call) -> bool:
    """Without a PIN in the document nobody knows it."""
    pin, door = str(user.part("hotdesk").get("pin") or ""), PinDoor(call, f"hot desk of {user.id}")

    async def asking() -> str:
        return (await ask(call, "hotdesk-enter_pin", data, max_digits=MAX_PIN_DIGITS)).digits

    return await door.enter(asking, [pin], tries=TRIES, wrong="hotdesk-invalid_entry") is not None


async def _give_up(why: str, call: Call) -> Outcome:
    await call.prompt("hotdesk-abort")
    await call.prompt("vm-goodbye")
    return Continue(did=why)


async def _ring(user: Mine, desks: list[str], call: Call) -> Outcome:
    """Ring the phones that the user has logged in to, if its document lets it."""
    if user.part("hotdesk").get("enabled") is not True:
        return Continue(did=f"hot desking is off for {user.id}")
    devices = call.account.all("device")
    return await ring([DialTarget("device", id, devices[id]) for id in desks], RINGING, call)
