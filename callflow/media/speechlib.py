"""Layer 1: eSpeak NG's library in a process of its own.

``python -m callflow.media.speechlib VOICE FILE`` speaks the text on standard input (UTF-8) into a WAV file.
Used where the program ``espeak-ng`` is not installed, but the extra ``speech`` is (package espeakng-loader,
which holds library and voices). A process of its own: the library is not safe for threads, and may crash.
"""

from __future__ import annotations

import ctypes
import importlib
import sys
import wave
from collections.abc import Sequence

SYNCHRONOUS = 2  # espeak_AUDIO_OUTPUT: samples go to the callback while espeak_Synth runs
UTF8 = 1
WIDTH = 2


def main(arguments: Sequence[str]) -> int:
    """Exit code 0; 2: there is no such voice; 3: the library cannot be used."""
    voice, file = arguments
    loader = importlib.import_module("espeakng_loader")
    library = ctypes.CDLL(str(loader.get_library_path()))
    rate = library.espeak_Initialize(SYNCHRONOUS, 0, str(loader.get_data_path()).encode(), 0)
    if rate <= 0:
        return 3
    samples: list[bytes] = []

    def take(wav: int | None, count: int, events: int | None) -> int:
        if wav and count > 0:
            samples.append(ctypes.string_at(wav, count * WIDTH))
        return 0

    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
    callback = kind(take)
    library.espeak_SetSynthCallback(callback)
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        return 2
    text = sys.stdin.buffer.read() + b"\0"
    if library.espeak_Synth(text, len(text), 0, 1, 0, UTF8, None, None) != 0:
        return 3
    library.espeak_Synchronize()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(WIDTH)
        out.setframerate(rate)
        out.writeframes(b"".join(samples))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
