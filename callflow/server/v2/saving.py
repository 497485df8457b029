"""Layer 6: callflows of an account as files: judged, written, taken over, or left as they were."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from callflow.documents import jsontext
from callflow.documents.accounts import FOLDERS
from callflow.documents.catalog import Refusal, Tenant
from callflow.documents.check import Checker, files_in
from callflow.documents.problems import Problem
from callflow.documents.settings import user_folder
from callflow.documents.storing import (
    Stored,
    Undo,
    find_stored,
    indent_of,
    is_file_id,
    put_file,
    remove_file,
    revision_of,
)
from callflow.errors import ApiError
from callflow.server.parts import Parts
from callflow.server.v2.bounds import check_document, check_patterns, check_room
from callflow.server.v2.sent import Sent, as_dict, refusal

KIND = "callflow"
RESERVED = frozenset({"validate", "draw"})
"""Names of paths, so no document can have them as its id."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A callflow that is in force. ``document``: as it is in its file, with its ``id``."""

    document: dict[str, Any]
    revision: str
    problems: Sequence[Problem] = ()


class Shelf:
    """The callflows of one account. Nothing here is kept: make one for each request."""

    def __init__(self, parts: Parts, tenant: Tenant) -> None:
        folder = tenant.account.folder
        if folder is None:
            raise ApiError(409, "this account has no folder: its documents cannot be changed")
        self.folder: Path = folder
        self._account = tenant.account
        self._exchange = parts.exchange
        self.in_turn = parts.judging.do

    def find(self, id: str) -> Stored:
        """The file of a callflow. Blocks. Raises ApiError 404."""
        stored = find_stored(self.folder, KIND, id)
        if stored is None:
            raise ApiError(404, f"there is no callflow {id}")
        return stored

    def path(self, id: str) -> Path:
        """Where a new callflow goes. Raises ApiError for an id that cannot be a file's name."""
        if not is_file_id(id) or id in RESERVED:
            said = "an id has letters, digits and _ . @ + -, at most 128, and is no word of the API"
            raise ApiError(400, said, {"id": {"pattern": {"message": said}}})
        return self.folder / FOLDERS[KIND] / f"{id}.json"

    @property
    def nowhere(self) -> Path:
        """Stands for the file of a document that is in none, and is to be judged all the same."""
        return self.folder / FOLDERS[KIND] / "(new).json"

    # ---- judging -----------------------------------------------------------------------------

    def judge(self, text: str | bytes, path: Path) -> list[Problem]:
        """What ``callflow check`` says about ``text`` as the content of ``path``. Blocks. Raises ApiError 400
        for one that is too large.
        """
        check_document(jsontext.examine(text).value)
        raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        return sorted(self._checker({path: raw}).text(text, path, named=True))

    def judge_rest(self, path: Path) -> list[Problem]:
        """What is wrong with the account's other documents once ``path`` is gone. Blocks."""
        checker = self._checker({path: None})
        others = [each for each in files_in([self.folder]) if each != path]
        found = [problem for each in others for problem in checker.file(each, named=False)]
        return sorted(problem for problem in found if problem.is_error)

    def _checker(self, unsaved: dict[Path, bytes | None]) -> Checker:
        options = self._exchange.options
        around = options.around(self._exchange.catalog.settings)
        return Checker(around, self.folder, user_folder(options.system_config), unsaved)

    # ---- changing ----------------------------------------------------------------------------

    async def create(self, id: str, sent: Sent) -> Saved:
        """A new callflow of what was sent. Raises ApiError: 400, 409 for an id that is taken."""
        path = self.path(id)
        problems = await self.in_turn(lambda: self._judge_sent(sent, path))
        raw = dumped(sent.value, b"")
        check_patterns(id, sent.value, self._account.all(KIND))

        def write() -> Undo:
            check_room(path.parent, path, len(raw))
            if path.exists() or find_stored(self.folder, KIND, id) is not None:
                raise ApiError(409, f"there is a callflow {id} already", hint="POST or PATCH changes it")
            return put_file(path, raw)

        await self._change(write, path)
        return saved(id, raw, problems)

    async def replace(self, id: str, sent: Sent, if_match: str) -> Saved:
        """What was sent takes the callflow's place. Raises ApiError: 400, 404, 409, 412."""
        stored = await asyncio.to_thread(self.find, id)
        problems = await self.in_turn(lambda: self._judge_sent(sent, stored.path))
        value = sent.value
        if stored.path.stem != id:
            value = {"id": id, **value}  # else its file would give it another
        return await self._put(stored, dumped(value, stored.raw), problems, if_match)

    async def merge(self, id: str, sent: Sent, merged: Callable[[Any], Any], if_match: str) -> Saved:
        """``merged`` of what is stored takes its place. Raises ApiError: 400, 404, 409, 412."""
        stored = await asyncio.to_thread(self.find, id)
        before = jsontext.examine(stored.raw)
        if before.faults or not before.readable:
            raise ApiError(409, f"the file of {id} is not JSON", hint="POST replaces it as a whole")
        raw = dumped(merged(before.value), stored.raw)
        problems = sent.pointed(await self.in_turn(lambda: self.judge(raw, stored.path)))
        _refuse(problems)
        return await self._put(stored, raw, problems, if_match or stored.revision)

    async def delete(self, id: str, if_match: str) -> Saved:
        """The callflow is gone. Raises ApiError: 404, 409 if another document needs it, 412."""
        stored = await asyncio.to_thread(self.find, id)
        needing = await self.in_turn(lambda: self.judge_rest(stored.path))
        if needing:
            raise in_use(id, needing)

        def write() -> Undo:
            self._expect(stored.path, if_match or stored.revision)
            return remove_file(stored.path)

        await self._change(write, stored.path)
        return saved(id, stored.raw, ())

    async def _put(self, stored: Stored, raw: bytes, problems: Sequence[Problem], if_match: str) -> Saved:
        check_patterns(stored.id, jsontext.examine(raw).value, self._account.all(KIND))

        def write() -> Undo:
            check_room(stored.path.parent, stored.path, len(raw))
            self._expect(stored.path, if_match)
            return put_file(stored.path, raw)

        await self._change(write, stored.path)
        return saved(stored.id, raw, problems)

    def _judge_sent(self, sent: Sent, path: Path) -> list[Problem]:
        problems = sent.placed(self.judge(sent.text, path))
        _refuse(problems)
        return problems

    def _expect(self, path: Path, if_match: str) -> None:
        """Raises ApiError 412 if the file is not what the client (or this request) has seen."""
        if if_match in ("", "*"):
            return
        try:
            now = revision_of(path.read_bytes())
        except OSError:
            now = ""
        if now != if_match:
            raise ApiError(412, "the document has changed since then", hint="GET it, and change that")

    async def _change(self, write: Callable[[], Undo], path: Path) -> None:
        refused = await self._exchange.change(write)
        if refused is not None:
            raise not_used(refused, path)


def _refuse(problems: Sequence[Problem]) -> None:
    if any(problem.is_error for problem in problems):
        raise refusal(problems)


def saved(id: str, raw: bytes, problems: Sequence[Problem]) -> Saved:
    """What a file's content is to a client."""
    value = jsontext.examine(raw).value
    document = value if isinstance(value, dict) else {}
    return Saved({**document, "id": id}, revision_of(raw), problems)


def dumped(value: Any, like: bytes) -> bytes:
    """A document as a file, indented as ``like`` is."""
    return (json.dumps(value, ensure_ascii=False, indent=indent_of(like)) + "\n").encode()


def in_use(id: str, needing: Sequence[Problem]) -> ApiError:
    """A 409 that says who would miss it."""
    files = sorted({Path(problem.file).name for problem in needing})
    rows = [{"file": Path(problem.file).name, **as_dict(problem)} for problem in needing[:20]]
    said = f"callflow {id} cannot be deleted: {', '.join(files[:5])} needs it"
    return ApiError(409, said, {"message": said, "needed_by": rows})


def not_used(refused: Refusal, path: Path) -> ApiError:
    """Why documents were not taken over: a 400 if this one is at fault, else a 409; all is as before."""
    own = [problem for problem in refused.problems if problem.file == str(path)]
    if own:
        return refusal([replace(problem, file="") for problem in own])
    lines = [f"{Path(each.file).name}:{each.line}: {each.message}" for each in refused.problems[:20]]
    if refused.error is not None:
        lines.append(refused.error.message)
    said = "other documents on disk are at fault, so nothing was changed: correct them first"
    return ApiError(409, said, {"message": said, "problems": lines})
