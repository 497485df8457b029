"""Layer 1: what a ``record_call`` node asks for once defaults, settings, limits and units are applied.

One pure function for the engine and for ``callflow explain`` (DESIGN 5), so that they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from callflow.documents.notes import Note
from callflow.documents.settings import Origin, Settings


@dataclass(frozen=True, slots=True)
class SilenceSettings:
    """When silence ends the recording. Milliseconds after the unit rule; 0 turns that timer off."""

    initial_ms: int
    final_ms: int
    threshold: int  # mean absolute sample of a 20 ms frame


@dataclass(frozen=True, slots=True)
class RecordSettings:
    """Effective values of every key of ``record_call`` (names as documented).

    ``action``: as written; anything but ``start stop mask unmask pause resume`` comes with an error note and
    must not start a recording. Empty strings: not given. ``record_sample_rate`` 0: the call's own rate.
    ``origins``: for each documented key, where its value came from. ``notes``: clamps, defaults used, units.
    """

    action: str
    format: str  # mp3 | wav
    label: str
    media_id: str
    media_name: str
    method: str  # put | post
    record_min_sec: int
    record_on_answer: bool
    record_on_bridge: bool
    record_sample_rate: int
    should_follow_transfer: bool
    silence: SilenceSettings | None
    time_limit: int
    url: str | None
    origins: Mapping[str, Origin]
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class StorageChoice:
    """Where a finished recording goes: ``http`` (``url``), ``couchdb`` (``url`` is the base), ``local`` or
    ``none``; ``reason``: which setting decided it, in words.
    """

    kind: str
    url: str
    reason: str


def resolve_record(data: Mapping[str, Any], settings: Settings) -> RecordSettings:
    """Effective settings of a ``record_call`` (or ``record_caller``) node's ``data``, raw or prepared; never
    raises: a bad value becomes the default or is clamped, with a note.
    """
    raise NotImplementedError


def choose_storage(url: str | None, settings: Settings) -> StorageChoice:
    """DESIGN 5, row "storage": url, then store_recordings and third_party_bigcouch_host."""
    raise NotImplementedError
