"""Layer 4, module ``park``: put a call into a numbered slot, or take one out (kazoo.md 3, cf_park)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.channels.channel import DialTarget
from callflow.engine.call import Call
from callflow.engine.meeting.parking import Left, Parking, Stay, parking_target
from callflow.engine.outcome import Attempt, Continue, HandOver, Outcome, Stop
from callflow.errors import MissingDocument
from callflow.modules._saying import digit_clips, say

EXCEEDED = "MAX_SLOT_EXCEEDED"
OCCUPIED = "park-already_in_use"
PLACED = "park-call_placed_in_spot"
EMPTY = "park-no_caller"

LAMPS = {"early": "ringing", "confirmed": "busy", "terminated": "idle"}
"""Presence types (dialog states) and what they are as a lamp."""


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """A call that was transferred here is parked, whatever ``action`` says; one who dials does ``action``."""
    lot = call.services.calls.parking
    slot = str(data.get("slot") or "") or call.capture_group or lot.free_slot()
    limit = data.get("max_slot_number")
    if limit is not None and slot.isdigit() and int(slot) > int(limit):
        return Continue(key=EXCEEDED, did=f"slot {slot} is beyond {limit}")
    transferred = call.bridging.transferor is not None
    action = "park" if transferred else data["action"]
    taken = lot.find(slot)
    if action in ("retrieve", "auto") and taken is not None and not taken.reserved:
        await call.joins.meet(taken.call)
        return await _refuse(call, EMPTY, f"the call in slot {slot} had gone")
    if action == "retrieve":
        return await _refuse(call, EMPTY, f"slot {slot} is empty")
    return await _park(slot, data, call, in_person=action == "park" and not transferred)


async def _park(slot: str, data: Mapping[str, Any], call: Call, *, in_person: bool) -> Outcome:
    """``in_person``: the parker is on the line, hears the slot's number, and will transfer somebody here."""
    parker = None if in_person else _parker(call)
    parking = Parking(call, _stay(slot, data, call, parker, reserved=in_person))
    if not parking.take():
        return await _occupied(slot, data, call, parker)
    try:
        await call.answer()
        if in_person:
            await say(call, PLACED, digit_clips(slot, call))
        left = await parking.wait()
    finally:
        parking.leave()
    if left is Left.TRANSFERRED:
        return HandOver(did=f"retrieved from slot {slot}, and transferred")
    if left is Left.RETRIEVED:
        return Stop(did=f"retrieved from slot {slot}; that talk is over")
    return Attempt(
        keys=(slot,),
        otherwise=Continue(did=f"left slot {slot}"),
        did=f"nobody took the call in slot {slot} back",
    )


async def _occupied(slot: str, data: Mapping[str, Any], call: Call, parker: DialTarget | None) -> Outcome:
    """Whoever parks in person hears it; a call that was transferred here goes back to the parker."""
    if parker is None:
        return await _refuse(call, OCCUPIED, f"slot {slot} is taken")
    stay = _stay(slot, data, call, parker)
    result = await call.bridge(
        [parking_target(call, parker, f"Parking slot {slot} occupied")], timeout_s=stay.callback_s
    )
    if result.transferred:
        return HandOver(did="went back to the parker, and was transferred")
    return Stop(
        cause="NORMAL_CLEARING" if result.answered else result.cause or "USER_BUSY",
        did=f"slot {slot} is taken: the parker was rung",
    )


async def _refuse(call: Call, prompt: str, did: str) -> Outcome:
    await call.answer()
    await call.prompt(prompt)
    return Stop(did=did)


def _parker(call: Call) -> DialTarget | None:
    """The phone that has transferred the call here, if it is one of the account's."""
    transferor = call.bridging.transferor
    if transferor is None or not transferor.device_id:
        return None
    try:
        return call.endpoint_of_device(transferor.device_id)
    except MissingDocument:
        return None


def _stay(
    slot: str, data: Mapping[str, Any], call: Call, parker: DialTarget | None, *, reserved: bool = False
) -> Stay:
    slots = data.get("slots")
    own = slots.get(slot) if isinstance(slots, Mapping) else None
    said: Mapping[str, Any] = own if isinstance(own, Mapping) else {}
    child = call.node.child(slot)
    return Stay(
        slot=slot,
        presence_id=str(said.get("presence_id") or data.get("presence_id") or slot),
        lamp=LAMPS[str(_one_of(said.get("presence_type"), LAMPS) or data["default_presence_type"])],
        parker=parker,
        ringback_s=_seconds(said.get("ringback_timeout"), data["default_ringback_timeout"]),
        callback_s=_seconds(said.get("callback_timeout"), data["default_callback_timeout"]),
        reserved=reserved,
        leaves_unanswered=child is not None and not child.empty,
    )


def _one_of(value: object, known: Mapping[str, str]) -> str:
    return value if isinstance(value, str) and value in known else ""


def _seconds(own: object, instead: int) -> float:
    """A slot's own milliseconds, where they are a number, else the node's."""
    sound = isinstance(own, int | float) and not isinstance(own, bool) and 0 <= own < 86_400_000
    return float(own if sound and isinstance(own, int | float) else instead) / 1000
