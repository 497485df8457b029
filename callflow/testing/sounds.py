"""Layer 6: words for sound in tests: a file, a tone, silence, a track; and sound as samples to compare."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from callflow.channels.sim.clips import clip_of
from callflow.media.clips import ClipLoader
from callflow.media.messages import Clip, FileClip, PcmClip, SilenceClip, ToneClip
from callflow.media.taps import Samples
from callflow.testing.tracks import Track

Sound = str | Path | Clip | Track
"""A file (relative to the test's folder), ``tone_stream://...``, ``silence_stream://MS``, ``tone(...)``,
``silence(...)``, or a track of a recording.
"""

_LOADER = ClipLoader()


def tone(hertz: float, seconds: float) -> Clip:
    """A sine of so many hertz and seconds: somebody who talks, and whom nobody can mistake."""
    return ToneClip(f"%({round(seconds * 1000)},0,{hertz:g})")


def silence(seconds: float) -> Clip:
    """Nothing, for so many seconds."""
    return SilenceClip(seconds)


def as_clip(sound: Sound, folder: Path) -> Clip:
    """What a pretend party can say. Raises ScenarioError for a file that is not there."""
    match sound:
        case Track(samples=samples, rate=rate):
            return PcmClip(samples.astype("<i2").tobytes(), rate)
        case str() | Path():
            return clip_of(str(sound), folder)
    return sound


def as_samples(sound: Sound, folder: Path, rate: int) -> Samples:
    """The sound as mono samples at ``rate``. Raises ScenarioError, AudioFileError, ToneError."""
    return _LOADER.load(as_clip(sound, folder), rate)


def name_of(sound: Sound) -> str:
    """The sound, as a failure names it."""
    match sound:
        case Track(name=name):
            return name
        case FileClip(path):
            return Path(path).name
        case ToneClip(spec):
            return f"tone {spec}"
        case SilenceClip(seconds):
            return f"{seconds:g} s of silence"
        case PcmClip():
            return "samples"
    return str(sound)


def joined(sounds: list[Samples]) -> Samples:
    """One after the other."""
    empty: NDArray[np.int16] = np.zeros(0, np.int16)
    return np.concatenate(sounds) if sounds else empty
