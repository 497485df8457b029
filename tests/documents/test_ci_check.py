"""The pre-commit hooks and the GitHub Action that run ``callflow check``, as their users run them.

pre-commit is the real one, on temporary repositories, without network. Not tested: the installation that
``language: python`` and the action's own steps do with a package index, and GitHub's own runner.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml", reason="comes with pre-commit (the extra dev)")

ROOT = Path(__file__).resolve().parents[2]
ACTION = ROOT / ".github" / "actions" / "check"
BIN = Path(sys.executable).parent
GOOD = {"module": "answer", "data": {}}
BAD = {"module": "sleep", "data": {"duratoin": "3", "unit": "MS"}}


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *who, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def repository(folder: Path, files: dict[str, str]) -> str:
    """A git repository with these files; gives its commit."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "x")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    home = {"HOME": str(tmp_path / "home"), "PRE_COMMIT_HOME": str(tmp_path / "cache"), "NO_COLOR": "1"}
    return {"PATH": path, "PYTHONPATH": str(ROOT), **home}


def hooked(tmp_path: Path, environment: dict[str, str], *arguments: str) -> tuple[int, str, Path]:
    """Run the hook on a project with a good flow, a bad one and a file that is none of its business."""
    if shutil.which("pre-commit", path=environment["PATH"]) is None:
        pytest.skip("pre-commit is not installed (the extra dev)")
    hooks, project = tmp_path / "hooks", tmp_path / "project"
    commit = repository(hooks, {".pre-commit-hooks.yaml": (ROOT / ".pre-commit-hooks.yaml").read_text()})
    use = {"id": "callflow-check-system", "args": list(arguments)}
    config = {"repos": [{"repo": str(hooks), "rev": commit, "hooks": [use]}]}
    files = {"callflows/good.json": GOOD, "callflows/bad.json": BAD, "package.json": {"name": "x"}}
    texts = {name: json.dumps(value) for name, value in files.items()}
    repository(project, {**texts, ".pre-commit-config.yaml": json.dumps(config)})
    words = ["pre-commit", "run", "--all-files", "--color", "never"]
    done = subprocess.run(
        words, cwd=project, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    return done.returncode, done.stdout + done.stderr, project


def test_pre_commit_runs_the_check_and_may_mend(tmp_path: Path, environment: dict[str, str]) -> None:
    code, said, project = hooked(tmp_path, environment, "--fix")
    assert code == 1 and re.search(r"callflows/bad.json:1:\d+  CF-CHK-071  error:", said)
    assert "2 files: 2 changes; 1 error" in said and "package.json" not in said
    assert "files were modified by this hook" in said
    assert json.loads((project / "callflows/bad.json").read_text())["data"] == {"duration": 3, "unit": "MS"}


def test_both_hooks_run_the_same_but_for_where_it_comes_from() -> None:
    one, other = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert (one["language"], other["language"]) == ("python", "system")
    for key in ("entry", "types", "files", "require_serial"):
        assert one[key] == other[key]
    assert re.search(one["files"], "system_config/media.json") and re.search(
        one["files"], "a/callflows/b.json"
    )
    assert not re.search(one["files"], "package.json")


# ---- the action


def steps() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((ACTION / "action.yml").read_text(encoding="utf-8"))["runs"][
        "steps"
    ]
    return found


def acted(folder: Path, environment: dict[str, str], **inputs: str) -> subprocess.CompletedProcess[str]:
    """Run the script of the action's last step, its inputs filled in as GitHub does."""
    declared = yaml.safe_load((ACTION / "action.yml").read_text(encoding="utf-8"))["inputs"]
    values = {name: inputs.get(name.replace("-", "_"), each["default"]) for name, each in declared.items()}
    step = steps()[-1]
    filled = {
        name: re.sub(r"\$\{\{ inputs\.([a-z-]+) \}\}", lambda match: values[match[1]], text)
        for name, text in step["env"].items()
    }
    words = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    return subprocess.run(
        words,
        cwd=folder,
        env={**environment, **filled, "GITHUB_ACTION_PATH": str(ACTION)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_action_checks_what_it_is_given(tmp_path: Path, environment: dict[str, str]) -> None:
    for name, value in {
        "a b/good.json": GOOD,
        "bad.json": BAD,
        "odd.json": {**BAD, "data": {"x": 1}},
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps(value), encoding="utf-8")
    done = acted(tmp_path, environment, paths="a b/good.json\n\nbad.json\n")
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith(f"::add-matcher::{ACTION}/matcher.json\nbad.json:1:")
    assert acted(tmp_path, environment, paths="odd.json", strict="true").returncode == 1


def test_the_matcher_reads_what_check_prints(tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "bad.json").write_text(json.dumps(BAD), encoding="utf-8")
    printed = acted(tmp_path, environment, paths="bad.json").stdout.splitlines()[1:-1]
    (pattern,) = json.loads((ACTION / "matcher.json").read_text(encoding="utf-8"))["problemMatcher"][0][
        "pattern"
    ]
    read = [re.match(pattern["regexp"], line) for line in printed]
    assert len(read) == 2 and all(read)
    assert [
        (match[pattern["file"]], match[pattern["line"]], match[pattern["code"]]) for match in read if match
    ] == [
        ("bad.json", "1", "CF-CHK-074"),
        ("bad.json", "1", "CF-CHK-071"),
    ]


def test_the_action_installs_the_repository_that_it_is_in() -> None:
    install = next(step for step in steps() if step.get("name") == "Install callflow")
    (place,) = re.findall(r'"\$GITHUB_ACTION_PATH/(.*)"', install["run"])
    assert (ACTION / place).resolve() == ROOT and (ROOT / "pyproject.toml").is_file()
