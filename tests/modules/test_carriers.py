"""resources, offnet and transfer: calls to other numbers (kazoo.md 2.4, 2.5, 3)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callflow.channels.sim.scenario import Scenario
from callflow.documents.accounts import Account
from callflow.engine.dialling import identity
from callflow.events import CallBridged, CallRinging, CallTransferred
from tests.modules.stage import NEVER, Ran, Stage, answers, caller, keyed, node, rejects

STAYS = caller(leaves=300.0)
OUT = "+14155550123"


def _carriers(demo: Stage) -> None:
    rule = r"^\+?1?([2-9]\d{9})$"
    rows = [{"server": "192.0.2.1", "prefix": "00"}, {"server": "192.0.2.2", "suffix": "#"}]
    demo.has("resource", "dear", {"name": "Dear", "rules": [rule], "weight_cost": 90, "gateways": rows[:1]})
    demo.has("resource", "cheap", {"name": "Cheap", "rules": [rule], "weight_cost": 10, "gateways": rows})
    fax = {
        "name": "Fax",
        "rules": ["."],
        "weight_cost": 0,
        "flags": ["fax"],
        "gateways": [{"server": "192.0.2.3"}],
    }
    demo.has("resource", "fax", {**fax, "rules": [r"^\+1415(\d+)$"]})
    demo.has("resource", "off", {**fax, "enabled": False})


def _dialled(ran: Ran) -> list[str]:
    return [event.endpoint.removeprefix("number ") for event in ran.of(CallRinging)]


@pytest.mark.parametrize("module", ["resources", "offnet"])
def test_resources_tries_one_gateway_after_the_other(demo: Stage, module: str) -> None:
    _carriers(demo)
    endpoints = {
        "5550123": rejects("NORMAL_TEMPORARY_FAILURE", 503),
        "004155550123": rejects("NO_ROUTE_DESTINATION"),
    }
    ran = demo.run(
        node(module, {"to_did": OUT}, then=node("noop")),
        Scenario(caller=STAYS, endpoints={**endpoints, "4155550123#": answers(1.0, leaves=2.0)}),
    )
    assert _dialled(ran) == ["5550123", "004155550123", "4155550123#"]
    assert ran.walk == [(module, "stop")] and len(ran.of(CallBridged)) == 1


def test_resources_failure_leads_to_cause_or_code_and_never_goes_on(demo: Stage) -> None:
    _carriers(demo)
    refused = Scenario(caller=STAYS, callee=rejects("NORMAL_TEMPORARY_FAILURE", 503))
    plain = demo.run(node("resources", {"to_did": OUT}, then=node("noop")), refused)
    assert plain.walk == [("resources", "stop")] and len(_dialled(plain)) == 4
    coded = demo.run(keyed(node("resources", {"to_did": OUT}), **{"sip:503": node("answer")}), refused)
    assert coded.walk[0] == ("resources", "attempt sip:503")
    caused = keyed(node("resources", {"to_did": OUT}), NORMAL_TEMPORARY_FAILURE=node("answer"))
    assert demo.run(caused, refused).modules == ["resources", "answer"]


def test_resources_stops_at_a_callee_who_was_reached(demo: Stage) -> None:
    _carriers(demo)
    ran = demo.run(
        node("resources", {"to_did": OUT}), Scenario(caller=STAYS, callee=rejects("USER_BUSY", 486))
    )
    assert len(_dialled(ran)) == 1 and ran.report.cause == "USER_BUSY"
    late = demo.run(node("resources", {"to_did": OUT, "timeout": 4}), Scenario(caller=STAYS, callee=NEVER))
    assert len(_dialled(late)) == 1 and late.step("resources").seconds == pytest.approx(4.0, abs=0.05)


def test_resources_takes_only_carriers_with_the_flags(demo: Stage) -> None:
    _carriers(demo)
    flow = node("resources", {"to_did": OUT, "outbound_flags": ["fax"]})
    assert _dialled(demo.run(flow, Scenario(caller=STAYS, callee=rejects("CALL_REJECTED")))) == ["5550123"]


def test_resources_shows_the_caller_id_of_the_wanted_kind(
    demo: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def noted(account: Account, device_id: str, user_id: str, kind: str) -> tuple[str, str]:
        asked.append(kind)
        return "", ""

    monkeypatch.setattr(identity, "caller_id", noted)
    nobody = Scenario(caller=STAYS, callee=rejects("CALL_REJECTED"))
    for number, data in (
        (OUT, {}),
        (OUT, {"caller_id_type": "internal"}),
        ("911", {"caller_id_type": "internal"}),
    ):
        demo.run(node("resources", {"to_did": number, **data}), nobody)
    assert asked == ["external", "internal", "emergency"]


def test_resources_without_a_carrier_says_so(demo: Stage) -> None:
    _carriers(demo)
    flow = keyed(node("resources", {"to_did": "911"}), NO_ROUTE_DESTINATION=node("answer"))
    ran = demo.run(flow, Scenario(caller=STAYS, callee=answers()))
    assert ran.modules == ["resources", "answer"] and ran.of(CallRinging) == []
    assert [notice.code for notice in ran.notices("error")] == ["CF-RUN-CARRIER"]


def test_resources_dials_what_was_dialled(demo: Stage) -> None:
    _carriers(demo)
    calls = Scenario(caller=STAYS, to_number=OUT, callee=rejects("USER_BUSY"))
    assert _dialled(demo.run(node("resources"), calls)) == ["5550123"]


def test_offnet_in_a_single_flow_file_rings_the_number(stage: Stage) -> None:
    ran = stage.run(node("offnet", {"to_did": OUT}), Scenario(caller=STAYS, callee=answers(1.0, leaves=1.0)))
    assert _dialled(ran) == [OUT] and ran.walk == [("offnet", "stop")]


def test_transfer_goes_on_with_the_flow_of_the_number(demo: Stage) -> None:
    demo.has(
        "callflow", "there", {"numbers": ["7001"], "flow": node("sleep", {"duration": 2}, then=node("noop"))}
    )
    outer = node("transfer", {"target": "7001"}, then=node("answer"))
    demo.flows["outer"] = {"id": "outer", "flow": outer}
    ran = demo.run(node("callflow", {"id": "outer"}, then=node("dead_air")), Scenario(caller=STAYS))
    assert ran.modules == ["callflow", "transfer", "sleep", "noop"], "what waited is forgotten"
    assert [event.target for event in ran.of(CallTransferred)] == ["7001"]


def test_transfer_takes_the_first_capture(demo: Stage) -> None:
    demo.has("callflow", "there", {"numbers": ["7001"], "flow": node("noop")})
    assert demo.run(node("transfer", {"captures": ["7001"]}), Scenario(caller=STAYS)).modules[-1] == "noop"
    ran = demo.run(node("transfer", {}, then=node("noop")), Scenario(caller=STAYS))
    assert ran.modules == ["transfer"] and ran.notices("error")[0].code == "CF-RUN-TRANSFER-TARGET"


def test_transfer_in_a_circle_comes_to_an_end(demo: Stage) -> None:
    demo.set(callflow__max_branch_count=5)
    demo.has("callflow", "there", {"numbers": ["7001"], "flow": node("transfer", {"target": "7001"})})
    ran = demo.run(node("transfer", {"target": "7001"}), Scenario(caller=STAYS))
    assert ran.modules == ["transfer"] * 6 and ran.notices("error")[-1].code == "CF-ENG-002"


@pytest.mark.parametrize(("device", "modules"), [("alice-desk", ["transfer", "answer"]), ("", ["transfer"])])
def test_transfer_leads_strangers_to_no_catch_all(demo: Stage, device: str, modules: list[str]) -> None:
    """no_match is what often leads out to a carrier (kazoo.md 2.5): not for anybody."""
    demo.has("callflow", "no_match", {"numbers": ["no_match"], "flow": node("answer")})
    calls = Scenario(caller=STAYS, device_id=device, callee=rejects("UNALLOCATED_NUMBER", 404))
    assert demo.run(node("transfer", {"target": "900123"}), calls).modules == modules


def test_a_gateway_that_says_nothing_leaves_the_call_to_the_next(demo: Stage) -> None:
    _carriers(demo)
    endpoints = {"5550123": rejects("NO_USER_RESPONSE", 408), "004155550123": answers(1.0, leaves=2.0)}
    ran = demo.run(node("resources", {"to_did": OUT}), Scenario(caller=STAYS, endpoints=endpoints))
    assert _dialled(ran) == ["5550123", "004155550123"]
    assert len(ran.of(CallBridged)) == 1


@pytest.mark.parametrize("kind", ["device", "user", "account"])
def test_a_phone_calls_no_number_that_is_denied_to_it(stage: Stage, kind: str) -> None:
    """``call_restriction`` holds before the first node of any flow, for what was dialled or captured."""
    deny = {"action": "deny"}
    denied = {"call_restriction": {"international": deny, "unknown": deny}}
    stage.has("user", "alice", denied if kind == "user" else {})
    stage.has("device", "desk", {"owner_id": "alice", **(denied if kind == "device" else {})})
    stage.has("device", "lobby", {})
    stage.account = replace(stage.account, document=denied if kind == "account" else {})
    stage.flows = {
        "out": {"numbers": ["no_match"], "flow": node("sleep", {"duration": 1})},
        "forward": {"patterns": [r"^\*72(\d+)$"], "flow": node("sleep", {"duration": 1})},
    }

    def modules(number: str, device: str) -> list[str]:
        return stage.dial(number, Scenario(to_number=number, device_id=device, caller=STAYS)).modules

    for number in ("0019005550100", "*720019005550100"):
        assert modules(number, "desk") == []
        assert modules(number, "") == ["sleep"]
        assert modules(number, "lobby") == ([] if kind == "account" else ["sleep"])
    assert modules("4155550123", "desk") == ["sleep"]
    assert modules("*724", "desk") == ["sleep"], "a code of the account"
    assert modules("4711", "desk") == [], "no number of the account, and of no class"
    ran = stage.dial("00441", Scenario(to_number="00441", device_id="desk", caller=STAYS))
    assert [notice.code for notice in ran.notices()] == ["CF-RUN-RESTRICTED"]
    assert ran.report.cause == "CALL_REJECTED"
