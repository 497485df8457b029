"""Layer 1: the effective ``system_config``, typed. Values come from the documents; defaults from the schemas.

These classes have no defaults on purpose: a value's default lives in ``schemas/system_config.*.json``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class CallRecordingSettings:
    """``media.call_recording``."""

    extension: str  # mp3 | wav
    url_metadata: bool


@dataclass(frozen=True, slots=True)
class MediaSettings:
    """``system_config/media.json``. Seconds, samples per second, kbit/s a channel."""

    max_recording_time_limit: int
    record_min_sec: int
    store_recordings: bool
    third_party_bigcouch_host: str | None
    call_recording: CallRecordingSettings
    record_stereo: bool
    mp3_bitrate_kbps: int
    mp3_quality: int
    silence_timeout_unit: str  # auto | ms | s
    silence_detector: str  # energy | vad
    vad_mode: int  # 0..3


@dataclass(frozen=True, slots=True)
class CallflowSettings:
    """``system_config/callflow.json``."""

    max_branch_count: int
    operator_key: str


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """``system_config/delivery.json``. Times in seconds."""

    allow_networks: tuple[str, ...]  # CIDRs that the guard lets through
    parallel: int
    parallel_per_host: int
    connect_timeout_s: float
    progress_timeout_s: float
    keep_delivered: bool


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from: ``default``, ``shipped``, ``user``, ``account``, ``node``; and the file."""

    source: str
    file: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """All effective settings, and for each dotted name (``media.record_stereo``) where it came from."""

    media: MediaSettings
    callflow: CallflowSettings
    delivery: DeliverySettings
    origins: dict[str, Origin]


def load_settings(folder: Path | None = None, overrides: Mapping[str, object] | None = None) -> Settings:
    """The effective settings: schema defaults < shipped documents < the user's folder < ``overrides``.

    The user's folder is ``folder``, else ``$CALLFLOW_SYSTEM_CONFIG``, else ``./system_config`` where it is
    there. ``overrides``: dotted names (``media.record_stereo``) to values. Raises SettingsError.
    """
    raise NotImplementedError


def for_account(settings: Settings, account: Mapping[str, Any], file: str = "") -> Settings:
    """``settings`` with the account document's ``configs`` (``media``, ``callflow``) laid over it."""
    raise NotImplementedError
