"""menu: kazoo.md 3, "Details worth copying", case by case."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from callflow.channels.sim.scenario import Scenario
from callflow.documents.moduledata import prepare_document
from tests.modules.stage import Ran, Stage, caller, keyed, level, node, presses

GREETING = "tone_stream://%(1000,0,440)"
MENU: Mapping[str, object] = {
    "name": "Test",
    "timeout": 2000,
    "interdigit_timeout": 1000,
    "retries": 2,
    "media": {"greeting": GREETING, "invalid_media": False, "exit_media": False, "transfer_media": False},
}


def _run(stage: Stage, flow: dict[str, object], *digits: tuple[float, str], **menu: object) -> Ran:
    stage.has("menu", "main", prepare_document("menu", {**MENU, **menu}).data)
    script = [presses(at, text) for at, text in digits]
    return stage.run(flow, Scenario(caller=caller(*script, leaves=60.0)))


def _menu(**children: object) -> dict[str, object]:
    return keyed(node("menu", {"id": "main"}), **children)


def test_menu_goes_to_the_child_of_the_digits(stage: Stage) -> None:
    flow = _menu(k1=node("noop"), k12=node("sleep"), _=node("answer"))
    ran = _run(stage, flow, (2.0, "12"))
    assert ran.walk == [("menu", "attempt 12"), ("sleep", "stop")]


def test_menu_takes_digits_during_the_greeting(stage: Stage) -> None:
    ran = _run(stage, _menu(k1=node("noop")), (0.5, "1"))
    assert ran.modules == ["menu", "noop"]
    assert ran.step("menu").seconds == pytest.approx(1.5, abs=0.15), "the digit, then the time between digits"


def test_menu_ends_an_entry_at_the_hash_and_at_the_longest(stage: Stage) -> None:
    ended = _run(stage, _menu(k1=node("noop")), (2.0, "1#"))
    assert ended.modules == ["menu", "noop"] and ended.step("menu").seconds < 2.5
    longest = _run(stage, _menu(k123=node("noop")), (2.0, "1234"), max_extension_length=3)
    assert longest.modules == ["menu", "noop"] and longest.step("menu").seconds < 2.7


def test_menu_knows_children_named_hash_and_star(stage: Stage) -> None:
    flow = _menu(**{"#": node("noop"), "*": node("sleep")})
    assert _run(stage, flow, (2.0, "#")).modules == ["menu", "noop"]
    assert _run(stage, flow, (2.0, "*")).modules == ["menu", "sleep"]


def test_menu_hunts_for_an_extension(stage: Stage) -> None:
    stage.flows["bob"] = {"numbers": ["2002"], "flow": node("sleep", {"duration": 1})}
    ran = _run(stage, _menu(_=node("noop")), (2.0, "2002"))
    assert ran.walk == [("menu", "branch bob"), ("sleep", "stop"), ("noop", "stop")]


@pytest.mark.parametrize(
    "document", [{"hunt": False}, {"hunt_deny": "^2"}, {"hunt_allow": "^3"}, {"hunt_allow": "("}]
)
def test_menu_does_not_hunt_where_it_may_not(stage: Stage, document: dict[str, object]) -> None:
    stage.flows["bob"] = {"numbers": ["2002"], "flow": node("sleep", {"duration": 1})}
    ran = _run(stage, _menu(_=node("noop")), (2.0, "2002"), **document)
    assert ran.modules == ["menu", "noop"]


def test_menu_does_not_hunt_for_numbers_that_nobody_has(stage: Stage) -> None:
    stage.flows["rest"] = {"numbers": ["no_match"], "flow": node("sleep")}
    ran = _run(stage, _menu(_=node("noop")), (2.0, "7777"))
    assert ran.modules == ["menu", "noop"]


def test_menu_without_digits_goes_to_timeout(stage: Stage) -> None:
    ran = _run(stage, _menu(timeout=node("sleep"), _=node("noop")))
    assert ran.walk[0] == ("menu", "attempt timeout")
    assert ran.step("menu").seconds == pytest.approx(3.0, abs=0.05), "greeting, then the menu's timeout"


def test_menu_gives_up_after_its_tries(stage: Stage) -> None:
    ran = _run(stage, _menu(max_retries=node("sleep"), _=node("noop")))
    assert ran.walk[0] == ("menu", "attempt max_retries")
    assert ran.step("menu").seconds == pytest.approx(2 * 3.0, abs=0.05)
    assert _run(stage, _menu(_=node("noop"))).modules == ["menu", "noop"]


def test_menu_says_goodbye_where_there_is_nothing_to_go_on_to(stage: Stage) -> None:
    silent = _run(stage, _menu(_=node("noop"))).step("menu").seconds
    spoken = _run(stage, _menu()).step("menu").seconds
    assert spoken > silent + 0.3


def test_menu_tells_of_an_invalid_entry(stage: Stage) -> None:
    own = {**MENU["media"], "invalid_media": "tone_stream://%(800,0,1000)"}  # type: ignore[dict-item]
    flow = node("record_call", {"action": "start", "format": "wav"}, then=_menu(_=node("noop")))
    ran = _run(stage, flow, (1.5, "9#"), media=own)
    heard = ran.sound(ran.row())[:, 1]
    assert level(heard, 1000, 1.8, 2.3) > 3000
    quiet = _run(stage, flow, (1.5, "9#"), media=own, suppress_media=True)
    assert level(quiet.sound(quiet.row())[:, 1], 1000, 1.8, 2.3) < 300


def test_menu_with_a_greeting_that_is_missing_still_asks(stage: Stage) -> None:
    ran = _run(stage, _menu(k1=node("noop")), (5.0, "1"), media={"greeting": "nowhere"})
    assert ran.modules == ["menu", "noop"]
    assert any("nowhere" in notice.message for notice in ran.notices("error"))


def test_menu_says_that_its_greeting_is_not_recorded_by_phone(stage: Stage) -> None:
    ran = _run(stage, _menu(_=node("noop")), (2.0, "9876"), record_pin="9876")
    assert [notice.code for notice in ran.notices("warning")] == ["CF-RUN-MENU-PIN"]


def test_menu_that_is_not_there_is_passed_over(stage: Stage) -> None:
    ran = stage.run(node("menu", {"id": "nowhere"}, then=node("noop")))
    assert ran.modules == ["menu", "noop"]
    assert "nowhere" in ran.notices("error")[0].message


def test_menu_of_the_demo_account(demo: Stage) -> None:
    scenario = Scenario(to_number="2000", caller=caller(presses(3.0, "2"), leaves=60.0))
    ran = demo.dial("2000", scenario)
    assert ran.modules[:4] == ["record_call", "menu", "callflow", "record_call"]
