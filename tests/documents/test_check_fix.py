"""check --fix: mends what is safe, only there, keeping the text around it; a second run changes nothing."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from callflow.cli import app_for
from callflow.documents import check_fix, jsontext
from callflow.documents.check import Checker
from callflow.errors import DocumentError
from tests.documents.test_check_across import AROUND

CHECKER = Checker(AROUND)
NAME = Path("flow.json")


def fixed(text: str) -> str:
    done = check_fix.fix_bytes(text.encode(), NAME, CHECKER)
    return text if done is None else done.after.decode()


def flow(data: str = "{}", module: str = "answer", children: str = "{}") -> str:
    return f'{{"module":"{module}", "data":{data},\t"children" :{children} }}\n'


def ring(branch: str) -> str:
    return flow('{"id":"a"}', "user", f'{{"{branch}":{flow()}}}')


IN_BRACKETS = '{ "module":"hangup","data":{} }'

MENDED: list[tuple[str, str]] = [
    # casts
    (flow('{ "duration" : "3" }', "sleep"), flow('{ "duration" : 3 }', "sleep")),
    (flow('{"skip_module":" TRUE "}'), flow('{"skip_module":true}')),
    (flow('{"endpoints":[{"id":"a","endpoint_type":"user","delay":"5"}]}', "ring_group"),
     flow('{"endpoints":[{"id":"a","endpoint_type":"user","delay":5}]}', "ring_group")),
    # misspelt keys, modules, branch keys
    (flow('{"duratoin": 1}', "sleep"), flow('{"duration": 1}', "sleep")),
    (flow('{"action":"start","silence_detecton":"true"}', "record_call"),
     flow('{"action":"start","silence_detection":true}', "record_call")),
    ('{"flow":{"modul":"answer","data":{}}}', '{"flow":{"module":"answer","data":{}}}'),
    ('{"module":"answer","data":{},"childern":{}}', '{"module":"answer","data":{},"children":{}}'),
    (flow(module="Record-Caller"), flow(module="record_caller")),
    (ring("USER_BUSSY"), ring("USER_BUSY")),
    (ring("user_busy"), ring("USER_BUSY")),
    # the documentation's example
    (flow(children='{"module":"hangup","data":{}}'), flow(children='{"_": {"module":"hangup","data":{}}}')),
    (flow(children=IN_BRACKETS), flow(children=f'{{ "_": {IN_BRACKETS} }}')),
]  # fmt: skip

LEFT_ALONE: list[str] = [
    flow('{"id":"x"}', "play"),
    flow('{"action":"start","time_limit":"long"}', "record_call"),
    flow('{"action":"start","record_on_":true}', "record_call"),  # two keys begin so
    flow('{"action":"start","time_limit":60,"time_limt":70}', "record_call"),  # it is there already
    flow(module="record_calle"),  # record_call or record_caller?
    flow(module="say"),  # what is meant is another word, not a slip
    flow('{"unit":"MS"}', "sleep"),  # a value
    flow('{"id":"m"}', "menu", f'{{"sales":{flow()}}}'),
    '{"module":"sleep","data":{"duration":"3",}}',  # not JSON: nothing is touched
    '{"module":"sleep","data":{"duration":"3","duration":"4"}}',
    "[1]",
    "",
]


@pytest.mark.parametrize(("before", "after"), MENDED)
def test_what_is_safe_is_mended_and_nothing_else(before: str, after: str) -> None:
    assert fixed(before) == after
    assert fixed(after) == after


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_what_only_its_author_knows_is_left_alone(text: str) -> None:
    assert check_fix.fix_bytes(text.encode(), NAME, CHECKER) is None


def test_a_wrapped_child_is_indented_and_lines_end_as_before() -> None:
    before = """{
    "module": "answer", "data": {},
    "children": {
        "module": "noop", "data": {},
        "children": {
            "module": "hangup",

            "data": {}
        }
    }
}""".replace("\n", "\r\n")
    after = """{
    "module": "answer", "data": {},
    "children": {
        "_": {
            "module": "noop", "data": {},
            "children": {
                "_": {
                    "module": "hangup",

                    "data": {}
                }
            }
        }
    }
}""".replace("\n", "\r\n")
    assert fixed(before) == after
    assert fixed(after) == after


def test_each_change_is_told_with_its_place_and_what_it_changes() -> None:
    text = '{"module":"answer","data":{},\n "children":{"module":"sleep",\n  "data":{"duratoin":"3"}}}'
    done = check_fix.fix_bytes(text.encode(), NAME, CHECKER)
    assert done is not None
    told = [(change.line, change.column, change.code[-3:], change.what) for change in done.changes]
    assert told == [
        (2, 13, "046", "children: the node is put under _"),
        (3, 11, "074", '"duratoin" → "duration"'),
        (3, 22, "075", '"3" → 3'),
    ]
    assert [change.effect.partition(" ")[0] for change in done.changes] == ["on", "duration", "nothing:"]


# ---- whatever the document

KEYS = st.sampled_from(["time_limit", "time_limt", "formt", "url", "record_on_brige", "label", "x", "action"])
VALUES: st.SearchStrategy[Any] = st.sampled_from([60, "60", "true", True, None, "start", [], {}, "é\n"])
BRANCHES = st.sampled_from(["_", "USER_BUSSY", "timout", "1"])
NODES: st.SearchStrategy[Any] = st.recursive(
    st.just({"module": "hangup", "data": {}}),
    lambda inner: st.one_of(
        st.fixed_dictionaries(
            {
                "module": st.sampled_from(["record_call", "recrd_call", "user", "menu", "Play", "answer"]),
                "data": st.dictionaries(KEYS, VALUES, max_size=4),
                "children": st.one_of(
                    inner, st.dictionaries(BRANCHES, inner, max_size=3)
                ),
            }
        )
    ),
    max_leaves=6,
)  # fmt: skip
INDENTS = st.sampled_from([None, 0, 1, 4, "\t"])


@given(NODES, INDENTS)
def test_whatever_is_mended_still_parses_and_a_second_run_changes_nothing(node: Any, indent: Any) -> None:
    text = json.dumps({"flow": node, "numbers": ["1"]}, indent=indent)
    done = check_fix.fix_bytes(text.encode(), NAME, CHECKER)
    if done is None:
        return
    after = done.after.decode()
    assert not jsontext.examine(after).faults
    assert check_fix.fix_bytes(done.after, NAME, CHECKER) is None
    # what was not mended is there as it was: the tokens that are gone or new belong to a change each
    assert re.sub(r"\s", "", after) != re.sub(r"\s", "", text)
    mendable = [problem for problem in CHECKER.text(after, NAME, named=True) if problem.mend]
    assert mendable == []


@given(NODES)
def test_only_the_intended_places_differ(node: Any) -> None:
    """The mended tree, with its mends undone by hand, is the tree as it was."""
    text = json.dumps({"flow": node, "numbers": ["1"]})
    after = json.loads(fixed(text))
    assert _plain(after) == _plain({"flow": node, "numbers": ["1"]})


RIGHT = {
    "time_limt": "time_limit", "formt": "format", "record_on_brige": "record_on_bridge",
    "USER_BUSSY": "USER_BUSY", "timout": "timeout",
}  # fmt: skip


def _plain(value: Any) -> Any:
    """A tree without regard to what may be mended: slips righted, casts made, missing branch keys written."""
    if not isinstance(value, dict):
        return {"true": True, "60": 60}.get(value, value) if isinstance(value, str) else value
    if isinstance(value.get("module"), str):
        children = value.get("children", {})
        if isinstance(children.get("module"), str):
            children = {"_": children}
        module = {"recrd_call": "record_call", "Play": "play"}.get(value["module"], value["module"])
        return {"module": module, "data": _plain(value["data"]), "children": _plain(children)}
    return sorted((RIGHT.get(key, key), str(_plain(item))) for key, item in value.items())


# ---- files


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app_for("check"), ["check", *words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return done.exit_code, done.output


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "flow.json"
    path.write_text(flow('{"duratoin":"3"}', "sleep"), encoding="utf-8")
    path.chmod(0o640)
    return path


def test_the_file_is_mended_in_place_with_its_mode_and_links(file: Path) -> None:
    link = file.with_name("link.json")
    link.symlink_to(file.name)
    code, said = run("--fix", str(link))
    assert code == 0 and f"{link}:1:28  CF-CHK-074  mended:" in said
    assert "1 file: 2 changes; no problems" in said
    assert file.read_text(encoding="utf-8") == flow('{"duration":3}', "sleep")
    assert link.is_symlink() and file.stat().st_mode & 0o777 == 0o640
    assert sorted(os.listdir(file.parent)) == ["flow.json", "link.json"]
    before = file.stat().st_mtime_ns
    assert "0 changes" in run("--fix", str(file))[1] and file.stat().st_mtime_ns == before


def test_a_dry_run_and_a_diff_write_nothing(file: Path) -> None:
    before = file.read_bytes()
    code, said = run("--fix", "--dry-run", str(file))
    after = flow('{"duration":3}', "sleep")
    assert code == 0 and "would mend" in said and f"+{after}" in said
    code, patch = run("--fix", "--diff", str(file))
    assert code == 0 and patch.startswith("--- a/") and "CF-CHK" not in patch
    assert file.read_bytes() == before
    assert run("--diff", str(file))[0] == 2


def test_the_diff_is_one_that_patch_applies(file: Path) -> None:
    patch = run("--fix", "--diff", str(file))[1]
    words = ["git", "apply", "-p", str(len(file.parent.parts)), "-"]
    subprocess.run(words, cwd=file.parent, input=patch, text=True, check=True, timeout=30)
    assert file.read_text(encoding="utf-8") == flow('{"duration":3}', "sleep")


def test_a_file_that_changed_meanwhile_is_left_alone(file: Path) -> None:
    done = check_fix.fix_file(file, CHECKER)
    assert done is not None
    file.write_text("{}", encoding="utf-8")
    with pytest.raises(DocumentError, match="changed meanwhile"):
        check_fix.write(done)
    assert file.read_text(encoding="utf-8") == "{}" and len(os.listdir(file.parent)) == 1


def test_a_folder_that_cannot_be_written_is_told(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.mkstemp", full)
    before = file.read_bytes()
    code, said = run("--fix", str(file))
    assert code == 2 and "No space left on device" in said and file.read_bytes() == before


def test_fixes_as_json(file: Path) -> None:
    body = json.loads(run("--fix", "-o", "json", str(file))[1])
    assert [(each["line"], each["code"]) for each in body["fixed"]] == [(1, "CF-CHK-074"), (1, "CF-CHK-075")]
    assert body["errors"] == 0 and body["problems"] == []


@pytest.mark.skipif(sys.platform == "win32", reason="owners are of POSIX")
def test_the_file_keeps_its_owner(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that runs as another user must be able to read it afterwards; if that cannot be, it stays."""
    given: list[tuple[int, int]] = []
    owner = (os.getuid() + 1, os.getgid() + 1)
    real = Path.stat

    def stat(path: Path, **how: bool) -> os.stat_result:
        seen = real(path, **how)
        return os.stat_result((*seen[:4], *owner, *seen[6:])) if path.name == file.name else seen

    monkeypatch.setattr(Path, "stat", stat)
    monkeypatch.setattr(os, "chown", lambda name, *ids: given.append(ids))
    assert run("--fix", str(file))[0] == 0 and given == [owner]

    def refuse(name: str, *ids: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    before = flow('{"duratoin":"3"}', "sleep")
    file.write_text(before, encoding="utf-8")
    monkeypatch.setattr(os, "chown", refuse)
    assert "cannot be written: Operation not permitted" in run("--fix", str(file))[1]
    assert file.read_text(encoding="utf-8") == before and os.listdir(file.parent) == ["flow.json"]
