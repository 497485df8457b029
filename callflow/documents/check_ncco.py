"""Layer 1: checks an NCCO: each action against its schema, loose forms as warnings, and their order."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from callflow.documents.check_data import Surroundings, check_object
from callflow.documents.ncco import NO_CODE, PREFIX, Loosened, action_names, action_schema, loosen
from callflow.documents.problems import Sheet, did_you_mean

LAST = {
    "conversation": "the caller stays in the conversation until the call ends",
    "transfer": "the call goes on in the other conversation",
}
"""Actions that nothing follows, and why."""

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_SCHEMES = {"sip": ("sip", "sips"), "websocket": ("ws", "wss")}
_ENDPOINT_KEYS = {"phone": "number", "app": "user", "websocket": "uri", "vbc": "extension", "sip": "uri"}
"""The key that an endpoint of each type cannot do without."""

_NO_EFFECT = {
    ("connect", "machineDetection"): "nothing here listens for answering machines",
    ("connect", "advancedMachineDetection"): "nothing here listens for answering machines",
    ("talk", "premium"): "there is one quality of voices here",
}

_NOT_OURS = {
    "provider": "what ncco.transcription.transcriber names is used",
    "providerOptions": "ncco.transcription.options are used",
    "sentimentAnalysis": "no score of feelings is computed here",
}
"""Keys of ``transcription`` and ``speech``."""


def check_script(sheet: Sheet, script: Sequence[Any], around: Surroundings) -> None:
    """Check a list of actions (``callflow.documents.ncco.recognise`` has said that it is one)."""
    read = [_action(sheet, each, f"/{index}", around) for index, each in enumerate(script)]
    names = ["" if each is None else str(script[index]["action"]) for index, each in enumerate(read)]
    for index, name in enumerate(names):
        if name in LAST and index + 1 < len(names):
            said = f"nothing after {name} runs: {LAST[name]}"
            sheet.add("CF-CHK-144", f"/{index + 1}", said, f"end the script with {name}")
            break
    _barge_in(sheet, names, read)


def _action(sheet: Sheet, value: Any, pointer: str, around: Surroundings) -> Mapping[str, Any] | None:
    """Check one; gives its keys as they are read, or None if it is no action that is known."""
    if not isinstance(value, dict):
        sheet.add("CF-CHK-140", pointer, "this is no action: an action is an object {...}")
        return None
    name = value.get("action")
    if name not in action_names():
        if "action" not in value:
            sheet.add("CF-CHK-140", pointer, "the object has no action", 'write "action": "talk" ...')
        else:
            hint = did_you_mean(name, action_names()) or f"the actions are {', '.join(action_names())}"
            sheet.add("CF-CHK-139", f"{pointer}/action", f"there is no action {name!r}", hint)
        return None
    loose = loosen(name, {key: each for key, each in value.items() if key != "action"})
    for remark in loose.remarks:
        sheet.add(remark.code, pointer + remark.pointer, remark.message, remark.hint)
    read = check_object(sheet, loose.data, PREFIX + name, pointer, around)
    _notes(sheet, name, read, pointer)
    _RULES.get(name, _no_rules)(sheet, read, loose, pointer)
    return read


def _notes(sheet: Sheet, name: str, data: Mapping[str, Any], pointer: str) -> None:
    """What breaks no rule, and yet an author should know."""
    if name in NO_CODE:
        said = f"{name} is not carried out here: an error event says so, and the script goes on"
        sheet.add("CF-CHK-145", pointer, said)
    for key, part in action_schema(name)["properties"].items():
        if key in data and "x-deprecated" in part:
            sheet.add(
                "CF-CHK-146", f"{pointer}/{key}", f"{key} is out of date", f"use {part['x-deprecated']}"
            )
        if data.get(key) and (name, key) in _NO_EFFECT:
            said = f"{key} has no effect: {_NO_EFFECT[name, key]}"
            sheet.add("CF-CHK-145", f"{pointer}/{key}", said, at_key=True)
    for outer in ("transcription", "speech"):
        inner = data.get(outer)
        for key, why in _NOT_OURS.items():
            if isinstance(inner, Mapping) and inner.get(key):
                said = f"{key} has no effect: {why}"
                sheet.add("CF-CHK-145", f"{pointer}/{outer}/{key}", said, at_key=True)


# ---- rules of single actions ----------------------------------------------------------------


def _no_rules(sheet: Sheet, data: Mapping[str, Any], loose: Loosened, pointer: str) -> None:
    """Its schema says it all."""


def _room(sheet: Sheet, data: Mapping[str, Any], loose: Loosened, pointer: str) -> None:
    """``conversation`` and ``transfer``."""
    if data.get("mute") is True and "canSpeak" in data:
        said = "mute and canSpeak exclude each other"
        sheet.add("CF-CHK-143", f"{pointer}/mute", said, "keep one of them", at_key=True)
    if "transcription" in data and data.get("record") is not True:
        said = "transcription needs record: true: nothing is written down"
        sheet.add("CF-CHK-078", f"{pointer}/transcription", said, "add record: true", at_key=True)


def _record(sheet: Sheet, data: Mapping[str, Any], loose: Loosened, pointer: str) -> None:
    channels = data.get("channels")
    if channels is not None and "split" not in data:
        said = "channels counts only with split: split conversation is taken as meant"
        sheet.add("CF-CHK-147", f"{pointer}/channels", said, 'add "split": "conversation"', at_key=True)
    if data.get("format") in ("mp3", "ogg") and isinstance(channels, int) and channels > 2:
        said = f"{data['format']} has no more than 2 channels: the file becomes a wav"
        sheet.add("CF-CHK-147", f"{pointer}/format", said, 'write "format": "wav"')


def _input(sheet: Sheet, data: Mapping[str, Any], loose: Loosened, pointer: str) -> None:
    kinds = data.get("type")
    if isinstance(kinds, list) and "speech" in kinds:
        said = "no speech recogniser is built in: the result of speech is an error"
        sheet.add("CF-CHK-145", pointer, said, 'ask for "dtmf" as well')
    if data.get("mode") == "asynchronous" and ("dtmf" in data or kinds != ["dtmf"]):
        said = "asynchronous input is for digits alone, and takes no settings of them"
        sheet.add("CF-CHK-145", f"{pointer}/mode", said, 'write "type": ["dtmf"] and no "dtmf"')


def _connect(sheet: Sheet, data: Mapping[str, Any], loose: Loosened, pointer: str) -> None:
    if data.get("randomFromNumber") is True and "from" in data:
        said = "from and randomFromNumber exclude each other"
        sheet.add("CF-CHK-143", f"{pointer}/from", said, "keep one of them", at_key=True)
    endpoints = data.get("endpoint")
    if isinstance(endpoints, list) and endpoints and isinstance(endpoints[0], dict):
        _endpoint(sheet, endpoints[0], f"{pointer}/endpoint/0")


def _endpoint(sheet: Sheet, endpoint: Mapping[str, Any], pointer: str) -> None:
    kind = endpoint.get("type")
    needed = _ENDPOINT_KEYS.get(kind) if isinstance(kind, str) else None
    if needed is None:
        return  # said by the schema
    if needed not in endpoint:
        if kind == "sip" and "domain" in endpoint and "user" in endpoint:
            said = "domain and user are read as the uri sip:user@domain"
            sheet.add("CF-CHK-130", pointer, said, "write uri")
        else:
            sheet.add("CF-CHK-141", pointer, f"an endpoint of type {kind} needs {needed}", f"add {needed}")
    uri = endpoint.get("uri")
    if isinstance(uri, str) and kind in _SCHEMES:
        found = _SCHEME.match(uri)
        wanted = " or ".join(f"{each}:" for each in _SCHEMES[kind])
        if found is None:
            sheet.add("CF-CHK-134", f"{pointer}/uri", f"uri has no scheme ({wanted})", f"write {wanted}...")
        elif found[1].lower() not in _SCHEMES[kind]:
            said = f"a uri of type {kind} begins with {wanted}, not with {found[0]}"
            sheet.add("CF-CHK-142", f"{pointer}/uri", said, f"write {wanted}...")
    if kind == "websocket" and "content-type" not in endpoint:
        said = "content-type is missing: audio/l16;rate=16000 is used"
        sheet.add("CF-CHK-148", pointer, said, 'write "content-type": "audio/l16;rate=16000"')


def _barge_in(sheet: Sheet, names: Sequence[str], read: Sequence[Mapping[str, Any] | None]) -> None:
    """A prompt with ``bargeIn`` is cut short by the ``input`` that follows it: prompts may stand between."""
    for index, (name, data) in enumerate(zip(names, read, strict=True)):
        if data is None or data.get("bargeIn") is not True:
            continue
        after = next((each for each in names[index + 1 :] if each not in ("talk", "stream")), "")
        if after != "input":
            said = f"bargeIn has no effect: no input follows this {name}"
            sheet.add("CF-CHK-149", f"/{index}/bargeIn", said, "let an input follow", at_key=True)


_RULES = {
    "conversation": _room,
    "transfer": _room,
    "record": _record,
    "input": _input,
    "connect": _connect,
}
