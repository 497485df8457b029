"""The same flow behaves the same on a pretend call and on a SIP call: walked, recorded, ended alike."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from callflow.caller import CallPlan
from callflow.cli.check import around
from callflow.events import (
    CallBridged,
    CallEnded,
    CallStarted,
    CallTransferred,
    Event,
    RecordingChanged,
    StepStarted,
)
from callflow.exchange import Bind, Exchange, ExchangeOptions, MediaOptions
from tests.app.harness import Stage, chain, node, tone
from tests.ports import free_ports
from tests.serve.accounts import account, catalog
from tests.serve.server import PORTS_EACH, phone, wait_until

RECORD = node("record_call", action="start", format="wav")
STOP = node("record_call", action="stop")
NAP = node("sleep", duration=400, unit="ms")
RING = node("device", id="PHONE", timeout=5)
MENU = node("collect_dtmf", max_digits=2, terminator="#", timeout=3000)
ON_BRIDGE = node("record_call", action="start", format="wav", record_on_bridge=True)
ON_ANSWER = node("record_call", action="start", format="wav", record_on_answer=True)

ANSWER = node("answer")
Parts = Mapping[str, Any]
CALLS: dict[str, tuple[Mapping[str, Any], Parts, Parts | None]] = {
    # flow; what the caller does; what the callee does (None: it is not there)
    "hung up by the caller": (chain(ANSWER, RECORD, node("wait_for_hangup")), {"hangup": 0.8}, {}),
    "the flow ends": (chain(ANSWER, RECORD, NAP, STOP), {}, {}),
    "without an answer of ours": (chain(RECORD, NAP), {}, {}),
    "masked and paused": (
        chain(ANSWER, RECORD, node("record_call", action="mask"), NAP, node("record_call", action="unmask"),
              node("record_call", action="pause"), NAP, node("record_call", action="resume"), NAP),
        {}, {},
    ),
    "too short": (
        chain(ANSWER, node("record_call", action="start", format="wav", record_min_sec=3), NAP), {}, {},
    ),
    "never bridged": (chain(ANSWER, ON_BRIDGE, NAP), {}, {}),
    "digits": (chain(ANSWER, RECORD, MENU, NAP), {"press": ("12", 0.6)}, {}),
    "a bridge, hung up by the caller": (chain(RECORD, RING), {"hangup": 1.0}, {}),
    "a bridge, hung up by the callee": (chain(ON_BRIDGE, RING, NAP), {}, {"hangup": 0.9}),
    "on answer": (chain(ON_ANSWER, RING), {}, {"hangup": 0.9}),
    "nobody there": (chain(RECORD, RING, NAP), {}, None),
    "a transfer by the callee": (chain(RECORD, RING), {}, {"refer": ("300", 0.7)}),
    "a transfer by the caller": (chain(RECORD, RING), {"refer": ("300", 0.8)}, {}),
    "refused": (node("response", code=486, message="Busy Here"), {}, {}),
}  # fmt: skip
LAST = chain(ANSWER, NAP)


def story(events: list[Event], call_id: str) -> dict[str, object]:
    """What happened on the call, without when."""
    own = [event for event in events if event.call_id == call_id]

    def of(kind: type[Any]) -> list[Any]:
        return [event for event in own if isinstance(event, kind)]

    return {
        "modules": [event.module for event in of(StepStarted)],
        "recordings": [(event.change, event.reason) for event in of(RecordingChanged)],
        "bridged": len(of(CallBridged)),
        "transferred": [event.kind for event in of(CallTransferred)],
        "ended": [(event.by, event.cause) for event in of(CallEnded)],
    }


def pretended(
    folder: Path, flow: Mapping[str, Any], caller: Parts, callee: Parts | None
) -> dict[str, object]:
    """The call in virtual time with pretend parties."""

    def part(does: Parts, hz: int) -> dict[str, Any]:
        made: dict[str, Any] = {"audio": tone(hz, 9)}
        actions = []
        if "press" in does:
            actions.append({"at": does["press"][1], "press": does["press"][0]})
        if "refer" in does:
            actions.append({"at": does["refer"][1], "transfer": does["refer"][0], "kind": "blind"})
        if "hangup" in does:
            made["hangup_after"] = does["hangup"]
        return {**made, **({"actions": actions} if actions else {})}

    answers = (
        {"reject": "USER_NOT_REGISTERED"} if callee is None else {"answer_after": 0.1, **part(callee, 1000)}
    )
    scenario = {"to": "100", "caller": part(caller, 440), "endpoints": {"PHONE": answers}}
    played = Stage(folder, flows={"n300": {"numbers": ["300"], "flow": LAST}}).play(flow, scenario)
    return story(played.events, played.report.call_id)


def planned(does: Parts, at: str, hz: int, number: int = 0) -> CallPlan:
    """The same for a phone; ``at``: the server."""
    return CallPlan(
        f"sip:{number}@{at}",
        audio=(tone(hz, 9),),
        digits=(does["press"],) if "press" in does else (),
        refer=(f"sip:{does['refer'][0]}@{at}", does["refer"][1]) if "refer" in does else None,
        hangup_after_s=does.get("hangup"),
        keep_s=0,
    )


async def really(folder: Path) -> dict[str, dict[str, object]]:
    """All calls at once, by SIP and RTP, each with its own number and its own phone to ring."""
    flows: dict[str, Mapping[str, Any]] = {"300": LAST}
    for number, (flow, _, _) in enumerate(CALLS.values(), 100):
        flows[str(number)] = json.loads(json.dumps(flow).replace("PHONE", f"p{number}"))
    account(folder / "one", flows, devices=("desk", *(f"p{number}" for number in flows)))
    low = free_ports(4 * PORTS_EACH)
    options = ExchangeOptions(
        state=folder / "state",
        accounts=folder / "one",
        around=around,
        bind=(Bind.parse("127.0.0.1:0"),),
        media=MediaOptions(ports=(low, low + 4 * PORTS_EACH - 1), workers=0),
    )
    exchange = Exchange(options, catalog(folder / "one"))
    events: list[Event] = []
    exchange.bus.subscribe(events.append)
    async with exchange, phone("desk") as desk:
        at = exchange.uris[0].removeprefix("sip:")

        async def one(number: int, caller: Parts, callee: Parts | None) -> None:
            plan = planned(caller, at, 440, number)
            if callee is None or f"p{number}" not in json.dumps(flows[str(number)]):
                await desk.call(plan)
                return
            async with phone(f"p{number}") as rung:
                await rung.register(f"sip:p{number}@{at}")
                answering = asyncio.ensure_future(rung.answer(planned(callee, at, 1000), after_s=0.1))
                await desk.call(plan)
                await answering

        await asyncio.gather(
            *(one(n, does, callee) for n, (_, does, callee) in enumerate(CALLS.values(), 100))
        )
        await wait_until(lambda: not len(exchange.engine.live) and not exchange._endpoint.calls)
    begun = {event.to_number: event.call_id for event in events if isinstance(event, CallStarted)}
    return {name: story(events, begun[str(number)]) for number, name in enumerate(CALLS, 100)}


def test_flows_are_the_same_in_both_worlds(tmp_path: Path) -> None:
    real = asyncio.run(really(tmp_path / "real"))
    for name, (flow, caller, callee) in CALLS.items():
        assert (name, real[name]) == (name, pretended(tmp_path / name, flow, caller, callee))
