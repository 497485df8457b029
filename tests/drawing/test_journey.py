"""The way that a call took, on the picture of its flows."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from callflow.channels.sim.scenario import Scenario
from callflow.cli import app_for
from callflow.drawing.gather import tree_of
from callflow.drawing.journey import Journey
from callflow.drawing.mermaid import to_mermaid
from callflow.drawing.svg import to_svg
from callflow.drawing.text import to_text
from tests.modules.stage import NEVER, ROOT, Stage, caller, keyed, node, presses

INNER = {"id": "inner", "name": "Inner", "flow": node("sleep", {"duration": 3})}
START = {"action": "start", "format": "wav"}


def _journey(stage: Stage) -> tuple[Journey, dict[str, object]]:
    ring = keyed(
        node("user", {"id": "x", "timeout": 10}, then=node("callflow", {"id": "inner"})),
        USER_BUSY=node("hangup"),
    )
    stop = node("record_call", {"action": "stop"}, then=ring)
    flow = node(
        "sleep",
        {"duration": 2},
        then=node("record_call", START, then=node("sleep", {"duration": 4}, then=stop)),
    )
    stage.flows = {"inner": INNER}
    ran = stage.run(flow, Scenario(caller=caller(leaves=60.0), callee=NEVER))
    journey = Journey(ran.report.call_id)
    for event in ran.events:
        journey(event)
    return journey, flow


def test_steps_times_and_recordings_are_marked(stage: Stage) -> None:
    journey, flow = _journey(stage)
    picture = journey.draw_on(lambda id: tree_of(INNER if id else flow, flow_id=id))
    outer, inner = picture.trees
    boxes = {box.path: box for box in outer.boxes()}
    way = "/children/_"
    assert [visit.turn for visit in boxes[""].visits] == [1] and not boxes[""].recorded
    assert boxes[way].recordings == ["recording 1 started at 2.0 s"] and boxes[way].recorded
    assert boxes[way * 2].recorded and boxes[way * 2].visits[0].seconds == 4.0
    assert boxes[way * 3].recordings == ["recording 1 ended at 6.0 s (stopped)"]
    ring = boxes[way * 4]
    assert (ring.visits[0].at, ring.visits[0].seconds, ring.recorded) == (6.0, 10.0, False)
    assert not boxes[f"{way * 4}/children/USER_BUSY"].visits
    assert inner.root is not None and [visit.turn for visit in inner.root.visits] == [7]
    assert picture.footer[0] == "The call took 19.0 s and ended with NORMAL_CLEARING (engine)."
    assert picture.footer[1].startswith("Recording 1 (callflow : ") and "4.0 s, READY" in picture.footer[1]
    svg, mermaid = to_svg(picture), to_mermaid(picture)
    assert svg.count("box walked") == 7 and svg.count('class="bar"') == 3
    assert mermaid.count(":::walked") == 7 and mermaid.count("==>") == 5
    text = to_text(picture)
    assert "  ▶ ● sleep  duration 4\n" in text and "USER_BUSY: · hangup" in text


def test_a_flow_that_is_not_at_hand_is_shown_as_its_steps(stage: Stage) -> None:
    journey, _ = _journey(stage)
    outer, inner = journey.draw_on(lambda id: None).trees
    assert [box.module for box in outer.boxes()] == [
        "sleep",
        "record_call",
        "sleep",
        "record_call",
        "user",
        "callflow",
    ]
    assert [box.module for box in inner.boxes()] == ["sleep"]


def test_events_of_other_calls_are_not_marked(stage: Stage) -> None:
    ran = stage.run(node("sleep", {"duration": 1}))
    other = Journey("another")
    for event in ran.events:
        other(event)
    assert other.flow_ids() == []


def test_run_draws_and_writes_the_picture(tmp_path: Path) -> None:
    words = [
        "run",
        str(ROOT / "examples/flows/record.json"),
        "--hangup-after",
        "5",
        "--state",
        str(tmp_path / "state"),
    ]
    done = CliRunner().invoke(app_for("run"), [*words, "--draw", "--draw-to", str(tmp_path / "way.svg")])
    assert done.exit_code == 0, done.output
    assert "▶ ● record_call" in done.output and "The call took 5.0 s" in done.output
    assert "box walked" in (tmp_path / "way.svg").read_text(encoding="utf-8")
    plain = CliRunner().invoke(app_for("run"), [*words, "--draw", "-o", "json"])
    assert plain.exit_code == 0 and "▶" not in plain.stdout
    for line in plain.stdout.splitlines():
        json.loads(line)
    refused = CliRunner().invoke(app_for("run"), [*words, "--draw-to", "way.png"])
    assert refused.exit_code == 2 and "way.png" in refused.output


def test_keys_pressed_lead_where_the_picture_says(stage: Stage) -> None:
    flow = keyed(node("menu", {"id": "m"}, then=node("hangup")), k1=node("sleep", {"duration": 1}))
    stage.has(
        "menu",
        "m",
        {
            "timeout": 3000,
            "interdigit_timeout": 2000,
            "max_extension_length": 4,
            "retries": 1,
            "hunt": False,
            "media": {},
        },
    )
    ran = stage.run(flow, Scenario(caller=caller(presses(1.0, "1"), leaves=30.0)))
    journey = Journey()
    for event in ran.events:
        journey(event)
    (tree,) = journey.draw_on(lambda id: tree_of(flow)).trees
    assert [box.key for box in tree.boxes() if box.visits] == ["", "1"]
