"""Two phones say chirps over real sockets: who is left and who is right in the recording, and when."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from callflow.caller import CallPlan, CallResult
from callflow.media.taps import Samples
from tests.app.harness import chain, node
from tests.serve.accounts import account
from tests.serve.server import Server, phone
from tests.serve.test_serve import patient, recorded

RATE = 8000
FLOW = chain(
    node("record_call", action="start", format="wav", record_on_bridge=True), node("device", id="mobile")
)


def chirp(low: float, high: float) -> NDArray[np.float64]:
    """0.1 s from one frequency to another."""
    time = np.arange(RATE // 10) / RATE
    phase = low * time + (high - low) / 0.2 * time**2
    return 12000 * np.sin(2 * np.pi * phase) * np.hanning(len(time))


UP, DOWN = chirp(400, 2800), chirp(2800, 400)


def voice(path: Path, one: NDArray[np.float64]) -> str:
    """A second of silence with a chirp in it."""
    sound = np.zeros(RATE, np.int16)
    sound[2400:3200] = one
    soundfile.write(path, sound, RATE)
    return str(path)


def place(sound: Samples, one: NDArray[np.float64]) -> float:
    """When in each second the chirp begins, in seconds; the median of the call."""
    match = np.correlate(sound.astype(np.float64), one, "valid")
    seconds = match[: len(match) // RATE * RATE].reshape(-1, RATE)
    good = seconds.max(axis=1) > 0.6 * (one @ one)
    assert good.sum() >= 2, "each chirp is there"
    at = seconds.argmax(axis=1)[good] / RATE
    return float(np.median((at - at[0] + 0.5) % 1 - 0.5) + at[0])


def between(difference: float) -> float:
    """Modulo half a second, about zero."""
    return (difference + 0.25) % 0.5 - 0.25


async def called(folder: Path, workers: int, files: tuple[str, str]) -> tuple[CallResult, CallResult]:
    """Caller and callee of one call on a server with so many media processes."""
    server = await Server.start(folder / "one", folder / "state", *patient(folder), "--workers", str(workers))
    try:
        async with phone("desk") as desk, phone("mobile") as mobile:
            await mobile.register(f"sip:mobile@{server.at}")
            hears = CallPlan("", audio=files[1:], loop=True)
            answering = asyncio.ensure_future(mobile.answer(hears, after_s=0.37))
            says = CallPlan(f"sip:100@{server.at}", audio=files[:1], loop=True, hangup_after_s=4.2)
            made = await desk.call(says)
            await server.until("recording.ready")
            return made, await answering
    finally:
        await server.close()


def judge(folder: Path, caller: CallResult, callee: CallResult) -> None:
    """The recording against what both phones have said and heard."""
    (file,) = recorded(folder / "state")
    sound, rate = soundfile.read(file, dtype="int16", always_2d=True)
    assert rate == RATE
    assert abs(len(sound) / rate - caller.seconds) < 0.2
    apart = place(sound[:, 1], DOWN) - place(sound[:, 0], UP)
    # Each phone knows when it heard the other by its own chirps: half the difference is without the way.
    there = place(caller.heard, DOWN) - place(caller.said, UP)
    back = place(callee.heard, UP) - place(callee.said, DOWN)
    assert abs(between(apart - (there - back) / 2)) <= 0.02


def test_the_caller_is_left_the_callee_right_and_both_in_time(tmp_path: Path) -> None:
    files = voice(tmp_path / "up.wav", UP), voice(tmp_path / "down.wav", DOWN)
    folders = {workers: tmp_path / str(workers) for workers in (0, 2)}
    for folder in folders.values():
        account(folder / "one", {"100": FLOW}, devices=("desk", "mobile"))

    async def main() -> list[tuple[CallResult, CallResult]]:
        return await asyncio.gather(*(called(folder, count, files) for count, folder in folders.items()))

    for folder, (caller, callee) in zip(folders.values(), asyncio.run(main()), strict=True):
        judge(folder, caller, callee)
