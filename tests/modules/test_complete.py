"""One module = one file + one schema + one page in docs/modules + tests (DESIGN 3)."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import callflow.modules
from callflow.modules import MODULES, registry
from tests.house import pages

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent


def _files() -> set[str]:
    folder = Path(callflow.modules.__file__).parent
    return {path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")}


def test_files_schemas_pages_and_the_registry_name_the_same_modules() -> None:
    assert _files() == set(MODULES) and list(MODULES) == sorted(MODULES)
    assert set(pages.modules()) == set(MODULES)
    assert {path.stem for path in pages.FOLDER.glob("*.md")} - {"README"} == set(MODULES)
    assert set(registry()) == set(MODULES)


def test_every_module_is_an_async_function_of_data_and_call() -> None:
    for name, handle in registry().items():
        assert inspect.iscoroutinefunction(handle), name
        assert list(inspect.signature(handle).parameters) == ["data", "call"], name
        assert inspect.getdoc(handle), name


@pytest.mark.parametrize("module", MODULES)
def test_every_module_has_tests(module: str) -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in HERE.glob("test_*.py"))
    assert re.search(rf"^def test_{module}_\w+\(", tests, flags=re.MULTILINE)
