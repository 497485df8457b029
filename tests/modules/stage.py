"""A pretend call through the whole engine in virtual time: what the tests of modules stand on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from callflow.app import Engine, EngineOptions
from callflow.channels.sim.scenario import (
    Action,
    Answers,
    Callee,
    HangUp,
    NeverAnswers,
    Party,
    PressDigits,
    Rejects,
    Scenario,
    Timed,
)
from callflow.clock import VirtualClock, run_virtual
from callflow.documents.accounts import Account
from callflow.documents.settings import Settings, load_settings
from callflow.engine.flow import Flow
from callflow.engine.report import CallReport
from callflow.events import Event, Noticed, RecordingChanged, StepEnded
from callflow.media.messages import Clip, ToneClip
from callflow.state.records import RecordingRow, list_recordings

WALL = 1_790_000_000.0
RATE = 8000
ROOT = Path(__file__).resolve().parents[2]

LOW, HIGH = 440, 1000
"""What the pretend caller and callee sing, in Hz, in place of talking."""


def tone(hertz: int, seconds: float) -> ToneClip:
    """So long a sine, loud enough to be no silence."""
    return ToneClip(f"%({round(seconds * 1000)},0,{hertz})")


def node(module: str, data: Mapping[str, Any] | None = None, **children: Any) -> dict[str, Any]:
    """A node; the child ``then`` is ``_``."""
    return {
        "module": module,
        "data": dict(data or {}),
        "children": {("_" if key == "then" else key): child for key, child in children.items()},
    }


def keyed(parent: dict[str, Any], **children: Any) -> dict[str, Any]:
    """``parent`` with more children, by keys that are digits or causes: ``k1`` is ``1``."""
    parent["children"].update({key.removeprefix("k"): child for key, child in children.items()})
    return parent


def caller(*script: Timed, says: Sequence[Clip] = (), leaves: float | None = None) -> Party:
    """The one who calls; ``leaves``: hangs up so many seconds after the start."""
    ends = () if leaves is None else (Timed(leaves, HangUp(), since="start"),)
    return Party(clips=tuple(says), speaks_since="start", script=(*script, *ends))


def presses(at: float, digits: str) -> Timed:
    """Keys pressed so many seconds after the call's start."""
    return Timed(at, PressDigits(digits), since="start")


def does(at: float, action: Action) -> Timed:
    """Something done so many seconds after the call's start."""
    return Timed(at, action, since="start")


def answers(after: float = 0.0, *, says: Sequence[Clip] = (), leaves: float | None = None) -> Callee:
    """A callee who answers; ``leaves``: hangs up so many seconds after that."""
    script = () if leaves is None else (Timed(leaves, HangUp(), since="answer"),)
    return Callee(Answers(after), Party(clips=tuple(says), script=script))


def rejects(cause: str, code: int = 0) -> Callee:
    """A callee who refuses."""
    return Callee(Rejects(cause, 0.0, code))


NEVER = Callee(NeverAnswers())


@dataclass(frozen=True)
class Ran:
    """A call that is over."""

    report: CallReport
    events: tuple[Event, ...]
    rows: tuple[RecordingRow, ...]
    state: Path

    @property
    def walk(self) -> list[tuple[str, str]]:
        """Each step's module and where it led."""
        return [(step.module, step.outcome) for step in self.report.steps]

    @property
    def modules(self) -> list[str]:
        return [step.module for step in self.report.steps]

    def step(self, module: str) -> StepEnded:
        """The only step of that module."""
        (step,) = (step for step in self.report.steps if step.module == module)
        return step

    def notices(self, level: str = "") -> list[Noticed]:
        return [notice for notice in self.report.notices if level in ("", notice.level)]

    def of(self, kind: type[Event]) -> list[Any]:
        """The call's events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def changes(self, recording_id: str) -> list[str]:
        """What became of a recording."""
        events = (event for event in self.events if isinstance(event, RecordingChanged))
        return [event.change for event in events if event.recording_id == recording_id]

    def row(self, origin: str = "") -> RecordingRow:
        """The only recording (of that origin)."""
        (row,) = (row for row in self.rows if origin in ("", row.origin))
        return row

    def sound(self, row: RecordingRow) -> NDArray[np.int16]:
        """A finished WAV, [samples, channels]."""
        samples, rate = soundfile.read(self.state / row.file, dtype="int16", always_2d=True)
        assert rate == RATE
        found: NDArray[np.int16] = samples
        return found


@dataclass
class Stage:
    """Where calls are run: a state folder, an account, settings."""

    state: Path
    account: Account = field(default_factory=Account.empty)
    settings: Settings = field(default_factory=load_settings)
    flows: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)

    def set(self, **overrides: object) -> None:
        """Other settings: ``media__record_stereo=False`` is ``media.record_stereo``."""
        dotted = {name.replace("__", "."): value for name, value in overrides.items()}
        self.settings = load_settings(overrides=dotted)

    def has(self, kind: str, id: str, document: Mapping[str, Any]) -> None:
        """Give the account a document."""
        documents = {name: dict(found) for name, found in self.account.documents.items()}
        documents.setdefault(kind, {})[id] = {"id": id, **document}
        self.account = Account(
            self.account.id, self.account.folder, self.account.document, documents, self.account.media_files
        )

    def run(self, flow: Mapping[str, Any], scenario: Scenario | None = None) -> Ran:
        """One call through ``flow`` (a document or a bare tree)."""
        return self._run(Flow.parse(flow), scenario or Scenario(caller=caller(leaves=60.0)))

    def dial(self, number: str, scenario: Scenario) -> Ran:
        """One call to a number of the account (``scenario`` says the same number)."""
        assert scenario.to_number == number
        return self._run(None, scenario)

    def _run(self, flow: Flow | None, scenario: Scenario) -> Ran:
        clock = VirtualClock(WALL)
        return run_virtual(self._place(clock, flow, scenario), clock)

    async def _place(self, clock: VirtualClock, flow: Flow | None, scenario: Scenario) -> Ran:
        events: list[Event] = []
        options = EngineOptions(
            state=self.state,
            settings=self.settings,
            account=self.account,
            flows=self.flows,
            variables=self.variables,
            deliver=False,
            pickled=True,
        )
        async with Engine(options, clock) as engine:
            engine.bus.subscribe(events.append)
            report = await engine.place_call(scenario, flow)
            with clock.external():
                rows = await engine.database.arun(lambda conn: list_recordings(conn, call_id=report.call_id))
        mine = tuple(event for event in events if event.call_id in ("", report.call_id))
        return Ran(report, mine, tuple(rows), self.state)


def level(sound: NDArray[np.int16], hertz: int, begin_s: float, end_s: float) -> float:
    """How loud one frequency is in one channel between two moments; 0..32767."""
    part = sound[round(begin_s * RATE) : round(end_s * RATE)].astype(np.float64)
    wave = np.exp(-2j * np.pi * hertz * np.arange(len(part)) / RATE)
    return float(2 * abs(np.dot(part, wave)) / max(len(part), 1))


def loud(sound: NDArray[np.int16], begin_s: float, end_s: float) -> float:
    """The mean absolute sample between two moments of one channel."""
    return float(np.abs(sound[round(begin_s * RATE) : round(end_s * RATE)].astype(np.int64)).mean())
