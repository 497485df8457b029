"""temporal_route: which child the time leads to, and rules switched by phone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from callflow.channels.sim.scenario import Scenario
from callflow.clock import VirtualClock, run_virtual
from callflow.engine.flow import Flow
from callflow.events import Noticed
from tests.modules.stage import NEVER, Ran, Stage, caller, node, presses

CALLER = Scenario(caller=caller(leaves=60.0), callee=NEVER)
END = node("noop")
FRIDAY_10 = 1_795_165_200.0
"""2026-11-20 10:00 in Berlin, a Friday."""
CHRISTMAS = 1_798_196_400.0
"""2026-12-25 12:00 in Berlin, a Friday."""


def at(stage: Stage, wall: float, flow: dict[str, Any], scenario: Scenario = CALLER) -> Ran:
    clock = VirtualClock(wall)
    return run_virtual(stage._place(clock, Flow.parse(flow), scenario), clock)


def branch(office: Stage, wall: float, data: dict[str, Any], *children: str) -> str:
    flow = node("temporal_route", data, **dict.fromkeys((*children, "_"), END))
    return at(office, wall, flow).step("temporal_route").outcome.removeprefix("continue ")


@pytest.mark.parametrize(
    ("wall", "data", "children", "key"),
    [
        (FRIDAY_10, {"rules": ["office-hours"]}, ["office-hours"], "office-hours"),
        (FRIDAY_10 + 8 * 3600, {"rules": ["office-hours"]}, ["office-hours"], "_"),
        (FRIDAY_10 + 86_400, {"rules": ["office-hours"]}, ["office-hours"], "_"),
        (FRIDAY_10, {}, ["office-hours"], "office-hours"),  # by the child's key alone
        (FRIDAY_10, {"rules": ["office-hours"]}, [], "_"),  # holds, but has no child
        (CHRISTMAS, {"rules": ["office-hours"], "rule_set": "holidays"}, ["rule_set", "office-hours"],
         "office-hours"),
        (CHRISTMAS, {"rules": ["holidays", "office-hours"]}, ["office-hours", "holidays"], "holidays"),
        (CHRISTMAS, {"rule_set": "holidays"}, ["rule_set"], "rule_set"),
        (FRIDAY_10, {"rule_set": "holidays"}, ["rule_set"], "_"),
        (FRIDAY_10, {"rules": ["office-hours"], "timezone": "America/New_York"}, ["office-hours"], "_"),
        (FRIDAY_10 + 6 * 3600, {"rules": ["office-hours"], "timezone": "America/New_York"}, ["office-hours"],
         "office-hours"),
    ],
)  # fmt: skip
def test_temporal_route_leads_to_the_first_rule_that_holds(
    office: Stage, wall: float, data: dict[str, Any], children: list[str], key: str
) -> None:
    assert branch(office, wall, data, *children) == key


def codes(ran: Ran) -> list[str]:
    return [notice.code for notice in ran.of(Noticed) if notice.level != "info"]


def test_temporal_route_says_what_is_wrong(office: Stage) -> None:
    flow = node(
        "temporal_route", {"rules": ["nothing"], "rule_set": "none", "timezone": "Mars/One"}, then=END
    )
    assert codes(at(office, FRIDAY_10, flow)) == ["CF-RUN-TIMEZONE", "CF-DOC-003", "CF-DOC-003"]
    office.has(
        "temporal_rule", "night", {"cycle": "daily", "time_window_start": 79_200, "time_window_stop": 3600}
    )
    ran = at(office, FRIDAY_10, node("temporal_route", {"rules": ["night"]}, night=END, then=END))
    assert codes(ran) == ["CF-RUN-TIME-WINDOW"] and ran.step("temporal_route").outcome == "continue _"


def test_temporal_route_switches_rules_by_phone_and_keeps_it(office: Stage) -> None:
    assert branch(office, FRIDAY_10, {"rules": ["night"]}, "night") == "_"

    def switch(action: str) -> str:
        return at(
            office, FRIDAY_10, node("temporal_route", {"action": action, "rules": ["night", "x"]})
        ).walk[0][1]

    for action, key in (("enable", "night"), ("reset", "night"), ("disable", "_")):
        assert switch(action) == "stop"
        assert branch(office, FRIDAY_10, {"rules": ["night"]}, "night") == key, action


@pytest.mark.parametrize(
    ("pressed", "key"), [("1", "night"), ("3", "night"), ("2", "_"), ("", "_"), ("777", "_"), ("71", "night")]
)
def test_temporal_route_menu(office: Stage, pressed: str, key: str) -> None:
    script = caller(*(presses(2.0 + 4 * i, digit) for i, digit in enumerate(pressed)), leaves=60.0)
    menu = node("temporal_route", {"action": "menu", "rules": ["night"]})
    at(office, FRIDAY_10, menu, replace(CALLER, caller=script))
    assert branch(office, FRIDAY_10, {"rules": ["night"]}, "night") == key
