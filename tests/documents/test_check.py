"""check: each kind of mistake is found, at its place, with its code; what is right is left in peace."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callflow.cli.check import url_judge
from callflow.documents import check_data, jsontext
from callflow.documents.check import Problem, Surroundings, check_paths, check_text
from callflow.documents.codes import CODES
from callflow.documents.problems import Sheet
from callflow.documents.settings import load_settings
from callflow.documents.shipped import examples_dir, system_config_dir

SHIPPED = load_settings(system_config_dir())
AROUND = Surroundings(SHIPPED, judge_url=url_judge(SHIPPED))
IN_ACCOUNT = Surroundings(
    SHIPPED,
    {"user": frozenset({"alice"}), "vmbox": frozenset(), "media": frozenset({"hello"})},
    is_prompt=lambda name: name.startswith("vm-"),
)
SEEN: set[str] = set()


def _node(module: object, data: object = None, **children: object) -> dict[str, object]:
    return {"module": module, "data": {} if data is None else data, "children": children}


def _check(document: object, around: Surroundings = AROUND) -> list[Problem]:
    found = check_text(json.dumps(document), "flow.json", around)
    SEEN.update(problem.code for problem in found)
    return found


def _codes(document: object, around: Surroundings = AROUND) -> list[tuple[str, str]]:
    return [(problem.code[-3:], problem.pointer) for problem in _check(document, around)]


STOP = _node("record_call", {"action": "stop"})
START = {"action": "start"}

FLOWS: list[tuple[object, list[tuple[str, str]]]] = [
    (_node("answer", _=_node("hangup")), []),
    (_node("record_call", START), []),
    (_node("record_call", {**START, "url": "https://h.example/{ACCOUNT_ID}/x"}), []),
    (_node("record_call", {**START, "url": "https://{HOST}:{PORT}/x"}), []),
    # nodes
    ([], [("030", "")]),
    ("x", [("030", "")]),
    ([{"action": "talk"}], [("073", "/0")]),
    ({"hello": 1}, [("030", "")]),
    ({"data": {"flow": {}}}, [("030", "")]),
    ({"flow": []}, [("040", "/flow"), ("103", "")]),
    ({"numbers": ["1"]}, [("073", "")]),
    (_node("answer", _=None), [("040", "/children/_")]),
    (_node("answer", _=7), [("040", "/children/_")]),
    ({"modul": "answer", "data": {}, "children": {}}, [("041", ""), ("048", "/modul")]),
    (_node(""), [("042", "/module")]),
    (_node(5), [("042", "/module")]),
    (_node("x" * 65), [("042", "/module")]),
    ({"module": "answer"}, [("043", "")]),
    (_node("answer", []), [("044", "/data")]),
    ({"module": "answer", "data": {}, "children": []}, [("045", "/children")]),
    ({"module": "answer", "data": {}, "children": _node("answer")}, [("046", "/children")]),
    ({**_node("answer"), "childern": {}}, [("048", "/childern")]),
    (_node("answer", _={}), [("049", "/children/_")]),
    (_node("hangup", _=_node("answer")), [("050", "/children")]),
    (_node("menu", {"id": "m"}, **{"": _node("hangup")}), [("051", "/children/")]),
    (_node("answer", **{"1": _node("hangup")}), [("052", "/children/1")]),
    (_node("user", {"id": "a"}, USER_BUSY=_node("hangup"), **{"sip:486": _node("hangup")}), []),
    (_node("user", {"id": "a"}, busy=_node("hangup")), [("052", "/children/busy")]),
    # modules
    (_node("recrd_call"), [("060", "/module")]),
    (_node("function"), [("061", "/module")]),
    (_node("say", {}, _=_node("record_caller")), [("062", "/module")]),
    (_node("hold"), [("031", "")]),
    (_node("play", {"id": "x", "leg": "self"}, _=_node("record_call", {"action": "toggle"})), [("031", "")]),
    ({"numbers": {"1": _node("nope")}, "patterns": {}}, [("031", ""), ("060", "/numbers/1/module")]),
    ({"flow": _node("answer"), "numbers": ["1"], "metaflow": {"numbers": {"2": {}}}},
     [("041", "/metaflow/numbers/2")]),
    # data
    (_node("sleep", {"duration": []}), [("070", "/data/duration")]),
    (_node("sleep", {"unit": "sec"}), [("071", "/data/unit")]),
    (_node("sleep", {"duration": -1}), [("072", "/data/duration")]),
    (_node("record_call"), [("073", "/data")]),
    (_node("sleep", {"duratoin": 1}), [("074", "/data/duratoin")]),
    (_node("sleep", {"duration": "3"}), [("075", "/data/duration")]),
    (_node("record_call", {**START, "url": ""}), [("076", "/data/url")]),
    (_node("collect_dtmf", {"terminators": ["#", "#"]}), [("076", "/data/terminators")]),
    (_node("collect_dtmf", {"terminators": ["#", "x"]}), [("071", "/data/terminators/1")]),
    (_node("user"), [("101", "/data")]),
    (_node("ring_group"), [("073", "/data"), ("101", "/data")]),
    (_node("ring_group", {"endpoints": []}), [("076", "/data/endpoints")]),
    (_node("user", {"id": ""}), [("101", "/data/id")]),
    (_node("voicemail", {"id": ""}), [("076", "/data/id")]),
    (_node("callflow", {"flow": _node("nope")}), [("060", "/data/flow/module")]),
    # recording
    (_node("record_call", {"action": "strat"}), [("071", "/data/action")]),
    (_node("record_call", {**START, "time_limit": 99999}), [("080", "/data/time_limit")]),
    (_node("record_call", {**START, "time_limit": "10801"}),
     [("075", "/data/time_limit"), ("080", "/data/time_limit")]),
    (_node("record_call", {**START, "time_limit": 4}), [("072", "/data/time_limit")]),
    (_node("record_call", {**START, "silence_final_timeout": 5}), [("081", "/data/silence_final_timeout")]),
    (_node("record_call", {**START, "silence_detection": True, "silence_final_timeout": 90}),
     [("082", "/data/silence_final_timeout")]),
    (_node("record_call", {**START, "origin": "x"}), [("083", "/data/origin")]),
    (_node("user", {"id": "a"}, _=STOP), [("089", "/children/_")]),
    (_node("offnet", {}, _=_node("answer")), [("052", "/children/_")]),
    (_node("offnet", {}, _=STOP), [("052", "/children/_"), ("084", "/children/_")]),
    (_node("offnet", {}, USER_BUSY=STOP), [("089", "/children/USER_BUSY")]),
    (_node("record_call", START, _=_node("answer", _=STOP)), []),
    (_node("record_call", {**START, "record_on_answer": True, "record_on_bridge": True}),
     [("085", "/data/record_on_answer")]),
    (_node("record_call", {**START, "record_min_sec": 60, "time_limit": 30}),
     [("087", "/data/record_min_sec")]),
    (_node("record_call", START, _=_node("voicemail", {"id": "b"})), [("088", "/children/_")]),
    (_node("record_call", START, _={**STOP, "children": {"_": _node("voicemail", {"id": "b"})}}), []),
    (_node("user", {"id": "a"}, _={**STOP, "children": {"_": _node("voicemail", {"id": "b"})}}),
     [("089", "/children/_")]),
    # urls and expressions
    (_node("record_call", {**START, "url": "ftp://h/x"}), [("090", "/data/url")]),
    (_node("record_call", {**START, "url": "http://h/x#y"}), [("090", "/data/url")]),
    (_node("webhook", {"uri": "no url"}), [("090", "/data/uri")]),
    (_node("record_call", {**START, "url": "http://127.0.0.1:8080/x"}), [("091", "/data/url")]),
    (_node("record_call", {**START, "url": "http://[::ffff:10.0.0.1]/x"}), [("091", "/data/url")]),
    (_node("webhook", {"uri": "http://localhost/x"}), [("091", "/data/uri")]),
    (_node("play", {"id": "http://10.1.2.3/a.wav"}), [("091", "/data/id")]),
    (_node("play", {"id": "tone_stream://%(100,100,440)"}), []),
    ({"flow": _node("answer"), "patterns": ["^(x", "^(?<n>1)$"]}, [("095", "/patterns/0")]),
    ({"flow": _node("answer"), "numbers": ["1", "1"]}, [("076", "/numbers")]),
    ({"flow": _node("answer")}, [("103", "")]),
]  # fmt: skip


@pytest.mark.parametrize(("document", "expected"), FLOWS, ids=lambda value: json.dumps(value)[:60])
def test_what_a_flow_is_told(document: object, expected: list[tuple[str, str]]) -> None:
    assert sorted(_codes(document)) == sorted(expected)


def test_ids_are_looked_up_in_the_account() -> None:
    flow = _node(
        "user", {"id": "alice"}, _=_node("voicemail", {"id": "{VMBOX_ID}"}, _=_node("play", {"id": "hello"}))
    )
    assert _codes(flow, IN_ACCOUNT) == []
    assert _codes(_node("play", {"id": "vm-goodbye"}), IN_ACCOUNT) == []
    assert _codes(_node("play", {"id": "helo"}), IN_ACCOUNT) == [("100", "/data/id")]
    found = _check(_node("user", {"id": "alcie"}), IN_ACCOUNT)
    assert [problem.hint for problem in found] == ["did you mean alice?"]


def test_hints_say_what_was_meant() -> None:
    hints = {
        "Record-Call": "did you mean record_call?",
        "qubicle": "did you mean acdc_member?",
        "voicmail": "did you mean voicemail?",
    }
    for module, hint in hints.items():
        assert [problem.hint for problem in _check(_node(module))] == [hint]
    assert _check(_node("sleep", {"unit": "MS"}))[0].hint == "did you mean ms?"
    assert (
        _check(_node("record_call", {"action": "start", "time_limt": 5}))[0].hint
        == "did you mean time_limit?"
    )


def test_problems_are_at_their_line_and_column() -> None:
    node = '{\n    "module": "sleep",\n    "data": {"duratoin": 1, "unit": "x"}\n  }'
    text = f'{{\n  "flow": {node},\n  "numbers": ["1"]\n}}'
    found = [(p.line, p.column, p.code) for p in check_text(text, "f.json", AROUND)]
    assert found == [(4, 14, "CF-CHK-074"), (4, 37, "CF-CHK-071")]


def test_nothing_recorded_and_limits_follow_the_settings() -> None:
    settings = load_settings(
        system_config_dir(), {"media.store_recordings": False, "media.max_recording_time_limit": 20000}
    )
    around = Surroundings(settings)
    assert _codes(_node("record_call", {"action": "start", "time_limit": 15000}), around) == [
        ("086", "/data")
    ]
    assert _codes(_node("record_call", {"action": "start", "url": "http://h.example"}), around) == []


def test_a_tree_of_a_thousand_nodes_is_the_limit() -> None:
    text = '{"module":"noop","data":{},"children":{"_":'
    fits = text * 999 + '{"module":"hangup","data":{}}' + "}}" * 999
    too_deep = text * 1000 + '{"module":"hangup","data":{}}' + "}}" * 1000
    assert check_text(fits, "f.json", AROUND) == []
    assert [problem.code for problem in check_text(too_deep, "f.json", AROUND)] == ["CF-CHK-020"]


def test_keys_of_kazoos_that_do_nothing_here_are_told() -> None:
    queue = {"name": "Support", "cdr_url": "https://example.com/", "max_priority": 5, "announce": ""}
    sheet = Sheet(jsontext.parse(json.dumps(queue)))
    check_data.check_object(sheet, queue, "queue", "", AROUND)
    assert [(problem.code, problem.pointer) for problem in sheet.problems] == [
        ("CF-CHK-077", "/cdr_url"),
        ("CF-CHK-077", "/max_priority"),
    ]


def test_keys_of_kazoos_that_do_another_thing_here_are_told() -> None:
    (found,) = _check(_node("acdc_member", {"id": "support", "enter_as_callback": True}))
    assert found.code == "CF-CHK-063" and "not called back" in found.hint
    assert _check(_node("acdc_member", {"id": "support", "enter_as_callback": False})) == []
    flow = {
        "numbers": ["2000"],
        "flow": _node("noop", {}),
        "metaflows": {
            "numbers": {
                "2": {
                    "module": "transfer",
                    "data": {"target": "2001", "takeback_dtmf": "*1", "Transfer-Type": "blind"},
                }
            }
        },
    }
    assert check_text(json.dumps(flow), "f.json", AROUND) == []  # this one does as Kazoo's does


def test_secrets_in_urls_are_not_shown() -> None:
    url = "gopher://user:hunter2@h/x?token=hunter3"
    found = _check(_node("record_call", {"action": "start", "url": url}))
    assert found and not any("hunter" in f"{problem.message}{problem.hint}" for problem in found)


# ---- folders --------------------------------------------------------------------------------


@pytest.fixture
def account(tmp_path: Path) -> Path:
    root = tmp_path / "accounts" / "acme"
    documents = {
        "account.json": {"name": "Acme", "configs": {"media": {"record_stereo": "nope"}}},
        "callflows/main.json": {"id": "main", "numbers": ["1"], "flow": _node("user", {"id": "alice"})},
        "callflows/other.json": {
            "id": "another",
            "numbers": ["1"],
            "flow": _node("menu", {"id": "m"}),
            "owner_id": "bob",
        },
        "users/alice.json": {"first_name": "Alice", "enabeld": True, "pvt_x": 1, "something_of_kazoo": 2},
        "devices/desk.json": {"name": "Desk", "owner_id": "alcie"},
        "vmboxes/box.json": {
            "mailbox": "1001",
            "name": "Box",
            "pin": "12",
            "media": {"unavailable": "hello"},
        },
        "menus/m.json": {
            "name": "Menu",
            "hunt_allow": "(",
            "media": {"greeting": "hello", "exit_media": False},
        },
        "media/other.json": {"name": "Other"},
        "notes.json": {"hello": 1},
    }
    for name, document in documents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document), encoding="utf-8")
    (root / "media" / "hello.wav").write_bytes(b"RIFF")
    return root


def test_a_whole_account(account: Path) -> None:
    found = check_paths([account], AROUND)
    SEEN.update(problem.code for problem in found)
    assert [(Path(p.file).name, p.code[-3:], p.pointer) for p in found] == [
        ("account.json", "070", "/configs/media/record_stereo"),
        ("main.json", "102", "/numbers/0"),
        ("other.json", "104", "/id"),
        ("other.json", "102", "/numbers/0"),
        ("other.json", "100", "/owner_id"),
        ("desk.json", "100", "/owner_id"),
        ("m.json", "095", "/hunt_allow"),
        ("notes.json", "033", ""),
        ("alice.json", "074", "/enabeld"),
        ("box.json", "076", "/pin"),
    ]
    assert not any('"12"' in problem.message for problem in found)


def test_one_file_of_an_account_is_checked_with_the_account(account: Path) -> None:
    found = check_paths([account / "devices" / "desk.json"], AROUND)
    assert [(problem.code, problem.hint) for problem in found] == [("CF-CHK-100", "did you mean alice?")]


def test_a_flow_outside_is_checked_with_the_account_that_is_given(account: Path, tmp_path: Path) -> None:
    path = tmp_path / "flow.json"
    path.write_text(json.dumps(_node("user", {"id": "bob"})), encoding="utf-8")
    assert check_paths([path], AROUND) == []
    assert [problem.code for problem in check_paths([path], AROUND, account=account)] == ["CF-CHK-100"]


def test_settings_documents(tmp_path: Path) -> None:
    folder = tmp_path / "system_config"
    folder.mkdir()
    media = {
        "default": {"record_stero": 1, "vad_mode": 9, "proxy_port": 1, "call_recording": {"extension": "mp4"}}
    }
    (folder / "media.json").write_text(json.dumps(media), encoding="utf-8")
    (folder / "delivery.json").write_text(
        '{"allow_networks": ["10.0.0.0/8", "10.0.0.300"]}', encoding="utf-8"
    )
    found = check_paths([folder], AROUND)
    SEEN.update(problem.code for problem in found)
    assert [(p.code[-3:], p.pointer) for p in found] == [
        ("096", "/allow_networks/1"),
        ("074", "/default/record_stero"),
        ("072", "/default/vad_mode"),
        ("077", "/default/proxy_port"),
        ("071", "/default/call_recording/extension"),
    ]
    moved = folder.rename(tmp_path / "mine")
    assert len(check_paths([moved], AROUND, settings_folder=moved)) == 5


def test_a_document_may_name_its_schema() -> None:
    menu = {"$schema": "https://example.com/schemas/menu.json", "name": "x", "retries": 99}
    assert _codes(menu) == [("072", "/retries")]
    scenario = {"$schema": "../schemas/scenario.json", "caller": {"audio": 7}}
    assert _codes(scenario) and all(pointer.startswith("/caller") for _, pointer in _codes(scenario))


def test_paths_that_cannot_be_read(tmp_path: Path) -> None:
    found = check_paths([tmp_path / "nothing.json"], AROUND)
    SEEN.update(problem.code for problem in found)
    assert [problem.code for problem in found] == ["CF-CHK-001"]


def test_the_shipped_examples_are_in_order() -> None:
    """Notes only: flows that mean what they do, a stop behind a bridge among them."""
    for name in ("flows", "accounts", "office"):
        found = check_paths([examples_dir() / name], AROUND)
        assert [problem for problem in found if problem.level != "note"] == []


def _written() -> Iterator[str]:
    for path in Path(__file__).parent.glob("test_*.py"):
        text = path.read_text(encoding="utf-8")
        yield from (code for code in CODES if code in text or f'"{code[-3:]}"' in text)


def test_every_code_has_a_test_and_an_explanation() -> None:
    assert set(_written()) == set(CODES)
    assert all(code.cause.endswith(".") and code.fix.endswith(".") and code.title for code in CODES.values())


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-10, 99999)
    | st.text(max_size=6)
    | st.sampled_from(["record_call", "user", "_"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["module", "data", "children", "flow", "numbers", "_", "action", "id", "url", "time_limit"]
            ),
            inner,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_whatever_the_document_it_never_raises(document: Any) -> None:
    found = check_text(json.dumps(document), "x.json", IN_ACCOUNT)
    assert all(problem.code in CODES and problem.line >= 1 for problem in found)
