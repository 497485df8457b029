"""Layer 4, voicemail: the owner's settings by phone: greetings, name, PIN, the first set-up.

What is changed is kept as changes of the mailbox's document; the document on disk stays as it is.
"""

from __future__ import annotations

import asyncio

from callflow.engine.call import Call
from callflow.events import Event, RecordingChanged
from callflow.modules._caller_only import ANY_DIGIT
from callflow.modules._speaking import prompt_clips
from callflow.modules._voicemail_box import RECORDED, Box
from callflow.state.messages import file_of_recording

GREETING, NAME, PIN, TEMPORARY, NO_TEMPORARY, RETURN = "1", "2", "3", "4", "5", "0"
SAVE, LISTEN, AGAIN = "1", "2", "3"
ORIGIN = "voicemail greeting"
GREETING_LIMIT_S = 300
LOOPS = 3
LEAST_PIN = 4
CHOICE_S = 5.0
MOST_TRIES = 20
"""So often a greeting is recorded anew in a row."""

_RECORDINGS = {
    GREETING: ("unavailable", "vm-record_greeting"),
    NAME: ("name", "vm-record_name"),
    TEMPORARY: ("temporary_unavailable", "vm-record_temp_greeting"),
}


async def set_up(box: Box) -> bool:
    """The first time: a PIN and a greeting. False: the owner did not come to an end with it."""
    call = box.call
    await call.prompt("vm-setup_intro")
    if not await change_pin(box):
        return False
    await call.prompt("vm-setup_rec_greeting")
    await _record(box, *_RECORDINGS[GREETING])
    await call.change("vmbox", box.id, {"is_setup": True})
    await call.prompt("vm-setup_complete")
    return True


async def settings_menu(box: Box) -> None:
    """Until the owner returns to the main menu, or presses nothing that is there."""
    call, idle = box.call, 0
    while idle < LOOPS:
        choice = await _choose("vm-settings_menu", call)
        idle += 1
        if choice == RETURN:
            return
        if choice in _RECORDINGS:
            await _record(box, *_RECORDINGS[choice])
            idle = 0
        elif choice == PIN:
            await change_pin(box)
            idle = 0
        elif choice == NO_TEMPORARY:
            await call.change("vmbox", box.id, {"media": {"temporary_unavailable": None}})
            await call.prompt("vm-saved")
            idle = 0


async def change_pin(box: Box) -> bool:
    """Ask twice for a new PIN; False: it was not the same, or too short, too often."""
    call = box.call
    for _ in range(LOOPS):
        with call.listening.private():
            first = await _pin("vm-enter_new_pin", box)
            second = await _pin("vm-enter_new_pin_confirm", box)
        if first == second and len(first) >= LEAST_PIN:
            await call.change("vmbox", box.id, {"pin": first})
            await call.prompt("vm-pin_set")
            return True
        await call.prompt("vm-new_pin_bad")
    return False


async def _pin(prompt: str, box: Box) -> str:
    call = box.call
    digits = await call.collect_digits(
        max_digits=call.settings.callflow.voicemail.max_pin_length,
        timeout_s=CHOICE_S,
        interdigit_s=box.interdigit_s,
        terminators="#",
        clips=prompt_clips([prompt], call),
    )
    return digits.digits


async def _record(box: Box, key: str, prompt: str) -> None:
    """Record a greeting or the name, review it, keep it under ``media.KEY``."""
    call = box.call
    for _ in range(MOST_TRIES):
        await call.prompt(prompt, terminators=ANY_DIGIT)
        recorded = await _take(box)
        if not recorded:
            await call.prompt("vm-recording_too_short")
            continue
        choice = await _review(box, recorded)
        if choice == SAVE:
            await call.change("vmbox", box.id, {"media": {key: f"{RECORDED}{recorded}"}})
            await call.prompt("vm-saved")
            return
        if choice != AGAIN:
            await call.prompt("vm-deleted")
            return


async def _take(box: Box) -> str:
    """Record, and wait until the file is there; its id, or nothing if there is none."""
    call = box.call
    done: dict[str, asyncio.Event] = {}

    def hear(event: Event) -> None:
        if isinstance(event, RecordingChanged) and event.change in ("ready", "discarded", "failed"):
            done.setdefault(event.recording_id, asyncio.Event()).set()

    unsubscribe = call.services.bus.subscribe(hear, call_id=call.id)
    try:
        handle = await box.record(box.settings(GREETING_LIMIT_S), ORIGIN, {})
        if handle is None:
            return ""
        await call.line.guard(handle.ended())
        call.flush_digits()
        await call.line.guard(done.setdefault(handle.id, asyncio.Event()).wait())
    finally:
        unsubscribe()
    file = await call.services.clock.outside(
        call.services.database.submit(lambda conn: file_of_recording(conn, handle.id))
    )
    return handle.id if file else ""


async def _review(box: Box, recorded: str) -> str:
    """Save, hear or record anew: what the owner wants; empty: nothing."""
    for _ in range(MOST_TRIES):
        choice = await _choose("vm-review_recording", box.call)
        if choice != LISTEN:
            return choice
        await box.call.play(await box.clips_for(f"{RECORDED}{recorded}"), terminators=ANY_DIGIT)
    return ""


async def _choose(prompt: str, call: Call) -> str:
    call.flush_digits()
    digits = await call.collect_digits(
        max_digits=1, timeout_s=CHOICE_S, interdigit_s=CHOICE_S, clips=prompt_clips([prompt], call)
    )
    return digits.digits
