"""Layer 1: text to speech by eSpeak NG, in a helper process with a time limit. It blocks: give it a thread.

The program ``espeak-ng`` where it is installed, else the library of the extra ``speech`` (see ``speechlib``).
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from callflow.errors import SpeechError

MAX_TEXT = 1000
"""Characters; what is longer is cut (the limit of Kazoo's ``tts``)."""

TIME_LIMIT_S = 20.0
WORDS_PER_MINUTE = 160

INSTALL = 'Install espeak-ng (Debian: apt-get install espeak-ng), or: pip install "callflow-engine[speech]".'
VARIANTS = {"female": "f3", "woman": "f3", "alice": "f3", "male": "m3", "man": "m3"}
"""Kazoo's and TwiML's voices, and eSpeak NG's variants of a language's voice."""

_VOICE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8}){0,3}(\+[a-z]{1,2}[0-9]{0,2})?")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8}){0,3}")


@dataclass(frozen=True, slots=True)
class Speech:
    """What is to be said: ``language`` as ``en-us``; ``voice``: ``female``, ``male``, or one of eSpeak NG's
    (``en-gb+f2``).
    """

    text: str
    language: str
    voice: str = "female"

    @property
    def bounded(self) -> str:
        """The text, printable, in one line and at most ``MAX_TEXT`` characters."""
        return " ".join("".join(c if c.isprintable() else " " for c in self.text[: 4 * MAX_TEXT]).split())[
            :MAX_TEXT
        ]

    def voices(self) -> list[str]:
        """The names of voices to try, the best first."""
        said = self.voice.strip().lower()
        if said not in VARIANTS and _VOICE.fullmatch(said):
            return [said]
        language = self.language.strip().lower().replace("_", "-")
        if not _LANGUAGE.fullmatch(language):
            raise SpeechError(f"{self.language[:40]!r} is no language", hint="Write it as en-us or de.")
        variant = VARIANTS.get(said, "f3")
        return [f"{name}+{variant}" for name in dict.fromkeys((language, language.partition("-")[0]))]

    def file_name(self) -> str:
        """A name for its file: the same for the same words in the same voice."""
        key = "\n".join((*self.voices(), self.bounded))
        return f"speech-{hashlib.sha256(key.encode()).hexdigest()[:32]}.wav"


def installed() -> str:
    """What speaks here: ``espeak-ng`` (the program), ``espeakng-loader`` (the extra), or nothing."""
    if shutil.which("espeak-ng"):
        return "espeak-ng"
    return "espeakng-loader" if importlib.util.find_spec("espeakng_loader") else ""


def speak(speech: Speech, file: Path) -> None:
    """Make ``file`` (WAV, mono), unless it is there already. Raises SpeechError."""
    if file.exists():
        return
    if not speech.bounded:
        raise SpeechError("there is no text to speak", hint="Write the text.")
    by = installed()
    if not by:
        raise SpeechError("nothing that can speak is installed", hint=INSTALL)
    part = file.with_name(f"{file.name}.{os.getpid()}.{os.urandom(4).hex()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if not any(_made(by, voice, speech.bounded, part) for voice in speech.voices()):
            raise SpeechError(
                f"there is no voice {' or '.join(speech.voices())}",
                hint="espeak-ng --voices lists languages; voices are female, male, or as en-gb+f2.",
            )
        part.replace(file)
    except OSError as error:
        raise SpeechError(f"the speech cannot be kept: {error}", hint="Is there space?") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _made(by: str, voice: str, text: str, file: Path) -> bool:
    """Whether the helper process has spoken; False: it has no such voice. The text goes by standard input."""
    if by == "espeak-ng":
        rate = str(WORDS_PER_MINUTE)
        command = ["espeak-ng", "-v", voice, "-s", rate, "-b", "1", "--stdin", "-w", str(file)]
    else:
        command = [sys.executable, "-m", "callflow.media.speechlib", voice, str(file)]
    try:
        done = subprocess.run(
            command, input=text.encode(), capture_output=True, timeout=TIME_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise SpeechError(
            f"{by} was not done within {TIME_LIMIT_S:.0f} s", hint="Use a shorter text."
        ) from error
    return done.returncode == 0 and file.is_file() and file.stat().st_size > 44
