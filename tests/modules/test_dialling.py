"""disa, dynamic_cid, directory, intercom, privacy, route_to_cid: a number dialled within the call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from callflow.channels.channel import DialTarget
from callflow.channels.sim.scenario import Scenario
from callflow.documents.restrictions import classify, is_restricted
from callflow.engine.dialling.identity import Identity
from callflow.events import CallRinging
from callflow.modules.directory import on_keys
from tests.modules.several import comes, run_all
from tests.modules.stage import NEVER, Ran, Stage, answers, caller, node, presses

OUTSIDE = Scenario(from_number="+15550100", from_name="Zoe", caller=caller(leaves=60.0), callee=NEVER)
ALICE = replace(OUTSIDE, from_number="2001", from_name="Alice", user_id="alice", device_id="alice-desk")
END = node("noop")


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[DialTarget]:
    """What the dialer was asked for: the target with the caller that it shows."""
    seen: list[DialTarget] = []
    kept = Identity.present

    def present(self: Identity, target: DialTarget) -> DialTarget:
        seen.append(kept(self, target))
        return seen[-1]

    monkeypatch.setattr(Identity, "present", present)
    return seen


def shown(dialled: list[DialTarget]) -> list[tuple[str, str, str]]:
    return [
        (target.id, target.caller.from_number, target.caller.from_name) for target in dialled if target.caller
    ]


def rung(ran: Ran) -> list[str]:
    return [event.endpoint for event in ran.of(CallRinging)]


def pressing(scenario: Scenario, *keys: tuple[float, str]) -> Scenario:
    return replace(scenario, caller=caller(*(presses(at, digits) for at, digits in keys), leaves=60.0))


def coded(
    office: Stage, pattern: str, module: str, data: Mapping[str, Any], number: str, who: Scenario
) -> Ran:
    """A feature code: a flow with a pattern, dialled."""
    office.flows["code"] = {"patterns": [pattern], "flow": node(module, data, then=END)}
    return office.dial(number, replace(who, to_number=number))


# ---- disa -------------------------------------------------------------------------------------


def test_disa_asks_for_the_pin_and_dials(office: Stage, dialled: list[DialTarget]) -> None:
    flow = node("disa", {"pin": "4321"}, then=END)
    ran = office.run(flow, pressing(OUTSIDE, (2.0, "11#"), (6.0, "4321#"), (12.0, "2003#")))
    assert ran.modules[:2] == ["disa", "user"] and rung(ran) == ["device carol-desk"]
    assert ran.notices("warning") == []


def test_disa_dials_out_with_the_dialled_number(office: Stage, dialled: list[DialTarget]) -> None:
    """A no_match flow's ``resources`` calls what was dialled last, not what was called first."""
    office.flows["out"] = {"numbers": ["no_match"], "flow": node("resources", {})}
    document = {
        **office.account.document,
        "caller_id": {"external": {"number": "+4930123", "name": "Office"}},
    }
    office.account = replace(office.account, document=document)
    flow = node("disa", {"pin": "", "use_account_caller_id": True}, then=END)
    ran = office.run(flow, pressing(OUTSIDE, (2.0, "15550123456#")))
    assert rung(ran) == ["number 15550123456"] and shown(dialled) == [("15550123456", "+4930123", "Office")]
    assert [notice.code for notice in ran.notices("warning")] == ["CF-RUN-DISA"]
    denied = {**document, "call_restriction": {"did_us": {"action": "deny"}}}
    office.account = replace(office.account, document=denied)
    ran = office.run(flow, pressing(OUTSIDE, (2.0, "15552123456#")))
    assert rung(ran) == [] and ran.step("disa").did == "may not call 15552123456"


@pytest.mark.parametrize(
    ("keys", "outcome"),
    [
        ([(2.0, "1#"), (5.0, "2#"), (8.0, "3#")], ("disa", "stop")),  # the PIN three times wrong
        ([(2.0, "4321#"), (6.0, "999#"), (9.0, "999#"), (12.0, "999#")], ("disa", "continue _")),
        ([(2.0, "4321#")], ("disa", "continue _")),  # nothing dialled
    ],
)
def test_disa_gives_up(office: Stage, keys: list[tuple[float, str]], outcome: tuple[str, str]) -> None:
    assert office.run(node("disa", {"pin": "4321"}, then=END), pressing(OUTSIDE, *keys)).walk[0] == outcome


@pytest.mark.parametrize(
    ("number", "name"),
    [("2001", "unknown"), ("911", "emergency"), ("+18005551234", "tollfree_us"), ("15552123456", "did_us"),
     ("0049301234", "international"), ("+4930123456", "international"), ("19005551234", "toll_us"),
     ("+12645551234", "caribbean")],
)  # fmt: skip
def test_numbers_have_classes(number: str, name: str) -> None:
    assert classify(number) == name
    assert is_restricted(number, [{"call_restriction": {name: {"action": "deny"}}}])
    assert not is_restricted(
        number, [{"call_restriction": {name: {"action": "inherit"}}}, {"call_restriction": 7}]
    )


# ---- dynamic_cid ------------------------------------------------------------------------------

RING = node("user", {"id": "bob", "timeout": 2})


def test_dynamic_cid_static_shows_what_the_node_says(office: Stage, dialled: list[DialTarget]) -> None:
    for said in ({"number": "+4930777", "name": "Sales"}, {"number": "+4930888"}, {}):
        office.run(node("dynamic_cid", {"action": "static", "caller_id": said}, then=RING), ALICE)
    assert shown(dialled) == [
        ("bob-desk", "+4930777", "Sales"),
        ("bob-desk", "+4930888", "Alice"),
        ("bob-desk", "2001", "Alice"),
    ]


@pytest.mark.parametrize(
    ("keys", "data", "number"),
    [
        ([(4.0, "4930555123")], {}, "4930555123"),
        ([(4.0, "49305#")], {}, "2001"),  # too short
        ([(4.0, "49305#")], {"min_digits": 3}, "49305"),
        ([(4.0, "49305#")], {"min_digits": 3, "whitelist_regex": "^1"}, "2001"),
        ([(4.0, "49305#")], {"min_digits": 3, "whitelist_regex": "("}, "2001"),
        ([(4.0, "49305#")], {"min_digits": 3, "media_id": "nothing"}, "49305"),
        ([], {}, "2001"),
    ],
)
def test_dynamic_cid_manual_asks(
    office: Stage, dialled: list[DialTarget], keys: Any, data: Any, number: str
) -> None:
    office.run(node("dynamic_cid", data, then=RING), pressing(ALICE, *keys))
    assert [who for _, who, _ in shown(dialled)] == [number]


def test_dynamic_cid_list_takes_key_and_number(office: Stage, dialled: list[DialTarget]) -> None:
    entries = {
        "01": {"number": "+4930001", "name": "One"},
        "x": {"cid_key": "02", "cid_number": "+4930002", "cid_name": "Two"},
    }
    office.has("list", "numbers", {"name": "Numbers", "entries": entries})
    data = {"id": "numbers"}
    star = r"^\*5([0-9]+)$"
    for action, dialled_number in (("list", "*5012003"), ("lists", "*5022003"), ("list", "*5992003")):
        coded(office, star, "dynamic_cid", {"action": action, **data}, dialled_number, ALICE)
    assert [who for _, who, _ in shown(dialled)] == ["+4930001", "+4930002", "2001"]
    assert {target.id for target in dialled} == {"carol-desk"}
    nobody = coded(office, star, "dynamic_cid", {"action": "list", **data}, "*50177", ALICE)
    assert nobody.step("dynamic_cid").did == "found no callflow for 77"
    missing = coded(office, star, "dynamic_cid", {"action": "list", "id": "?"}, "*5012003", ALICE)
    assert [notice.code for notice in missing.notices("error")] == ["CF-DOC-003"]
    alice = office.account.get("user", "alice") or {}
    office.has("user", "alice", {**alice, "call_restriction": {"unknown": {"action": "deny"}}})
    denied = coded(office, star, "dynamic_cid", {"action": "list", **data}, "*5012003", ALICE)
    assert denied.step("dynamic_cid").did == "may not call 2003"
    named = r"^\*6(?<key>[0-9]{2})([0-9]+)$"
    ran = coded(office, named, "dynamic_cid", {"action": "list", "idx_name": "key", **data,
                "enforce_call_restriction": False}, "*6012003", ALICE)  # fmt: skip
    assert shown(dialled)[-1] == ("carol-desk", "+4930001", "One") and rung(ran) == ["device carol-desk"]


# ---- directory --------------------------------------------------------------------------------

FIND = node("directory", {"id": "everybody"}, then=END)


@pytest.mark.parametrize(
    ("keys", "did"),
    [
        ([(3.0, "262#"), (7.0, "1")], "calls bob"),  # BOB
        ([(3.0, "2769#"), (7.0, "1")], "calls bob"),  # BROW(n)
        ([(3.0, "262#"), (7.0, "3"), (12.0, "227#"), (17.0, "1")], "calls carol"),
        ([(3.0, "99999#"), (10.0, "2542#"), (16.0, "1")], "calls alice"),
        ([(3.0, "0")], "the caller went back"),
        ([(3.0, "2#"), (8.0, "2#"), (14.0, "2#")], "found nobody"),
        ([], "found nobody"),
    ],
)
def test_directory_finds_people_by_letters(office: Stage, keys: Any, did: str) -> None:
    ran = office.run(FIND, pressing(OUTSIDE, *keys))
    assert ran.step("directory").did == did
    if did.startswith("calls "):
        assert rung(ran) == [f"device {did.removeprefix('calls ')}-desk"]


def test_directory_offers_several_in_order(office: Stage) -> None:
    for id, first in (("anna", "Anna"), ("andy", "Andy")):
        office.has(
            "user", id, {"first_name": first, "last_name": "Zuse", "directories": {"everybody": "carol"}}
        )
    found = pressing(OUTSIDE, (3.0, "9873#"), (8.0, "9"), (13.0, "2"), (17.0, "1"))  # ZUSE: Andy, then Anna
    assert office.run(FIND, found).step("directory").did == "calls anna"
    nobody = pressing(OUTSIDE, (3.0, "9873#"), (8.0, "2"), (12.0, "2"))
    assert office.run(FIND, nobody).step("directory").did == "found nobody"
    document = office.account.get("directory", "everybody") or {}
    office.has("directory", "everybody", {**document, "confirm_match": False, "search_fields": "first_name"})
    ran = office.run(FIND, pressing(OUTSIDE, (3.0, "2769#"), (8.0, "262#")))
    assert ran.step("directory").did == "calls bob", "BROW is no first name, BOB is, and is not asked about"
    office.has("user", "anna", {"first_name": "Anna", "last_name": "Zuse", "directories": {"everybody": "?"}})
    ran = office.run(FIND, pressing(OUTSIDE, (3.0, "2662#")))
    assert ran.step("directory").did == "found no callflow for anna"


def test_directory_that_is_not_there_or_empty(office: Stage) -> None:
    assert office.run(node("directory", {"id": "?"}, then=END), OUTSIDE).step("directory").did == (
        "found no such directory"
    )
    office.has("directory", "empty", {"name": "x", **(office.account.get("directory", "everybody") or {})})
    assert office.run(node("directory", {"id": "empty"}, then=END), OUTSIDE).walk[0] == (
        "directory",
        "continue _",
    )


def test_names_are_pressed_without_accents() -> None:
    assert [on_keys(name) for name in ("Zoë", "O'Brien", "Łukasz 3", "")] == [
        "963",
        "627436",
        "585279",
        "",
    ]


# ---- intercom ---------------------------------------------------------------------------------

STAR_0 = r"^\*0([0-9]+)$"


def test_intercom_asks_phones_to_answer_by_themselves(office: Stage, dialled: list[DialTarget]) -> None:
    ran = coded(office, STAR_0, "intercom", {}, "*02002", replace(ALICE, callee=answers(0.0, leaves=2.0)))
    assert ran.walk[:2] == [("intercom", "branch bob"), ("user", "stop")]
    (target,) = dialled
    assert target.headers["Answer-Mode"] == "Auto" and "answer-after=0" in target.headers["Call-Info"]
    for number in ("*099", "*0"):
        assert coded(office, r"^\*0([0-9]*)$", "intercom", {}, number, ALICE).walk[0] == (
            "intercom",
            "continue _",
        )


def test_intercom_barges_only_if_told_to(office: Stage) -> None:
    talk = replace(OUTSIDE, callee=answers(1.0), end_when_quiet_s=None)
    for barges, phones in ((False, []), (True, ["device bob-desk"])):
        data = {"barge_calls": barges}
        office.flows["code"] = {"patterns": [STAR_0], "flow": node("intercom", data, then=END)}
        _, second = run_all(office, comes(0.0, "2002", talk), comes(5.0, "*02002", ALICE))
        assert rung(second) == phones


# ---- privacy ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "who"),
    [
        ("full", ("anonymous", "Anonymous")),
        ("number", ("anonymous", "Alice")),
        ("name", ("2001", "Anonymous")),
    ],
)
def test_privacy_hides_the_caller_from_the_captured_number(
    office: Stage, dialled: list[DialTarget], mode: str, who: tuple[str, str]
) -> None:
    star = r"^\*67([0-9]+)$"
    ran = coded(office, star, "privacy", {"mode": mode}, "*672002", ALICE)
    assert rung(ran) == ["device bob-desk"] and shown(dialled) == [("bob-desk", *who)]
    assert ("Privacy" in dialled[0].headers) == (who[0] == "anonymous")
    assert coded(office, star, "privacy", {}, "*6777", ALICE).walk[0] == ("privacy", "stop")


def test_privacy_without_a_number_goes_on(office: Stage, dialled: list[DialTarget]) -> None:
    name = node("privacy", {"mode": "name", "endpoint_strategy": "merge"}, then=RING)
    ran = office.run(node("privacy", {"mode": "number"}, then=name), ALICE)
    assert ran.modules == ["privacy", "privacy", "user"]
    assert shown(dialled) == [("bob-desk", "anonymous", "Anonymous")]


# ---- route_to_cid -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "data", "phones"),
    [
        ("2003", {"endpoint_types": ["user"]}, ["device carol-desk"]),
        ("2003", {"endpoint_types": ["user", "device"]}, ["device carol-desk"]),
        ("2003", {"endpoint_types": ["device"]}, []),
        ("2003", {}, []),
        ("2003", {"endpoint_types": ["user"], "cid_types": ["external"]}, []),
        ("2099", {"endpoint_types": ["user"]}, []),
    ],
)
def test_route_to_cid_rings_whose_number_it_is(
    office: Stage, number: str, data: Any, phones: list[str]
) -> None:
    flow = node("route_to_cid", {"timeout": 2, **data}, then=END)
    assert rung(office.run(flow, replace(OUTSIDE, to_number=number))) == phones


def test_transfer_to_a_number_outside_calls_that_number(office: Stage, dialled: list[DialTarget]) -> None:
    """Not the number that was called first: the carrier's flow (``no_match``) comes after the transfer."""
    office.flows["out"] = {"numbers": ["no_match"], "flow": node("resources", {})}
    ran = office.run(node("transfer", {"target": "15550123456"}), replace(ALICE, to_number="2009"))
    assert ran.modules == ["transfer", "resources"] and rung(ran) == ["number 15550123456"]
