"""Layer 6: the loop of ``callflow call``: one phone, its calls, what they heard."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from callflow.caller import Caller, CallerOptions, CallPlan, CallResult
from callflow.cli._network import loop_factory
from callflow.clock import SystemClock
from callflow.errors import AudioFileError
from callflow.log import one_line
from callflow.media.clips import ClipLoader
from callflow.media.compare import Match, compare
from callflow.media.messages import FileClip
from callflow.media.wav import WavEncoder, unwritable

SAID = "said"
KEEP_S = 3600.0


@dataclass(frozen=True, slots=True)
class Job:
    """What the command line asks for. ``expect``: a file, or ``said``; None: nothing."""

    options: CallerOptions
    plan: CallPlan
    calls: int = 1
    rate: float = 10.0
    register: bool = False
    answer: bool = False
    answer_after_s: float = 0.0
    record_to: Path | None = None
    record_both: bool = False
    expect: str | None = None

    @property
    def listens(self) -> bool:
        """What is heard is needed."""
        return self.record_to is not None or self.expect is not None or bool(self.plan.audio)


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of a job. ``matches``: of each call, how much of what it should have heard it heard; None:
    there is nothing to compare. ``wanted``: calls that were asked for.
    """

    results: Sequence[CallResult]
    matches: Sequence[Match | None]
    wanted: int
    files: Sequence[Path] = ()


def run(job: Job, told: Callable[[str], None]) -> Ran:
    """Make the calls; ``told`` gets a line now and then. Raises CallflowError for what cannot be begun."""
    if job.expect not in (None, SAID) and not Path(job.expect or "").is_file():
        raise AudioFileError(f"--expect {job.expect}: no such file", hint="a sound file, or the word said")
    if job.record_to is not None:
        _try_to_write(_path_of(job.record_to, job, 1))
    job = replace(job, plan=replace(job.plan, keep_s=KEEP_S if job.listens else 0.0))
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        results = runner.run(_run(job, told))
    files = [_record(job, number, result) for number, result in enumerate(results, 1)]
    matches = [_match(job, result) for result in results]
    wanted = 1 if job.register and not job.answer else job.calls
    return Ran(results, matches, wanted, [file for file in files if file is not None])


def _try_to_write(path: Path) -> None:
    """What cannot be written is said before the call, not after it. Raises AudioFileError."""
    there = path.exists()
    try:
        path.open("ab").close()
        if not there:
            path.unlink()
    except OSError as error:
        raise unwritable(path, error) from None


async def _run(job: Job, told: Callable[[str], None]) -> Sequence[CallResult]:
    async with Caller(job.options, SystemClock()) as caller:
        _heed_interrupts(caller)

        def tell(result: CallResult) -> None:
            if job.calls > 1 and not result.answered:
                told(f"failed: {one_line(result.message)}")

        if job.register:
            registered = await caller.register(job.plan.uri)
            if not registered.answered or not job.answer:
                return [registered]
            told(f"registered as {registered.uri}")
        if job.answer:
            told(f"waiting to be called at {caller.contact}; Ctrl-C ends it")
            return await caller.answers(job.plan, job.calls, after_s=job.answer_after_s, told=tell)
        return await caller.calls(job.plan, job.calls, job.rate, told=tell)


def _heed_interrupts(caller: Caller) -> None:
    """Ctrl-C hangs up; what there was is told."""
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()

    def hang_up() -> None:
        task = loop.create_task(caller.hang_up())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, hang_up)


def _record(job: Job, number: int, result: CallResult) -> Path | None:
    """Write what was heard (of several calls: into files with numbers)."""
    if job.record_to is None or not (np.any(result.heard) or (result.answered and len(result.heard))):
        return None
    path = _path_of(job.record_to, job, number)
    sides = (result.said, result.heard) if job.record_both else (result.heard,)
    encoder = WavEncoder(path, result.rate, len(sides))
    encoder.write(np.stack(sides, axis=1))
    encoder.close()
    return path


def _path_of(path: Path, job: Job, number: int) -> Path:
    return path if job.calls == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")


def _match(job: Job, result: CallResult) -> Match | None:
    """How much of what is expected (or of what was said) was heard."""
    if not result.answered or not len(result.heard):
        return None
    if job.expect in (None, SAID):
        return compare(result.heard, result.said, result.rate)
    return compare(result.heard, ClipLoader().load(FileClip(job.expect or ""), result.rate), result.rate)
