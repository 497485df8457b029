"""Layer 6: the pytest plugin (entry point ``pytest11``): fixtures, a marker, the check for leaks.

It imports the engine only when a test asks for it, so that other projects of the environment pay nothing.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from callflow.testing.engines import AsyncCallflow, Callflow, EngineOfTest, Setup
    from callflow.testing.receiver import RecordingReceiver

MARKER = "callflow"
KEYS = frozenset({"account", "system_config", "settings", "variables", "seed", "wall"})
"""What the marker can say: see ``Setup``. ``account`` and ``system_config`` are relative to the test file."""

_RECEIVER, _FIXTURES = "receiver", ("callflow", "callflow_sync", "callflow_async")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the project, in its ini file; folders are relative to it."""
    parser.addini("callflow_account", "folder of the account whose callflows calls walk", default="")
    parser.addini("callflow_system_config", "folder of system_config documents", default="")
    parser.addini("callflow_variables", "values of placeholders, NAME=VALUE a line", "linelist", default=[])
    parser.addini("callflow_seed", "ids repeat with the same seed; `none`: they do not", default="1")


def pytest_configure(config: pytest.Config) -> None:
    """The marker is known."""
    words = "account=, system_config=, settings={'media.record_stereo': False}, variables={}, seed=, wall="
    config.addinivalue_line("markers", f"{MARKER}({words}): what the engine of this test is started with")


# ---- fixtures ----------------------------------------------------------------------------------------


@pytest.fixture
def callflow(request: pytest.FixtureRequest) -> Callflow | AsyncCallflow:
    """An engine in virtual time: ``AsyncCallflow`` in an async test, ``Callflow`` in any other."""
    is_async = inspect.iscoroutinefunction(inspect.unwrap(getattr(request, "function", _none)))
    found: Callflow | AsyncCallflow = request.getfixturevalue(
        "callflow_async" if is_async else "callflow_sync"
    )
    return found


@pytest.fixture
def callflow_sync(callflow_setup: Setup) -> Iterator[Callflow]:
    """An engine in virtual time, whose calls are not awaited."""
    from callflow.testing.engines import Callflow

    engine = Callflow(callflow_setup)
    yield engine
    _close(engine)


@pytest.fixture
def callflow_async(callflow_setup: Setup) -> Iterator[AsyncCallflow]:
    """An engine in virtual time, whose calls are awaited."""
    from callflow.testing.engines import AsyncCallflow

    state = callflow_setup.state.with_name("callflow-state-async")
    engine = AsyncCallflow(replace(callflow_setup, state=state))
    yield engine
    _close(engine)


@pytest.fixture
def callflow_setup(
    request: pytest.FixtureRequest, tmp_path: Path, callflow_threads: frozenset[threading.Thread]
) -> Setup:
    """What the engine of this test is started with: the ini file, then markers (of module, class, test), and
    ``RECEIVER``, the receiver's url, if the test has one. A project's conftest may override it.
    """
    from callflow.testing.engines import Setup

    config = request.config
    values = _ini(config)
    for marker in reversed(list(request.node.iter_markers(MARKER))):
        _lay_over(values, marker, request.path.parent)
    if _RECEIVER in request.fixturenames:
        receiver = request.getfixturevalue(_RECEIVER)
        values["variables"] = {"RECEIVER": getattr(receiver, "url", ""), **values["variables"]}
    return Setup(state=tmp_path / "callflow-state", folder=request.path.parent, **values)


@pytest.fixture
def receiver(tmp_path: Path, callflow_threads: frozenset[threading.Thread]) -> Iterator[RecordingReceiver]:
    """A receiver of recordings on loopback, with faults; its url is the placeholder ``{RECEIVER}``."""
    from callflow.testing.receiver import RecordingReceiver

    with RecordingReceiver(tmp_path / "received") as found:
        yield found


@pytest.fixture
def callflow_threads() -> Iterator[frozenset[threading.Thread]]:
    """Threads that were there before; in the end no other thread of the engine may be."""
    from callflow.testing.leaks import threads_since

    before = frozenset(threading.enumerate())
    yield before
    _nothing_left(threads_since(before))


def _close(engine: EngineOfTest) -> None:
    _nothing_left(engine.close())


def _nothing_left(left: list[str]) -> None:
    if left:
        pytest.fail("the engine left something behind:\n  " + "\n  ".join(left), pytrace=False)


def _none() -> None:
    """Stands for the test of a fixture that is not a function's."""


def _ini(config: pytest.Config) -> dict[str, Any]:
    folder = config.inipath.parent if config.inipath is not None else config.rootpath
    seed = str(config.getini("callflow_seed"))
    lines = [str(line).partition("=") for line in config.getini("callflow_variables")]
    values: dict[str, Any] = {
        "variables": {name.strip(): value.strip() for name, _, value in lines},
        "settings": {},
        "seed": None if seed == "none" else int(seed),
    }
    for key in ("account", "system_config"):
        name = str(config.getini(f"callflow_{key}"))
        if name:
            values[key] = folder / name
    return values


def _lay_over(values: dict[str, Any], marker: pytest.Mark, folder: Path) -> None:
    unknown = sorted(set(marker.kwargs) - KEYS)
    if unknown or marker.args:
        said = ", ".join(unknown) or "values without names"
        raise pytest.UsageError(f"@pytest.mark.{MARKER}: {said}; it knows {', '.join(sorted(KEYS))}")
    for key, value in marker.kwargs.items():
        if isinstance(value, Mapping):
            values[key] = {**values.get(key, {}), **value}
        elif key in ("account", "system_config"):
            values[key] = folder / value
        else:
            values[key] = value


# ---- async tests ---------------------------------------------------------------------------------------


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an async test that asks for an engine, unless another plugin does (pytest-asyncio, anyio)."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj) or not _is_ours(pyfuncitem):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


def _is_ours(item: pytest.Function) -> bool:
    if any(item.get_closest_marker(name) is not None for name in ("asyncio", "anyio", "trio")):
        return False
    return any(name in item.fixturenames for name in _FIXTURES)
