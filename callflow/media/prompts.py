"""Layer 1: the system prompts that ship with the package, by Kazoo's names.

They are ``sounds/LANGUAGE/NAME.wav``, made by ``examples/audio/make_audio.py`` with espeak-ng.
"""

from __future__ import annotations

import re
from pathlib import Path

DEFAULT_LANGUAGE = "en-us"
_SOUNDS = Path(__file__).parent / "sounds"
_NAME = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")


def prompt_path(name: str, language: str = DEFAULT_LANGUAGE) -> Path | None:
    """The file of prompt ``name`` (``vm-person``) in ``language``, else in the default one; None: none."""
    if not _NAME.fullmatch(name):
        return None  # it comes from a document: never a path
    for folder in (language.lower(), DEFAULT_LANGUAGE):
        path = _SOUNDS / folder / f"{name}.wav"
        if _NAME.fullmatch(folder) and path.is_file():
            return path
    return None


def prompt_names(language: str = DEFAULT_LANGUAGE) -> tuple[str, ...]:
    """The prompts there are in ``language``."""
    return tuple(sorted(path.stem for path in (_SOUNDS / language).glob("*.wav")))
