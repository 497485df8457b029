"""Who is shown as the caller: set_cid, prepend_cid, check_cid, lookupcidname, set_alert_info, together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from callflow.channels.channel import DialTarget, Party
from callflow.channels.sim.scenario import Scenario
from callflow.documents.accounts import Account
from callflow.engine.dialling.identity import HIDDEN, HIDDEN_NAME, Identity
from tests.modules.stage import NEVER, Ran, Stage, caller, node

ZOE = Scenario(from_number="+15550100", from_name="Zoë", caller=caller(leaves=5.0), callee=NEVER)
RING = node("user", {"id": "alice", "timeout": 2})

NUMBERS = {"caller_id": {"external": {"number": "+4930123", "name": "Acme"}}}


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[DialTarget]:
    """What the dialer was asked for: the target with the caller that it shows."""
    seen: list[DialTarget] = []
    kept = Identity.present

    def present(self: Identity, target: DialTarget) -> DialTarget:
        shown = kept(self, target)
        seen.append(shown)
        return shown

    monkeypatch.setattr(Identity, "present", present)
    return seen


def _identity(document: Mapping[str, Any] | None = None) -> Identity:
    return Identity(Account("acme", document=document or {}), Party("1001", "2002", from_name="Alice"))


def _shown(identity: Identity, kind: str = "") -> tuple[str, str]:
    party = identity.shown(kind)
    return party.from_name, party.from_number


def test_the_order_is_documents_then_prefixes_then_what_is_set_then_privacy() -> None:
    identity = _identity(NUMBERS)
    assert _shown(identity) == ("Alice", "1001")
    assert _shown(identity, "external") == ("Acme", "+4930123")
    identity.prepend("9", "Sales: ")
    assert _shown(identity) == ("Sales: Alice", "91001")
    identity.choose("+15550199")
    assert _shown(identity, "external") == ("Sales: Alice", "9+15550199"), "a chosen number beats documents"
    identity.set("555", "")
    assert _shown(identity, "external") == ("Sales: Alice", "555")
    identity.hide(number=True, name=False)
    assert _shown(identity) == ("Sales: Alice", HIDDEN)
    identity.hide()
    assert _shown(identity) == (HIDDEN_NAME, HIDDEN)
    assert _shown(identity, "emergency")[1] == "555", "who calls for help is not hidden"
    assert (identity.name, identity.number, identity.original.from_number) == ("Alice", "1001", "1001")


def test_prefixes_pile_up_or_take_each_others_place_and_can_be_taken_back() -> None:
    identity = _identity()
    identity.prepend("1", "a ")
    identity.prepend("2", "b ")
    assert _shown(identity) == ("b a Alice", "211001")
    identity.prepend("3", "", to_original=True)
    assert _shown(identity) == ("Alice", "31001")
    identity.without_prefixes()
    assert _shown(identity) == ("Alice", "1001")


def test_a_hidden_caller_and_a_ring_tone_are_headers_which_the_node_may_override() -> None:
    identity = _identity()
    assert not identity.present(DialTarget("device", "desk")).headers
    identity.alert_info = "<http://127.0.0.1>;info=bell"
    identity.hide()
    told = identity.present(DialTarget("device", "desk", headers={"Alert-Info": "mine"}))
    assert told.headers == {"Privacy": "id", "Alert-Info": "mine"}
    own = identity.present(DialTarget("number", "1", caller=Party("7", "1")))
    assert own.caller == Party("7", "1") and own.headers == {"Alert-Info": identity.alert_info}


def test_nothing_that_a_document_says_breaks_a_header() -> None:
    identity = _identity()
    identity.set('"\r\nEvil: 1', "a\r\nb" + "x" * 500)
    name, number = _shown(identity)
    assert "\n" not in name + number and "\r" not in name + number and len(name) <= 128


def test_set_cid_is_what_phones_see_and_not_what_is_recorded(stage: Stage, dialled: list[DialTarget]) -> None:
    cid = {"caller_id_name": "Front desk", "caller_id_number": "+15555550100"}
    flow = node("set_cid", cid, then=node("record_call", {"action": "start"}, then=RING))
    ran = stage.run(flow, ZOE)
    (target,) = dialled
    assert target.caller is not None
    assert (target.caller.from_name, target.caller.from_number) == ("Front desk", "+15555550100")
    assert ran.row().document["caller_id_number"] == "+15550100"
    assert ran.step("set_cid").did == "shows Front desk <+15555550100>"
    back = stage.run(node("set_cid", cid, then=node("set_cid", {}, then=RING)), ZOE)
    assert dialled[-1].caller is not None and dialled[-1].caller.from_number == "+15550100" and back.modules


def test_prepend_cid_shows_prefixes_until_reset(stage: Stage, dialled: list[DialTarget]) -> None:
    reset = node("prepend_cid", {"action": "reset"}, then=RING)
    first = node("user", {"id": "bob", "timeout": 1}, then=reset)
    stage.run(
        node("prepend_cid", {"caller_id_name_prefix": "VIP ", "caller_id_number_prefix": "9"}, then=first),
        ZOE,
    )
    shown = [(target.caller.from_name, target.caller.from_number) for target in dialled if target.caller]
    assert shown == [("VIP Zoë", "9+15550100"), ("Zoë", "+15550100")]


def test_set_alert_info_is_a_header_for_called_phones(stage: Stage, dialled: list[DialTarget]) -> None:
    stage.run(node("set_alert_info", {"alert_info": "<http://h>;info=x\r\nEvil: 1"}, then=RING), ZOE)
    assert dialled[0].headers == {"Alert-Info": "<http://h>;info=x Evil: 1"}


def _check(stage: Stage, data: dict[str, Any], **children: Any) -> Ran:
    return stage.run({**node("check_cid", data), "children": children}, ZOE)


def test_check_cid_branches_by_expression_or_number(stage: Stage) -> None:
    both = {"match": node("answer"), "nomatch": node("noop"), "_": node("sleep")}
    assert _check(stage, {"regex": "^\\+1555"}, **both).modules[-1] == "answer"
    assert _check(stage, {"regex": "0100"}, **both).modules[-1] == "answer", "searched, not anchored"
    assert _check(stage, {"regex": "^49"}, **both).modules[-1] == "noop"
    assert _check(stage, {}, _=node("sleep")).modules[-1] == "sleep"
    absolute = {"+15550100": node("answer"), "match": node("noop"), "_": node("sleep")}
    assert _check(stage, {"use_absolute_mode": True}, **absolute).modules[-1] == "answer"
    del absolute["+15550100"]
    assert _check(stage, {"use_absolute_mode": True}, **absolute).modules[-1] == "sleep"
    bad = _check(stage, {"regex": "("}, **both)
    assert bad.modules[-1] == "sleep" and bad.notices()[0].code == "CF-RUN-REGEX"


def test_check_cid_makes_the_caller_somebody_else(stage: Stage, dialled: list[DialTarget]) -> None:
    identity = {"external": {"name": "Joseph", "number": "+15558881122"}}
    record = node("record_call", {"action": "start"}, then=RING)
    ran = _check(stage, {"caller_id": identity, "user_id": "bob"}, match=record)
    document = ran.row().document
    assert (document["caller_id_number"], document["owner_id"]) == ("+15558881122", "bob")
    assert dialled[0].caller is not None and dialled[0].caller.from_name == "Joseph"
    partly = _check(stage, {"caller_id": identity}, match=node("record_call", {"action": "start"}))
    assert partly.row().document["caller_id_number"] == "+15550100"
    assert [notice.code for notice in partly.notices()] == ["CF-RUN-CHECK-CID"]


LIST = {
    "entries": {
        "a": {"number": "1555", "displayname": "Somebody"},
        "b": {"prefix": "+155501", "displayname": "Zoë Miller"},
        "c": {"pattern": "^\\+15550", "displayname": "by pattern"},
        "d": {"pattern": "(", "displayname": "broken"},
        "e": "odd",
    }
}


def test_lookupcidname_takes_the_longest_number_then_patterns(stage: Stage) -> None:
    stage.has("list", "vip", LIST)
    stage.has("list", "patterns", {"entries": {"c": {"pattern": "^\\+15550", "displayname": "by pattern"}}})
    stage.has("list", "nobody", {"entries": {"x": {"number": "49"}}})
    found = stage.run(node("lookupcidname", {"lists": ["nobody", "vip"]}, then=node("edr")), ZOE)
    assert found.step("lookupcidname").did == "+15550100 is Zoë Miller"
    assert (
        stage.run(node("lookupcidname", {"lists": ["patterns"]}), ZOE)
        .step("lookupcidname")
        .did.endswith("by pattern")
    )
    lost = stage.run(node("lookupcidname", {"lists": ["nowhere", "nobody"]}), ZOE)
    assert [notice.code for notice in lost.notices()] == ["CF-RUN-LIST"]
    assert lost.step("lookupcidname").did == "knows no name for +15550100"


def test_cidlistmatch_branches_by_the_list(stage: Stage) -> None:
    stage.has("list", "vip", LIST)
    stage.has("list", "odd", {"entries": {"d": {"pattern": "("}}})
    children = {"match": node("answer"), "nomatch": node("noop")}
    known = stage.run({**node("cidlistmatch", {"id": "vip"}), "children": children}, ZOE)
    assert known.modules == ["cidlistmatch", "answer"]
    other = stage.run({**node("cidlistmatch", {"id": "odd"}), "children": children}, ZOE)
    assert other.modules == ["cidlistmatch", "noop"]
    assert [notice.code for notice in other.notices()] == ["CF-RUN-REGEX"]
