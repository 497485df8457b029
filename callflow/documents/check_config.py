"""Layer 1: system_config and accounts held against each other: settings that contradict or do nothing."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callflow.documents import schemas
from callflow.documents.check import Surroundings, check_paths
from callflow.documents.config_layout import Layout, Report, Tenancy, tenancy, value_of
from callflow.documents.problems import Problem, did_you_mean, token
from callflow.documents.record_settings import choose_storage
from callflow.documents.settings import Settings, load_settings
from callflow.documents.shipped import system_config_dir
from callflow.errors import SettingsError

PER_ACCOUNT = ("media", "callflow")
ABOUT_SETTINGS = frozenset(
    f"CF-CHK-{number}" for number in ("078", "079", "080", "081", "082", "085", "086", "087", "090", "091")
)
"""Of what ``check`` finds in flows, what settings decide."""

_RATES = {"PCMU": 8000, "PCMA": 8000, "G722": 16000}
_MP3_MOST = 64
"""kbit/s of both channels that an MP3 of 8,000 to 12,000 samples a second can have (MPEG-2.5)."""
_METADATA = ipaddress.ip_address("169.254.169.254")
_BACKWARDS = (
    ("sip.registration_min_s", "sip.registration_max_s"),
    ("sip.session_min_s", "sip.session_expires_s"),
)
_WITHIN = (
    ("delivery.parallel_per_host", "delivery.parallel"),
    ("sip.max_calls_per_account", "sip.max_calls"),
)


@dataclass(frozen=True, slots=True)
class Effective:
    """One setting: its value and where it comes from (``default``, ``shipped``, ``user``, ``account``)."""

    name: str
    value: Any
    source: str
    file: str


@dataclass(frozen=True, slots=True)
class Linted:
    """``settings``: of the system; ``accounts``: what each account has otherwise, by its name."""

    problems: tuple[Problem, ...]
    settings: tuple[Effective, ...]
    accounts: Mapping[str, tuple[Effective, ...]]


def lint_config(layout: Layout, around: Callable[[Settings], Surroundings], root: Path) -> Linted:
    """Check all settings of ``layout`` (found in ``root``), alone and together. Where they cannot be read,
    only what keeps them from it is told.
    """
    shipped = load_settings(system_config_dir())
    try:
        system = load_settings(layout.settings or system_config_dir())
        tenants = [tenancy(folder, system) for folder in layout.accounts]
    except SettingsError:
        return Linted(tuple(_written(layout, around(shipped))), (), {})
    report = Report(root)
    _unknown_places(report, layout, tenants)
    _system(report, system, tenants)
    for tenant in tenants:
        _account(report, tenant, system)
    found = sorted({*_written(layout, around(system)), *report.problems})
    own = {tenant.name: tuple(_effective(tenant.settings, only="account")) for tenant in tenants}
    return Linted(tuple(found), tuple(_effective(system)), own)


def _written(layout: Layout, around: Surroundings) -> Iterator[Problem]:
    """What ``check`` says about the settings documents, and what it says about flows because of them."""
    paths = [*([layout.settings] if layout.settings else []), *layout.accounts]
    settings = layout.settings.resolve() if layout.settings else None
    for problem in check_paths(paths, around, settings_folder=layout.settings):
        file = Path(problem.file)
        of_settings = file.resolve().parent == settings or file.name == "account.json"
        if problem.code in ABOUT_SETTINGS or (of_settings and problem.code != "CF-CHK-033"):
            yield problem


def _effective(settings: Settings, only: str = "") -> Iterator[Effective]:
    for name, origin in settings.origins.items():
        if not only or origin.source == only:
            yield Effective(name, value_of(settings, name), origin.source, origin.file)


def _chosen(settings: Settings, *names: str) -> str:
    """The first of these settings that somebody has written, else the first."""
    written = [name for name in names if settings.origins[name].source in ("account", "user", "argument")]
    own = [name for name in written if settings.origins[name].source == "account"]
    return (own or written or [names[0]])[0]


def _is_chosen(settings: Settings, name: str) -> bool:
    return settings.origins[name].source in ("account", "user", "argument")


# ---- places


def _unknown_places(report: Report, layout: Layout, tenants: Sequence[Tenancy]) -> None:
    for file in sorted(layout.settings.glob("*.json")) if layout.settings else ():
        if file.stem not in schemas.SETTINGS_DOCUMENTS:
            meant = did_you_mean(file.stem, schemas.SETTINGS_DOCUMENTS)
            said = f"{file.name} is no settings document: nothing in it counts"
            there = ", ".join(f"{name}.json" for name in schemas.SETTINGS_DOCUMENTS)
            report.at_file("CF-CHK-125", file, "", said, meant or f"there are {there}")
    for tenant in tenants:
        configs = tenant.index.document.get("configs")
        for name in configs if isinstance(configs, Mapping) else ():
            if name not in PER_ACCOUNT:
                said = f"an account cannot have {name} settings of its own: only media and callflow"
                place = tenant.index.root / "account.json"
                hint = did_you_mean(name, PER_ACCOUNT) or "write them into system_config"
                report.at_file("CF-CHK-125", place, f"/configs/{token(name)}", said, hint)


# ---- settings against settings


def _system(report: Report, settings: Settings, tenants: Sequence[Tenancy]) -> None:
    for least, most in _BACKWARDS:
        low, high = value_of(settings, least), value_of(settings, most)
        if high and low > high:
            said = f"{least} {low} is over {most} {high}: no value fits both"
            report.at_setting(
                "CF-CHK-124", settings, _chosen(settings, least, most), said, "swap or widen them"
            )
    for part, whole in _WITHIN:
        inner, outer = value_of(settings, part), value_of(settings, whole)
        if inner > outer and _is_chosen(settings, part):
            said = f"{part} {inner} is never reached: {whole} is {outer}"
            report.at_setting("CF-CHK-121", settings, part, said, f"raise {whole}, or lower it")
    _networks(report, settings)
    _media(report, settings)
    recordings = [each for tenant in tenants for each in tenant.recordings]
    if tenants and not any(each.effective.format == "mp3" for each in recordings) and recordings:
        for name in ("media.mp3_bitrate_kbps", "media.mp3_quality"):
            if _is_chosen(settings, name):
                said = f"{name} does nothing: no flow records an MP3"
                report.at_setting("CF-CHK-121", settings, name, said, "media.call_recording.extension is wav")
    metadata = "media.call_recording.url_metadata"
    if recordings and value_of(settings, metadata) and not any(each.effective.url for each in recordings):
        said = f"{metadata} does nothing: no flow has a url"
        report.at_setting("CF-CHK-121", settings, metadata, said, "give a url, or leave it out")


def _networks(report: Report, settings: Settings) -> None:
    networks = []
    for index, text in enumerate(settings.delivery.allow_networks):
        try:
            networks.append((index, ipaddress.ip_network(text, strict=False)))
        except ValueError:
            continue  # said by its schema
    name = "delivery.allow_networks"
    for index, network in networks:
        around = next(
            (
                other
                for at, other in networks
                if at != index and other.version == network.version
                and network.subnet_of(other) and (network != other or at < index)  # type: ignore[arg-type]
            ),
            None,
        )  # fmt: skip
        if network.prefixlen == 0:
            said = f"{network} lets documents reach every address of your network"
            report.at_setting("CF-CHK-123", settings, name, said, "name only the networks of receivers")
        elif network.version == _METADATA.version and _METADATA in network:
            said = f"{network} lets documents reach {_METADATA}, where clouds keep their machines' secrets"
            report.at_setting("CF-CHK-123", settings, name, said, "name only the networks of receivers")
        elif around is not None:
            said = f"{network} in {name} adds nothing: {around} holds it already"
            report.at_setting("CF-CHK-121", settings, name, said, "leave it out")
        elif network.is_global and not network.is_multicast:
            said = f"{network} in {name} adds nothing: its addresses are public"
            report.at_setting("CF-CHK-121", settings, name, said, "leave it out")


def _media(report: Report, settings: Settings) -> None:
    """What holds for the system, and for each account that has any of these otherwise."""
    media = settings.media
    if media.record_min_sec > media.max_recording_time_limit:
        said = (
            f"every recording is deleted: none of at most {media.max_recording_time_limit} s "
            f"(media.max_recording_time_limit) reaches media.record_min_sec {media.record_min_sec}"
        )
        name = _chosen(settings, "media.record_min_sec", "media.max_recording_time_limit")
        report.at_setting("CF-CHK-120", settings, name, said, "lower record_min_sec")
    if media.third_party_bigcouch_host and not media.store_recordings:
        said = "media.third_party_bigcouch_host does nothing: media.store_recordings is false"
        report.at_setting("CF-CHK-121", settings, "media.third_party_bigcouch_host", said, "set it to true")
    if media.silence_detector == "energy" and _is_chosen(settings, "media.vad_mode"):
        said = "media.vad_mode does nothing: media.silence_detector is energy"
        report.at_setting("CF-CHK-121", settings, "media.vad_mode", said, "set silence_detector to vad")
    both = media.mp3_bitrate_kbps * (2 if media.record_stereo else 1)
    if both > _MP3_MOST and _is_chosen(settings, "media.mp3_bitrate_kbps"):
        ways = "two channels" if media.record_stereo else "one channel"
        said = f"an MP3 of a call at 8000 Hz has {_MP3_MOST} kbit/s at most: {ways} ask for {both}"
        hint = "it holds for calls at 32000 Hz and more; at 16000 Hz 160 are the most"
        report.at_setting("CF-CHK-126", settings, "media.mp3_bitrate_kbps", said, hint)


# ---- an account against its settings

_MEDIA_TOGETHER = (
    "media.record_min_sec", "media.max_recording_time_limit", "media.third_party_bigcouch_host",
    "media.store_recordings", "media.silence_detector", "media.vad_mode", "media.mp3_bitrate_kbps",
    "media.record_stereo",
)  # fmt: skip


def _account(report: Report, tenant: Tenancy, system: Settings) -> None:
    settings = tenant.settings
    if any(settings.origins[name].source == "account" for name in _MEDIA_TOGETHER):
        _media(report, settings)
    nowhere = [
        each
        for each in tenant.recordings
        if choose_storage(each.effective.url, settings, tenant.index.storage).kind == "none"
    ]
    if nowhere:
        count = f"{len(nowhere)} of {len(tenant.recordings)} recordings of account {tenant.name}"
        said = f"media.store_recordings is false: {count} have no url and are not made"
        report.at_setting(
            "CF-CHK-122", settings, "media.store_recordings", said, "give a url, or set it to true"
        )
    fastest = max((_RATES.get(codec, 48000) for codec in system.sip.codecs), default=0)
    for each in tenant.recordings:
        rate = each.effective.record_sample_rate
        if rate > fastest > 0:
            most = f"no codec of sip.codecs carries more than {fastest} Hz"
            said = f"record_sample_rate {rate} only makes the file bigger: {most}"
            place = f"{each.pointer}/data/record_sample_rate"
            report.at_file("CF-CHK-126", each.file, place, said, "leave it out: the call's own rate is used")
    _operator(report, tenant)


def _operator(report: Report, tenant: Tenancy) -> None:
    """The digit that leaves voicemail leads to the callflow of that number."""
    settings, name = tenant.settings, "callflow.operator_key"
    key = value_of(settings, name)
    if not _is_chosen(settings, name) or not tenant.index.documents.get("vmbox"):
        return
    if not tenant.index.numbers.winner(key)[0]:
        said = f"{name} {key} leads nowhere in account {tenant.name}: no callflow has that number"
        report.at_setting("CF-CHK-121", settings, name, said, "give an operator's callflow that number")
