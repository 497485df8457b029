"""One module = one file + one schema + one section of docs/modules.md + tests (DESIGN 3)."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import pytest

import callflow.modules
from callflow.documents.moduledata import prepare
from callflow.documents.schemas import module_names
from callflow.engine.flow import Flow, Node
from callflow.modules import MODULES, registry

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent


def _files() -> set[str]:
    folder = Path(callflow.modules.__file__).parent
    return {path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")}


def _sections() -> dict[str, str]:
    page = (ROOT / "docs/modules.md").read_text(encoding="utf-8")
    parts = re.split(r"^## (\S+)$", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _schema_keys(module: str) -> set[str]:
    schema = json.loads((ROOT / f"schemas/modules/{module}.json").read_text(encoding="utf-8"))
    return set(schema["properties"]) - {"skip_module"}


def test_files_schemas_sections_and_the_registry_name_the_same_modules() -> None:
    assert _files() == set(MODULES)
    assert set(module_names()) == set(MODULES)
    assert list(_sections()) == sorted(MODULES), "docs/modules.md has a section for each, in order"
    assert set(registry()) == set(MODULES)


def test_every_module_is_an_async_function_of_data_and_call() -> None:
    for name, handle in registry().items():
        assert inspect.iscoroutinefunction(handle), name
        assert list(inspect.signature(handle).parameters) == ["data", "call"], name
        assert inspect.getdoc(handle), name


@pytest.mark.parametrize("module", MODULES)
def test_every_key_of_the_schema_is_explained(module: str) -> None:
    explained = set(re.findall(r"`([a-z0-9_]+)`", _sections()[module]))
    # What a section does not say again is said once, for every module.
    assert _schema_keys(module) <= explained, f"not in docs/modules.md: {_schema_keys(module) - explained}"


@pytest.mark.parametrize("module", MODULES)
def test_every_example_of_the_page_can_be_run(module: str) -> None:
    examples = re.findall(r"```json\n(.*?)```", _sections()[module], flags=re.DOTALL)
    assert examples
    for text in examples:
        for node in _nodes(Flow.parse(json.loads(text)).root):
            assert not node.problem and node.module in MODULES
            assert prepare(node.module, node.data).notes == (), f"{module}: {node.data}"


@pytest.mark.parametrize("module", MODULES)
def test_every_module_has_tests(module: str) -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in HERE.glob("test_*.py"))
    assert re.search(rf"^def test_{module}_\w+\(", tests, flags=re.MULTILINE)


def _nodes(node: Node) -> list[Node]:
    found, todo = [], [node]
    while todo:
        one = todo.pop()
        found.append(one)
        todo.extend(child for child in one.children.values() if not child.empty)
    return found
