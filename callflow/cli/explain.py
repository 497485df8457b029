"""Layer 6, ``callflow explain``: what each recording of a flow will do, and which document says so; for a
call: which ``call_recording`` settings record it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from callflow.cli._output import Output, fail, show_table

if TYPE_CHECKING:
    from callflow.cli._explain_call import CallAsked
    from callflow.documents.keeping_rules import KeepingRules
    from callflow.documents.notes import Note
    from callflow.documents.record_settings import RecordSettings
    from callflow.documents.settings import Origin, Settings
    from callflow.documents.storage import Place

_FILE_KEYS = ("record_stereo", "mp3_bitrate_kbps", "mp3_quality")
_SILENCE_KEYS = ("silence_timeout_unit", "silence_detector", "vad_mode")
"""Shown where the recording ends on silence."""


@dataclass(frozen=True, slots=True)
class Row:
    """One effective value: ``name`` of the key or setting, ``origin`` and perhaps its ``file``."""

    name: str
    value: object
    origin: str
    file: str


@dataclass(frozen=True, slots=True)
class Explained:
    """One node that starts a recording; ``node`` is its JSON pointer in the file."""

    node: str
    module: str
    settings: tuple[Row, ...]
    notes: tuple[Note, ...]


def main(
    flow: Annotated[
        Path | None, typer.Argument(metavar="[FLOW]", help="A callflow document or a bare flow.")
    ] = None,
    account: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Account whose settings lie over system_config.")
    ] = None,
    system_config: Annotated[Path | None, typer.Option(metavar="DIR", help="Your system_config.")] = None,
    from_device: Annotated[str, typer.Option(metavar="ID", help="A call: this device calls.")] = "",
    from_user: Annotated[str, typer.Option(metavar="ID", help="A call: this user calls.")] = "",
    to: Annotated[str, typer.Option(metavar="NUMBER", help="A call: the number that is dialled.")] = "",
    to_device: Annotated[str, typer.Option(metavar="ID", help="A call: this device is called.")] = "",
    to_user: Annotated[str, typer.Option(metavar="ID", help="A call: this user is called.")] = "",
    output: Annotated[Output, typer.Option("-o", "--output", help="How to print.")] = Output.text,
) -> None:
    """What a flow records; or, with a caller or a callee, which settings record that call (without
    --from-device and --from-user somebody from outside calls). Exit code 0; 2: a file that cannot be read.
    """
    from callflow.cli._explain_call import CallAsked
    from callflow.errors import CallflowError

    asked = CallAsked(from_user, from_device, to, to_user, to_device)
    if flow is None and not asked.asked:
        fail("what is to be explained?", "name a FLOW, or a call: --account DIR --from-device ID --to NUMBER")
    try:
        settings, plan, keeping = _settings(account, system_config)
        if flow is None:
            _explain_call(asked, account, settings, output)
            return
        if asked.asked:
            fail("a flow or a call, not both", "leave FLOW out: --to finds it")
        found = [_explain(*node, settings, plan, keeping) for node in _recordings(flow)]
    except CallflowError as error:
        fail(str(error), error.hint)
    rest = _settings_rows(settings)
    if output is Output.json:
        nodes = [dataclasses.asdict(each) for each in found]
        body = {"nodes": nodes, "settings": [dataclasses.asdict(row) for row in rest]}
        print(json.dumps(body, ensure_ascii=False, indent=2))
        return
    for each in found:
        _print(f"{each.module} at {each.node or '/'}", each.settings)
        for note in each.notes:
            print(f"  {note.level}: {note.message}")
    if not found:
        _print("The flow starts no recording. Recordings would go by:", rest)


def _explain_call(asked: CallAsked, account: Path | None, settings: Settings, output: Output) -> None:
    from callflow.cli import _explain_call as calls

    loaded = calls.load_account(account)
    between = calls.networks(asked, loaded)
    found = calls.sides(asked, loaded, between)
    shown = [
        (side, [Row(*row) for row in calls.rows_of(side, settings)] if side.starts else []) for side in found
    ]
    if output is Output.json:
        body = {
            "call": {**dataclasses.asdict(asked), **dataclasses.asdict(between)},
            "recordings": [
                {
                    **{name: getattr(side, name) for name in ("origin", "of", "leg", "starts", "why")},
                    "settings": [dataclasses.asdict(row) for row in rows],
                }
                for side, rows in shown
            ],
        }
        print(json.dumps(body, ensure_ascii=False, indent=2))
        return
    print(f"From {between.source} to {between.destination} ({between.how}).")
    columns = ("setting", "of", "starts", "because of")
    show_table(columns, [(each.origin, each.of, "yes" if each.starts else "no", each.why) for each in found])
    for side, rows in shown:
        if rows:
            _print(f"{side.origin}: the {side.leg}", rows)


def _settings(
    account: Path | None, system_config: Path | None
) -> tuple[Settings, Mapping[str, Any], KeepingRules | None]:
    """What holds for the account, its storage plan, and how it keeps recordings."""
    from callflow.documents.accounts import Account
    from callflow.documents.keeping_rules import account_rules
    from callflow.documents.settings import for_account, load_settings

    settings = load_settings(system_config)
    if account is None:
        return settings, {}, None
    loaded = Account.load(account)
    mine = for_account(settings, loaded.document, str(account / "account.json"))
    return mine, loaded.storage, account_rules(loaded, settings)


def _recordings(path: Path) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Pointer, module and data of every node of the file that starts a recording."""
    from callflow.documents import jsontext
    from callflow.documents.check_flow import nodes_of
    from callflow.errors import InvalidDocument

    document = jsontext.read(path).value
    if not isinstance(document, dict):
        raise InvalidDocument(f"{path} is no callflow: a callflow is a JSON object", hint="callflow check")
    root, top = (document["flow"], "/flow") if "flow" in document else (document, "")
    for pointer, module, data in nodes_of(root, top):
        if module == "record_caller" or (module == "record_call" and data.get("action", "start") == "start"):
            yield pointer, module, data


def _explain(
    pointer: str,
    module: str,
    data: Mapping[str, Any],
    settings: Settings,
    plan: Mapping[str, Any],
    keeping: KeepingRules | None,
) -> Explained:
    from callflow.documents.record_settings import choose_storage, resolve_record, resolve_record_caller

    resolve = resolve_record_caller if module == "record_caller" else resolve_record
    record = resolve(data, settings)
    rows = [_row(key, _value(record, key), record.origins[key]) for key in _keys(record, module)]
    storage = choose_storage(record.url, settings, plan)
    ending = f"{record.format}{'.age' if keeping and keeping.sealed else ''}"
    goes = {
        "http": _upload(record, ending),
        "storage": _planned(storage.place, ending),
        "couchdb": _unusable(storage.url) or f"attachment in {_masked(storage.url)}",
        "local": f"the local media store{': ' if storage.problem else ''}{storage.problem}",
        "none": "nowhere: nothing is recorded",
    }[storage.kind]
    rows.append(Row("goes to", goes, storage.reason, ""))
    if keeping and keeping.sealed:
        rows.append(Row("sealed to", ", ".join(keeping.recipients) or "nobody", "recordings.encryption", ""))
    if keeping and keeping.retention_days:
        rows.append(Row("kept", f"{keeping.retention_days:g} days", "retention_days", ""))
    rows += [_setting(settings, key) for key in _FILE_KEYS + (_SILENCE_KEYS if record.silence else ())]
    return Explained(pointer, module, tuple(rows), record.notes)


def _planned(place: Place | None, ending: str) -> str:
    """Where a file with this ending would be, with words in place of what only a call knows."""
    from callflow.documents.storage import Facts, locator, paths

    if place is None:
        return ""
    words = {"owner_id": "OWNER_ID"}
    facts = Facts(
        "ACCOUNT_ID", "RECORDING_ID", f"call_recording_CALL_ID.{ending}", "CALL_ID", "DATABASE", words
    )
    return _masked(locator(place, next(paths(place, facts))))


def _keys(record: RecordSettings, module: str) -> Iterator[str]:
    """The documented keys, without those of silence where it is off, without what record_caller has not."""
    from callflow.documents import schemas

    for key in schemas.module_schema(module)["properties"]:
        if key in record.origins and (
            record.silence or not key.startswith("silence_") or key == "silence_detection"
        ):
            yield key


def _value(record: RecordSettings, key: str) -> object:
    if key == "silence_detection":
        return record.silence is not None
    if record.silence and key in ("silence_initial_timeout", "silence_final_timeout"):
        ms = record.silence.initial_ms if key == "silence_initial_timeout" else record.silence.final_ms
        return f"{ms / 1000:g} s" if ms else "off"
    if record.silence and key == "silence_threshold":
        return record.silence.threshold
    if key == "record_sample_rate":
        return record.record_sample_rate or "the call's own"
    if key == "url":
        return _masked(record.url) if record.url else None
    found: object = getattr(record, key)
    return None if found == "" else found


def _upload(record: RecordSettings, ending: str) -> str:
    from callflow.delivery.urls import with_name
    from callflow.documents.placeholders import in_authority

    url = record.url or ""
    unusable = "" if in_authority(url) else _unusable(url)
    # masked first, so that the name of the file is still seen in a query
    shown = with_name(_masked(url), f"call_recording_CALL_ID.{ending}")
    return unusable or f"{record.method.upper()} {shown}"


def _unusable(url: str) -> str:
    """Where a recording goes if nothing can be sent to its url; empty if that is well."""
    from callflow.delivery.urls import check_url
    from callflow.errors import BadUrl

    try:
        check_url(url)
    except BadUrl as error:
        return f"the local media store: {error}"
    return ""


def _masked(url: str) -> str:
    from callflow.log import mask_url

    return mask_url(url)


def _settings_rows(settings: Settings) -> list[Row]:
    names = [name for name in settings.origins if name.startswith("media.")]
    return [_setting(settings, name.removeprefix("media.")) for name in names]


def _setting(settings: Settings, name: str) -> Row:
    value: object = settings.media
    for part in name.split("."):
        value = getattr(value, part)
    shown = _masked(value) if isinstance(value, str) and "://" in value else value
    return _row(f"media.{name}", shown, settings.origins[f"media.{name}"])


def _row(name: str, value: object, origin: Origin) -> Row:
    return Row(name, value, origin.source, origin.file)


def _print(title: str, rows: Sequence[Row]) -> None:
    table = [(row.name, _shown(row.value), f"{row.origin} {_near(row.file)}".rstrip()) for row in rows]
    show_table(("key", "value", "from"), table, title=title)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "–" if value is None else str(value)


def _near(file: str) -> str:
    """A path as short as it can be said from here."""
    path, here = Path(file), Path.cwd()
    return str(path.relative_to(here)) if file and path.is_relative_to(here) else file
