"""Layer 1: clips become samples. Files are read and resampled once and kept; tones are made once and kept."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Hashable, Sequence

import numpy as np
import soundfile

from callflow.errors import AudioFileError, MediaError
from callflow.media.messages import Clip, FileClip, PcmClip, SilenceClip, ToneClip
from callflow.media.resample import resample
from callflow.media.sound import Part, Sound
from callflow.media.taps import Samples
from callflow.media.tones import make_tone

CACHE_BYTES = 64 << 20
_LONGEST_SILENCE_S = 10 * 86400.0


class ClipLoader:
    """Reads files and makes tones; keeps ``cache_bytes`` of what was used last. For any number of threads:
    while one reads, the others are not held up.
    """

    def __init__(self, cache_bytes: int = CACHE_BYTES) -> None:
        self._limit = cache_bytes
        self._held = 0
        self._kept: OrderedDict[Hashable, Part] = OrderedDict()
        self._guard = threading.Lock()  # of what is kept; never held while something is read

    def load(self, clip: Clip, rate: int) -> Samples:
        """``clip`` as mono int16 at ``rate``, read-only (one pass of an endless tone).

        Raises AudioFileError, ToneError, MediaError (a silence that has no length).
        """
        part = self._part(clip, rate)
        if part.pcm is not None:
            return part.pcm
        silence = np.zeros(part.size, np.int16)
        silence.flags.writeable = False
        return silence

    def sound(self, clips: Sequence[Clip], rate: int, loops: int = 1) -> Sound:
        """``clips`` one after the other, ``loops`` times (0: for ever). Raises as ``load``."""
        return Sound([self._part(clip, rate) for clip in clips], loops)

    def has_tone(self, spec: str, rate: int) -> bool:
        """Whether this tone was made before, and is kept."""
        return ("tone", spec, rate) in self._kept

    def _part(self, clip: Clip, rate: int) -> Part:
        match clip:
            case SilenceClip(seconds):
                if not 0 <= seconds <= _LONGEST_SILENCE_S:
                    raise MediaError(f"{seconds:g} seconds of silence cannot be played")
                return Part(round(seconds * rate))
            case PcmClip(pcm, from_rate):
                if from_rate <= 0:
                    raise MediaError(f"sound at {from_rate} samples a second cannot be played")
                samples = np.frombuffer(pcm[: len(pcm) & ~1], "<i2").astype(np.int16)
                return _part(resample(samples, from_rate, rate))
            case ToneClip(spec):
                return self._tone(spec, rate)
            case FileClip(path):
                return self._file(path, rate)

    def _tone(self, spec: str, rate: int) -> Part:
        key = ("tone", spec, rate)
        found = self._find(key)
        if found is not None:
            return found
        tone = make_tone(spec, rate)
        return self._keep(key, _part(tone.pcm, endless=tone.endless))

    def _file(self, path: str, rate: int) -> Part:
        try:
            facts = os.stat(path)
        except (OSError, ValueError) as error:
            raise AudioFileError(
                f"the audio file {path} cannot be read: {getattr(error, 'strerror', error)}",
                hint="Check the path, and that this user may read it.",
            ) from None
        key = ("file", path, facts.st_mtime_ns, facts.st_size, rate)
        found = self._find(key)
        if found is not None:
            return found
        return self._keep(key, _part(read_mono(path, rate)))

    def _find(self, key: Hashable) -> Part | None:
        with self._guard:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def _keep(self, key: Hashable, part: Part) -> Part:
        with self._guard:
            if key in self._kept:  # two have read it at once
                return self._kept[key]
            self._kept[key] = part
            self._held += 2 * part.size
            while self._held > self._limit and len(self._kept) > 1:
                _, old = self._kept.popitem(last=False)
                self._held -= 2 * old.size
            return part


def read_mono(path: str, rate: int) -> Samples:
    """A sound file that libsndfile knows, as mono int16 at ``rate``; channels are averaged.

    Raises AudioFileError.
    """
    try:
        frames, from_rate = soundfile.read(path, dtype="int16", always_2d=True)
    except (soundfile.SoundFileError, OSError, ValueError) as error:
        raise AudioFileError(
            f"the audio file {path} cannot be read: {error}",
            hint="WAV, MP3, OGG and FLAC files can be played.",
        ) from None
    mono: Samples = frames[:, 0]
    if frames.shape[1] > 1:
        mono = np.rint(frames.mean(axis=1)).astype(np.int16)
    return resample(mono, from_rate, rate)


def _part(pcm: Samples, *, endless: bool = False) -> Part:
    pcm = np.ascontiguousarray(pcm)
    pcm.flags.writeable = False
    return Part(len(pcm), pcm, endless)
