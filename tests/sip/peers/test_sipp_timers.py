"""Session timers and re-INVITEs that cross, with sipp: a server in this process, whose shortest interval
is 4 s instead of the 90 s of RFC 4028 (with those, tests/sip/session plays in virtual time).
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from callflow.channels.sip import session_ground, session_timer
from callflow.cli.check import around
from callflow.events import CallEnded, Event, RecordingChanged
from callflow.exchange import Bind, Exchange, ExchangeOptions, MediaOptions, media
from tests.ports import free_ports
from tests.serve.accounts import RECORD, account, catalog
from tests.serve.server import wait_until
from tests.sip.peers import moments, told
from tests.sip.peers.house import HOLD_S, assert_spoken
from tests.sip.peers.sipp import Sipp

pytestmark = pytest.mark.peer

RUNS = ("uac_refreshed", "uac_expires", "uac_glare")


def test_sessions_are_refreshed_or_expire_and_glare_is_settled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account(tmp_path / "acme", {"100": RECORD})
    for module in (session_timer, session_ground):
        monkeypatch.setattr(module, "LEAST_S", 4)
    # Of the 0 to 2 s after which it tries again (RFC 3261 14.1): so soon that the session is still there.
    monkeypatch.setattr(session_ground.Ground, "between", lambda ground, least_s, most_s: least_s + 0.1)
    lines: list[str] = []
    monkeypatch.setattr(media, "MediaFarm", told.ToldFarm)
    monkeypatch.setattr(told.ToldFarm, "to", lines.append)
    low = free_ports(40)
    options = ExchangeOptions(
        state=tmp_path / "state",
        accounts=tmp_path / "acme",
        around=around,
        bind=(Bind.parse("127.0.0.1:0"),),
        media=MediaOptions(ports=(low, low + 39), workers=1),
    )

    async def main() -> list[Event]:
        events: list[Event] = []
        exchange = Exchange(options, catalog(tmp_path / "acme"))
        exchange.bus.subscribe(events.append)
        async with exchange:
            ground = exchange._endpoint._ground
            ground.settings = replace(ground.settings, session_min_s=4, jitter_ms=200)
            at = f"127.0.0.1:{exchange.hops[0].port}"
            runs = [Sipp(tmp_path, name) for name in RUNS]
            try:
                await asyncio.gather(*(run.run(run.name, at=at, number="100") for run in runs))
                await wait_until(lambda: len(_ready(events)) == len(RUNS))
            finally:
                await asyncio.gather(*(run.stop() for run in runs))
        return events

    events = asyncio.run(main())
    causes = {event.call_id: event.cause for event in events if isinstance(event, CallEnded)}
    assert causes == {
        "uac_refreshed-1": "NORMAL_CLEARING",
        "uac_expires-1": "RECOVERY_ON_TIMER_EXPIRE",
        "uac_glare-1": "NORMAL_CLEARING",
    }
    files = list((tmp_path / "state" / "media").rglob("*.wav"))
    assert len(files) == len(RUNS)
    for file in files:
        begin_s = moments.begin(lines, file.stem, 0, HOLD_S)
        assert_spoken(file, 0, "caller", least_s=1.5, begin_s=begin_s)


def _ready(events: list[Event]) -> list[Event]:
    return [event for event in events if isinstance(event, RecordingChanged) and event.change == "ready"]
