"""Carriers: which gateways take a number, in which order, what is dialled there; whose caller id is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from callflow.documents.accounts import Account
from callflow.documents.caller_id import caller_id, clean_name, clean_number
from callflow.documents.check import check_paths
from callflow.documents.check_data import Surroundings
from callflow.documents.formatters import Formatters, read_formatters
from callflow.documents.resources import carriers_for, gateways_of, number_by_rules
from callflow.documents.settings import load_settings

SCHEMAS = Path(__file__).parents[2] / "schemas"


def _account(**resources: dict[str, Any]) -> Account:
    return Account("acme", documents={"resource": resources})


def _servers(account: Account, number: str, *flags: str) -> list[str]:
    return [carrier.gateway.server for carrier in carriers_for(account, number, flags=flags)]


@pytest.mark.parametrize(
    ("rules", "number", "dialled"),
    [
        ([r"^\+?1?(\d{10})$"], "+14155550123", "4155550123"),
        ([r"^9"], "911", "911"),
        ([r"^8(\d+)$", r"^(\d)\d+$"], "777", "7"),
        ([r"^(00)?\d+$"], "12", ""),
        ([r"^7$"], "77", None),
        (["(", "7"], "7", "7"),
        ([], "7", None),
        (["."], "", None),
        (["."], "7" * 65, None),
    ],
)
def test_rules_say_which_numbers_and_what_is_dialled(
    rules: list[str], number: str, dialled: str | None
) -> None:
    assert number_by_rules(rules, number) == dialled


def test_the_cheapest_first_and_gateways_in_their_order() -> None:
    two = [{"server": "a", "prefix": "00"}, {"server": "b", "suffix": "#"}]
    account = _account(
        dear={"rules": ["."], "weight_cost": 90, "gateways": [{"server": "z"}]},
        plain={"rules": [r"^\+(\d+)$"], "gateways": two},
        off={"rules": ["."], "weight_cost": 0, "enabled": False, "gateways": two},
        odd={"rules": "x", "weight_cost": "?", "gateways": {"server": "odd"}},
    )
    assert [(c.gateway.key, c.number) for c in carriers_for(account, "+49301")] == [
        ("plain/0", "0049301"),
        ("plain/1", "49301#"),
        ("dear/0", "+49301"),
    ]


def test_flags_and_emergency() -> None:
    account = _account(
        a={"rules": ["."], "flags": ["fax"], "weight_cost": 5, "gateways": [{"server": "fax"}]},
        b={"rules": ["."], "weight_cost": 9, "emergency": True, "gateways": [{"server": "help"}]},
    )
    assert _servers(account, "42") == ["fax", "help"] and _servers(account, "42", "fax") == ["fax"]
    assert _servers(account, "112") == ["help", "fax"] and _servers(account, "42", "fax", "t38") == []


def test_gateways_that_are_switched_off_or_nowhere_are_left_out() -> None:
    rows = [{"server": "a", "enabled": False}, {"server": ""}, 7, {"server": "b", "password": "trunk-horse"}]
    (gateway,) = gateways_of(_account(c={"gateways": rows}))
    assert gateway.key == "c/3" and "horse" not in repr(gateway)


def test_caller_id_device_over_user_over_account() -> None:
    def says(number: str = "", name: str = "") -> dict[str, Any]:
        return {"caller_id": {"external": {"number": number, "name": name}}}

    account = Account(
        "acme",
        document=says("+1", "Acme"),
        documents={
            "user": {"alice": says("+2")},
            "device": {"desk": {"owner_id": "alice", **says("", "Desk")}},
        },
    )
    assert caller_id(account, "desk", "", "external") == ("+2", "Desk")
    assert caller_id(account, "", "", "external") == ("+1", "Acme")
    assert caller_id(account, "desk", "alice", "internal") == ("", "")


def test_numbers_and_names_are_cleaned() -> None:
    assert clean_number('+1 (415)\r\n<"555">/..\\%0a') == "+1(415)555..0a"
    assert clean_number("9" * 999) == "9" * 64 and clean_number(7) == ""
    assert clean_name("  A\r\nB\x00  ") == "A  B" and len(clean_name("x" * 9999)) == 128


def test_check_knows_carriers_and_groups(tmp_path: Path) -> None:
    root = tmp_path / "acme"
    for folder in ("resources", "groups", "callflows"):
        (root / folder).mkdir(parents=True)
    (root / "account.json").write_text('{"name": "Acme", "realm": "acme.example"}')
    gateway = '{"server": "sip.x", "password": "trunk-horse", "transport": "ip", "inbound_ips": ["nowhere"]}'
    (root / "resources" / "c.json").write_text(f'{{"name": "C", "rules": ["("], "gateways": [{gateway}]}}')
    (root / "groups" / "g.json").write_text(
        '{"name": "G", "endpoints": {"alice": {"type": "people"}, "zoe": {}}}'
    )
    members = '[{"id": "bob", "endpoint_type": "user"}, {"id": "g", "endpoint_type": "group"}]'
    ring = f'{{"module": "ring_group", "data": {{"endpoints": {members}}}, "children": {{}}}}'
    child = f'{{"USER_BUSY": {ring}}}'
    group = f'{{"module": "group", "data": {{"id": "nobody"}}, "children": {child}}}'
    flow = f'{{"numbers": ["1"], "flow": {group}}}'
    (root / "callflows" / "f.json").write_text(flow)
    found = check_paths([root], Surroundings(load_settings()))
    places = {(Path(problem.file).name, problem.pointer) for problem in found}
    assert {
        ("c.json", "/rules/0"),
        ("c.json", "/gateways/0/transport"),
        ("c.json", "/gateways/0/inbound_ips/0"),
        ("g.json", "/endpoints/alice/type"),
        ("g.json", "/endpoints/zoe"),
        ("f.json", "/flow/data/id"),
        ("f.json", "/flow/children/USER_BUSY/data/endpoints/0/id"),
    } <= places
    assert not [place for place in places if place[1].endswith("endpoints/1/id")]
    assert "horse" not in str(found)


def test_defaults_are_those_of_the_schema() -> None:
    rows = json.loads((SCHEMAS / "resource.json").read_text())["properties"]["gateways"]["items"][
        "properties"
    ]
    (gateway,) = gateways_of(_account(one={"name": "One", "gateways": [{"server": "192.0.2.1"}]}))
    assert gateway.progress_timeout_s == rows["progress_timeout"]["default"]
    assert gateway.transport == rows["transport"]["default"]


def _formatters(**fields: Any) -> Formatters:
    return read_formatters({"formatters": fields})


NATIONAL = {"regex": r"^\+?1?(\d{10})$", "prefix": "+1"}


@pytest.mark.parametrize(
    ("rules", "text", "result"),
    [
        (NATIONAL, "4158867900", "+14158867900"),
        (NATIONAL, "+14158867900", "+14158867900"),
        (NATIONAL, "112", "112"),
        ({"regex": "^00", "suffix": "#"}, "0049", "0049#"),
        ([{"regex": "^9(.*)$"}, {"regex": ".", "prefix": "x"}], "91", "1"),
        ([{"regex": "^9(.*)$"}, {"regex": ".", "prefix": "x"}], "81", "x81"),
        ({"strip": True, "value": "Y"}, "Z", None),
        ({"value": "Y", "regex": "Z"}, "Z", "Y"),
        ({"value": "", "regex": "Z"}, "Z", ""),
        ({"value": "Y", "direction": "inbound"}, "Z", "Z"),
        ({"value": "Y", "direction": "outbound"}, "Z", "Y"),
        ({"regex": "(", "prefix": "x"}, "Z", "Z"),
        ({"regex": ".", "prefix": "x"}, "9" * 257, "9" * 257),
        ([7, None, {"prefix": 3, "regex": "Z"}], "Z", "Z"),
        ("strip", "Z", "Z"),
    ],
)
def test_formatters(rules: Any, text: str, result: str | None) -> None:
    assert _formatters(**{"X-Field": rules}).apply(text, "other", "x_field") == result
    assert _formatters(other=rules).apply(text, "x-field") == text


def test_check_reads_formatters(tmp_path: Path) -> None:
    root = tmp_path / "acme"
    (root / "resources").mkdir(parents=True)
    (root / "account.json").write_text('{"name": "Acme", "realm": "acme.example"}')
    rules = {"from": [{"regex": "("}], "to": {"regex": "["}, "request": {"direction": "up"}, "x": [NATIONAL]}
    document = {"name": "C", "gateways": [{"server": "sip.x"}], "formatters": rules}
    (root / "resources" / "c.json").write_text(json.dumps(document))
    found = {problem.pointer for problem in check_paths([root], Surroundings(load_settings()))}
    assert any(pointer.startswith("/formatters/from/0") for pointer in found)
    assert any(pointer.startswith("/formatters/to") for pointer in found)
    assert any(pointer.startswith("/formatters/request") for pointer in found)
    assert not any(pointer.startswith("/formatters/x") for pointer in found)
