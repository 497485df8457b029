"""The engine cannot tell media processes from media in its own thread: whole calls on both, compared."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from callflow.app import Engine
from callflow.channels.sim.read import parse_scenario
from callflow.clock import SystemClock
from callflow.engine.flow import Flow
from callflow.events import CallBridged, CallEnded, CallTransferred, Event, Noticed, RecordingChanged
from callflow.recording.farm import FarmOptions, MediaFarm
from tests.app.harness import Played, Stage, chain, loudness, node, silence, tone

Made = tuple[Mapping[str, Any], Mapping[str, Any]]
RECORD = node("record_call", action="start", format="wav")


def transfer(kind: str) -> Made:
    """The callee transfers the caller to 3000, who talks for a while."""
    flow = chain(
        node("record_call", action="start", format="wav", should_follow_transfer=True), node("user", id="u")
    )
    action = {"at": 0.8, "transfer": "3000", "kind": kind, "consult_s": 0.3}
    return flow, {
        "caller": {"audio": tone(440, 9)},
        "callee": {"audio": tone(1000, 9), "actions": [action]},
        "endpoints": {"3000": {"audio": tone(1700, 2), "hangup_after": 1.0}},
    }


CALLS: dict[str, Made] = {
    "talk": (
        chain(RECORD, node("user", id="u")),
        {
            "caller": {"audio": tone(440, 9)},
            "callee": {"answer_after": 0.5, "audio": tone(1000, 9), "hangup_after": 1.5},
        },
    ),
    "blind": transfer("blind"),
    "attended": transfer("attended"),
    "on bridge": (
        chain(
            node("record_call", action="start", format="wav", record_on_bridge=True),
            node("user", id="busy"),
            node("user", id="there"),
        ),
        {
            "caller": {"audio": tone(440, 9)},
            "endpoints": {
                "busy": {"reject": "USER_BUSY"},
                "there": {"answer_after": 0.5, "audio": tone(1000, 9), "hangup_after": 1.2},
            },
        },
    ),
    "digits": (
        chain(
            RECORD,
            node("collect_dtmf", max_digits=3, terminator="#", timeout=3000),
            node("tones", tones=[{"frequencies": ["600"], "duration_on": 400}]),
            node("record_call", action="mask"),
            node("sleep", duration=0.3, unit="s"),
            node("record_call", action="stop"),
        ),
        {
            "caller": {
                "audio": tone(440, 9),
                "actions": [{"at": 0.4, "press": "12"}, {"at": 0.9, "press": "#"}],
            }
        },
    ),
    "held": (
        chain(RECORD, node("user", id="u")),
        {
            "caller": {"audio": [silence(0.2), tone(440, 9)], "hangup_after": 2.2},
            "callee": {
                "audio": tone(1000, 9),
                "actions": [{"at": 0.6, "hold": True}, {"at": 1.3, "hold": False}],
            },
        },
    ),
}


async def _farmed(root: Path, calls: list[Made]) -> list[Played]:
    """All of ``calls`` at once in one engine in real time, with two media processes."""
    events: list[Event] = []
    clock = SystemClock()
    engine = Engine(
        Stage(root).options(),
        clock,
        lambda _, keeping, life: MediaFarm(
            FarmOptions(workers=2), keeping.folder, clock, on_closed=keeping.desk.on_closed
        ),
    )
    engine.bus.subscribe(events.append)
    async with engine:
        assert isinstance(engine.media, MediaFarm)
        await engine.media.ready()
        reports = await asyncio.gather(
            *(
                engine.place_call(parse_scenario(dict(scenario), Path()), Flow.parse(flow))
                for flow, scenario in calls
            )
        )
        assert engine.media._routes.tables == (0, 0, 0) and not engine.media.recordings
    return [Played(report, events, root) for report in reports]


def _story(played: Played) -> dict[str, object]:
    """What happened on its own call, without when."""
    played = replace(played, events=[each for each in played.events if each.call_id == played.report.call_id])
    return {
        "modules": played.modules(),
        "recordings": [(event.change, event.state, event.reason) for event in played.of(RecordingChanged)],
        "bridged": [event.endpoint for event in played.of(CallBridged)],
        "transferred": [event.kind for event in played.of(CallTransferred)],
        "ended": [(event.by, event.cause) for event in played.of(CallEnded)],
        "notices": [event.code for event in played.of(Noticed)],
    }


def test_whole_calls_are_the_same_with_media_processes(tmp_path: Path) -> None:
    names = list(CALLS)
    farmed = asyncio.run(_farmed(tmp_path / "farm", [CALLS[name] for name in names]))
    for name, there in zip(names, farmed, strict=True):
        here = Stage(tmp_path / name).play(*CALLS[name])
        assert _story(there) == _story(here), name
        (one, rate), (other, _) = there.sound(), here.sound()
        assert abs(len(one) / rate - _span(there)) < 0.05, name
        assert abs(len(one) - len(other)) < 0.25 * rate, name
        for side in (0, 1):  # as loud, and of the same tones, in all
            for hz in (440, 600, 1000, 1700):
                heard = [_heard(each[:, side], rate, hz) for each in (one, other)]
                assert abs(heard[0] - heard[1]) < 0.3, (name, side, hz, heard)


def _span(played: Played) -> float:
    """For how many seconds its one recording was made, by the events."""
    own = [event for event in played.of(RecordingChanged) if event.call_id == played.report.call_id]
    begun, ended = (next(e.time for e in own if e.change == what) for what in ("started", "finishing"))
    return ended - begun


def _heard(channel: np.ndarray[Any, Any], rate: int, hz: int) -> float:
    """For how many seconds there is a tone."""
    step = 0.05
    count = int(len(channel) / rate / step)
    return step * sum(loudness(channel, rate, n * step, (n + 1) * step, hz) > 0.05 for n in range(count))
