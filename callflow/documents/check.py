"""Layer 1: checks files and folders: finds out what each is, and holds it against its rules."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from callflow.documents import jsontext, schemas
from callflow.documents.account_index import AccountIndex, account_root
from callflow.documents.accounts import FOLDERS, STORAGE_FILE, document_id
from callflow.documents.check_data import Surroundings, UrlVerdict, check_object
from callflow.documents.check_flow import check_flow, check_metaflow, nodes_of
from callflow.documents.check_loops import check_loops
from callflow.documents.check_ncco import check_script
from callflow.documents.check_sealing import check_sealing
from callflow.documents.check_storage import check_storage
from callflow.documents.delivery_hosts import problems as host_problems
from callflow.documents.metaflows import KEYS as METAFLOW_KEYS
from callflow.documents.ncco import recognise
from callflow.documents.problems import Problem, Sheet, token
from callflow.documents.settings import flatten

__all__ = ["Problem", "Surroundings", "UrlVerdict", "check_paths", "check_text", "files_in"]

_KIND_OF_FOLDER = {name: kind for kind, name in FOLDERS.items()}
_LEAVE_OUT = {"node_modules", "__pycache__"}
_METAFLOW_KEYS = ("leg", "takeback_dtmf", "moh", "moh_aleg", "moh_bleg", "unhold_key")
_METAFLOW_ACTIONS = ("toggle",)
_SCENARIO = "scenario"


def check_paths(
    paths: Sequence[Path],
    around: Surroundings,
    *,
    account: Path | None = None,
    settings_folder: Path | None = None,
) -> list[Problem]:
    """Check files, and all ``*.json`` below folders; problems come sorted by file and place.

    Documents in an account's folder are checked with that account, others with ``account``.
    ``settings_folder``: files in it are system_config documents whatever its name. A path that cannot be read
    is a problem ``CF-CHK-001``.
    """
    checker = Checker(around, account, settings_folder)
    found: list[Problem] = []
    for path, named in files_in(paths).items():
        found += checker.file(path, named=named)
    return sorted(found)


def check_text(text: str | bytes, file: str, around: Surroundings) -> list[Problem]:
    """Check one document that is not in a file (yet); ``file`` is the name to show."""
    return sorted(Checker(around).text(text, Path(file), named=True))


def files_in(paths: Sequence[Path]) -> dict[Path, bool]:
    """The files that ``paths`` stand for, each once, and whether the user asked for this very file."""
    found: dict[Path, tuple[Path, bool]] = {}
    for path in paths:
        for file in json_files(path) if path.is_dir() else (path,):
            first, named = found.get(file.resolve(), (file, False))
            found[file.resolve()] = (first, named or file is path)
    return dict(found.values())


def json_files(folder: Path) -> Iterator[Path]:
    """All ``*.json`` below a folder, sorted, but for hidden folders and ``node_modules``."""
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _LEAVE_OUT)
        yield from (Path(where) / name for name in sorted(files) if name.endswith(".json"))


class Checker:
    """Checks one file after the other; knows the accounts it has met. Arguments: see ``check_paths``, and
    ``AccountIndex`` for ``unsaved``.
    """

    def __init__(
        self,
        around: Surroundings,
        account: Path | None = None,
        settings_folder: Path | None = None,
        unsaved: Mapping[Path, bytes | None] | None = None,
    ) -> None:
        self._around = around
        self._unsaved = unsaved or {}
        self._account = AccountIndex(account, unsaved) if account else None
        self._settings_folder = settings_folder.resolve() if settings_folder else None
        self._accounts: dict[Path, AccountIndex] = {}
        self._inside: dict[Path, Surroundings] = {}

    def file(self, path: Path, *, named: bool) -> list[Problem]:
        """Check a file. ``named``: the user asked for this very file, so it must be a document."""
        try:
            raw = self._unsaved.get(path) or path.read_bytes()
        except OSError as error:
            said = f"cannot be read: {error.strerror}"
            return [Problem(str(path), 1, 1, "CF-CHK-001", "error", said, "", "")]
        return self.text(raw, path, named=named)

    def text(self, raw: str | bytes, path: Path, *, named: bool) -> list[Problem]:
        """Check what a file holds."""
        parsed = jsontext.examine(raw, str(path))
        sheet = Sheet(parsed)
        for fault in parsed.faults:
            sheet.add_at(fault.code, fault.position, fault.message, fault.hint)
        if parsed.readable:
            account = self._account_of(path)
            around = self._around_in(account) if account is not None else self._around
            _Document(sheet, path, around, account, self._settings_folder, named).check()
        return sheet.problems

    def _around_in(self, account: AccountIndex) -> Surroundings:
        """The same with the account's documents, and its own settings over the system's."""
        if account.root not in self._inside:
            self._inside[account.root] = replace(
                self._around,
                settings=account.settings(self._around.settings),
                ids=account.ids,
                documents=account.documents,
                flows=account.flows,
                storage=account.storage,
            )
        return self._inside[account.root]

    def _account_of(self, path: Path) -> AccountIndex | None:
        root = account_root(path)
        if root is None:
            return self._account
        if root not in self._accounts:
            self._accounts[root] = AccountIndex(root, self._unsaved)
        return self._accounts[root]


class _Document:
    """One readable JSON file: what is it, and what is wrong with it?"""

    def __init__(
        self,
        sheet: Sheet,
        path: Path,
        around: Surroundings,
        account: AccountIndex | None,
        settings_folder: Path | None,
        named: bool,
    ) -> None:
        self.sheet = sheet
        self.value = sheet.parsed.value
        self.path = path
        self.around = around
        self.account = account
        self.settings_folder = settings_folder
        self.named = named

    def check(self) -> None:
        """Find out its kind and check it."""
        kind = self._kind_by_place() or self._kind_by_content()
        if recognise(self.value):
            check_script(self.sheet, self.value, self.around)
        elif not isinstance(self.value, dict):
            self.sheet.add("CF-CHK-030", "", "this is no document: a document is a JSON object {...}")
        elif kind == "callflow" and "flow" not in self.value and "module" in self.value:
            self._bare_flow(self.value)
        elif kind == "callflow":
            self._callflow(self.value)
        elif kind == "flow":
            self._bare_flow(self.value)
        elif kind == "metaflows":
            self._metaflows(self.value, "")
            self._is_metaflow()
        elif kind.startswith("system_config."):
            self._settings(self.value, kind)
        elif kind == "storage":
            check_storage(self.sheet, self.value, self.around)
        elif kind:
            check_object(self.sheet, self.value, kind, "", self.around, all_keys=kind == _SCENARIO)
            self._with_metaflows(self.value)
            if kind == "account":
                self._hosts(self.value.get("delivery"), "/delivery")
                check_sealing(self.sheet, self.value)
            if kind == "application":
                self._application_numbers(self.value)
            self._file_name()
        else:
            self._unknown()

    # ---- what is it?

    def _kind_by_place(self) -> str:
        folder, name = self.path.parent, self.path.stem
        if name in schemas.SETTINGS_DOCUMENTS and (
            folder.name == "system_config" or folder.resolve() == self.settings_folder
        ):
            return f"system_config.{name}"
        if account_root(self.path) is None:
            return ""
        if self.path.name == STORAGE_FILE and folder.name not in _KIND_OF_FOLDER:
            return "storage"
        return "account" if self.path.name == "account.json" else _KIND_OF_FOLDER.get(folder.name, "")

    def _kind_by_content(self) -> str:
        value = self.value
        if not isinstance(value, dict):
            return ""
        said = value.get("$schema")
        if isinstance(said, str):
            name = said.rpartition("/")[2].removesuffix(".json")
            if name in schemas.names():
                return "flow" if name == "node" else name
        if isinstance(value.get("plan"), dict) and isinstance(value.get("attachments"), dict):
            return "storage"
        if "flow" in value:
            return "callflow"
        if "module" in value or "children" in value:
            return "flow"
        if any(isinstance(value.get(key), dict) for key in ("numbers", "patterns")):
            return "metaflows"
        return "callflow" if "numbers" in value or "patterns" in value else ""

    def _unknown(self) -> None:
        data = self.value.get("data")
        if isinstance(data, dict) and ("flow" in data or "module" in data):
            said = "this is the body of an API request: the document is its data"
            self.sheet.add("CF-CHK-030", "", said, "save what is under data as the document")
        elif self.named:
            said = "this is no document that is known here"
            self.sheet.add("CF-CHK-030", "", said, "a callflow has a flow, a bare flow a module")
        else:
            self.sheet.add("CF-CHK-033", "", "this file is no document that is known here: not checked")

    # ---- callflows

    def _callflow(self, value: dict[str, Any]) -> None:
        check_object(self.sheet, value, "callflow", "", self.around, all_keys=False)
        if not value.get("numbers") and not value.get("patterns"):
            said = "the callflow has neither numbers nor patterns: no call finds it"
            self.sheet.add("CF-CHK-103", "", said, "the module callflow can still go to it by its id")
        if "flow" in value:
            check_flow(self.sheet, value["flow"], "/flow", self.around)
        self._with_metaflows(value)
        self._file_name()
        self._numbers_elsewhere(value)
        if self.account is not None and account_root(self.path) is not None:
            check_loops(self.sheet, document_id(value, self.path), self.around)

    def _numbers_elsewhere(self, value: Mapping[str, Any]) -> None:
        if self.account is None or account_root(self.path) is None:
            return
        for key in ("numbers", "patterns"):
            items = value.get(key)
            for index, item in enumerate(items if isinstance(items, list) else ()):
                others = self.account.served_by(key, item, self.path) if isinstance(item, str) else []
                if key == "patterns" and not others and isinstance(item, str):
                    self._shadowed(item, f"/{key}/{index}", document_id(value, self.path))
                if others:
                    said = f'"{item}" is also in {", ".join(name.name for name in others)}'
                    self.sheet.add("CF-CHK-102", f"/{key}/{index}", said, "each number leads to one callflow")

    def _application_numbers(self, value: Mapping[str, Any]) -> None:
        """A callflow has its numbers before any application, of two applications the lowest id."""
        if self.account is None or account_root(self.path) is None:
            return
        items = value.get("numbers")
        for index, item in enumerate(items if isinstance(items, list) else ()):
            if not isinstance(item, str):
                continue
            bare = item.lstrip("+")
            flows = [
                path
                for number in (bare, f"+{bare}")
                for path in self.account.served_by("numbers", number, Path())
            ]
            others = [f"applications/{path.name}" for path in self.account.applications_with(item, self.path)]
            if others or flows:
                names = ", ".join([*(f"callflows/{path.name}" for path in flows), *others])
                hint = "each number leads to one callflow or application"
                self.sheet.add("CF-CHK-102", f"/numbers/{index}", f'"{item}" is also in {names}', hint)

    def _shadowed(self, pattern: str, pointer: str, id: str) -> None:
        found = self.account.numbers.shadow(id, pattern) if self.account is not None else None
        if found is None:
            return
        if found.all and found.tried == 1:
            said = f"no number reaches this pattern: the only one, {found.example}, goes to {found.winner}"
        elif found.all:
            said = (
                f"no number reaches this pattern: all {found.tried}, as {found.example}, go to {found.winner}"
            )
        else:
            tried = f"none of {found.tried} numbers tried reaches this pattern"
            said = f"{tried}: {found.example}, for one, goes to {found.winner}"
        hint = "the longest caught text wins: narrow the other pattern, or catch more with this one"
        self.sheet.add("CF-CHK-106", pointer, f"{said}, which {found.why}", hint)

    def _file_name(self) -> None:
        """The engine goes by the id in the document, people by the file's name."""
        said = self.value.get("id", self.value.get("_id"))
        if account_root(self.path) is None or self.path.name == "account.json" or not isinstance(said, str):
            return
        if said != self.path.stem:
            key = "/id" if "id" in self.value else "/_id"
            self.sheet.add(
                "CF-CHK-104", key, f'the id "{said}" is not the name of the file', "name it after the id"
            )

    # ---- bare flows and metaflows

    def _bare_flow(self, value: dict[str, Any]) -> None:
        if _is_metaflow_action(value):
            check_metaflow(self.sheet, value, "", self.around)
            self._is_metaflow()
        else:
            check_flow(self.sheet, value, "", self.around)

    def _is_metaflow(self) -> None:
        said = "this is a metaflow action: it runs on digits in mid-call, beside a callflow"
        self.sheet.add("CF-CHK-031", "", said, "docs/metaflows.md says where it belongs")

    def _with_metaflows(self, value: Mapping[str, Any]) -> None:
        """A document that may have some."""
        for key in METAFLOW_KEYS:
            if isinstance(value.get(key), dict):
                check_object(self.sheet, value[key], "metaflows", f"/{key}", self.around)
                self._metaflows(value[key], f"/{key}")

    def _metaflows(self, value: Mapping[str, Any], pointer: str) -> None:
        for key in ("numbers", "patterns"):
            actions = value.get(key)
            for name, action in actions.items() if isinstance(actions, dict) else ():
                check_metaflow(self.sheet, action, f"{pointer}/{key}/{token(name)}", self.around)

    # ---- settings

    def _settings(self, value: dict[str, Any], kind: str) -> None:
        """Flat keys, or Kazoo's stored shape: a section for ``default`` and for each machine."""
        sections = {key: item for key, item in value.items() if key == "default" or "@" in key}
        if flatten(value) == {
            key: item for key, item in value.items() if not key.startswith(("_", "pvt_", "$"))
        }:
            sections = {}
        for key, section in sections.items():
            if isinstance(section, dict):
                check_object(self.sheet, section, kind, f"/{token(key)}", self.around)
                self._hosts(section, f"/{token(key)}")
        if not sections:
            check_object(self.sheet, value, kind, "", self.around)
            self._hosts(value, "")

    def _hosts(self, delivery: Any, pointer: str) -> None:
        """How requests are sent to hosts, in the one place or the other."""
        for keys, said, hint in host_problems(delivery.get("hosts")) if isinstance(delivery, dict) else ():
            where = "".join(f"/{token(key)}" for key in keys)
            self.sheet.add("CF-CHK-076", f"{pointer}/hosts{where}", said, hint)


def _is_metaflow_action(root: Any) -> bool:
    """Whether a bare tree is for mid-call: all its modules exist there, and something exists only there."""
    found = [(module, data) for _, module, data in nodes_of(root)]
    if not found or any(module not in schemas.metaflow_modules() for module, _ in found):
        return False
    own = schemas.metaflow_modules() - schemas.known_kazoo_modules()
    return any(
        module in own or data.get("action") in _METAFLOW_ACTIONS or any(key in data for key in _METAFLOW_KEYS)
        for module, data in found
    )
