"""Layer 1: all that a server works from, read and judged at once: its accounts and its system_config.

A set with a mistake in it is no set: ``read_catalog`` says every mistake with file, line and column.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from callflow.documents.accounts import FOLDERS, Account
from callflow.documents.check import Surroundings, check_paths
from callflow.documents.problems import Problem
from callflow.documents.settings import Settings, for_account, load_settings, user_folder
from callflow.documents.shipped import examples_dir, system_config_dir
from callflow.errors import CallflowError, InvalidDocument, MissingDocument, SettingsError
from callflow.log import mask_text

Around = Callable[[Settings], Surroundings]
"""What documents are judged in, for settings: layers above know what delivery refuses and media ships."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """An account and the settings that hold for it (its ``configs`` over the system's)."""

    account: Account
    settings: Settings


@dataclass(frozen=True, slots=True)
class Catalog:
    """One consistent state of all documents. ``tenants``: by account id. ``remarks``: what was warned of."""

    settings: Settings
    tenants: Mapping[str, Tenant]
    remarks: tuple[Problem, ...] = ()

    @property
    def accounts(self) -> Mapping[str, Account]:
        """The accounts by id."""
        return {id: tenant.account for id, tenant in self.tenants.items()}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a set of documents is not used: errors of the check, and what else keeps it from being read."""

    problems: tuple[Problem, ...]
    error: CallflowError | None = None

    def lines(self) -> list[str]:
        """One line a mistake: where, what, and what to write instead."""
        said = [_line(problem) for problem in self.problems]
        if self.error is not None:
            hint = f"; {self.error.hint}" if self.error.hint else ""
            said.append(f"{self.error.code}  error: {self.error.message}{hint}")
        return said


def account_folders(folder: Path) -> list[Path]:
    """The account folders in ``folder``, by name: those below it, or itself if it is one.

    Raises MissingDocument if there is none.
    """
    if not folder.is_dir():
        raise MissingDocument(
            f"there is no folder {folder}",
            hint="--accounts DIR holds a folder per account; an example came with callflow: "
            f"{examples_dir() / 'accounts'}",
        )
    if _is_account(folder):
        return [folder]
    below = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    found = [path for path in below if _is_account(path)]
    if not found:
        raise MissingDocument(
            f"there is no account in {folder}",
            hint="put account.json and callflows/ into a folder below it, one for each account",
        )
    return found


def read_catalog(accounts: Path, system_config: Path | None, around: Around) -> Catalog | Refusal:
    """Read and check everything. Blocks: call it in a thread."""
    try:
        return _read(accounts, system_config, around)
    except OSError as error:  # a folder that may not be listed, or goes at this moment
        return Refusal((), MissingDocument(f"{error.filename} cannot be read: {error.strerror}"))


def _read(accounts: Path, system_config: Path | None, around: Around) -> Catalog | Refusal:
    try:
        folders = account_folders(accounts)
        settings = load_settings(system_config)
    except (MissingDocument, SettingsError) as error:
        return Refusal(_settings_problems(system_config, around), error)
    problems = _check(folders, system_config, around(settings))
    errors = tuple(problem for problem in problems if problem.is_error)
    if errors:
        return Refusal(errors)
    try:
        tenants = _tenants(folders, settings)
    except CallflowError as error:
        return Refusal((), error)
    return Catalog(settings, tenants, tuple(problem for problem in problems if problem.level == "warning"))


def _tenants(folders: Sequence[Path], settings: Settings) -> dict[str, Tenant]:
    tenants: dict[str, Tenant] = {}
    for folder in folders:
        account = Account.load(folder)
        if account.broken:  # it changed since it was checked
            raise account.broken[0]
        if account.id in tenants:
            other = tenants[account.id].account.folder
            raise InvalidDocument(
                f"{folder} and {other} are both account {account.id!r}", hint="give one of them another id"
            )
        own = for_account(settings, account.document, str(folder / "account.json"))
        tenants[account.id] = Tenant(account, own)
    return tenants


def _check(folders: Sequence[Path], system_config: Path | None, around: Surroundings) -> list[Problem]:
    config = user_folder(system_config)
    paths = [*folders, config] if config is not None else list(folders)
    return check_paths(paths, around, settings_folder=config)


def _settings_problems(system_config: Path | None, around: Around) -> tuple[Problem, ...]:
    """What is wrong with system_config, place by place, when it cannot be loaded."""
    try:
        config = user_folder(system_config)
    except SettingsError:
        return ()
    if config is None:
        return ()
    shipped = load_settings(system_config_dir())  # nothing of the user's
    found = check_paths([config], around(shipped), settings_folder=config)
    return tuple(problem for problem in found if problem.is_error)


def _is_account(folder: Path) -> bool:
    return (folder / "account.json").is_file() or (folder / FOLDERS["callflow"]).is_dir()


def _line(problem: Problem) -> str:
    place = f"{problem.file}:{problem.line}:{problem.column}"
    pointer = f" ({problem.pointer})" if 0 < len(problem.pointer) <= 200 else ""
    hint = f"; {problem.hint}" if problem.hint else ""
    return f"{place}  {problem.code}  {problem.level}: {problem.message}{pointer}{hint}"


# ---- has anything changed? ---------------------------------------------------------------------

Prints = Mapping[str, tuple[int, int, int]]
"""Each file's inode, size and time of change (nanoseconds), by path."""


def fingerprint(folders: Sequence[Path]) -> Prints:
    """What files below ``folders`` look like from outside: a change is seen without reading them. Blocks."""
    seen: dict[str, tuple[int, int, int]] = {}
    for folder in folders:
        for where, below, files in os.walk(folder):
            below[:] = [name for name in below if not name.startswith(".")]
            for name in files:
                path = os.path.join(where, name)
                try:
                    stat = os.stat(path)
                except OSError:
                    continue
                seen[path] = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
    return seen


def differences(old: Catalog, new: Catalog) -> list[str]:
    """What is different in ``new``, in words: a line for each account, document and setting."""
    said = [f"account {id} added" for id in new.tenants if id not in old.tenants]
    said += [f"account {id} removed" for id in old.tenants if id not in new.tenants]
    for id, tenant in new.tenants.items():
        before = old.tenants.get(id)
        if before is not None:
            said += [f"account {id}: {what}" for what in _account_differences(before.account, tenant.account)]
    said += [
        f"setting {name} is now {_shown(name, now)}"
        for name, now in _flat(new.settings).items()
        if _flat(old.settings).get(name) != now
    ]
    return said


def _shown(name: str, value: object) -> str:
    if name.endswith("password"):
        return "another"
    if isinstance(value, Mapping):
        return "otherwise"  # it may be long, and holds more than people want to see in a log
    return repr(mask_text(value) if isinstance(value, str) else value)


def _account_differences(old: Account, new: Account) -> list[str]:
    said = ["account.json changed"] if old.document != new.document else []
    said += ["storage.json changed"] if old.storage != new.storage else []
    for kind in sorted({*old.documents, *new.documents}):
        before, after = old.all(kind), new.all(kind)
        said += [f"{kind} {id} added" for id in after if id not in before]
        said += [f"{kind} {id} removed" for id in before if id not in after]
        said += [f"{kind} {id} changed" for id in after if id in before and before[id] != after[id]]
    return said


def _flat(settings: Settings) -> dict[str, object]:
    """Every setting by its dotted name."""
    found: dict[str, object] = {}
    for dotted in settings.origins:
        value: object = settings
        for part in dotted.split("."):
            value = getattr(value, part)
        found[dotted] = value
    return found
