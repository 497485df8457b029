"""The plugin in projects of its own: async tests under any runner, the ini file, markers, leaks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import callflow.testing.engines  # noqa: F401  (before projects of tests import and forget it)

ROOT = Path(__file__).resolve().parents[2]

HEAD = """
import asyncio, threading
import pytest
from callflow.testing import AsyncCallflow, Callflow, tone

FLOW = {"module": "record_call", "data": {"action": "start", "format": "wav"},
        "children": {"_": {"module": "sleep", "data": {"duration": 5}, "children": {}}}}
"""
INI = """
[pytest]
addopts = --strict-markers -p no:cacheprovider
asyncio_default_fixture_loop_scope = function
"""


def run(pytester: pytest.Pytester, tests: str, *words: str, ini: str = "") -> pytest.RunResult:
    """Run these tests as a project of its own, in this process."""
    pytester.makepyfile(HEAD + tests)
    pytester.makeini(INI + ini)
    return pytester.runpytest_inprocess("-q", *words)


ASYNC = """
async def recorded(callflow):
    call = await callflow.call(flow=FLOW)
    await call.reached("sleep")
    await asyncio.gather(call.sleep(1), call.sleep(2))
    assert callflow.now == 2.0
    await call.ended()
    assert call.recording.seconds == 5.0

{mark}
async def test_async(callflow: AsyncCallflow):
    assert isinstance(callflow, AsyncCallflow)
    await recorded(callflow)

def test_sync(callflow: Callflow):
    assert isinstance(callflow, Callflow)
"""


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        ("", ["-p", "no:asyncio", "-p", "no:anyio"]),
        ("", []),
        ("@pytest.mark.asyncio", []),
        ("", ["-o", "asyncio_mode=auto"]),
        ("@pytest.mark.anyio\n@pytest.mark.parametrize('anyio_backend', ['asyncio'])", ["-p", "no:asyncio"]),
    ],
    ids=["alone", "beside-both", "asyncio", "asyncio-auto", "anyio"],
)
def test_async_tests_under_any_runner(pytester: pytest.Pytester, mark: str, words: list[str]) -> None:
    run(pytester, ASYNC.format(mark=mark), *words).assert_outcomes(passed=2)


def test_what_the_engine_is_started_with(pytester: pytest.Pytester) -> None:
    account = pytester.mkdir("account")
    (account / "account.json").write_text('{"id": "from-ini"}')
    (pytester.mkdir("other") / "account.json").write_text('{"id": "from-marker"}')
    tests = """
    def facts(callflow):
        options = callflow.rig.options
        return options.account.id, dict(options.variables), options.seed, options.settings.media.record_stereo

    def test_ini(callflow):
        assert facts(callflow) == ("from-ini", {"SITE": "north", "DESK": "7"}, 9, True)

    def test_receiver(callflow, receiver):
        assert callflow.rig.options.variables["RECEIVER"] == receiver.url

    @pytest.mark.callflow(account="other", settings={"media.record_stereo": False})
    @pytest.mark.callflow(variables={"DESK": "8"}, seed=2)
    def test_marker(callflow):
        assert facts(callflow) == ("from-marker", {"SITE": "north", "DESK": "8"}, 2, False)

    @pytest.mark.callflow(accounts="other")
    def test_typo(callflow):
        pass
    """
    ini = "callflow_account = account\ncallflow_variables =\n  SITE=north\n  DESK = 7\ncallflow_seed = 9\n"
    result = run(pytester, "\n".join(line.removeprefix("    ") for line in tests.splitlines()), ini=ini)
    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(["*callflow: accounts; it knows account, seed, settings*"])


def test_an_open_call_is_no_leak_but_a_task_a_thread_and_a_file_are(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    tests = """
stop = threading.Event()

def test_open_call(callflow):
    callflow.call(flow={"module": "park", "data": {}, "children": {}}).sleep(1)

def test_task(callflow):
    callflow.rig.do(lambda: callflow.rig.loop.create_task(asyncio.Event().wait(), name="mine"))

def test_thread(callflow):
    callflow.call(flow=FLOW)
    threading.Thread(target=stop.wait, name="callflow-forgotten", daemon=True).start()

def test_file(callflow, request):
    callflow.call(flow=FLOW)
    request.config.kept = (callflow.state / "forgotten").open("w")

def test_last(request):
    stop.set()
    request.config.kept.close()
"""
    monkeypatch.setattr("callflow.testing.leaks._PATIENCE_S", 0.05)
    result = run(pytester, tests)
    linux = sys.platform == "linux"
    result.assert_outcomes(passed=5, errors=3 if linux else 2)
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_task*", "*a task still runs: *Event.wait*"])
    result.stdout.fnmatch_lines(["*the thread callflow-forgotten still runs"])
    if linux:
        result.stdout.fnmatch_lines(["*the file forgotten of the state folder is still open"])


def test_a_failure_shows_the_tests_line_and_no_line_of_ours(pytester: pytest.Pytester) -> None:
    tests = """
def test_fails(callflow):
    call = callflow.call(flow=FLOW)
    call.reached("menu")

async def test_fails_too(callflow):
    call = await callflow.call(flow=FLOW)
    await call.reached("menu")
"""
    result = run(pytester, tests)
    result.assert_outcomes(failed=2)
    shown = result.stdout.str()
    assert shown.count('reached("menu")\n') == 2, "the test's own lines"
    assert shown.count("E       AssertionError: waited until the call reaches menu") == 2
    assert "rig.py" not in shown and "futures" not in shown, shown


def test_other_projects_pay_nothing_for_it() -> None:
    code = "import sys, callflow.testing.plugin, callflow.testing; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "False"


def test_the_example_project_passes_in_several_processes(tmp_path: Path) -> None:
    words = ["-q", "-n", "2", "-W", "error", "-p", "no:cacheprovider"]
    words += ["-p", "no:asyncio", "-p", "no:schemathesis"]  # they are here for other tests
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, "--basetemp", str(tmp_path / "run")],
        cwd=ROOT / "examples/pytest_project",
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 passed" in done.stdout
