"""Layer 1: clips become samples."""

from __future__ import annotations

from callflow.media.messages import Clip
from callflow.media.taps import Samples


class ClipLoader:
    """Reads files and makes tones; keeps what it has read."""

    def load(self, clip: Clip, rate: int) -> Samples:
        """``clip`` as mono int16 at ``rate``, read-only. Raises AudioFileError, ToneError."""
        raise NotImplementedError
