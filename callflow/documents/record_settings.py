"""Layer 1: what a ``record_call`` node asks for once defaults, settings, limits and units are applied.

One pure function for the engine and for ``callflow explain`` (DESIGN 5), so that they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from callflow.documents import schemas
from callflow.documents.casting import cast
from callflow.documents.judging import fault, is_type
from callflow.documents.notes import Note
from callflow.documents.settings import Origin, Settings
from callflow.documents.storage import Place, planned
from callflow.log import mask_text


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
    should_announce_when_recording: bool
    should_follow_transfer: bool
    silence: SilenceSettings | None
    time_limit: int
    url: str | None
    origins: Mapping[str, Origin]
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class StorageChoice:
    """Where a finished recording goes: ``http`` (``url``), ``storage`` (``place`` of the account's plan),
    ``couchdb`` (``url`` is the base), ``local`` or ``none``; ``reason``: which setting decided it, in words.
    ``problem``: what is wrong with the plan, so that it decides nothing.
    """

    kind: str
    url: str
    reason: str
    place: Place | None = None
    problem: str = ""


_MODULE = "modules/record_call"
_FALLBACK_BELOW = 1  # a time_limit of 0 or less is no limit anybody meant: the default stands
_AUTO_SECONDS_BELOW = 500
_CALLER_SILENCE_S = 5
_DOUBTFUL = range(61, 1000)
UNIT_NOTE = "CF-CHK-082"


def resolve_record(data: Mapping[str, Any], settings: Settings) -> RecordSettings:
    """Effective settings of a ``record_call`` node's ``data``, raw or prepared; never raises: a bad value
    becomes the default or is clamped, with a note.
    """
    reader = _Reader(data, settings)
    on_answer, on_bridge = bool(reader.value("record_on_answer")), bool(reader.value("record_on_bridge"))
    if "origin" in data:
        reader.note("warning", "CF-CHK-083", "origin is read-only: it is overwritten", "delete it", "origin")
    return RecordSettings(
        action=reader.action(),
        format=str(reader.value("format")),
        label=str(reader.value("label") or ""),
        media_id=str(reader.value("media_id") or ""),
        media_name=str(reader.value("media_name") or ""),
        method=reader.method(),
        record_min_sec=int(reader.value("record_min_sec")),
        record_on_answer=on_answer,
        record_on_bridge=on_bridge,
        record_sample_rate=int(reader.value("record_sample_rate") or 0),
        should_announce_when_recording=bool(reader.value("should_announce_when_recording")),
        should_follow_transfer=bool(reader.value("should_follow_transfer")),
        silence=reader.silence(),
        time_limit=reader.time_limit(),
        url=str(reader.value("url")) if reader.value("url") else None,
        origins=reader.origins,
        notes=tuple(reader.notes),
    )


def resolve_record_caller(data: Mapping[str, Any], settings: Settings) -> RecordSettings:
    """The same for ``record_caller``, which answers first, always starts, and ends by 5 s of silence where
    nothing else is written (kazoo.md 1.2, 1.5).
    """
    five = _CALLER_SILENCE_S * (1000 if settings.media.silence_timeout_unit == "ms" else 1)
    own = {"silence_detection": True, "silence_initial_timeout": five, "silence_final_timeout": five}
    given = {key: value for key, value in data.items() if value is not None}
    found = resolve_record({**own, **given, "action": "start"}, settings)
    origins = {**found.origins, **{key: Origin("default") for key in own if key not in given}}
    return replace(found, origins=origins, record_on_answer=False, record_on_bridge=False)


def choose_storage(url: str | None, settings: Settings, plan: Mapping[str, Any]) -> StorageChoice:
    """DESIGN 5, row "storage": url, then the account's storage plan (``storage.json``; empty: none), then
    store_recordings and third_party_bigcouch_host. A plan that cannot be used keeps the audio here, even
    where store_recordings is false: it was meant to be kept.
    """
    if url:
        return StorageChoice("http", url, "url of the node")
    found = planned(plan) if plan else None
    if found is not None and found.place is not None:
        return StorageChoice("storage", "", f"storage plan of the account: {found.place.title}", found.place)
    if found is not None and found.couchdb:
        return StorageChoice("couchdb", found.couchdb, "storage plan of the account")
    if found is not None:
        return StorageChoice("local", "", "storage plan of the account", problem=found.problem)
    if not settings.media.store_recordings:
        return StorageChoice("none", "", "no url, and media.store_recordings is false")
    host = settings.media.third_party_bigcouch_host
    if host:
        return StorageChoice("couchdb", host, "media.third_party_bigcouch_host")
    return StorageChoice("local", "", "media.store_recordings")


def silence_ms(value: int, unit: str) -> int:
    """A silence timeout in milliseconds. ``unit`` (``media.silence_timeout_unit``): ``ms``, ``s`` or
    ``auto``: below 500 seconds, else milliseconds, so that the documented default 5 means 5 s (DESIGN 5).
    """
    seconds = unit == "s" or (unit == "auto" and value < _AUTO_SECONDS_BELOW)
    return value * 1000 if seconds else value


def doubtful_silence(value: int, unit: str) -> bool:
    """Whether ``auto`` reads a number that is unusual in either unit."""
    return unit == "auto" and value in _DOUBTFUL


class _Reader:
    """Reads one node's keys, each once, and keeps where each value came from."""

    def __init__(self, data: Mapping[str, Any], settings: Settings) -> None:
        self.properties: Mapping[str, Any] = schemas.load(_MODULE)["properties"]
        self.settings = settings
        self.origins: dict[str, Origin] = {}
        self.notes: list[Note] = []
        self._known: dict[str, Any] = {}
        self.data, casts = cast(dict(data), schemas.load(_MODULE))
        for item in casts:
            key = str(item.path[0])
            self.note("note", "CF-CHK-075", f'{key}: "{item.was}" is read as {_say(item.now)}', key=key)

    def note(self, level: str, code: str, message: str, hint: str = "", key: str = "") -> None:
        self.notes.append(Note(level, code, message, hint, key))

    def action(self) -> str:
        """As written: an unknown one must never start a recording by accident."""
        part = self.properties["action"]
        if "action" not in self.data:
            self.origins["action"] = Origin("default")
            return str(part["default"])
        self.origins["action"] = Origin("node")
        value = self.data["action"]
        why = fault(value, part)
        if why:
            self.note(
                "error", "CF-CHK-071", f"action {_say(value)} {why}", "the node is passed over", "action"
            )
        return value if isinstance(value, str) else ""

    def method(self) -> str:
        """In capitals too, as Kazoo's uploads understand it (kazoo.md 1.10)."""
        given = self.data.get("method")
        if isinstance(given, str) and given.lower() in self.properties["method"]["enum"]:
            self.origins["method"] = Origin("node")
            return given.lower()
        return str(self.value("method"))

    def value(self, key: str) -> Any:
        """The node's value if it is good, else what stands for it (None: nothing does)."""
        if key in self._known:
            return self._known[key]
        part = self.properties[key]
        given = self.data.get(key)
        found: Any
        why = "" if given is None or given == "" else fault(given, {**part, "minLength": 0})
        if given is None or given == "" or why:
            found, said = self._instead(key, part)
            if why:
                self.note(
                    "warning", "CF-CHK-072", f"{key} {_say(given)} {why}: {said}", part["description"], key
                )
        else:
            found = given
            self.origins[key] = Origin("node")
        self._known[key] = found
        return found

    def _instead(self, key: str, part: Mapping[str, Any]) -> tuple[Any, str]:
        """What stands for a missing or bad value: a setting, the default, or nothing; and that in words."""
        dotted = part.get("x-setting")
        if dotted:
            self.origins[key] = self.settings.origins[dotted]
            found: Any = self.settings
            for name in dotted.split("."):
                found = getattr(found, name)
            return found, f"{dotted} ({_say(found)}) is used"
        self.origins[key] = Origin("default")
        if "default" in part:
            return part["default"], f"the default {_say(part['default'])} is used"
        return None, "it is ignored"

    def time_limit(self) -> int:
        """Clamped to 5 .. media.max_recording_time_limit; 0 and less stand for the default."""
        part = self.properties["time_limit"]
        least, most = int(part["minimum"]), self.settings.media.max_recording_time_limit
        given = self.data.get("time_limit")
        if is_type(given, "integer") and _FALLBACK_BELOW <= given < least:
            self.origins["time_limit"] = Origin("node")
            said = f"time_limit {given} is under {least}: {min(least, most)} s are used"
            self.note("warning", "CF-CHK-072", said, part["description"], "time_limit")
            return min(least, most)
        wanted = int(self.value("time_limit"))
        if wanted <= most:
            return wanted
        # the documented default over a lower maximum is nobody's mistake
        level = "warning" if self.origins["time_limit"].source == "node" else "note"
        said = f"time_limit {wanted} is over media.max_recording_time_limit: {most} s are used"
        self.note(level, "CF-CHK-080", said, "raise that setting, or write less", "time_limit")
        self.origins["time_limit"] = self.settings.origins["media.max_recording_time_limit"]
        return most

    def silence(self) -> SilenceSettings | None:
        """None unless silence_detection is on and a timer is set."""
        initial, final = self._timeout("silence_initial_timeout"), self._timeout("silence_final_timeout")
        threshold = int(self.value("silence_threshold"))
        if not self.value("silence_detection"):
            return None
        return SilenceSettings(initial, final, threshold)

    def _timeout(self, key: str) -> int:
        unit = self.settings.media.silence_timeout_unit
        value = int(self.value(key))
        ms = silence_ms(value, unit)
        if self.value("silence_detection") and doubtful_silence(value, unit):
            hint = "set media.silence_timeout_unit to s or ms"
            self.note("warning", UNIT_NOTE, f"{key} {value} is read as {ms / 1000:g} s", hint, key)
        return ms


def _say(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, dict | list):
        return "{...}" if isinstance(value, dict) else "[...]"
    text = mask_text(str(value))
    return text if len(text) <= 60 else text[:57] + "..."
