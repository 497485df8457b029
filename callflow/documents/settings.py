"""Layer 1: the effective ``system_config``, typed. Values come from the documents; defaults from the schemas.

These classes have no defaults on purpose: a value's default lives in ``schemas/system_config.*.json``.
"""

from __future__ import annotations

import dataclasses
import os
import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from callflow.documents import jsontext, schemas
from callflow.documents.casting import cast
from callflow.documents.judging import fault
from callflow.documents.shipped import system_config_dir
from callflow.errors import DocumentError, SettingsError


@dataclass(frozen=True, slots=True)
class CallRecordingSettings:
    """``media.call_recording``."""

    extension: str  # mp3 | wav
    url_metadata: bool
    should_announce_when_recording: bool
    announcement: str  # a prompt, a media id, a url
    beep_interval_s: int  # 0: no beep
    beep_tone: str


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
    retention_days: float  # 0: for ever
    quota_mb: int  # 0: no limit
    quota_policy: str  # refuse | oldest


@dataclass(frozen=True, slots=True)
class VoicemailSettings:
    """``callflow.voicemail``."""

    max_message_count: int  # 0: no limit
    max_login_attempts: int
    max_pin_length: int
    max_box_number_length: int


@dataclass(frozen=True, slots=True)
class CallflowSettings:
    """``system_config/callflow.json``."""

    max_branch_count: int
    operator_key: str
    voicemail: VoicemailSettings


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """``system_config/delivery.json``. Times in seconds."""

    allow_networks: tuple[str, ...]  # CIDRs that the guard lets through
    parallel: int
    parallel_per_host: int
    parallel_per_account: int
    connect_timeout_s: float
    progress_timeout_s: float
    keep_delivered: bool
    hosts: Mapping[str, Mapping[str, Any]]  # see delivery_hosts: where secrets stand, never one


@dataclass(frozen=True, slots=True)
class SipSettings:
    """``system_config/sip.json``. Times in seconds unless the name says ``ms``."""

    user_agent: str
    codecs: tuple[str, ...]  # PCMU | PCMA | G722, the best first
    ptime_ms: int
    transmit_silence: bool
    srtp: str  # off | optional | required
    jitter_ms: int
    rtp_latch: str  # signalling | any | off
    rtp_timeout_s: int  # 0: never
    rtp_hold_timeout_s: int  # 0: never
    session_expires_s: int  # 0: no session timer
    session_min_s: int
    max_calls: int
    max_calls_per_account: int
    registration_min_s: int
    registration_max_s: int
    max_contacts: int
    digest: str  # MD5 | SHA-256 | both
    nonce_s: int
    failed_auth_per_minute: int
    ban_s: int
    open_on_loopback: bool
    gateway_rest_s: int
    drain_s: int


@dataclass(frozen=True, slots=True)
class SmtpClientSettings:
    """``system_config/smtp_client.json``. ``relay`` empty: no mail is sent."""

    relay: str
    port: int
    sender: str
    username: str
    password: str = field(repr=False)
    auth: str  # always | if_available | never
    tls: str  # always | if_available | never
    use_ssl: bool
    hostname: str
    retries: int
    timeout_s: int


@dataclass(frozen=True, slots=True)
class TranscriptionSettings:
    """``ncco.transcription``: who writes speech down, and how long that may take."""

    transcriber: str  # its name; none: nobody
    model: str  # empty: the one that it brings along
    options: Mapping[str, Any]
    at_once: int
    attempts: int
    longest: float  # times the length of the sound, for each channel


@dataclass(frozen=True, slots=True)
class NccoSettings:
    """``system_config/ncco.json``."""

    transcription: TranscriptionSettings
    timeout_alone: str  # sync | async
    public_url: str
    tokens_once: bool


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from: ``default``, ``shipped``, ``user``, ``argument``, ``account``,
    ``node``; and the file."""

    source: str
    file: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """All effective settings, and for each dotted name (``media.record_stereo``) where it came from."""

    media: MediaSettings
    callflow: CallflowSettings
    delivery: DeliverySettings
    sip: SipSettings
    smtp_client: SmtpClientSettings
    ncco: NccoSettings
    origins: dict[str, Origin]


ENVIRONMENT = "CALLFLOW_SYSTEM_CONFIG"
USER_FOLDER = Path("system_config")
_PER_ACCOUNT = ("media", "callflow")  # never delivery: which networks may be reached is the operator's
_Layer = tuple[Origin, Mapping[str, Any]]


def load_settings(folder: Path | None = None, overrides: Mapping[str, object] | None = None) -> Settings:
    """The effective settings: schema defaults < shipped documents < the user's folder < ``overrides``.

    The user's folder is ``folder``, else ``$CALLFLOW_SYSTEM_CONFIG``, else ``./system_config`` where it is
    there. ``overrides``: dotted names (``media.record_stereo``) to values. Raises SettingsError for a folder
    or file that cannot be read and for a value against its schema.
    """
    user = user_folder(folder)
    shipped = system_config_dir()
    layers: dict[str, list[_Layer]] = {name: [] for name in schemas.SETTINGS_DOCUMENTS}
    if user is not None and user.resolve() != shipped.resolve():
        layers = {name: _file_layers(name, user, "user") for name in layers}
    for dotted, value in (overrides or {}).items():
        name, _, rest = dotted.partition(".")
        if name not in layers or not rest:
            raise SettingsError(f"there is no setting {dotted}", hint="callflow schema system_config.media")
        layers[name].append((Origin("argument"), _nested(rest.split("."), value)))
    return _settle(layers, _shipped(shipped, tuple(_stamps(shipped))))


def _stamps(folder: Path) -> Iterator[tuple[int, ...]]:
    """Another value when one of the documents in it is another."""
    for name in schemas.SETTINGS_DOCUMENTS:
        try:
            found = os.stat(folder / f"{name}.json")
        except OSError:
            yield ()
        else:
            yield found.st_ino, found.st_mtime_ns, found.st_size


@lru_cache(maxsize=1)
def _shipped(folder: Path, stamps: tuple[tuple[int, ...], ...]) -> Settings:
    """What everything else is laid over: the same for as long as nobody changes these documents."""
    return _settle({name: _file_layers(name, folder, "shipped") for name in schemas.SETTINGS_DOCUMENTS}, None)


def user_folder(folder: Path | None = None) -> Path | None:
    """The user's system_config folder, or None: see ``load_settings``. Raises SettingsError."""
    said = folder or (Path(os.environ[ENVIRONMENT]) if os.environ.get(ENVIRONMENT) else None)
    if said is None:
        return USER_FOLDER if USER_FOLDER.is_dir() else None
    if not said.is_dir():
        raise SettingsError(
            f"{said} is not a folder", hint="give a folder with media.json, delivery.json ..."
        )
    return said


def for_account(settings: Settings, account: Mapping[str, Any], file: str = "") -> Settings:
    """``settings`` with the account document's ``configs`` (``media``, ``callflow``) laid over it.

    Raises SettingsError for a value against its schema.
    """
    configs = account.get("configs")
    if not isinstance(configs, Mapping):
        return settings
    layers: dict[str, list[_Layer]] = {}
    for name in _PER_ACCOUNT:
        body = configs.get(name)
        layers[name] = [(Origin("account", file), body)] if isinstance(body, Mapping) else []
    return _settle(layers, settings)


def flatten(document: Mapping[str, Any]) -> dict[str, Any]:
    """A system_config document as flat keys: Kazoo's stored shape (``{"default": {...}}`` and a section for
    each node) becomes its default section with this machine's own (``...@HOST``) laid over it.
    """
    body = {key: value for key, value in document.items() if not key.startswith(("_", "pvt_", "$"))}
    if not isinstance(body.get("default"), Mapping) and not any("@" in key for key in body):
        return body
    flat: dict[str, Any] = {}
    for key in ("default", *(key for key in body if key.endswith(f"@{platform.node()}"))):
        section = body.get(key)
        if isinstance(section, Mapping):
            flat = _merge(flat, section)
    return flat


def _file_layers(name: str, folder: Path, source: str) -> list[_Layer]:
    path = folder / f"{name}.json"
    if not path.is_file():
        return []
    try:
        document = jsontext.read(path).value
    except DocumentError as error:
        raise SettingsError(f"{error}", hint=error.hint) from error
    if not isinstance(document, dict):
        raise SettingsError(f"{path} is not a JSON object", hint='write {"name of a setting": value, ...}')
    return [(Origin(source, str(path)), flatten(document))]


def _nested(path: list[str], value: object) -> dict[str, Any]:
    return {path[0]: _nested(path[1:], value) if len(path) > 1 else value}


def _merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, Mapping) else value
    return merged


def _settle(layers: Mapping[str, list[_Layer]], base: Settings | None) -> Settings:
    origins: dict[str, Origin] = dict(base.origins) if base else {}
    parts: dict[str, Any] = {}
    for name, make in _MAKERS.items():
        schema = schemas.load(f"system_config.{name}")
        if base is None:
            values = schemas.defaults_of(schema)
            origins.update({dotted: Origin("default") for dotted in _leaves(name, schema)})
        elif layers.get(name):
            values = _values_of(getattr(base, name))
        else:
            parts[name] = getattr(base, name)
            continue
        for origin, document in layers.get(name, ()):
            values = _lay_over(values, document, schema, origin, name, origins)
        parts[name] = make(values)
    return Settings(**parts, origins=origins)


def _leaves(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    for key, part in schema["properties"].items():
        if "properties" in part:
            yield from _leaves(f"{name}.{key}", part)
        else:
            yield f"{name}.{key}"


def _lay_over(
    values: dict[str, Any],
    document: Mapping[str, Any],
    schema: Mapping[str, Any],
    origin: Origin,
    name: str,
    origins: dict[str, Origin],
) -> dict[str, Any]:
    merged = dict(values)
    for key, part in schema["properties"].items():
        if key not in document:
            continue
        value, _ = cast(document[key], part)
        dotted = f"{name}.{key}"
        if "properties" in part and isinstance(value, Mapping):
            merged[key] = _lay_over(values[key], value, part, origin, dotted, origins)
            continue
        why = fault(value, part)
        if why:
            place = origin.file or ("the account's configs" if origin.source == "account" else "given")
            raise SettingsError(f"{dotted} {why} ({place})", hint=part["description"])
        merged[key] = value
        origins[dotted] = origin
    return merged


def _values_of(part: object) -> dict[str, Any]:
    assert dataclasses.is_dataclass(part)
    fields = {field.name: getattr(part, field.name) for field in dataclasses.fields(part)}
    return {key: _values_of(v) if dataclasses.is_dataclass(v) else v for key, v in fields.items()}


def _media(values: Mapping[str, Any]) -> MediaSettings:
    return MediaSettings(**{**values, "call_recording": CallRecordingSettings(**values["call_recording"])})


def _callflow(values: Mapping[str, Any]) -> CallflowSettings:
    return CallflowSettings(**{**values, "voicemail": VoicemailSettings(**values["voicemail"])})


def _delivery(values: Mapping[str, Any]) -> DeliverySettings:
    return DeliverySettings(**{**values, "allow_networks": tuple(values["allow_networks"])})


def _ncco(values: Mapping[str, Any]) -> NccoSettings:
    return NccoSettings(**{**values, "transcription": TranscriptionSettings(**values["transcription"])})


def _sip(values: Mapping[str, Any]) -> SipSettings:
    return SipSettings(**{**values, "codecs": tuple(values["codecs"])})


def _smtp_client(values: Mapping[str, Any]) -> SmtpClientSettings:
    return SmtpClientSettings(**values)


_MAKERS: Mapping[str, Callable[[Mapping[str, Any]], object]] = {
    "media": _media,
    "callflow": _callflow,
    "delivery": _delivery,
    "sip": _sip,
    "smtp_client": _smtp_client,
    "ncco": _ncco,
}
"""One for each of SETTINGS_DOCUMENTS."""
