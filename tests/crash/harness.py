"""Starts children, waits for their death, recovers what they left and looks at every sample of it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from callflow.app import Engine, EngineOptions
from callflow.clock import SystemClock
from callflow.delivery.receiver import Receiver
from callflow.documents.settings import load_settings
from callflow.media.taps import Samples
from callflow.state.folder import StateFolder
from callflow.state.records import RecordingRow, list_recordings
from tests.crash.child import Order, live

RATE = 8000
ROOT = Path(__file__).resolve().parents[2]
LOST_AT_MOST = RATE  # one second
FORKS = get_context("forkserver")
FORKS.set_forkserver_preload(["tests.crash.child"])
A_BLOCK = RATE // 2  # may have been taken in after the last line of the log


def counter(n: int) -> Samples:
    """The sound that the caller makes: a sample counter, 1 to 30000 and again."""
    return (np.arange(n) % 30000 + 1).astype(np.int16)


def write_call(folder: Path, url: str, min_s: int) -> tuple[Path, Path]:
    """A flow with two recordings, one to ``url`` (of ``min_s`` seconds at least), one into the local store;
    and the caller's audio. No other folder has recordings with these ids: to a receiver one id is one file.
    """
    start = {"action": "start", "format": "wav"}
    sent, kept = (f"{what}-{folder.name}" for what in ("sent", "local"))
    rest: dict[str, Any] = {"module": "sleep", "data": {"duration": 60, "unit": "s"}, "children": {}}
    local = {"module": "record_call", "data": {**start, "media_id": kept}, "children": {"_": rest}}
    first = {**start, "media_id": sent, "url": url, "record_min_sec": min_s}
    answer = {
        "module": "answer",
        "data": {},
        "children": {"_": {"module": "record_call", "data": first, "children": {"_": local}}},
    }
    flow = folder / "flow.json"
    flow.write_text(json.dumps({"id": "crash", "numbers": ["100"], "flow": answer}))
    audio = folder / "counter.wav"
    soundfile.write(audio, counter(20 * RATE), RATE, subtype="PCM_16")
    return flow, audio


@dataclass(slots=True)
class Child:
    """A ``callflow run --realtime`` in a state folder of its own. ``once_ended``: at ``crash_at`` it waits
    with its death until all recordings have ended.
    """

    folder: Path
    url: str
    crash_at: str = ""
    once_ended: bool = False
    links: bool = True
    hangup_after: float = 1.5
    begun: set[str] = field(default_factory=set)
    code: int | None = None
    process: ForkServerProcess | None = None
    told: asyncio.StreamReader = field(default_factory=asyncio.StreamReader)

    @property
    def state(self) -> Path:
        return self.folder / "state"

    async def start(self) -> Child:
        """Start it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        # Who dies after their end must have something to finish, however late they began.
        flow, audio = write_call(self.folder, self.url, min_s=0 if self.once_ended else 1)
        words = [
            "run", str(flow), "--caller-audio", str(audio), "--realtime",
            "--hangup-after", str(self.hangup_after),
            "--state", str(self.state), "--delivery-wait", "20", "-o", "json",
        ]  # fmt: skip
        ended = self.state / "spool" if self.once_ended else None
        order = Order(str(self.folder / "accepted.log"), self.crash_at, ended, self.links, words)
        heard, told = FORKS.Pipe(duplex=False)
        with told:
            self.process = FORKS.Process(target=live, args=(order, told))
            self.process.start()
        pipe = os.fdopen(os.dup(heard.fileno()), "rb")
        heard.close()
        protocol = asyncio.StreamReaderProtocol(self.told)
        await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, pipe)
        return self

    async def until_begun(self, count: int = 2) -> None:
        """Wait until so many recordings have said that they have begun."""
        while len(self.begun) < count and (line := await self.told.readline()):
            self._hear(line)

    async def until_over(self) -> None:
        """Read it to its end."""
        while line := await self.told.readline():
            self._hear(line)
        assert self.process is not None
        await asyncio.to_thread(self.process.join, 60)
        self.code = self.process.exitcode
        self.process.close()

    def kill(self) -> None:
        """End it where it is."""
        assert self.process is not None
        self.process.kill()

    def _hear(self, line: bytes) -> None:
        try:
            event = json.loads(line)
        except ValueError:
            return  # the last line may be cut off
        if event.get("event") == "recording" and event.get("change") == "started":
            self.begun.add(event["recording_id"])

    def accepted(self) -> Mapping[str, int]:
        """The last sample that each recording had taken in."""
        last: dict[str, int] = {}
        for line in (self.folder / "accepted.log").read_text().splitlines():
            name, _, samples = line.partition(" ")
            last[name] = int(samples)
        return last


def whole_files(folder: StateFolder) -> list[Path]:
    """Every file that can be seen where finished files are: each must be whole."""
    seen = [path for path in (*folder.outbox.iterdir(), *folder.media.rglob("*")) if path.is_file()]
    return [path for path in seen if not path.name.startswith(".")]


def assert_whole(path: Path) -> None:
    """The header promises what is there."""
    pcm, rate = soundfile.read(path, dtype="int16", always_2d=True)
    assert path.stat().st_size >= pcm.nbytes
    assert (rate, pcm.shape[1]) == (RATE, 2), path


async def recover(state: Path, wait_s: float = 20) -> list[RecordingRow]:
    """What the next start does: recover and deliver; gives the recordings as they are then."""
    options = EngineOptions(state=state, settings=load_settings())
    async with Engine(options, SystemClock()) as engine:
        rows = await engine.database.arun(list_recordings)
        await engine.deliveries_settled([row.id for row in rows], wait_s)
        return await engine.database.arun(list_recordings)


def assert_prefix(pcm: Samples, accepted: int, *, exact: bool, whose: object) -> None:
    """``pcm`` is what the caller said, from the recording's first sample on, without a gap, at most a second
    shorter than what was accepted (``exact``: not at all). ``whose``: said if it is not so.
    """
    assert len(pcm) <= accepted + A_BLOCK
    assert len(pcm) >= (accepted if exact else accepted - LOST_AT_MOST), (accepted - len(pcm), "lost", whose)
    said = pcm[:, 0].astype(int)
    assert not pcm[:, 1].any(), "the caller hears nothing"
    if len(said):
        silent = int((said == 0).argmin()) if not said.all() else 0
        assert silent <= RATE // 10, "the caller talks at once"
        first = said[silent] - 1
        wanted = (np.arange(first, first + len(said) - silent)) % 30000 + 1
        assert (said[silent:] == wanted).all(), "a gap"


def kept_audio(state: Path, row: RecordingRow, receiver: Receiver) -> Samples:
    """The sound of a finished recording: from the local store, or as the receiver got it."""
    path = state / row.file
    if row.target_kind == "http":
        got = [r for r in receiver.received if r.sha256 == row.sha256 and r.status in range(200, 300)]
        assert got, f"{row.id} was never delivered"
        assert all(r.digest_ok for r in got)
        assert got[0].file is not None
        path = got[0].file
    pcm, _ = soundfile.read(path, dtype="int16", always_2d=True)
    return np.asarray(pcm, np.int16)
