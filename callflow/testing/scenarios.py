"""Layer 6: scenario files with expectations: found, read, played on an engine of their own, judged."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from callflow.channels.sim.read import parse_scenario, read_document
from callflow.clock import monotonic
from callflow.delivery.receiver_faults import Fault
from callflow.documents import jsontext
from callflow.engine.flow import Flow
from callflow.errors import CallflowError, ScenarioError
from callflow.ncco.script import Script
from callflow.testing.driver import CallDriver
from callflow.testing.engines import Callflow, Setup, load_flow
from callflow.testing.expectations import Check, evaluate
from callflow.testing.outcome import Outcome, picture_of
from callflow.testing.receiver import RecordingReceiver

DEFAULTS: Mapping[str, Any] = {"settings": {}, "variables": {}, "seed": 1, "others": []}
"""A test holds them against the schema."""
REAL_LIMIT_S = 600.0
"""A scenario may take so long, in real time."""


@dataclass(frozen=True, slots=True)
class ScenarioFile:
    """A file with a scenario, and the JSON in it. ``name``: as it is told."""

    path: Path
    name: str
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Judged:
    """How a scenario went: ``checks`` of all its calls; ``fault``: why it could not be played, in words.
    ``pictures``: for each call, its flows with the way that it took. ``seconds``: of real time.
    """

    name: str
    path: Path
    checks: tuple[Check, ...] = ()
    fault: str = ""
    pictures: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def failed(self) -> tuple[Check, ...]:
        """What did not come as expected."""
        return tuple(check for check in self.checks if not check.ok)

    @property
    def passed(self) -> bool:
        """All came as expected."""
        return not self.fault and not self.failed


def find(paths: Sequence[Path], keyword: str = "") -> list[ScenarioFile]:
    """The scenarios among ``paths``: files, and in folders all JSON files that have ``expect``; with a
    keyword, those whose name or path has it (small and capital letters are the same).

    Raises ScenarioError for a path that is not there and a file that is no scenario, JsonSyntaxError.
    """
    found: dict[Path, ScenarioFile] = {}
    for path in paths:
        if path.is_dir():
            files = [one for one in sorted(path.rglob("*.json")) if _expects(one)]
        elif path.is_file():
            files = [path]
        else:
            raise ScenarioError(f"{path} is not there", hint="Give scenario files, or folders of them.")
        for file in files:
            document = read_document(file)
            found[file.resolve()] = ScenarioFile(file, str(document.get("name") or file.stem), document)
    wanted = keyword.lower()
    return [one for one in found.values() if wanted in one.name.lower() or wanted in str(one.path).lower()]


def _expects(file: Path) -> bool:
    value = jsontext.read(file).value
    return isinstance(value, dict) and "expect" in value


def play_all(files: Sequence[ScenarioFile], jobs: int = 1) -> Iterator[Judged]:
    """Play them, ``jobs`` at once (each in a process); results come in the order of the files."""
    if jobs <= 1 or len(files) <= 1:
        yield from map(play, files)
        return
    with ProcessPoolExecutor(min(jobs, len(files)), mp_context=get_context("spawn")) as pool:
        yield from pool.map(play, files)


def play(file: ScenarioFile) -> Judged:
    """Play one, in virtual time, in a state folder that is gone afterwards."""
    began = monotonic()
    try:
        judged = _play(file)
    except CallflowError as error:
        hint = f" ({error.hint})" if error.hint else ""
        judged = Judged(file.name, file.path, fault=f"{error.code} {error}{hint}")
    except (AssertionError, OSError) as error:
        judged = Judged(file.name, file.path, fault=str(error))
    return replace(judged, seconds=monotonic() - began)


def _play(file: ScenarioFile) -> Judged:
    document = file.document
    folder = file.path.parent
    with ExitStack() as life:
        state = Path(life.enter_context(tempfile.TemporaryDirectory(prefix="callflow-test-")))
        receiver = _receiver(document, state, life)
        setup = _setup(document, folder, state, receiver)
        engine = Callflow(setup)
        left: list[str] = []
        life.callback(lambda: left.extend(engine.close()))
        calls = [document, *document.get("others", DEFAULTS["others"])]
        drivers = [_driver(engine, call, folder) for call in calls]
        ats = [float(call.get("at", 0.0)) for call in calls]
        engine.rig.wait(_run(drivers, ats), REAL_LIMIT_S)
        outcomes = [_outcome(driver, setup, receiver) for driver in drivers]
        checks: list[Check] = []
        for number, (call, outcome) in enumerate(zip(calls, outcomes, strict=True), 1):
            of = "" if len(calls) == 1 else f"call {number}: "
            found = evaluate(call.get("expect", {}), outcome, folder)
            checks += [replace(check, what=f"{of}{check.what}") for check in found]
        pictures = tuple(map(picture_of, outcomes))
        left += engine.close()
    fault = f"the engine left something behind: {'; '.join(left)}" if left else ""
    return Judged(file.name, file.path, tuple(checks), fault, pictures)


def _receiver(document: Mapping[str, Any], state: Path, life: ExitStack) -> RecordingReceiver | None:
    wanted: Mapping[str, Any] = document.get("receiver", {})
    calls = [document, *document.get("others", ())]
    if "receiver" not in document and not any("uploads" in call.get("expect", {}) for call in calls):
        return None
    receiver = life.enter_context(RecordingReceiver(state / "received"))
    for fault in wanted.get("faults", ()):
        receiver.fault(_fault(fault))
    if "always" in wanted:
        receiver.fault(_fault(wanted["always"]), 0)
    return receiver


def _fault(value: Mapping[str, Any]) -> Fault:
    return Fault(
        status=value.get("status", 0),
        cut=value.get("cut"),
        delay_s=float(value.get("delay_s", 0.0)),
        bytes_per_s=float(value.get("bytes_per_s", 0.0)),
        retry_after=value.get("retry_after"),
        location=value.get("location", ""),
    )


def _setup(
    document: Mapping[str, Any], folder: Path, state: Path, receiver: RecordingReceiver | None
) -> Setup:
    variables = dict(document.get("variables", DEFAULTS["variables"]))
    if receiver is not None:
        variables.setdefault("RECEIVER", receiver.url)
    return Setup(
        state=state / "state",
        folder=folder,
        account=Path(document["account"]) if "account" in document else None,
        system_config=Path(document["system_config"]) if "system_config" in document else None,
        settings=document.get("settings", DEFAULTS["settings"]),
        variables=variables,
        seed=document.get("seed", DEFAULTS["seed"]),
    )


def _driver(engine: Callflow, call: Mapping[str, Any], folder: Path) -> CallDriver:
    flow = load_flow(call["flow"], folder) if "flow" in call else None
    if flow is None and engine.setup.account is None:
        raise ScenarioError("there is nothing to walk", hint="Name a flow, or an account and the number, to.")
    words = {key: value for key, value in call.items() if key != "at"}
    number = _first_number(flow)
    if "to" not in words and number:
        words["to"] = number
    return CallDriver(engine.rig, parse_scenario(words, folder), flow, by_hand=False)


def _first_number(flow: Flow | Script | None) -> str:
    """What is dialled, if a scenario does not say it (as ``callflow run`` does)."""
    numbers = flow.document.get("numbers") if isinstance(flow, Flow) else None
    if isinstance(numbers, list) and numbers and numbers[0] != "no_match":
        return str(numbers[0])
    return ""


async def _run(drivers: Sequence[CallDriver], ats: Sequence[float]) -> None:
    """All calls, each at its moment, until they are over and what they recorded is delivered."""

    async def one(driver: CallDriver, at: float) -> None:
        await driver.rig.clock.sleep(at)
        driver.begin()
        await driver.task
        await driver.delivered()

    await asyncio.gather(*(one(driver, at) for driver, at in zip(drivers, ats, strict=True)))


def _outcome(driver: CallDriver, setup: Setup, receiver: RecordingReceiver | None) -> Outcome:
    options = driver.rig.options
    outcome = Outcome(
        driver.call_id,
        tuple(driver.events),
        setup.state,
        flow=driver.flow,
        account=options.account,
        flows=options.flows,
    )
    mine = {recording.id for recording in outcome.recordings}
    uploads = () if receiver is None else receiver.requests
    return replace(outcome, uploads=tuple(one for one in uploads if one.header("Idempotency-Key") in mine))
