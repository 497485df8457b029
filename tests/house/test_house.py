"""The rules of the house that a machine can hold (DESIGN section 3)."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import callflow.errors
from callflow.errors import CallflowError

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "callflow"
MOST_LINES = 400
MOST_FUNCTION_LINES = 70


def sources() -> Iterator[Path]:
    return (path for path in sorted(PACKAGE.rglob("*.py")) if "_shipped" not in path.parts)


Trees = list[tuple[Path, list[ast.AST]]]


def parsed() -> Trees:
    """The nodes of every file of the package, the module first."""
    return [(path, list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))) for path in sources()]


@pytest.fixture(scope="module")
def trees() -> Trees:
    """Read once for all tests of the file."""
    return parsed()


def test_no_file_is_more_than_a_room_should_hold() -> None:
    too_long = {
        str(path.relative_to(ROOT)): lines
        for path in sources()
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > MOST_LINES
    }
    assert too_long == {}


def test_every_function_fits_a_screen(trees: Trees) -> None:
    too_long = []
    for path, nodes in trees:
        for node in nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MOST_FUNCTION_LINES:
                    too_long.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name} {lines}")
    assert too_long == []


def test_no_junk_drawer_and_no_option_bags(trees: Trees) -> None:
    assert [path for path in sources() if path.name in {"utils.py", "helpers.py", "misc.py"}] == []
    bags = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, nodes in trees
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.args.kwarg is not None
    ]
    assert bags == []


def test_every_file_says_its_layer_and_why_it_is_there(trees: Trees) -> None:
    for path, (module, *_) in trees:
        assert isinstance(module, ast.Module)
        doc = ast.get_docstring(module)
        assert doc, f"{path} has no docstring"


def _leaves(kind: type[CallflowError]) -> Iterator[type[CallflowError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _leaves(child)


def test_the_error_tree_is_drawn_as_it_is() -> None:
    drawn = dict(re.findall(r"[├└]── (\w+)\s+(CF-[A-Z]+-\d+)", callflow.errors.__doc__ or ""))
    real = {
        kind.__name__: kind.code
        for kind in _leaves(CallflowError)
        if kind.__module__.startswith("callflow.errors")
    }
    real.pop("CallflowError")
    assert drawn == real
    assert len(set(real.values())) == len(real), "a code stands for one error only"


def test_errors_live_in_one_tree(trees: Trees) -> None:
    strays = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path, nodes in trees
        if path.name != "errors_root.py"
        for node in nodes
        if isinstance(node, ast.ClassDef)
        and any(
            getattr(base, "id", "") in {"Exception", "BaseException", "ValueError"} for base in node.bases
        )
    ]
    assert strays == []


def test_nothing_names_a_registry_host() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    pattern = re.compile(r"(pypi|npmjs|debian|pythonhosted)\.(org|com|net)", re.IGNORECASE)
    found = []
    for name in listed.stdout.split():
        path = ROOT / name
        if path.suffix in {".wav", ".mp3", ".png"} or not path.is_file() or path == Path(__file__):
            continue
        if pattern.search(path.read_text(encoding="utf-8", errors="replace")):
            found.append(name)
    assert found == []
