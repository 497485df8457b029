"""Layer 1: what a folder of settings and accounts holds, for ``callflow lint-config``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callflow.documents import jsontext, schemas
from callflow.documents.account_index import AccountIndex
from callflow.documents.catalog import account_folders
from callflow.documents.jsontext import Parsed
from callflow.documents.nodes import skipped
from callflow.documents.problems import Problem, Sheet, token
from callflow.documents.record_settings import RecordSettings, resolve_record, resolve_record_caller
from callflow.documents.settings import Settings, for_account
from callflow.errors import MissingDocument


@dataclass(frozen=True, slots=True)
class Layout:
    """``settings``: the system_config folder, or None: the shipped one holds. ``accounts``: by name."""

    settings: Path | None
    accounts: tuple[Path, ...]


def layout_of(folder: Path, settings: Path | None = None) -> Layout:
    """Find system_config and accounts in ``folder``: below it by their names, or it is one of them itself.

    Raises MissingDocument if there is neither.
    """
    if settings is None:
        below = folder / "system_config"
        settings = below if below.is_dir() else folder if _holds_settings(folder) else None
    accounts: list[Path] = []
    for place in (folder / "accounts", folder):
        try:
            accounts = account_folders(place)
        except MissingDocument:
            continue
        break
    if settings is None and not accounts:
        raise MissingDocument(
            f"there is neither system_config nor an account in {folder}",
            hint="give the folder that holds system_config/ and accounts/, or one of them",
        )
    return Layout(settings, tuple(accounts))


def _holds_settings(folder: Path) -> bool:
    return any((folder / f"{name}.json").is_file() for name in schemas.SETTINGS_DOCUMENTS)


@dataclass(frozen=True, slots=True)
class Recording:
    """A node that starts a recording: where it is, what it says, and what that comes to."""

    file: Path
    pointer: str
    data: Mapping[str, Any]
    effective: RecordSettings


@dataclass(frozen=True, slots=True)
class Tenancy:
    """One account: its documents, its effective settings, the recordings that its flows start."""

    index: AccountIndex
    settings: Settings
    recordings: tuple[Recording, ...]

    @property
    def name(self) -> str:
        """Its id, or its folder's name."""
        said = self.index.document.get("id")
        return said if isinstance(said, str) and said else self.index.root.resolve().name


def tenancy(folder: Path, system: Settings) -> Tenancy:
    """Read an account. Raises SettingsError for ``configs`` that cannot be used."""
    index = AccountIndex(folder)
    settings = for_account(system, index.document, str(folder / "account.json"))
    return Tenancy(index, settings, tuple(_recordings(folder, settings)))


def _recordings(folder: Path, settings: Settings) -> Iterator[Recording]:
    from callflow.documents.check_flow import nodes_of

    resolvers = {"record_call": resolve_record, "record_caller": resolve_record_caller}
    for file in sorted((folder / "callflows").glob("*.json")):
        document = _value(file)
        for pointer, module, data in nodes_of(document.get("flow"), "/flow"):
            starts = module == "record_caller" or data.get("action", "start") == "start"
            if module in resolvers and starts and not skipped(data):
                yield Recording(file, pointer, data, resolvers[module](data, settings))


def _value(file: Path) -> Mapping[str, Any]:
    try:
        value = jsontext.examine(file.read_bytes()).value
    except OSError:
        return {}
    return value if isinstance(value, Mapping) else {}


def value_of(settings: Settings, dotted: str) -> Any:
    """The value of ``media.record_stereo`` and the like."""
    found: Any = settings
    for part in dotted.split("."):
        found = getattr(found, part)
    return found


class Report:
    """Collects problems at the places where settings and nodes are written."""

    def __init__(self, fallback: Path) -> None:
        self._sheets: dict[str, Sheet] = {}
        self._fallback = fallback

    @property
    def problems(self) -> list[Problem]:
        """All of them, by file and place."""
        return sorted(problem for sheet in self._sheets.values() for problem in sheet.problems)

    def at_setting(self, code: str, settings: Settings, dotted: str, message: str, hint: str = "") -> None:
        """At the place where the effective value of a setting was written; shipped ones: at the folder."""
        origin = settings.origins[dotted]
        name, _, rest = dotted.partition(".")
        pointer = "/" + "/".join(token(part) for part in rest.split("."))
        if origin.source == "account":
            sheet, pointer = self._sheet(origin.file), f"/configs/{name}{pointer}"
        elif origin.source == "user":
            sheet = self._sheet(origin.file)
            pointer = _in_sections(sheet.parsed, pointer)
        else:
            sheet, pointer = self._sheet(str(self._fallback)), ""
        sheet.add(code, pointer, message, hint, at_key=True)

    def at_file(self, code: str, file: Path, pointer: str, message: str, hint: str = "") -> None:
        """At a value of a document."""
        self._sheet(str(file)).add(code, pointer, message, hint, at_key=True)

    def _sheet(self, file: str) -> Sheet:
        if file not in self._sheets:
            self._sheets[file] = Sheet(_parsed(file))
        return self._sheets[file]


def _parsed(file: str) -> Parsed:
    try:
        return jsontext.examine(Path(file).read_bytes(), file)
    except OSError:
        return jsontext.examine("{}", file)


def _in_sections(parsed: Parsed, pointer: str) -> str:
    """The same key in Kazoo's stored shape, where a document has sections; a machine's own goes first."""
    value = parsed.value if isinstance(parsed.value, dict) else {}
    own = [key for key in value if "@" in key]
    for section in (*own, "default"):
        if parsed.span(f"/{token(section)}{pointer}") is not None:
            return f"/{token(section)}{pointer}"
    return pointer
