"""call_recording of account, user and device (kazoo.md 1.14): what starts, from which setting, for whom."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from callflow.documents import schemas
from callflow.documents.accounts import Account
from callflow.documents.judging import fault
from callflow.documents.recording_rules import (
    Network,
    Rule,
    Way,
    account_rules,
    caller_rule,
    destination_network,
    destination_rule,
    source_network,
    started,
)

ON, OFF = Network.ONNET, Network.OFFNET
WAYS = ((ON, ON), (ON, OFF), (OFF, ON))
"""Source and destination: the three columns of the user guide's matrix."""


def _account(
    account: Mapping[str, Any] | None = None,
    user: Mapping[str, Any] | None = None,
    device: Mapping[str, Any] | None = None,
) -> Account:
    """An account whose user ``alice`` has the device ``desk``; each with what is given."""
    documents = {
        "user": {"alice": dict(user or {})},
        "device": {"desk": {"owner_id": "alice", **(device or {})}},
    }
    return Account("main", document=dict(account or {}), documents=documents)


def _all(enabled: bool) -> dict[str, Any]:
    return {
        way: {net: {"enabled": enabled} for net in ("onnet", "offnet")} for way in ("inbound", "outbound")
    }


def _one(way: str, net: str, **values: Any) -> dict[str, Any]:
    return {way: {net: {"enabled": True, **values}}}


def _endpoint(account: Account, way: Way, net: Network) -> Rule:
    if way is Way.OUTBOUND:
        return caller_rule(account, user_id="", device_id="desk", destination=net)
    return destination_rule(account, user_id="", device_id="desk", source=net)


# ---- the user guide's matrix, line by line -----------------------------------------------------


def _started_by(setting: dict[str, Any]) -> list[str]:
    """What an account setting starts on→on, on→off, off→on: the origin, or nothing."""
    account = _account({"call_recording": {"account": setting}})
    rules = [started(account_rules(account, source, destination)) for source, destination in WAYS]
    return [rule.origin if rule else "" for rule in rules]


def test_account_inbound_onnet() -> None:
    origin = "inbound from onnet to account"
    assert _started_by(_one("inbound", "onnet")) == [origin, origin, ""]


def test_account_inbound_offnet() -> None:
    assert _started_by(_one("inbound", "offnet")) == ["", "", "inbound from offnet to account"]


def test_account_outbound_onnet_only_where_inbound_is_off() -> None:
    origin = "outbound to onnet from account"
    assert _started_by(_one("outbound", "onnet")) == [origin, "", origin]
    both = {**_one("outbound", "onnet"), **_one("inbound", "onnet")}
    assert _started_by(both) == ["inbound from onnet to account", "inbound from onnet to account", origin]
    both = {**_one("outbound", "onnet"), **_one("inbound", "offnet")}
    assert _started_by(both) == [origin, "", "inbound from offnet to account"]


def test_account_outbound_offnet_only_where_inbound_is_off() -> None:
    assert _started_by(_one("outbound", "offnet")) == ["", "outbound to offnet from account", ""]
    both = {**_one("outbound", "offnet"), **_one("inbound", "onnet")}
    assert _started_by(both)[1] == "inbound from onnet to account"


@pytest.mark.parametrize("net", ["onnet", "offnet"])
def test_caller_outbound(net: str) -> None:
    account = _account(device={"call_recording": _one("outbound", net)})
    for destination in Network:
        rule = _endpoint(account, Way.OUTBOUND, destination)
        assert rule.enabled is (destination == net)
        assert rule.origin == f"outbound to {destination} from endpoint"
    assert not any(_endpoint(account, Way.INBOUND, source).enabled for source in Network)


@pytest.mark.parametrize("net", ["onnet", "offnet"])
def test_destination_inbound(net: str) -> None:
    account = _account(device={"call_recording": _one("inbound", net)})
    for source in Network:
        rule = _endpoint(account, Way.INBOUND, source)
        assert rule.enabled is (source == net)
        assert rule.origin == f"inbound from {source} to endpoint"
    assert not any(_endpoint(account, Way.OUTBOUND, destination).enabled for destination in Network)


# ---- which document counts: Kazoo's own eight cases, eight expectations each ----------------------

CASES: dict[str, tuple[bool | None, bool | None, bool | None, bool, bool]] = {
    # account.account, user, device (None: it says nothing) → the account's, the endpoint's
    "all_off": (False, False, False, False, False),
    "all_on": (True, True, True, True, True),
    "device_on": (False, False, True, False, True),
    "device_off_user_on": (False, True, False, False, False),
    "device_undefined_user_on": (False, True, None, False, True),
    "device_off_user_off_account_on": (True, False, False, True, False),
    "device_undefined_user_off_account_on": (True, False, None, True, False),
    "device_undefined_user_undefined_account_on": (True, None, None, True, False),
}


@pytest.mark.parametrize("case", CASES)
def test_levels(case: str) -> None:
    of_account, of_user, of_device, account_records, endpoint_records = CASES[case]

    def document(said: bool | None) -> dict[str, Any]:
        return {} if said is None else {"call_recording": _all(said)}

    account = _account(
        {"call_recording": {"account": _all(of_account is True)}}, document(of_user), document(of_device)
    )
    for net in Network:
        inbound, outbound = account_rules(account, net, net)
        assert (inbound.enabled, outbound.enabled) == (account_records, account_records)
        for way in Way:
            assert _endpoint(account, way, net).enabled is endpoint_records


def test_account_endpoint_lies_under_user_and_device_and_beside_account_account() -> None:
    account = _account(
        {"call_recording": {"endpoint": _one("any", "any", url="http://a.example/", format="wav")}},
        {"call_recording": _one("outbound", "any", url="http://u.example/", time_limit=60)},
        {"call_recording": {"any": {"onnet": {"time_limit": 30}}}},
    )
    rule = _endpoint(account, Way.OUTBOUND, ON)
    assert {key: said.value for key, said in rule.said.items()} == {
        "enabled": True,
        "url": "http://u.example/",
        "format": "wav",
        "time_limit": 30,
    }
    assert rule.decided_by == "user alice /call_recording/outbound/any/enabled"
    assert rule.said["time_limit"].document == "device desk"
    assert (rule.user_id, rule.device_id) == ("alice", "desk")
    assert started(account_rules(account, ON, ON)) is None


def test_any_lies_under_the_exact_direction_and_network() -> None:
    tree = {
        "any": {"any": {"enabled": True, "time_limit": 1, "format": "wav"}, "onnet": {"time_limit": 3}},
        "inbound": {"any": {"time_limit": 2, "url": "http://i.example/"}, "onnet": {"format": "mp3"}},
    }
    rule = _endpoint(_account(device={"call_recording": tree}), Way.INBOUND, ON)
    assert {key: said.value for key, said in rule.said.items()} == {
        "enabled": True,
        "time_limit": 3,
        "url": "http://i.example/",
        "format": "mp3",
    }
    assert rule.said["time_limit"].pointer == "/call_recording/any/onnet/time_limit"
    assert (
        _endpoint(_account(device={"call_recording": tree}), Way.INBOUND, OFF).said["time_limit"].value == 2
    )


def test_the_older_key_records_everything() -> None:
    for value in (True, "true", {"url": "http://x.example/"}):
        account = _account(device={"record_call": value})
        assert all(_endpoint(account, way, net).enabled for way in Way for net in Network)
    assert _endpoint(account, Way.INBOUND, ON).data()["url"] == "http://x.example/"
    assert not _endpoint(_account(device={"record_call": False}), Way.INBOUND, ON).enabled
    newer = {"record_call": True, "call_recording": {"inbound": {"any": {"enabled": False}}}}
    assert not _endpoint(_account(device=newer), Way.INBOUND, ON).enabled


def test_always_put_never_followed_whatever_is_written() -> None:
    setting = _one(
        "any", "any", method="post", should_follow_transfer=True, media_name="a.wav", action="stop"
    )
    data = _endpoint(_account(device={"call_recording": setting}), Way.INBOUND, ON).data()
    assert data == {"action": "start", "method": "put", "should_follow_transfer": False}


@pytest.mark.parametrize("junk", [None, [], "x", 7, {"inbound": 3}, {"inbound": {"onnet": []}}])
def test_junk_starts_nothing(junk: Any) -> None:
    account = _account({"call_recording": junk}, {"call_recording": junk}, {"call_recording": junk})
    assert started(account_rules(account, ON, ON)) is None
    assert not _endpoint(account, Way.INBOUND, ON).enabled


# ---- networks ------------------------------------------------------------------------------------


def _node(module: str, then: Any = None) -> dict[str, Any]:
    return {"module": module, "data": {}, "children": {"_": then} if then else {}}


def test_networks() -> None:
    assert source_network(user_id="alice", device_id="") is ON
    assert source_network(user_id="", device_id="desk") is ON
    assert source_network(user_id="", device_id="") is OFF
    assert destination_network(_node("user"), no_match=True) is OFF
    assert destination_network(_node("user"), no_match=False) is ON
    assert destination_network(_node("resources"), no_match=False) is OFF
    assert destination_network(_node("record_call", _node("offnet")), no_match=False) is OFF
    assert destination_network(_node("user", _node("resources")), no_match=False) is ON
    assert destination_network(_node("menu", _node("resources")), no_match=False) is ON
    assert destination_network({}, no_match=False) is ON
    assert destination_network(None, no_match=False) is ON


def test_the_pages_example_records_what_it_says() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs/call_recording.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    document = json.loads(example)
    assert fault(document, schemas.load("account")) == ""
    account = _account(document)
    assert [bool(started(account_rules(account, *way))) for way in WAYS] == [False, True, True]
    assert _endpoint(account, Way.INBOUND, ON).data()["format"] == "wav"
    assert not _endpoint(account, Way.OUTBOUND, ON).enabled
