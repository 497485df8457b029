"""The schemas: whole, described, and in agreement with the code and the shipped documents."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from callflow.documents import schemas
from callflow.documents.judging import fault
from callflow.documents.settings import (
    CallflowSettings,
    CallRecordingSettings,
    DeliverySettings,
    MediaSettings,
    SipSettings,
)
from callflow.documents.shipped import schemas_dir, system_config_dir
from callflow.errors import MissingDocument
from callflow.modules import MODULES

ALL = [name for name in schemas.names() if name != "scenario"]

DOCUMENTED = {
    "action", "format", "label", "media_id", "media_name", "method", "origin", "record_min_sec",
    "record_on_answer", "record_on_bridge", "record_sample_rate", "should_follow_transfer",
    "silence_detection", "silence_final_timeout", "silence_initial_timeout", "silence_threshold",
    "skip_module", "time_limit", "url",
}  # fmt: skip
"""Every key of the documentation's table."""

OURS = {"should_announce_when_recording"}
"""Keys beyond the documentation (Kazoo 5 has this one in call_recording settings)."""

KAZOO = """
acdc_agent acdc_member acdc_queue acdc_wait_time after_bridge answer audio_macro branch_bnumber
branch_variable call_forward call_pickup call_waiting callflow camping_feature check_cid cidlistmatch
collect_dtmf conference conference_feature dead_air detect_speech device directory disa do_not_disturb
doorman dynamic_cid eavesdrop eavesdrop_feature edr fax_detect faxbox flush_dtmf function group
group_pickup group_pickup_feature hangup hotdesk intercept intercept_feature intercom language
lookupcidname manual_presence menu missed_call_alert move nomorobo noop notification offnet page_group
park pivot play prepend_cid privacy receive_fax record_call record_caller resources response ring_group
ring_group_toggle route_to_cid send_dtmf set set_alert_info set_cid set_variable set_variables skel sleep
temporal_route tones transfer tts user voicemail wait_for_hangup webhook
"""
"""All modules of Kazoo's releases and of Kazoo 5 (kazoo.md 3)."""


def _keys(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for key, part in schema.get("properties", {}).items():
        yield f"{path}{key}", part
        yield from _keys(part, f"{path}{key}.")


@pytest.mark.parametrize("name", schemas.names())
def test_is_a_schema_of_2020_12(name: str) -> None:
    raw = json.loads((schemas_dir() / f"{name}.json").read_text(encoding="utf-8"))
    assert raw["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(raw)


@pytest.mark.parametrize("name", ALL)
def test_every_key_has_what_an_editor_shows(name: str) -> None:
    schema = schemas.load(name)
    assert schema["title"] and schema["description"] and schema["examples"]
    for key, part in _keys(schema):
        assert part.get("title"), key
        assert str(part.get("description", "")).endswith("."), key
        assert "default" in part or "examples" in part or "properties" in part, key


@pytest.mark.parametrize("name", ALL)
def test_defaults_and_examples_fit(name: str) -> None:
    schema = schemas.load(name)
    for example in schema["examples"]:
        assert not list(schemas.validator(name).iter_errors(example)), example
    for key, part in _keys(schema):
        if "$ref" in part:
            continue
        for value in [*part.get("examples", ()), *([part["default"]] if "default" in part else ())]:
            assert not fault(value, part), (key, value)


CHILDREN = ("always", "bridge", "causes", "any", "never")


def test_one_module_one_schema_and_node_knows_them() -> None:
    known = schemas.module_names()
    node = schemas.load("node")
    assert tuple(node["properties"]["module"]["anyOf"][0]["enum"]) == known
    assert tuple(rule["if"]["properties"]["module"]["const"] for rule in node["allOf"]) == known
    for name in known:
        schema = schemas.module_schema(name)
        rule = schema["x-children"]
        assert rule in CHILDREN if isinstance(rule, str) else "_" in rule["keys"], name
        assert ("pattern" in rule) == ("also" in rule) or isinstance(rule, str), name
        assert "skip_module" in schema["properties"], name


def test_modules_have_code_or_a_reason() -> None:
    assert set(MODULES) | set(schemas.other_modules()) == set(schemas.module_names())
    assert not set(MODULES) & set(schemas.other_modules())
    assert all(why.endswith(".") for why in schemas.other_modules().values())


def test_every_module_of_kazoo_is_known() -> None:
    assert KAZOO.split() == list(schemas.module_names())


def test_record_call_has_every_documented_key_default_and_limit() -> None:
    schema = schemas.module_schema("record_call")
    keys = schema["properties"]
    assert set(keys) == DOCUMENTED | OURS and schema["required"] == ["action"]
    assert schemas.defaults_of(schemas.load("modules/record_call")) == {
        "action": "start", "method": "put", "record_on_answer": False, "record_on_bridge": False,
        "should_follow_transfer": True, "silence_detection": False, "silence_final_timeout": 5,
        "silence_initial_timeout": 0, "silence_threshold": 200, "skip_module": False, "time_limit": 3600,
    }  # fmt: skip
    assert keys["format"]["enum"] == ["mp3", "wav"] and keys["method"]["enum"] == ["put", "post"]
    assert keys["time_limit"]["minimum"] == 5 and keys["url"]["minLength"] == 5
    assert schemas.defaults_of(schemas.load("system_config.media"))["max_recording_time_limit"] == 10800


def test_record_caller_shares_its_keys_with_record_call() -> None:
    caller, call = schemas.module_schema("record_caller"), schemas.module_schema("record_call")
    assert set(caller["properties"]) == (DOCUMENTED | OURS) - {"action", "label"}
    assert all(caller["properties"][key] == call["properties"][key] for key in caller["properties"])


@pytest.mark.parametrize("name", schemas.SETTINGS_DOCUMENTS)
def test_the_shipped_document_holds_the_defaults(name: str) -> None:
    shipped = json.loads((system_config_dir() / f"{name}.json").read_text(encoding="utf-8"))
    assert shipped.pop("$schema") == f"../schemas/system_config.{name}.json"
    assert shipped == schemas.defaults_of(schemas.load(f"system_config.{name}"))


@pytest.mark.parametrize(
    ("name", "inner", "kind"),
    [
        ("media", "", MediaSettings),
        ("media", "call_recording", CallRecordingSettings),
        ("callflow", "", CallflowSettings),
        ("delivery", "", DeliverySettings),
        ("sip", "", SipSettings),
    ],
)
def test_settings_have_a_field_for_every_key(name: str, inner: str, kind: type) -> None:
    schema = schemas.load(f"system_config.{name}")
    if inner:
        schema = schema["properties"][inner]
    assert [field.name for field in dataclasses.fields(kind)] == list(schema["properties"])


def test_an_unknown_schema_is_an_error_with_a_hint() -> None:
    with pytest.raises(MissingDocument) as caught:
        schemas.load("modules/nope")
    assert caught.value.hint


def _registry() -> Registry[Any]:
    resources = []
    for name in schemas.names():
        contents = json.loads((schemas_dir() / f"{name}.json").read_text(encoding="utf-8"))
        resource = Resource.from_contents({**contents, "$id": f"file:///schemas/{name}.json"})
        resources.append((f"file:///schemas/{name}.json", resource))
    return Registry().with_resources(resources)


def test_an_editor_finds_mistakes_deep_in_a_flow() -> None:
    """The files as they are, with their references, as an editor resolves them."""
    contents = {"$ref": "file:///schemas/callflow.json"}
    whole = Draft202012Validator(contents, registry=_registry())
    good = {
        "flow": {
            "module": "answer",
            "data": {},
            "children": {"_": {"module": "record_call", "data": {"action": "start"}}},
        }
    }
    assert not list(whole.iter_errors(good))
    good["flow"]["children"]["_"]["data"]["time_limit"] = "soon"  # type: ignore[index]
    paths = [list(error.absolute_path) for error in whole.iter_errors(good)]
    assert paths == [["flow", "children", "_", "data", "time_limit"]]


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 20000)
    | st.floats(-5, 5)
    | st.sampled_from(["", "mp3", "start", "a" * 70]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2)
    ),
    max_leaves=4,
)


SIMPLE = [name for name in ALL if schemas.is_simple(name) and schemas.load(name)["properties"]]


@given(st.data())
def test_the_quick_judge_agrees_with_jsonschema(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(SIMPLE))
    schema = schemas.load(name)
    key = data.draw(st.sampled_from(list(schema["properties"])))
    document = {**schema["examples"][0], key: data.draw(VALUES)}
    assert bool(fault(document, schema)) == (not schemas.validator(name).is_valid(document))


def test_only_these_schemas_need_the_full_validator() -> None:
    assert [name for name in schemas.names() if not schemas.is_simple(name)] == ["node", "scenario"]
