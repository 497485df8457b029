"""Storage plans: which place recordings go to, under what path, and what check says of a plan."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from callflow.documents import schemas
from callflow.documents.check import check_paths
from callflow.documents.check_data import Surroundings
from callflow.documents.record_settings import choose_storage
from callflow.documents.settings import Settings, load_settings
from callflow.documents.storage import (
    HANDLERS,
    Facts,
    Place,
    database_of,
    locator,
    make_place,
    paths,
    planned,
    schema_of,
)

FACTS = Facts(
    "acc",
    "202611-ab",
    "call_recording_c@1.mp3",
    "c@1",
    "account-acc-202611",
    {"owner_id": "u1", "from": "1@x"},
)
S3 = {"handler": "s3", "settings": {"bucket": "acme-calls", "key": "secret:env:K", "secret": "secret:env:S"}}


def storage(place: dict[str, Any] | None = None, **chosen: Any) -> dict[str, Any]:
    attachments = {"handler": "p1", **chosen}
    return {
        "attachments": {"p1": place or S3},
        "plan": {"modb": {"types": {"call_recording": {"attachments": attachments}}}},
    }


def path(body: dict[str, Any], over: dict[str, Any] | None = None, facts: Facts = FACTS) -> str:
    place = make_place("p", body, over)
    assert place is not None
    return next(paths(place, facts))


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load_settings(None)


def test_the_defaults_of_each_handler() -> None:
    """kazoo.md 1.10, "default path fields"."""
    named = "call_recording_c@1.mp3"
    assert path({"handler": "http", "settings": {"url": "http://h/x"}}) == (
        "acc/u1/202611-ab/call_recording_c%401.mp3"
    )
    assert path({"handler": "ftp", "settings": {"url": "ftp://h"}}) == f"acc/u1/202611-ab/{named}"
    assert path(S3) == f"account-acc-202611/202611-ab_{named}"
    assert path({"handler": "azure", "settings": {}}) == f"202611-ab_{named}"


def test_field_list_folder_and_separator() -> None:
    parts = ["rec", {"const": "x"}, {"field": "from"}, {"field": "none"}, {"group": [{"arg": "id"}, ".mp3"]}]
    assert path({**S3, "field_list": parts}) == "rec/x/1@x/202611-ab.mp3"
    assert path({**S3, "field_list": parts, "field_separator": "-"}) == "rec-x-1@x-202611-ab.mp3"
    over = {"params": {"folder_path": "/by month/"}}
    own = {**S3, "settings": {**S3["settings"], "folder_base_path": "base", "field_list": [{"arg": "id"}]}}  # type: ignore[dict-item]
    assert path(own, over) == "base/by_month/202611-ab"
    assert path({**S3, "field_list": []}) == "call_recording_c@1.mp3"


def test_an_empty_field_list_leaves_the_url_of_http_alone() -> None:
    place = make_place("p", {"handler": "http", "settings": {"url": "http://h/x?y=1", "field_list": []}})
    assert place is not None
    assert list(paths(place, FACTS)) == [""]
    assert locator(place, "") == "http://h/x?y=1"
    other = make_place("p", {"handler": "http", "settings": {"url": "http://h/x/?y=1"}})
    assert other is not None and locator(other, "a.mp3") == "http://h/x/a.mp3?y=1"


def test_later_names_have_a_number_before_the_ending() -> None:
    place = make_place("p", {**S3, "field_list": [{"arg": "attachment"}]})
    assert place is not None
    assert list(itertools.islice(paths(place, FACTS), 3)) == [
        "call_recording_c@1.mp3", "call_recording_c@1-2.mp3", "call_recording_c@1-3.mp3",
    ]  # fmt: skip


@given(handler=st.sampled_from(HANDLERS), text=st.text(max_size=400), const=st.text(max_size=30))
@example(handler="http", text="", const="%")
@example(handler="http", text="", const="%4")
@example(handler="http", text="", const="%e4")
@example(handler="http", text="a\xe4" * 90, const="")
@example(handler="http", text="\xe4" * 400, const="\xe4")
@example(handler="http", text="ab\xe4" * 100, const="%41/%")
def test_nothing_from_outside_becomes_a_path(handler: str, text: str, const: str) -> None:
    facts = Facts("acc", text, f"call_recording_{text}.wav", text, database_of(text, 0.0), {"from": text})
    parts = [const, {"field": "from"}, {"arg": "id"}, {"arg": "db"}, {"arg": "attachment"}]
    place = make_place("p", {"handler": handler, "settings": {"url": "x://h"}, "field_list": parts})
    assert place is not None
    found = next(paths(place, facts))
    segments = found.split("/")
    assert found and all(each.strip(".") for each in segments) and len(found) <= 1000
    assert re.fullmatch(r"[A-Za-z0-9._@+=,~%/-]+", found)
    if handler == "http":
        assert not re.search(r"%(?![0-9A-F]{2})", found)
    else:
        assert "%" not in found


def test_the_plan_decides_by_type_then_month() -> None:
    found = planned(storage())
    assert found is not None and found.place is not None and found.place.id == "p1"
    assert found.place.settings["region"] == "us-east-1", "a default of the schema"
    assert planned({}) is None and planned({"attachments": {"p1": S3}}) is None
    general = {"attachments": {"p1": S3}, "plan": {"modb": {"attachments": {"handler": "p1"}}}}
    assert (found := planned(general)) is not None and found.place is not None
    missing = planned({**storage(), "attachments": {}})
    assert missing is not None and "p1" in missing.problem
    couch = {
        "connections": {"c": {"driver": "kazoo_couch", "settings": {"ip": "h", "port": 5984}}},
        "plan": {"modb": {"types": {"call_recording": {"connection": "c"}}}},
    }
    assert (found := planned(couch)) is not None and found.couchdb == "http://h:5984"
    assert planned({"plan": {"modb": {"connection": "local"}}}) is None


def test_url_then_plan_then_settings(settings: Settings) -> None:
    assert choose_storage("http://h/", settings, storage()).kind == "http"
    chosen = choose_storage(None, settings, storage())
    assert chosen.kind == "storage" and chosen.place is not None and "storage plan" in chosen.reason
    assert choose_storage(None, settings, {}).kind == "local"
    broken = choose_storage(None, settings, {**storage(), "attachments": {}})
    assert broken.kind == "local" and broken.problem


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_place_survives_the_outbox_and_its_url_has_no_secret(handler: str) -> None:
    example = {**schemas.load(schema_of(handler))["examples"][0]}
    secrets = dict.fromkeys(("key", "secret", "password", "token", "credential", "refresh_token"), "SECRET-1")
    place = make_place("p", {"handler": handler, "name": "N", "settings": {**example, **secrets}})
    assert place is not None
    assert Place.from_json(place.to_json()) == place
    assert "SECRET" not in locator(place, "a/b.wav") + place.title + place.base + repr(place)
    assert Place.from_json("{}") is None and Place.from_json("no") is None


# ---- check -----------------------------------------------------------------------------------


def codes(tmp_path: Path, settings: Settings, document: dict[str, Any]) -> dict[str, list[str]]:
    """What check says of an account with this plan: pointers by code."""
    (tmp_path / "account.json").write_text('{"id": "acc"}')
    (tmp_path / "storage.json").write_text(json.dumps(document))
    found: dict[str, list[str]] = {}
    for problem in check_paths([tmp_path], Surroundings(settings)):
        found.setdefault(problem.code, []).append(problem.pointer)
    return found


def test_a_good_plan_has_no_problem(tmp_path: Path, settings: Settings) -> None:
    assert codes(tmp_path, settings, schemas.load("storage")["examples"][0]) == {}
    assert codes(tmp_path, settings, storage(params={"folder_path": "x"}, stub=False)) == {}


def test_a_plan_is_known_wherever_it_lies(tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(storage({"handler": "s4", "settings": {}})))
    assert [problem.pointer for problem in check_paths([path], Surroundings(settings))] == [
        "/attachments/p1/handler"
    ]


@pytest.mark.parametrize("handler", HANDLERS)
def test_the_example_of_each_handler_is_good(tmp_path: Path, settings: Settings, handler: str) -> None:
    given = {"sftp": {"password": "secret:env:P"}}.get(handler, {})
    example = {**schemas.load(schema_of(handler))["examples"][0], **given}
    assert codes(tmp_path, settings, storage({"handler": handler, "settings": example})) == {}


def test_mistakes_are_found_where_they_stand(tmp_path: Path, settings: Settings) -> None:
    where = "/attachments/p1/settings"
    plain = {**S3["settings"], "secret": "abc"}  # type: ignore[dict-item]
    assert codes(tmp_path, settings, storage({"handler": "s3", "settings": plain})) == {
        "CF-CHK-151": [f"{where}/secret"]
    }
    wrong = {**S3["settings"], "secret": "secret:vault:x", "bucket": "a", "regoin": "x"}  # type: ignore[dict-item]
    found = codes(tmp_path, settings, storage({"handler": "s3", "settings": wrong}))
    assert found["CF-CHK-150"] == [f"{where}/secret"]
    assert f"{where}/bucket" in itertools.chain(*found.values())
    assert f"{where}/regoin" in itertools.chain(*found.values())
    other = storage()
    other["plan"]["modb"]["types"]["call_recording"]["attachments"]["handler"] = "p2"
    assert codes(tmp_path, settings, other) == {
        "CF-CHK-100": ["/plan/modb/types/call_recording/attachments/handler"]
    }
    assert "CF-CHK-150" in codes(tmp_path, settings, storage({"handler": "dropbox", "settings": {}}))
    unknown = codes(tmp_path, settings, storage({"handler": "s4", "settings": {}}))
    assert ["/attachments/p1/handler"] in unknown.values()
