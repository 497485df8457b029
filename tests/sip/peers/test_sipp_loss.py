"""Callers of sipp while messages are lost: every call is recorded, every recording delivered."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import soundfile

from tests.sip.peers.house import RECORDED, house

pytestmark = pytest.mark.peer

CALLS = 6
PATIENCE_S = 60
"""A message that is lost seven times in a row is sent an eighth time after 20 s."""


def test_lost_messages(tmp_path: Path) -> None:
    """``-lost``: sipp drops so many of the messages that it sends and that it gets."""

    async def main() -> None:
        async with house(tmp_path, {"100": RECORDED}) as here:
            runs = {lost: here.sipp(f"lost{lost}") for lost in (0, 5, 15)}
            own = here.sipp("own")
            tcp = here.sipp("owntcp")
            rest = ("-d", "1500", "-r", "10")
            more: dict[str, Any] = {"at": here.at, "number": "100", "calls": CALLS, "seconds": PATIENCE_S}
            await asyncio.gather(
                *(run.run("uac_media", *rest, "-lost", str(lost), **more) for lost, run in runs.items()),
                own.run("uac_sure", *rest, "-lost", "10", **more),
                tcp.run("sn:uac", *rest, "-t", "t1", **more),
            )
            for run in runs.values():
                for number in range(1, CALLS + 1):
                    # A lost ACK is no matter: sound comes before it. A lost BYE makes it longer.
                    await here.spoken(f"{run.name}-{number}", 0, "caller", least_s=0.4, early_s=5)
            for run in (own, tcp):
                for number in range(1, CALLS + 1):
                    file = await here.delivered(f"{run.name}-{number}")
                    await here.assert_whole(f"{run.name}-{number}", file, 1.5)
                    assert soundfile.info(file).duration >= 1.4
            await here.all_over()
            assert len(here.receiver.received) == 5 * CALLS, "one delivery for each call"

    asyncio.run(main())
