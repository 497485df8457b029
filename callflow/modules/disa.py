"""Layer 4, module ``disa``: a caller from outside gets a dial tone, and dials as if from inside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.documents.restrictions import is_restricted
from callflow.engine.call import Call
from callflow.engine.outcome import Branch, Continue, HardStop, Outcome, Stop
from callflow.engine.pins import PinDoor, pins_of
from callflow.media.messages import Clip, ToneClip
from callflow.modules._feature import ASK_S, INTERDIGIT_S, ask, dial

PIN_DIGITS = 10
"""At least so many digits of a PIN are listened for (Kazoo's default_pin_length)."""

DIAL_TONE = ToneClip("%(10000,0,350,440)")
RING = "%(2000,4000,440,480)"


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Ask for the PIN, then for a number, and go to its flow; the PIN not known: stop; no number after all
    tries: ``_``.
    """
    await call.answer()
    if not await _may_dial(data, call):
        await call.prompt("disa-retries_exceeded")
        return Stop(did="did not know the PIN")
    for _ in range(int(data["retries"])):
        number = await _number(data, call)
        if not number:
            continue
        outcome = await _dial(number, data, call)
        if outcome is not None:
            return outcome
        await call.prompt("disa-invalid_extension")
    return Continue(did="dialled no number that there is")


async def _may_dial(data: Mapping[str, Any], call: Call) -> bool:
    pins = pins_of(data["pin"])
    if not pins:
        call.notice(
            "warning",
            "CF-RUN-DISA",
            "disa: there is no PIN: whoever calls may dial out at the account's cost",
            "Write data.pin.",
        )
        return True
    asked = {**data, "interdigit_timeout": data.get("interdigit")}
    door = PinDoor(call, f"dial tone of {call.flow_id or 'this flow'}")

    async def asking() -> str:
        longest = max(PIN_DIGITS, len(pins[0]))
        return (await ask(call, "disa-enter_pin", asked, max_digits=longest)).digits

    found = await door.enter(asking, pins, tries=int(data["retries"]), wrong="disa-invalid_pin")
    return found is not None


async def _number(data: Mapping[str, Any], call: Call) -> str:
    """What is dialled to the tone; "" for nothing."""
    rings = data["preconnect_audio"] == "ringing"
    before: tuple[Clip, ...] = (ToneClip(RING),) * int(data["ring_repeat_count"]) if rings else (DIAL_TONE,)
    entered = await call.collect_digits(
        max_digits=int(data["max_digits"]),
        timeout_s=ASK_S,
        interdigit_s=float(data.get("interdigit") or INTERDIGIT_S * 1000) / 1000,
        terminators="#",
        clips=before,
    )
    return entered.digits


async def _dial(number: str, data: Mapping[str, Any], call: Call) -> Outcome | None:
    """Go to the number's flow; None: there is none."""
    flow = dial(call, number)
    if flow is None:
        return None
    if data["enforce_call_restriction"] and is_restricted(number, [call.account.document]):
        await call.prompt("cf-unauthorized_call")
        return HardStop(did=f"may not call {number}")
    if data["use_account_caller_id"]:
        ids = call.account.document.get("caller_id")
        said = ids.get("external") if isinstance(ids, Mapping) else None
        if isinstance(said, Mapping):
            call.identity.choose(str(said.get("number") or ""), str(said.get("name") or ""))
    return Branch(flow=flow, did=f"dialled {number}")
