"""Layer 1: checks a storage plan: each place by its handler's schema, and that what is named is there."""

from __future__ import annotations

from typing import Any

from callflow.documents.check_data import Surroundings, check_object
from callflow.documents.problems import Sheet, did_you_mean, token
from callflow.documents.secrets import is_secret, problem_of
from callflow.documents.storage import HANDLERS, schema_of

_SECRETS = frozenset(
    {"key", "secret", "password", "private_key", "credential", "token", "access_token", "refresh_token",
     "client_secret"}
)  # fmt: skip
_DRIVES = ("google_drive", "dropbox", "onedrive")
_REFERENCES = ("secret:env:NAME", "secret:file:PATH")


def check_storage(sheet: Sheet, value: dict[str, Any], around: Surroundings) -> None:
    """Report what is wrong with ``storage.json``."""
    check_object(sheet, value, "storage", "", around)
    places = value.get("attachments")
    for id, place in places.items() if isinstance(places, dict) else ():
        if isinstance(place, dict):
            _place(sheet, place, f"/attachments/{token(id)}", around)
    modb = _object(_object(value.get("plan")).get("modb"))
    own = _object(_object(modb.get("types")).get("call_recording"))
    for where, level in (("/plan/modb", modb), ("/plan/modb/types/call_recording", own)):
        chosen = _object(level.get("attachments")).get("handler")
        _named(sheet, f"{where}/attachments/handler", chosen, _object(places), "place of attachments")
        there = {**_object(value.get("connections")), "local": {}}
        _named(sheet, f"{where}/connection", level.get("connection"), there, "connection")


def _place(sheet: Sheet, place: dict[str, Any], where: str, around: Surroundings) -> None:
    handler, settings = place.get("handler"), place.get("settings")
    if handler not in HANDLERS or not isinstance(settings, dict):
        return  # reported against the schema
    check_object(sheet, settings, schema_of(str(handler)), f"{where}/settings", around)
    if handler in _DRIVES and not (settings.get("access_token") or settings.get("refresh_token")):
        sheet.add(
            "CF-CHK-150",
            f"{where}/settings",
            f"{handler} cannot be logged in to: there is neither refresh_token nor access_token",
            "give refresh_token, client_id and client_secret; docs/storage.md tells where they come from",
        )
    if handler == "sftp" and not (settings.get("password") or settings.get("private_key")):
        sheet.add(
            "CF-CHK-150",
            f"{where}/settings",
            "sftp cannot be logged in to: there is neither password nor private_key",
            "give one: secret:env:NAME or secret:file:PATH",
        )
    if handler in ("ftp", "ftps") and not str(settings.get("url", "ftp://")).startswith(
        ("ftp://", "ftps://")
    ):
        sheet.add("CF-CHK-150", f"{where}/settings/url", "this is no url of FTP", "write ftp://host/folder")
    for key, item in settings.items():
        _secret(sheet, f"{where}/settings/{token(key)}", key in _SECRETS, item)
    for key, item in _object(settings.get("headers")).items():
        _secret(sheet, f"{where}/settings/headers/{token(key)}", key.lower() == "authorization", item)


def _secret(sheet: Sheet, where: str, is_one: bool, value: object) -> None:
    if not isinstance(value, str) or value in _REFERENCES:
        return
    if is_secret(value) and (wrong := problem_of(value)):
        sheet.add("CF-CHK-150", where, wrong, "write secret:env:NAME or secret:file:PATH")
    elif is_one and not is_secret(value):
        sheet.add(
            "CF-CHK-151",
            where,
            "a secret stands in the document itself",
            "write where it stands: secret:env:NAME or secret:file:PATH",
        )


def _named(sheet: Sheet, where: str, name: object, there: dict[str, Any], what: str) -> None:
    if isinstance(name, str) and name and name not in there:
        known = ", ".join(there) or "none"
        sheet.add(
            "CF-CHK-100",
            where,
            f"there is no {what} {name!r}",
            did_you_mean(name, there) or f"there is: {known}",
        )


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
