"""Layer 2: a recording on disk while it is made: what survives ``kill -9``.

spool/ID.lock          held (flock) by whoever writes or finishes the recording
spool/ID/meta.json     the RecordingSpec; written first, never changed
spool/ID/journal.jsonl a line for each change: started, masked, moved, gap, finishing ...
spool/ID/audio.wav     what was said so far, at the call's rate: a WAV whose header has no sizes yet
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from math import isfinite
from pathlib import Path
from typing import Any

from callflow.errors import SpoolError
from callflow.media.messages import Side, TapPoint
from callflow.media.wav import unfinished_header
from callflow.recording.messages import FileFormat, RecordingSpec, SilenceRule, StartOn, Target
from callflow.state.events import Message, message_of
from callflow.state.transcripts import TranscriptWish

META = "meta.json"
JOURNAL = "journal.jsonl"
AUDIO = "audio.wav"
SAMPLE_BYTES = 2
_MOST_CHANNELS = 32
_VERSION = 2
_ENDS = ("finishing", "cancelled")
_NEEDED = {"started": ("time",), "finishing": ("time",), "cancelled": ("time",), "gap": ("length",)}


def meta_bytes(spec: RecordingSpec, asked: float) -> bytes:
    """``meta.json``: the spec, and the engine time at which it was asked for (that of ``requested_wall``)."""
    plain: dict[str, Any] = {}
    for item in fields(spec):
        value = getattr(spec, item.name)
        if item.name == "taps":
            value = [asdict(point) for point in value]
        elif item.name == "document":
            value = dict(value)
        elif isinstance(value, SilenceRule | FileFormat | Target | Message | TranscriptWish):
            value = asdict(value)
        plain[item.name] = value
    body = {"version": _VERSION, "asked": asked, "spec": plain}
    return json.dumps(body, ensure_ascii=True, default=str).encode() + b"\n"


def header_bytes(channels: int) -> int:
    """Bytes of ``audio.wav`` before its first sample."""
    return len(unfinished_header(0, channels))


def line_bytes(line: Mapping[str, object]) -> bytes:
    """A line of the journal."""
    return json.dumps(line, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Spool:
    """What was read of a spool folder. ``samples``: whole ones per channel in ``audio.wav``."""

    folder: Path
    spec: RecordingSpec
    asked: float
    journal: tuple[Mapping[str, Any], ...]
    samples: int

    @property
    def audio(self) -> Path:
        """The samples, after a header of ``header_bytes``."""
        return self.folder / AUDIO

    @property
    def began(self) -> Mapping[str, Any] | None:
        """The line of its sample 0. None: it never began."""
        return next((line for line in self.journal if line.get("what") == "started"), None)

    @property
    def ended(self) -> Mapping[str, Any] | None:
        """The line of its orderly end (``reason``). None: whoever wrote it died or failed before that."""
        return next((line for line in reversed(self.journal) if line.get("what") in _ENDS), None)

    @property
    def failed(self) -> Mapping[str, Any] | None:
        """The line of its failure, if there was one and it could be written."""
        return next((line for line in self.journal if line.get("what") == "failed"), None)

    def wall(self, time: float) -> float:
        """Seconds since 1970 for an engine time of this recording."""
        return self.spec.requested_wall + (time - self.asked)


def read_spool(folder: Path) -> Spool:
    """Read a spool. A last line or sample that was cut off by a crash is left out. Raises SpoolError."""
    spec, asked = _facts(folder)
    try:
        journal = _journal(folder / JOURNAL)
        samples = whole_samples(folder / AUDIO, len(spec.taps))
    except OSError as error:
        raise SpoolError(f"the spool {folder} cannot be read: {error.strerror}", hint=_HINT) from error
    return Spool(folder, spec, asked, journal, samples)


def read_spec(folder: Path) -> RecordingSpec:
    """What is recorded there. Raises SpoolError."""
    return _facts(folder)[0]


def whole_samples(audio: Path, channels: int) -> int:
    """Whole samples per channel in a spool's sound file; 0 if there is none. Raises OSError."""
    try:
        size = audio.stat().st_size
    except FileNotFoundError:
        size = 0
    return max(0, size - header_bytes(channels)) // (SAMPLE_BYTES * channels)


def _facts(folder: Path) -> tuple[RecordingSpec, float]:
    try:
        body = json.loads((folder / META).read_bytes())
        if body["version"] != _VERSION:
            raise ValueError(f"version {body['version']!r} is not known")
        return _spec(body["spec"]), float(body["asked"])
    except OSError as error:
        raise SpoolError(f"the spool {folder} cannot be read: {error.strerror}", hint=_HINT) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SpoolError(f"the spool {folder} is damaged: {META}: {error!r}", hint=_HINT) from error


_HINT = f"the sound, if any, is in its {AUDIO}; most players play it as it is"


def remove_spool(folder: Path) -> None:
    """Remove a spool that is finished. Its sound goes first: a folder with sound but without ``meta.json`` is
    damaged, not finished.
    """
    with suppress(OSError):
        (folder / AUDIO).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def is_empty(folder: Path) -> bool:
    """Whether its maker died before there was anything to record: no facts, and no sound."""
    sizes = [path.stat().st_size if path.exists() else 0 for path in (folder / META, folder / AUDIO)]
    return not sizes[0] and sizes[1] <= header_bytes(_MOST_CHANNELS)


def _journal(path: Path) -> tuple[Mapping[str, Any], ...]:
    lines = []
    if path.exists():
        for raw in path.read_bytes().split(b"\n"):
            try:
                line = json.loads(raw)
            except ValueError:
                continue  # cut off
            if isinstance(line, dict) and _is_whole(line):
                lines.append(line)
    return tuple(lines)


def _is_whole(line: Mapping[str, Any]) -> bool:
    """Whether it has the numbers that its kind has: a damaged line must not cost the recording."""
    numbers = [line.get(name, 0) for name in ("time", "samples", "length")]
    needed = [line.get(name) for name in _NEEDED.get(str(line.get("what")), ())]
    return all(isinstance(number, int | float) and isfinite(number) for number in (*numbers, *needed))


def _point(plain: Mapping[str, Any]) -> TapPoint:
    more = tuple(_point(each) for each in plain.get("more", ()))
    return TapPoint(plain["leg"], Side(plain["side"]), more)


def _spec(plain: dict[str, Any]) -> RecordingSpec:
    known = {item.name for item in fields(RecordingSpec)}
    values = {name: value for name, value in plain.items() if name in known}
    values["taps"] = tuple(_point(point) for point in plain["taps"])
    values["start"] = StartOn(plain["start"])
    values["silence"] = SilenceRule(**plain["silence"]) if plain["silence"] is not None else None
    values["format"] = FileFormat(**plain["format"])
    values["target"] = Target(**plain["target"])
    keys = values.get("seal_to")
    values["seal_to"] = None if keys is None else tuple(str(key) for key in keys)
    values["event"] = message_of(plain["event"]) if plain.get("event") else None
    values["transcript"] = TranscriptWish.of(plain["transcript"]) if plain.get("transcript") else None
    if not values["taps"] or int(values["rate"]) <= 0:
        raise ValueError("no channels or no rate")
    return RecordingSpec(**values)
