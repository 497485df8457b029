"""Three phones in a conference over real sockets, with two media processes and two codecs."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import numpy as np

from callflow.caller import Caller, CallPlan, CallResult
from callflow.media.taps import Samples
from tests.app.harness import node, tone
from tests.serve.accounts import account, write
from tests.serve.server import Server, phone, wait_until

FLOW = node("conference", id="team", welcome_prompt={"play": False}, play_entry_tone=False)
HERTZ = {"PCMU": 500, "G722": 700, "PCMA": 900}
STAY = ("PCMU", "G722")
"""Who speaks PCMA leaves first."""


def heard(sound: Samples, rate: int) -> list[set[int]]:
    """Which tones there are in each quarter of a second."""
    quarter = rate // 4
    turns = {hertz: np.exp(-2j * np.pi * hertz * np.arange(quarter) / rate) for hertz in HERTZ.values()}
    return [
        {hertz for hertz, turn in turns.items() if abs(np.dot(part, turn)) * 2 / quarter > 1500}
        for part in sound[: len(sound) // quarter * quarter].reshape(-1, quarter)
    ]


def others(*codecs: str) -> set[int]:
    """What is heard of all but these."""
    return {hertz for codec, hertz in HERTZ.items() if codec not in codecs}


def hears(one: Caller) -> list[set[int]]:
    """What a phone has heard so far."""
    return [part for line in one._lines for part in heard(line.ear.taken()[0], line.ear.rate)]


def said(server: Server, codec: str) -> CallPlan:
    """Calls the conference, and says its tone until it is hung up."""
    return CallPlan(f"sip:100@{server.at}", audio=(tone(HERTZ[codec], 1),), loop=True)


async def _meet(folder: Path) -> dict[str, CallResult]:
    server = await Server.start(folder / "one", folder / "state", "--workers", "2")
    try:
        async with AsyncExitStack() as life:
            phones = {codec: await life.enter_async_context(phone(codec=codec)) for codec in HERTZ}
            calls = {
                codec: asyncio.ensure_future(one.call(said(server, codec))) for codec, one in phones.items()
            }
            await wait_until(lambda: all(hears(phones[c]).count(others(c)) >= 2 for c in phones))
            await phones["PCMA"].hang_up()
            await wait_until(lambda: all(others(c, "PCMA") in hears(phones[c])[-6:] for c in STAY))
            for codec in STAY:
                await phones[codec].hang_up()
            return {codec: await call for codec, call in calls.items()}
    finally:
        await server.close()


def test_phones_of_two_codecs_meet_in_a_conference(tmp_path: Path) -> None:
    folder = account(tmp_path / "one", {"100": FLOW})
    document = {"member": {"join_muted": False}, "play_exit_tone": False}
    write(folder / "conferences" / "team.json", document)
    results = asyncio.run(_meet(tmp_path))
    for codec, result in results.items():
        parts = heard(result.heard, 16000 if codec == "G722" else 8000)
        assert result.answered and parts.count(others(codec)) >= 2, (codec, parts)
        assert not any(HERTZ[codec] in part for part in parts), codec
        if codec in STAY:
            assert others(codec, "PCMA") in parts[-6:], (codec, parts)
