"""Layer 2: the words for sound in scenarios and flags: a file, ``tone_stream://...``, ``silence_stream://ms``."""

from __future__ import annotations

from pathlib import Path

from callflow.errors import ScenarioError
from callflow.media.messages import Clip, FileClip, SilenceClip, ToneClip

_TONE = "tone_stream://"
_SILENCE = "silence_stream://"


def clip_of(text: str, folder: Path) -> Clip:
    """The clip that ``text`` names; files are relative to ``folder``.

    Raises ScenarioError for a file that is not there and a silence that is not a number of milliseconds.
    """
    if text.startswith(_TONE):
        return ToneClip(text.removeprefix(_TONE))
    if text.startswith(_SILENCE):
        return SilenceClip(_milliseconds(text) / 1000)
    path = folder / text
    if not path.is_file():
        raise ScenarioError(
            f"no audio file {text!r}",
            hint=f"Paths of a scenario are relative to it; looked in {folder}.",
        )
    return FileClip(str(path))


def _milliseconds(text: str) -> int:
    number = text.removeprefix(_SILENCE).partition(",")[0]
    if not number.isdigit():
        raise ScenarioError(
            f"{text!r} is not a silence", hint=f"Write {_SILENCE}1500 for a second and a half of nothing."
        )
    return int(number)
