"""Layer 1: an account's storage plan (``storage.json``, kazoo.md 1.10): which place recordings go to, and
under what path. No input or output.

Nothing that a caller, a document or the network says becomes a path as it is: each part of one is made safe.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from callflow.clock import month
from callflow.documents import schemas

KIND = "storage"
"""The kind of a delivery that goes to a place."""
HANDLERS = (
    "s3", "azure", "google_storage", "google_drive", "dropbox", "onedrive", "http", "ftp", "ftps", "sftp",
    "webdav",
)  # fmt: skip
"""What a place can be; each has a schema ``storage/HANDLER`` (``ftps``: that of ``ftp``)."""

Part = str | Mapping[str, Any]

_OWNER_FIRST: tuple[Part, ...] = (
    {"arg": "account_id"},
    {"field": "owner_id"},
    {"arg": "id"},
    {"arg": "attachment"},
)
_ONE_NAME: Part = {"group": [{"arg": "id"}, "_", {"arg": "attachment"}]}
_DEFAULT_PARTS: Mapping[str, tuple[Part, ...]] = {
    **dict.fromkeys(("http", "ftp", "ftps", "sftp", "webdav"), _OWNER_FIRST),
    "s3": ({"arg": "db"}, _ONE_NAME),
}
_PATH_KEYS = ("folder_base_path", "folder_path", "field_list", "field_separator")
_UNSAFE = re.compile(r"[^A-Za-z0-9._@+=,~-]+")
_PERCENT = re.compile("%([0-9A-Fa-f]{2})?")
_HALF = re.compile("%[0-9A-F]?$")
_LONGEST_PART = 180
_LONGEST_PATH = 800
"""Characters: an S3 key has 1024 bytes at most, and a number and ``.part`` may be put behind."""
_LONGEST_ENDING = 5
_DEEPEST_GROUP = 5
_MOST_PARTS = 64
_HEX32 = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Place:
    """One of a plan's ``attachments``, with what the plan says of recordings laid over it.

    ``id``: its name in the plan. ``settings``: the handler's, with the schema's defaults, secrets as they are
    written. ``parts``: of what a path is made.
    """

    id: str
    handler: str
    name: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)
    folder: str = ""
    parts: tuple[Part, ...] = ()
    separator: str = "/"

    @property
    def title(self) -> str:
        """How it is called in messages: no secret."""
        return f'{self.handler} "{self.name}"' if self.name else f"{self.handler} {self.id}"

    @property
    def base(self) -> str:
        """Where it is, as a url without secrets: what a path is put behind."""
        return _base(self.handler, self.settings)

    def to_json(self) -> str:
        """All of it as text, for the outbox (``from_json`` reads it). It may hold secrets."""
        names = ("id", "handler", "name", "folder", "separator")
        facts = {name: getattr(self, name) for name in names}
        return json.dumps({**facts, "settings": dict(self.settings), "parts": list(self.parts)})

    @classmethod
    def from_json(cls, text: str) -> Place | None:
        """The place in ``text``; None for a text that is damaged."""
        try:
            facts = json.loads(text)
            return cls(**{**facts, "parts": tuple(facts["parts"])})
        except (ValueError, TypeError, KeyError):
            return None


@dataclass(frozen=True, slots=True)
class Planned:
    """Where a plan sends recordings: to ``place``, or to the CouchDB server at ``couchdb``; ``problem``: the
    plan names something that it does not have.
    """

    place: Place | None = None
    couchdb: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a path may be made of. ``attachment``: the file's name. ``document``: the recording's."""

    account_id: str
    id: str
    attachment: str
    call_id: str
    db: str
    document: Mapping[str, Any]


def planned(storage: Mapping[str, Any]) -> Planned | None:
    """Where the plan in ``storage.json`` sends recordings; None: it says nothing about them."""
    modb = _object(_object(storage.get("plan")).get("modb"))
    own = _object(_object(modb.get("types")).get("call_recording"))
    for level in (own, modb):
        chosen = _object(level.get("attachments"))
        if chosen.get("handler"):
            return _place(storage, chosen)
        connection = level.get("connection")
        if connection and connection != "local":
            return _connection(storage, str(connection))
    return None


def places(storage: Mapping[str, Any]) -> list[Place]:
    """All places of a document that can be read."""
    found = (make_place(str(id), _object(body)) for id, body in _object(storage.get("attachments")).items())
    return [place for place in found if place is not None]


def make_place(id: str, body: Mapping[str, Any], over: Mapping[str, Any] | None = None) -> Place | None:
    """The place that one of ``attachments`` describes; ``over``: what the plan says of a type's path. None
    for a handler that is not known.
    """
    handler = str(body.get("handler", ""))
    if handler not in HANDLERS:
        return None
    schema = schemas.load(schema_of(handler))
    settings = {**schemas.defaults_of(schema), **_object(body.get("settings"))}
    path = {key: settings.pop(key) for key in _PATH_KEYS if key in settings}
    given = _object(body.get("settings"))
    path = {key: value for key, value in path.items() if key in given}
    path |= {key: body[key] for key in _PATH_KEYS if key in body}
    said = _object((over or {}).get("params"))
    path |= {key: source[key] for source in (over or {}, said) for key in _PATH_KEYS if key in source}
    parts = path.get("field_list")
    folders = (str(path[key]).strip("/") for key in ("folder_base_path", "folder_path") if path.get(key))
    return Place(
        id,
        handler,
        str(body.get("name", "")),
        settings,
        "/".join(folder for folder in folders if folder),
        tuple(parts[:_MOST_PARTS]) if isinstance(parts, list) else _DEFAULT_PARTS.get(handler, (_ONE_NAME,)),
        str(path.get("field_separator", "/")),
    )


def schema_of(handler: str) -> str:
    """The schema of a handler's settings."""
    return f"storage/{'ftp' if handler == 'ftps' else handler}"


def database_of(account_id: str, wall: float) -> str:
    """The account's database of the month, as Kazoo names it (``account/ab/cd/...-202611``); for an id that
    is not 32 hex digits, a name that CouchDB accepts.
    """
    if _HEX32.fullmatch(account_id):
        return f"account/{account_id[:2]}/{account_id[2:4]}/{account_id[4:]}-{month(wall)}"
    plain = re.sub(r"[^a-z0-9_-]+", "-", account_id.lower()).strip("-") or "account"
    return f"account-{plain}-{month(wall)}"


# ---- paths -----------------------------------------------------------------------------------


def paths(place: Place, facts: Facts) -> Iterator[str]:
    """The paths that a recording may have, best first; the later ones have ``-2``, ``-3`` ... before the
    ending. For ``http`` they are percent-encoded; an empty one means the url as it is (``field_list: []``).
    """
    path = _path(place, facts)
    yield path
    if not path:
        return
    for number in itertools.count(2):
        yield numbered(path, number)


def locators(place: Place, facts: Facts) -> Iterator[str]:
    """The same as urls without secrets: what is shown, and what no two recordings may share."""
    for path in paths(place, facts):
        yield locator(place, path)


def locator(place: Place, path: str) -> str:
    """``path`` at ``place`` as a url."""
    if place.handler == "http":
        url = str(place.settings.get("url", ""))
        before, mark, query = url.partition("?")
        return f"{before.rstrip('/')}/{path}{mark}{query}" if path else url
    return f"{place.base}/{quote(path, safe='/@+=,~')}"


def numbered(path: str, number: int) -> str:
    """``path`` with ``-number`` before its ending."""
    folder, slash, name = path.rpartition("/")
    stem, dot, ending = name.rpartition(".")
    return f"{folder}{slash}{stem if dot else name}-{number}{dot}{ending if dot else ''}"


def _path(place: Place, facts: Facts) -> str:
    args = {
        "account_id": facts.account_id,
        "id": facts.id,
        "attachment": facts.attachment,
        "call_id": facts.call_id,
        "db": facts.db,
    }
    http = place.handler == "http"
    if not place.parts and http:
        return ""
    parts = place.parts or ({"arg": "attachment"},)
    made = _join(parts, args, facts.document, place.separator, http, 0)
    whole = "/".join(text for text in (place.folder, made) if text)
    segments = [_segment(each, http, encoded=True) for each in whole.split("/") if each]
    path = "/".join(segments) or _segment(facts.attachment, http)
    if len(path) <= _LONGEST_PATH:
        return path
    digest = hashlib.sha256(path.encode()).hexdigest()[:16]
    begin = _HALF.sub("", path[: _LONGEST_PATH // 2]).rstrip("/.")
    return f"{begin}/{digest}/{_segment(facts.attachment, http)}"


def _join(
    parts: Sequence[Part],
    args: Mapping[str, str],
    document: Mapping[str, Any],
    separator: str,
    http: bool,
    depth: int,
) -> str:
    made: list[str] = []
    for part in parts[:_MOST_PARTS]:
        if isinstance(part, str):
            made.append(part)
        elif "const" in part:
            made.append(str(part["const"]))
        elif isinstance(part.get("group"), list) and depth < _DEEPEST_GROUP:
            made.append(_join(part["group"], args, document, "", http, depth + 1))
        elif part.get("arg") == "db" or "arg" in part or "field" in part:
            value = args.get(str(part["arg"]), "") if "arg" in part else document.get(str(part["field"]))
            whole = part.get("arg") == "db"  # its slashes are ours
            made.append(_value(value, whole, http))
    return separator.join(text for text in made if text)


def _value(value: object, whole: bool, http: bool) -> str:
    """A fact as a part of one segment."""
    if value is None or isinstance(value, dict | list):
        return ""
    text = str(value)
    if whole:
        return "/".join(_segment(each, http) for each in text.split("/") if each)
    return _segment(text, http) if text else ""


def _segment(text: str, http: bool, encoded: bool = False) -> str:
    """``text`` as one part of a path: never a slash, never ``.`` or ``..``, no control or foreign character.
    ``encoded``: what is percent-encoded in it stays so.
    """
    if http:
        text = _PERCENT.sub(lambda found: found[0].upper() if found[1] else "%25", text) if encoded else text
        safe = quote(text, safe="%~" if encoded else "~", errors="replace")
    else:
        safe = _UNSAFE.sub("_", text)
    if not safe.strip("."):
        safe = safe.replace(".", "_")
    if len(safe) <= _LONGEST_PART:
        return safe
    digest = hashlib.sha256(text.encode(errors="replace")).hexdigest()[:12]
    _, dot, ending = safe.rpartition(".")
    tail = f".{ending}" if dot and len(ending) <= _LONGEST_ENDING else ""
    return f"{_HALF.sub('', safe[: _LONGEST_PART - 20])}-{digest}{tail}"


# ---- reading ---------------------------------------------------------------------------------


def _place(storage: Mapping[str, Any], chosen: Mapping[str, Any]) -> Planned:
    id = str(chosen["handler"])
    body = _object(storage.get("attachments")).get(id)
    if not isinstance(body, Mapping):
        return Planned(problem=f"the storage plan names the place {id}, and there is none of that name")
    place = make_place(id, body, chosen)
    if place is None:
        return Planned(problem=f"the place {id} of the storage plan has a handler that is not known")
    return Planned(place)


def _connection(storage: Mapping[str, Any], id: str) -> Planned:
    body = _object(_object(storage.get("connections")).get(id))
    settings = _object(body.get("settings"))
    if not settings.get("ip"):
        return Planned(problem=f"the storage plan names the connection {id}, and there is none of that name")
    who = _object(settings.get("credentials"))
    user = ""
    if who.get("username"):
        user = f"{quote(str(who['username']), safe='')}:{quote(str(who.get('password', '')), safe=':')}@"
    return Planned(couchdb=f"http://{user}{_host(str(settings['ip']))}:{settings.get('port') or 5984}")


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _base(handler: str, settings: Mapping[str, Any]) -> str:
    said = str(settings.get("host") or "")
    port = f":{settings['port']}" if settings.get("port") else ""
    match handler:
        case "s3":
            host = said or f"s3.{settings.get('region', '')}.amazonaws.com"
            return f"s3://{_host(host)}{port}/{settings.get('bucket', '')}"
        case "azure":
            host = said or f"{settings.get('account', '')}.blob.core.windows.net"
            return f"azure://{_host(host)}{port}/{settings.get('container', '')}"
        case "google_storage":
            host = said or "storage.googleapis.com"
            return f"google-storage://{_host(host)}{port}/{settings.get('bucket', '')}"
        case "google_drive" | "dropbox" | "onedrive":
            hosts = {"google_drive": "www.googleapis.com", "dropbox": "content.dropboxapi.com"}
            return f"{handler.replace('_', '-')}://{hosts.get(handler, 'graph.microsoft.com')}"
        case "sftp":
            return f"sftp://{_host(said)}{port}"
        case "http":
            return str(settings.get("url", "")).rstrip("/")
        case _:
            return _without_user(str(settings.get("url", "")), handler)


def _without_user(url: str, handler: str) -> str:
    """``url`` without user, password, query and slashes at its end."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return f"{handler}://"
    scheme = {"http": "webdav", "https": "webdavs"}.get(parts.scheme, parts.scheme)
    return f"{scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")
