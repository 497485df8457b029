"""Calls at a steady rate against a ``callflow serve``, each of a fixed length; and what came of every one.

A child of ``sip_load`` and ``soak``: ``python -m benchmarks._load_calls '{"count": 400, "rate": 10, ...}'``.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from benchmarks._load_receiver import Receiver
from benchmarks._load_serve import BRIDGED, PLAIN, Served, Usage, datagrams_dropped, documents
from benchmarks._load_sip import Leg, Phones, tone_of
from benchmarks._load_tone import check_tone
from benchmarks.rtp_load import RtpLoad
from benchmarks.table import options

MAY_MISS_S = 0.25
"""A recording may be so much shorter than its call lasted for the caller: the jitter buffer's delay, and the
time of the BYE's way."""


SLIPPED = "clock followed"
"""Not a fault, but told: the jitter buffer left out or put in samples. Packets cannot be told apart then:
only gaps are faults."""


@dataclass(frozen=True, slots=True)
class Load:
    """``count`` calls, ``rate`` a second, each ``seconds`` long. ``kind``: the first digit that is called.
    ``transmit_silence``: as in ``system_config/sip.json``.
    """

    count: int = 100
    rate: float = 10.0
    seconds: float = 5.0
    kind: str = BRIDGED
    format: str = "wav"
    workers: int = 1
    transmit_silence: bool = True
    sound: bool = True
    delivery_wait_s: float = 30.0

    @property
    def at_once(self) -> int:
        """Calls at the same time, at most."""
        return min(self.count, round(self.rate * self.seconds))


@dataclass(slots=True)
class Outcome:
    """Times in seconds. ``setup``: INVITE to 200 of each answered call; ``delivery``: BYE to the last byte at
    the receiver; ``wrong``: recordings that are not whole, and why; ``starved``: those of them
    while whose calls the load generator itself sent late, which say nothing of the server (they are not in
    ``wrong``); ``slipped``: in which a clock was followed; ``usages``: before, at the height, after;
    ``dropped``: datagrams that the kernel threw away on this machine, because a socket's buffer was full;
    ``log``: what the server said (warnings and worse).
    """

    failed: dict[str, int] = field(default_factory=dict)
    setup: list[float] = field(default_factory=list)
    delivery: list[float] = field(default_factory=list)
    answered: int = 0
    minutes: float = 0.0
    missing: int = 0
    checked: int = 0
    slipped: int = 0
    starved: int = 0
    dropped: int = 0
    log: list[str] = field(default_factory=list)
    wrong: dict[str, int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)
    usages: list[dict[str, float]] = field(default_factory=list)
    cpu_s: float = 0.0
    cpu_by: dict[str, float] = field(default_factory=dict)
    rtp: dict[str, float] = field(default_factory=dict)


class Run:
    """One load against one server."""

    def __init__(self, load: Load, folder: Path) -> None:
        self.load = load
        self.outcome = Outcome()
        self._folder = folder
        self._legs: list[Leg] = []
        self._stalls: list[tuple[float, float]] = []

    async def run(self, watch: Callable[[Served, Phones], None] | None = None) -> Outcome:
        """All of it: start, calls, deliveries, check."""
        received = self._folder / "received"
        received.mkdir()
        receiver = Receiver(received)
        sound = RtpLoad() if self.load.sound else None
        callees = await Phones(("127.0.0.1", 9), sound).open()
        documents(
            self._folder,
            url=receiver.url,
            callee=callees.port,
            file_format=self.load.format,
            transmit_silence=self.load.transmit_silence,
        )
        served = await asyncio.to_thread(Served, self._folder, workers=self.load.workers)
        dropped = datagrams_dropped()
        callers = await Phones(("127.0.0.1", served.port), sound).open()
        callers.bridged = callees.bridged = self.load.kind == BRIDGED
        try:
            await self._calls(served, callers, watch)
            await self._deliveries(served, receiver)
            await asyncio.sleep(0.5)
            self._use(served)
            if sound is not None:
                self.outcome.rtp = sound.costs()
                self._stalls = sound.stalls()
            self.outcome.dropped = datagrams_dropped() - dropped
        finally:
            await callers.close()
            await callees.close()
            await asyncio.to_thread(served.stop)
            receiver.close()
            if sound is not None:
                sound.close()
        self.outcome.log = served.log.read_text().splitlines()
        self._check(received)
        return self.outcome

    # ---- calls ------------------------------------------------------------------------------------

    async def _calls(
        self, served: Served, callers: Phones, watch: Callable[[Served, Phones], None] | None
    ) -> None:
        load = self.load
        for number in range(5):  # warm: imports, pools, caches
            leg = callers.place(900_000 + number, PLAIN)
            await asyncio.wait_for(leg.up.wait(), 10)
            callers.hang_up(leg)
            await asyncio.wait_for(leg.over.wait(), 10)
        await asyncio.sleep(0.5)
        self._use(served)
        before = served.cpu_by_process()
        start, highest = time.monotonic(), load.at_once / load.rate
        looked = False
        for number in range(load.count):
            due = start + number / load.rate
            if due > time.monotonic():
                await asyncio.sleep(due - time.monotonic())
            if watch is not None:
                watch(served, callers)
            if not looked and number >= load.at_once - 1 and time.monotonic() - start >= highest * 0.9:
                looked = True
                self._use(served)
            self._legs.append(leg := callers.place(number, load.kind))
            asyncio.get_running_loop().create_task(self._end(callers, leg))
        await asyncio.gather(*(asyncio.wait_for(leg.over.wait(), load.seconds + 60) for leg in self._legs))
        self._before = before

    async def _end(self, callers: Phones, leg: Leg) -> None:
        """Hang up when the call is as long as it is to be."""
        await leg.up.wait()
        if not leg.failed:
            await asyncio.sleep(max(0.0, leg.answered + self.load.seconds - time.monotonic()))
            callers.hang_up(leg)

    async def _deliveries(self, served: Served, receiver: Receiver) -> None:
        """Wait until every answered call's recording has come."""
        outcome, load = self.outcome, self.load
        answered = [leg for leg in self._legs if leg.answered and not leg.failed]
        for leg in self._legs:
            if leg.failed:
                outcome.failed[leg.failed] = outcome.failed.get(leg.failed, 0) + 1
        outcome.answered = len(answered)
        outcome.setup = [leg.answered - leg.asked for leg in answered]
        outcome.minutes = sum(leg.ended - leg.answered for leg in answered) / 60
        arrived: Mapping[str, list[float]] = {}
        if load.kind != PLAIN:
            end = time.monotonic() + load.delivery_wait_s
            while len(arrived) < len(answered) and time.monotonic() < end:
                await asyncio.sleep(0.2)
                arrived = await asyncio.to_thread(receiver.arrived)
        after = served.cpu_by_process()
        outcome.cpu_by = {name: after[name] - self._before.get(name, 0.0) for name in after}
        outcome.cpu_s = sum(outcome.cpu_by.values())
        for leg in answered if load.kind != PLAIN else ():
            came = arrived.get(f"call_recording_{leg.call_id}.{load.format}")
            if came is None:
                outcome.missing += 1
            else:
                outcome.delivery.append(came[0] - leg.ended)

    def _use(self, served: Served) -> None:
        usage: Usage = served.usage()
        self.outcome.usages.append({**asdict(usage), "spools": served.spools()})

    # ---- recordings -------------------------------------------------------------------------------

    def _check(self, received: Path) -> None:
        """Every delivered recording: as long as its call, and each party's sound whole on its side."""
        for leg in self._legs:
            file = received / f"call_recording_{leg.call_id}.{self.load.format}"
            if not leg.failed and file.is_file():
                self.outcome.checked += 1
                found = faults(file, leg, self.load)
                self.outcome.slipped += SLIPPED in found
                if set(found) - {SLIPPED} and self._starved(leg):
                    self.outcome.starved += 1
                    continue
                for fault in found:
                    kind = fault.split(":")[0]
                    if kind == SLIPPED:
                        continue
                    self.outcome.wrong[kind] = self.outcome.wrong.get(kind, 0) + 1
                    if len(self.outcome.examples) < 5:
                        self.outcome.examples.append(f"{leg.number}: {fault}")

    def _starved(self, leg: Leg) -> bool:
        """Whether the load generator stood still while that call spoke."""
        return any(due < leg.ended and leg.answered < due + late for due, late in self._stalls)


def faults(file: Path, leg: Leg, load: Load) -> list[str]:
    """What is wrong with a recording."""
    samples, rate = soundfile.read(str(file), dtype="int16", always_2d=True)
    lasted = leg.ended - leg.answered
    found: list[str] = []
    if not load.sound:
        return found
    if len(samples) / rate < lasted - MAY_MISS_S:
        found.append(f"short: {len(samples) / rate:.2f} s of {lasted:.2f} s")
    sides = [("caller", 0, True)] + ([("callee", 1, False)] if load.kind == BRIDGED else [])
    for name, channel, caller in sides:
        heard = check_tone(samples[:, min(channel, samples.shape[1] - 1)], tone_of(leg.number, caller), rate)
        if not heard.frames or heard.frames * 0.02 < lasted - 2 * MAY_MISS_S:
            found.append(f"{name} not there: {heard}")
        elif load.format == "wav" and (heard.gaps or (not heard.whole and not heard.slips)):
            found.append(f"{name} not whole: {heard}")
        elif load.format == "wav" and heard.slips:
            found.append(SLIPPED)
    return found


def percentile(values: list[float], part: float) -> float:
    """In seconds; not a number without values."""
    return float(np.percentile(values, part)) if values else float("nan")


async def _child(load: Load) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        outcome = await Run(load, Path(folder)).run()
    if outcome.failed or any(line.startswith("Traceback") for line in outcome.log):
        print("\n".join(outcome.log[-40:]), file=sys.stderr)
    return {
        **asdict(outcome),
        "setup": [percentile(outcome.setup, 50), percentile(outcome.setup, 99)],
        "delivery": [percentile(outcome.delivery, 50), percentile(outcome.delivery, 99)],
    }


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(json.dumps(asyncio.run(_child(Load(**options())))))
