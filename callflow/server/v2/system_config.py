"""Layer 6: ``/v2/system_config``: the settings in force and where each comes from; the documents of the
operator's folder, read and changed.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web

from callflow.documents import jsontext, schemas
from callflow.documents.catalog import Refusal, read_catalog
from callflow.documents.changes import merge
from callflow.documents.check import Checker
from callflow.documents.problems import Problem
from callflow.documents.settings import user_folder
from callflow.documents.shipped import system_config_dir
from callflow.documents.storing import Undo, put_file, revision_of
from callflow.errors import ApiError
from callflow.exchange.exchange import AT_START_ONLY
from callflow.log import one_line
from callflow.server.auth import authorize
from callflow.server.envelope import ok
from callflow.server.openapi import operation
from callflow.server.parts import Parts
from callflow.server.v2.callflows import if_match
from callflow.server.v2.callflows_described import IF_MATCH
from callflow.server.v2.saving import dumped
from callflow.server.v2.sent import Sent, as_dict, read_sent, refusal, warnings_of
from callflow.server.v2.settings_shown import hidden, restored, rows
from callflow.server.v2.telling import tell

READ, WRITE = "system_config:read", "system_config:write"
OF_ACCOUNTS = ("media", "callflow")
"""What an account may have otherwise, and may see."""
_ALL = "/v2/system_config"
_ROW = {
    "type": "object",
    "required": ["name", "value", "source", "file", "default", "title", "description"],
    "properties": {
        "name": {"type": "string", "description": "Dotted: `media.record_stereo`."},
        "source": {"enum": ["default", "shipped", "user", "argument", "account"]},
        "file": {"type": "string"},
    },
}
_ROWS = {"type": "array", "items": {"$ref": "#/components/schemas/Setting"}}
_DOCUMENT = {
    "type": "object",
    "required": ["id", "settings", "stored", "editable"],
    "properties": {
        "id": {"enum": list(schemas.SETTINGS_DOCUMENTS)},
        "settings": _ROWS,
        "stored": {"type": ["object", "null"], "description": "The operator's file; secrets are `***`."},
        "editable": {"type": "boolean"},
        "from_next_start": {"type": "array", "items": {"type": "string"}},
    },
}
_BODY = {"type": "object", "description": "Settings by name; `***` leaves a secret as it is."}
SCHEMAS: Mapping[str, Any] = {"Setting": _ROW, "SettingsDocument": _DOCUMENT}
_SHOWN = {"$ref": "#/components/schemas/SettingsDocument"}


def _write(id: str, summary: str) -> dict[str, Any]:
    more = {"data": _SHOWN, "body": _BODY, "query": (IF_MATCH,), "refusals": (409, 412)}
    return operation(id, summary, scope=WRITE, **more)  # type: ignore[arg-type]


PATHS: Mapping[str, Mapping[str, Any]] = {
    _ALL: {"get": operation("list_settings", "Every setting in force, and why.", scope=READ, data=_ROWS)},
    _ALL + "/{document}": {
        "get": operation("get_settings", "One document's settings, and its file.", scope=READ, data=_SHOWN),
        "put": _write("replace_settings", "What is sent takes the place of the operator's file."),
        "post": _write("replace_settings_post", "As PUT: Kazoo's way to replace."),
        "patch": _write("change_settings", "What is sent is merged into the operator's file (RFC 7396)."),
    },
    "/v2/accounts/{account_id}/system_config": {
        "get": operation(
            "list_account_settings",
            "The settings in force for an account: `media` and `callflow`.",
            scope=READ,
            data=_ROWS,
        )
    },
}


def routes(parts: Parts) -> list[web.RouteDef]:
    """All of them."""
    on = partial(partial, parts=parts)
    one = _ALL + "/{document}"
    return [
        web.get(_ALL, on(_list)),
        web.get(one, on(_read)),
        web.put(one, on(_replace)),
        web.post(one, on(_replace)),
        web.patch(one, on(_patch)),
        web.get("/v2/accounts/{account_id}/system_config", on(_list_of_account)),
    ]


# ---- reading -------------------------------------------------------------------------------------


async def _list(request: web.Request, *, parts: Parts) -> web.Response:
    await authorize(request, None, READ)
    return ok(request, list(rows(parts.catalog.settings)))


async def _list_of_account(request: web.Request, *, parts: Parts) -> web.Response:
    account_id = request.match_info["account_id"]
    await authorize(request, account_id, READ)
    tenant = parts.tenant(account_id)
    assert tenant is not None  # authorize has looked
    found = [{**row, "file": Path(row["file"]).name} for row in rows(tenant.settings, OF_ACCOUNTS)]
    return ok(request, found)


async def _read(request: web.Request, *, parts: Parts) -> web.Response:
    await authorize(request, None, READ)
    name = _name(request)
    return await asyncio.to_thread(_shown, request, parts, name)


def _name(request: web.Request) -> str:
    name = request.match_info["document"].removesuffix(".json")
    if name not in schemas.SETTINGS_DOCUMENTS:
        known = ", ".join(schemas.SETTINGS_DOCUMENTS)
        raise ApiError(404, f"there is no settings document {one_line(name, 60)}; there are {known}")
    return name


def _folder(parts: Parts) -> Path | None:
    """The operator's folder; None: there is none that is his."""
    folder = user_folder(parts.exchange.options.system_config)
    return None if folder is None or folder.resolve() == system_config_dir().resolve() else folder


def _raw(folder: Path | None, name: str) -> bytes | None:
    try:
        return (folder / f"{name}.json").read_bytes() if folder is not None else None
    except OSError:
        return None


def _shown(
    request: web.Request,
    parts: Parts,
    name: str,
    from_next_start: list[str] | None = None,
    problems: Sequence[Problem] = (),
) -> web.Response:
    folder = _folder(parts)
    raw = _raw(folder, name)
    stored = jsontext.examine(raw).value if raw is not None else None
    body: dict[str, Any] = {
        "id": name,
        "settings": list(rows(parts.catalog.settings, (name,))),
        "stored": hidden("", stored) if isinstance(stored, dict) else None,
        "editable": folder is not None,
    }
    if from_next_start is not None:
        body["from_next_start"] = from_next_start
    revision = revision_of(raw) if raw is not None else None
    return ok(request, body, revision=revision, warnings=warnings_of(problems))


# ---- changing ------------------------------------------------------------------------------------


async def _replace(request: web.Request, *, parts: Parts) -> web.Response:
    return await _change(request, parts, merged=False)


async def _patch(request: web.Request, *, parts: Parts) -> web.Response:
    return await _change(request, parts, merged=True)


async def _change(request: web.Request, parts: Parts, *, merged: bool) -> web.Response:
    token = await authorize(request, None, WRITE)
    name, wanted = _name(request), if_match(request)
    folder = _folder(parts)
    if folder is None:
        raise ApiError(
            409,
            "this server has no system_config folder of its own: what ships with callflow is never changed",
            hint="start it with --system-config DIR",
        )
    sent = await read_sent(request)
    before = await asyncio.to_thread(_raw, folder, name)
    raw = await asyncio.to_thread(_made, sent, before, merged)
    path = folder / f"{name}.json"
    problems = await asyncio.to_thread(_judge, parts, folder, path, raw, sent)
    old = parts.catalog.settings
    seen = wanted or (revision_of(before) if before is not None and merged else "")

    def write() -> Undo:
        now = _raw(folder, name)
        if seen not in ("", "*") and (now is None or revision_of(now) != seen):
            raise ApiError(412, "the document has changed since then", hint="GET it, and change that")
        return put_file(path, raw)

    refused = await parts.exchange.change(write)
    if refused is not None:
        raise _unfit(refused, folder)
    tell(token, "*", f"system_config {name} changed")
    was, now = (
        {row["name"]: row["value"] for row in rows(each, (name,))} for each in (old, parts.catalog.settings)
    )
    later = [key for key in now if now[key] != was.get(key) and key.startswith(AT_START_ONLY)]
    return await asyncio.to_thread(_shown, request, parts, name, later, problems)


def _made(sent: Sent, before: bytes | None, merged: bool) -> bytes:
    """The file as it is to be. Raises ApiError 400."""
    if not sent.readable or not isinstance(sent.value, dict):
        raise ApiError(400, "a settings document is an object: {NAME: VALUE, ...}")
    stored = jsontext.examine(before).value if before is not None else {}
    value = restored(sent.value, stored)
    return dumped(
        merge(stored if isinstance(stored, dict) else {}, value) if merged else value, before or b""
    )


def _judge(parts: Parts, folder: Path, path: Path, raw: bytes, sent: Sent) -> list[Problem]:
    """What is doubtful about the file. Raises ApiError: 400 for what is wrong in it, 409 if with it other
    documents would be refused. Nothing is changed.
    """
    options = parts.exchange.options
    checker = Checker(options.around(parts.catalog.settings), None, folder)
    problems = sorted(checker.text(raw, path, named=True))
    problems = sent.pointed(problems)
    if any(problem.is_error for problem in problems):
        raise refusal(problems)
    with tempfile.TemporaryDirectory(prefix="callflow-settings-") as name:
        trial = Path(name)
        for file in folder.glob("*.json"):
            shutil.copyfile(file, trial / file.name)
        (trial / path.name).write_bytes(raw)
        found = read_catalog(options.accounts, trial, options.around)
    if isinstance(found, Refusal):
        raise _unfit(found, trial)
    return problems


def _unfit(refused: Refusal, folder: Path) -> ApiError:
    """Why the documents as a whole would not be taken with these settings."""
    found = [
        {**as_dict(each), "file": f"{Path(each.file).parent.name}/{Path(each.file).name}"}
        for each in refused.problems[:20]
    ]
    said = "with these settings documents would be at fault: nothing was changed"
    why = refused.error.message.replace(f"{folder}/", "") if refused.error is not None else said
    return ApiError(409, why, {"message": why, "problems": found})
