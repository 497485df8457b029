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
    "cf-unauthorized_call": "You are not allowed to make this call.",
    "fault-can_not_be_completed_as_dialed": "Your call cannot be completed as dialed.",
    "fault-can_not_be_completed_at_this_time": "Your call cannot be completed at this time.",
    "general-call_is_being_recorded": "This call is being recorded.",
    "general-goodbye": "Goodbye.",
    "menu-exit": "Goodbye.",
    "menu-invalid_entry": "That was not a valid choice.",
    "menu-no_prompt": "Please enter the number you want to reach.",
    "menu-return": "Returning to the menu.",
    "menu-transferring_call": "Please hold while I transfer your call.",
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
    "vm-review_recording": "To hear your message, press 1. To save it, press 2. To record it again, press 3.",
    "vm-saved": "Your message was saved.",
    "vm-thank_you": "Thank you.",
}


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
