"""Makes the speech of this project with espeak-ng: the example parties beside this file, and the prompts that
ship in ``callflow/media/sounds/``. Run it from a checkout after changing a text:

    python examples/audio/make_audio.py
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from callflow.media.resample import resample

RATE = 8000
PEAK = 0.5  # of full scale: loud enough, and two of them added do not clip
HERE = Path(__file__).resolve().parent
PROMPTS = HERE.parents[1] / "callflow" / "media" / "sounds" / "en-us"

# Each party's voice and its words per minute. They talk in turn, if both files begin at the same moment.
VOICES: dict[str, tuple[str, int]] = {"caller": ("en-us+m3", 165), "callee": ("en-gb+f3", 175)}
GAP_S = 0.35
TALK: tuple[tuple[str, str], ...] = (
    ("caller", "Hello, this is Martin from the bakery."),
    ("callee", "Good morning, Julia speaking. How can I help?"),
    ("caller", "I am calling about our order of forty two boxes."),
    ("callee", "They will arrive on Thursday at nine."),
    ("caller", "Perfect. Thank you, and goodbye."),
    ("callee", "Goodbye!"),
)

PROMPT_VOICE = ("en-us+f4", 160)
PROMPT_TEXTS: dict[str, str] = {
    "agent-invalid_choice": "You are not a member of this group.",
    "agent-logged_in": "You are logged in.",
    "agent-logged_out": "You are logged out.",
    "cf-disabled": "Call forwarding is off.",
    "cf-disabled_menu": "Call forwarding is off. To turn it on, press 1. To change the number, press 2.",
    "cf-enabled_menu": "Call forwarding is on. To turn it off, press 1. To change the number, press 2.",
    "cf-enter_number": "Please enter the number to forward your calls to.",
    "cf-not_available": "Call forwarding is not available on this phone.",
    "cf-now_forwarded_to": "Your calls are now forwarded to",
    "cf-unauthorized_call": "You are not allowed to make this call.",
    "cw-activated": "Call waiting is on.",
    "cw-deactivated": "Call waiting is off.",
    "cw-not_available": "Call waiting is not available on this phone.",
    "digits-0": "zero.",
    "digits-1": "one.",
    "digits-2": "two.",
    "digits-3": "three.",
    "digits-4": "four.",
    "digits-5": "five.",
    "digits-6": "six.",
    "digits-7": "seven.",
    "digits-8": "eight.",
    "digits-9": "nine.",
    "digits-pound": "pound.",
    "digits-star": "star.",
    "dir-confirm_menu": "press 1. To start over, press 3.",
    "dir-enter_person_firstname": "Please enter the first letters of the person's first name.",
    "dir-enter_person_lastname": "Please enter the first letters of the person's last name.",
    "dir-enter_person_name": "Please enter the first letters of the person's name.",
    "dir-found": "One match was found. To call",
    "dir-invalid_key": "That key has no meaning here.",
    "dir-no_more_results": "There are no more matches.",
    "dir-no_results_found": "Nobody of that name was found.",
    "dir-result_menu": "press 1. For the next match, press 2. To start over, press 3.",
    "dir-result_number": "To call",
    "dir-specify_minimum": "Please enter more letters.",
    "disa-enter_pin": "Please enter your pin.",
    "disa-invalid_extension": "There is no such number.",
    "disa-invalid_pin": "That pin is not valid.",
    "disa-retries_exceeded": "You have tried too often.",
    "dnd-activated": "Do not disturb is on.",
    "dnd-deactivated": "Do not disturb is off.",
    "dnd-not_available": "Do not disturb is not available on this phone.",
    "dynamic-cid-enter_cid": "Please enter the number that the other side is to see.",
    "dynamic-cid-invalid_using_default": "That number cannot be shown. Your own is used.",
    "conf-alone": "You are the only one in this conference.",
    "conf-bad_conf": "There is no such conference.",
    "conf-bad_pin": "That is not the right pin.",
    "conf-deaf": "You hear nothing now.",
    "conf-enter_conf_number": "Please enter the number of the conference, then press pound.",
    "conf-enter_conf_pin": "Please enter the pin, then press pound.",
    "conf-has_joined": "has joined.",
    "conf-has_left": "has left.",
    "conf-joining_conference": "You are joining the conference.",
    "conf-max_participants": "This conference takes no more callers.",
    "conf-muted": "You are muted.",
    "conf-too_many_attempts": "That was not right too many times. Goodbye.",
    "conf-undeaf": "You can hear again.",
    "conf-unmuted": "You can speak again.",
    "conf-welcome": "Welcome to the conference.",
    "eavesdrop-no_channels": "There is nothing to listen to.",
    "fault-can_not_be_completed_as_dialed": "Your call cannot be completed as dialed.",
    "fault-can_not_be_completed_at_this_time": "Your call cannot be completed at this time.",
    "general-call_is_being_recorded": "This call is being recorded.",
    "general-goodbye": "Goodbye.",
    "hotdesk-abort": "You could not be logged in.",
    "hotdesk-enter_id": "Please enter your number to log in.",
    "hotdesk-enter_pin": "Please enter your pin.",
    "hotdesk-invalid_entry": "That was not correct.",
    "hotdesk-logged_in": "You are logged in to this phone.",
    "hotdesk-logged_out": "You are logged out of this phone.",
    "ivr-group_confirm": "You have a call. To take it, press 1.",
    "menu-exit": "Goodbye.",
    "menu-invalid_entry": "That was not a valid choice.",
    "menu-no_prompt": "Please enter the number you want to reach.",
    "menu-return": "Returning to the menu.",
    "menu-transferring_call": "Please hold while I transfer your call.",
    "temporal-marked_disabled": "The time rules are off.",
    "temporal-marked_enabled": "The time rules are on, at any time.",
    "temporal-marker_reset": "The time rules follow the clock again.",
    "temporal-menu": "To turn the time rules on, press 1. Off, press 2. By the clock, press 3.",
    "agent-already_logged_in": "You are logged in already.",
    "agent-not_call_center_agent": "You are not an agent of a queue.",
    "agent-pause": "You are paused.",
    "agent-resume": "You take calls again.",
    "cf-move-no_channel": "There is no call to move.",
    "cf-move-no_owner": "Nobody owns this phone.",
    "cf-move-too_many_channels": "There is more than one call to move.",
    "intercept-no_channels": "You may not take this call.",
    "park-already_in_use": "That parking place is taken.",
    "park-call_placed_in_spot": "The call is parked in place",
    "park-no_caller": "Nobody is parked there.",
    "queue-in_the_queue": "in the queue.",
    "queue-you_are_at_position": "You are number",
    "pickup-no_channels": "There is no call there.",
    "pickup-no_users": "There is nobody there.",
    "vm-deleted": "Your message was deleted.",
    "vm-enter_id": "Please enter your mailbox number.",
    "vm-enter_pass": "Please enter your pin.",
    "vm-goodbye": "Goodbye.",
    "vm-mailbox_full": "The mailbox is full. No message can be left.",
    "vm-no_mailbox": "There is no such mailbox.",
    "vm-no_messages": "You have no messages.",
    "vm-not_available": "is not available.",
    "vm-person": "The person you are calling",
    "vm-record_message": "Please leave a message after the tone.",
    "vm-recording_saved": "Your recording was saved.",
    "vm-recording_too_short": "Your recording was too short and is not saved.",
    "vm-review_recording": "To save your message, press 1. To hear it, press 2. To record it again, press 3.",
    "vm-saved": "Your message was saved.",
    "vm-thank_you": "Thank you.",
    "vm-abort": "Too many attempts. Goodbye.",
    "vm-enter_new_pin": "Please enter your new pin.",
    "vm-enter_new_pin_confirm": "Please enter it again.",
    "vm-fail_auth": "That pin is not right.",
    "vm-main_menu": "New messages, press 1. Saved messages, 2. Settings, 5. To leave, press pound.",
    "vm-main_menu_not_configurable": "New messages, press 1. Saved messages, 2. To leave, press pound.",
    "vm-message_menu": "Save, 1. Again, 2. Before, 4. Next, 6. Delete, 7. Menu, 0.",
    "vm-message_number": "Message",
    "vm-new_and": "new, and",
    "vm-new_message": "new message.",
    "vm-new_messages": "new messages.",
    "vm-new_pin_bad": "The pins are not the same, or too short.",
    "vm-no_access": "This mailbox cannot be opened from here.",
    "vm-pin_set": "Your pin was changed.",
    "vm-received": "Received",
    "vm-record_greeting": "Please record your greeting after the tone. To end, press any key.",
    "vm-record_name": "Please say your name after the tone. To end, press any key.",
    "vm-record_temp_greeting": "Please record your temporary greeting after the tone. To end, press any key.",
    "vm-saved_message": "saved message.",
    "vm-saved_messages": "saved messages.",
    "vm-settings_menu": "Greeting, 1. Name, 2. Pin, 3. Temporary greeting, 4. Delete it, 5. Menu, 0.",
    "vm-setup_complete": "Your mailbox is set up.",
    "vm-setup_intro": "Welcome. Your mailbox is not set up yet.",
    "vm-setup_rec_greeting": "Now please record a greeting.",
    "vm-you_have": "You have",
}

NUMBERS = [*range(10, 21), *range(30, 100, 10)]  # those below are digits-N
PROMPT_TEXTS |= {f"number-{number}": str(number) for number in NUMBERS}
PROMPT_TEXTS |= {f"number-{name}": name for name in ("hundred", "thousand")}
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
PROMPT_TEXTS |= {f"time-month_{at}": month for at, month in enumerate(MONTHS, start=1)}
PROMPT_TEXTS |= {"time-at": "at", "time-oclock": "o'clock", "time-oh": "oh"}


def speak(text: str, voice: str, words_per_minute: int) -> NDArray[np.int16]:
    """``text`` spoken: mono int16 at 8 kHz, without silence around it."""
    wav = subprocess.run(
        ["espeak-ng", "-v", voice, "-s", str(words_per_minute), "--stdout"],
        input=text.encode(),
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    sound, rate = soundfile.read(io.BytesIO(wav), dtype="int16")
    pcm = resample(sound, rate, RATE)
    loud = np.flatnonzero(np.abs(pcm.astype(np.int32)) > 100)
    pcm = pcm[loud[0] : loud[-1] + 1]
    gain = PEAK * 32767 / np.abs(pcm.astype(np.int32)).max()
    louder: NDArray[np.int16] = np.rint(pcm * gain).astype(np.int16)
    return louder


def pause(seconds: float) -> NDArray[np.int16]:
    """So many seconds of silence."""
    return np.zeros(round(seconds * RATE), np.int16)


def conversation() -> dict[str, NDArray[np.int16]]:
    """What each party says: silent while the other one talks."""
    said: dict[str, list[NDArray[np.int16]]] = {name: [] for name in VOICES}
    for talker, line in TALK:
        pcm = speak(line, *VOICES[talker])
        for name, pieces in said.items():
            pieces += [pcm if name == talker else pause(len(pcm) / RATE), pause(GAP_S)]
    return {name: np.concatenate(pieces) for name, pieces in said.items()}


def main() -> int:
    """Write all files."""
    if shutil.which("espeak-ng") is None:
        print("espeak-ng is not installed (Debian and Ubuntu: apt install espeak-ng)", file=sys.stderr)
        return 1
    for name, pcm in conversation().items():
        soundfile.write(HERE / f"{name}.wav", pcm, RATE, subtype="PCM_16")
    PROMPTS.mkdir(parents=True, exist_ok=True)
    for name, text in PROMPT_TEXTS.items():
        pcm = np.concatenate([pause(0.05), speak(text, *PROMPT_VOICE), pause(0.15)])
        soundfile.write(PROMPTS / f"{name}.wav", pcm, RATE, subtype="PCM_16")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
