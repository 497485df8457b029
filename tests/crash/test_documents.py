"""A callflow is changed over HTTP and the process dies: the old one or the new one is there, whole.

What ``kill -9`` leaves is what the files are at that instant: they are copied at each, and a server is
started that finds the copies.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from callflow.documents import storing
from callflow.documents.storing import put_file, revision_of
from callflow.exchange import exchange
from tests.serve.accounts import RECORD, account
from tests.server.stage import Stage, on_stage

OLD = {"numbers": ["100"], "flow": RECORD}
POINTS = ("made", "written", "synced", "renamed", "read")
WHOLE = ("renamed", "read")
"""From here on it is the new one."""
HOUR_NS = 3600 * 10**9


class Camera:
    """Copies ``folder`` to ``copies/WORD-POINT`` at each point where a change may be cut off."""

    def __init__(self, folder: Path, copies: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.copies, self.patch = folder, copies, patch
        self.word = ""
        self.seen: list[str] = []

    def at(self, point: str, module: Any, function: str, *, after: bool = False) -> None:
        """Where that function is called, or has come to its end."""
        real: Callable[..., Any] = getattr(module, function)

        def called(*args: Any, **more: Any) -> Any:
            if not after:
                self._copy(point)
            done = real(*args, **more)
            if after:
                self._copy(point)
            return done

        self.patch.setattr(module, function, called)

    def _copy(self, point: str) -> None:
        if f"{self.word}-{point}" not in self.seen:  # of fsync the first: the file's, not the folder's
            self.seen.append(f"{self.word}-{point}")
            shutil.copytree(self.folder, self.copies / self.seen[-1])


def test_at_every_instant_of_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, copies = tmp_path / "accounts" / "acme", tmp_path / "copies"
    account(home, {"100": RECORD})
    new = {"numbers": ["200"], "description": "long " * 20_000, "flow": RECORD}
    here = "/v2/accounts/acme/callflows"
    camera = Camera(home, copies, monkeypatch)

    async def change(stage: Stage) -> None:
        camera.at("made", tempfile, "mkstemp", after=True)
        camera.at("written", os, "fsync")
        camera.at("synced", os, "replace")
        camera.at("renamed", storing, "_sync_folder")
        camera.at("read", exchange, "read_catalog")
        camera.word = "put"
        assert (await stage.ask("PUT", here, data={**new, "id": "fresh"})).status == 201
        camera.word = "post"
        assert (await stage.ask("POST", f"{here}/n100", data={**new, "numbers": ["100"]})).status == 200
        monkeypatch.undo()

    on_stage(tmp_path, change, accounts=home.parent)
    assert camera.seen == [f"{word}-{point}" for word in ("put", "post") for point in POINTS]

    async def look(stage: Stage) -> None:
        for copy in sorted(copies.iterdir()):
            word, point = copy.name.split("-")
            id = "fresh" if word == "put" else "n100"
            changed = {**new, "id": id} if word == "put" else {**new, "numbers": ["100"]}
            there = changed if point in WHOLE else OLD
            answer = await stage.get(f"/v2/accounts/{copy.name}/callflows/{id}")
            served = stage.parts.catalog.tenants[copy.name].account.all("callflow")
            if word == "put" and point not in WHOLE:
                assert answer.status == 404 and id not in served, copy.name
                continue
            raw = (copy / "callflows" / f"{id}.json").read_bytes()
            assert json.loads(raw) == there and answer.json["data"] == {**there, "id": id}, copy.name
            assert answer.headers["ETag"] == f'"{revision_of(raw)}"', copy.name
            assert served[id]["numbers"] == there["numbers"], copy.name

    on_stage(tmp_path / "again", look, accounts=copies)


def test_what_was_never_renamed_goes_with_a_later_change(tmp_path: Path) -> None:
    """But not what somebody may be writing."""
    path, left = tmp_path / "n[1].json", tmp_path / ".n[1].json.abcd1234"
    left.write_text("{")
    put_file(path, b"{}")
    assert left.exists()
    long_ago = left.stat().st_mtime_ns - 2 * HOUR_NS
    os.utime(left, ns=(long_ago, long_ago))
    put_file(path, b"[]")
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
