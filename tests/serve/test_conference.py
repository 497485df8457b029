"""Three phones in a conference over real sockets, with two media processes and two codecs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np

from callflow.caller import Caller, CallerOptions, CallPlan, CallResult
from callflow.clock import SystemClock
from callflow.media.taps import Samples
from tests.app.harness import node
from tests.ports import free_ports
from tests.serve.accounts import account, write
from tests.serve.server import PORTS_EACH, Server

FLOW = node("conference", id="team", welcome_prompt={"play": False}, play_entry_tone=False)
HERTZ = {"PCMU": 500, "G722": 700, "PCMA": 900}


def phone(codec: str) -> Caller:
    """A phone with one codec."""
    low = free_ports(PORTS_EACH)
    options = CallerOptions(media_ports=(low, low + PORTS_EACH - 1), codecs=(codec,))
    return Caller(options, SystemClock())


def heard(result: CallResult, rate: int) -> list[set[int]]:
    """Which tones it heard in each quarter of a second."""
    quarter = rate // 4
    sound: Samples = result.heard[: len(result.heard) // quarter * quarter]
    turns = {hertz: np.exp(-2j * np.pi * hertz * np.arange(quarter) / rate) for hertz in HERTZ.values()}
    return [
        {hertz for hertz, turn in turns.items() if abs(np.dot(part, turn)) * 2 / quarter > 1500}
        for part in sound.reshape(-1, quarter)
    ]


async def _meet(folder: Path) -> dict[str, CallResult]:
    server = await Server.start(folder / "one", folder / "state", "--workers", "2")
    try:

        async def call(codec: str, talk_s: float) -> CallResult:
            async with phone(codec) as one:
                tone = f"tone_stream://%(1000,0,{HERTZ[codec]})"
                return await one.call(
                    CallPlan(f"sip:100@{server.at}", audio=(tone,), loop=True, hangup_after_s=talk_s)
                )

        results = await asyncio.gather(call("PCMU", 5.0), call("G722", 5.0), call("PCMA", 3.0))
        return dict(zip(HERTZ, results, strict=True))
    finally:
        await server.close()


def test_phones_of_two_codecs_meet_in_a_conference(tmp_path: Path) -> None:
    folder = account(tmp_path / "one", {"100": FLOW})
    document = {"member": {"join_muted": False}, "play_exit_tone": False}
    write(folder / "conferences" / "team.json", document)
    results = asyncio.run(_meet(tmp_path))
    for codec, result in results.items():
        parts = heard(result, 16000 if codec == "G722" else 8000)
        others = set(HERTZ.values()) - {HERTZ[codec]}
        assert parts.count(others) >= 2, (codec, parts)
        assert not any(HERTZ[codec] in part for part in parts), codec
        if codec != "PCMA":  # which leaves first
            assert others - {HERTZ["PCMA"]} in parts[-6:], (codec, parts)
