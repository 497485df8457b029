"""Calls that come and go leave nothing behind in a server but what they recorded."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from callflow.caller import CallPlan
from callflow.cli.check import around
from callflow.events import Event, RecordingChanged
from callflow.exchange import Bind, Exchange, ExchangeOptions, MediaOptions
from callflow.recording.host import RecordingHost
from callflow.recording.inline import InlineMedia
from tests.ports import free_ports
from tests.serve.accounts import RECORD, account, catalog
from tests.serve.server import PORTS_EACH, phone, wait_until

RING = {"module": "device", "data": {"id": "mobile"}, "children": {}}


def held(exchange: Exchange) -> dict[str, int]:
    """How much there is in what knows calls, legs, tasks and files."""
    engine = exchange.engine
    media = engine.media
    assert isinstance(media, InlineMedia) and isinstance(media._host, RecordingHost)
    assert media.ports is not None
    return {
        "calls": len(engine.live) + len(engine.live._tasks),
        "legs": len(media._legs) + len(media._handlers),
        "dialogs": exchange._endpoint.calls,
        "recordings": len(media._host._taps) + len(engine.keeping.desk._known),
        "found by leg": sum(len(services.calls._by_leg) for services in engine._tenants.values()),
        "ports": media.ports.used,
        "files": len(os.listdir("/proc/self/fd")),
        "tasks": len(asyncio.all_tasks()),
    }


def test_nothing_is_left_of_calls_that_are_over(tmp_path: Path) -> None:
    account(tmp_path / "one", {"100": RECORD, "200": RING}, devices=("desk", "mobile"))

    async def main() -> None:
        low = free_ports(PORTS_EACH)
        options = ExchangeOptions(
            state=tmp_path / "state",
            accounts=tmp_path / "one",
            around=around,
            bind=(Bind.parse("127.0.0.1:0"),),
            media=MediaOptions(ports=(low, low + PORTS_EACH - 1), workers=0),
        )
        exchange = Exchange(options, catalog(tmp_path / "one"))
        done: list[str] = []

        def hear(event: Event) -> None:
            if isinstance(event, RecordingChanged) and event.change == "ready":
                done.append(event.recording_id)

        exchange.bus.subscribe(hear)
        async with exchange, phone("desk") as desk, phone("mobile") as mobile:
            at = exchange.uris[0].removeprefix("sip:")
            await mobile.register(f"sip:mobile@{at}")

            async def a_few() -> dict[str, int]:
                wanted = len(done) + 4
                for number, status in (("100", 0), ("200", 0), ("999", 404)):
                    plan = CallPlan(f"sip:{number}@{at}", hangup_after_s=0.2, keep_s=0)
                    talking = [
                        asyncio.ensure_future(mobile.answer(CallPlan("", keep_s=0)))
                        for _ in range(4 * (number == "200"))
                    ]
                    results = await desk.calls(plan, 4, 100)
                    await asyncio.gather(*talking)
                    assert [one.status * (not one.answered) for one in results] == [status] * 4
                await wait_until(lambda: len(done) == wanted and not len(exchange.engine.live))
                await wait_until(lambda: not exchange._endpoint.calls)
                await asyncio.sleep(0.1)
                return held(exchange)

            first = await a_few()
            second = await a_few()
            for name in ("calls", "legs", "dialogs", "recordings", "found by leg", "ports"):
                assert (name, second[name]) == (name, 0)
            for name in ("files", "tasks"):
                assert second[name] <= first[name] + 2, name

    asyncio.run(main())
