"""Pictures of flows: every node once, nothing on top of anything else, no secrets, problems in place."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from callflow.cli.check import url_judge
from callflow.documents.check import Surroundings, check_text
from callflow.documents.settings import load_settings
from callflow.drawing.gather import facts_of, tree_of
from callflow.drawing.layout import ACROSS, WIDTH, cut, lay_out, wrapped
from callflow.drawing.mermaid import to_mermaid
from callflow.drawing.picture import Picture, Tree
from callflow.drawing.svg import to_svg
from callflow.drawing.text import to_text
from tests.modules.stage import keyed, node

KEYS = st.sampled_from(["_", "1", "2", "timeout", "USER_BUSY", 'a"<&b'])
FLOWS = st.recursive(
    st.sampled_from([node("hangup"), node("play", {"id": "x"}), node("record_call", {"action": "start"})]),
    lambda inner: st.builds(
        lambda module, children: {"module": module, "data": {"id": "y"}, "children": children},
        st.sampled_from(["menu", "user", "callflow"]),
        st.dictionaries(KEYS, inner, max_size=4),
    ),
    max_leaves=25,
)
SVG = "{http://www.w3.org/2000/svg}"


def _menu() -> dict[str, Any]:
    """A menu: 1 records and rings, with a way for busy; no choice hangs up."""
    busy = node("voicemail", {"id": "box"})
    ring = keyed(node("user", {"id": "alice"}, then=node("hangup")), USER_BUSY=busy)
    start = node(
        "record_call", {"action": "start", "url": "https://me:pw@h.example.com/in?key=s3"}, then=ring
    )
    return keyed(node("menu", {"id": "main"}, then=node("hangup")), k1=start)


@settings(max_examples=60, deadline=None)
@given(FLOWS)
def test_every_node_has_a_place_of_its_own_and_lines_run_right_or_down(flow: dict[str, Any]) -> None:
    tree = tree_of(flow)
    layout = lay_out(tree)
    assert [id(one.box) for one in layout.placed] != [] and len(layout.placed) == len(list(tree.boxes()))
    seen = sorted(layout.placed, key=lambda one: (one.x, one.y))
    for one, below in pairwise(seen):
        assert one.x < below.x or one.y + one.height < below.y, "one above the other, with room between"
    for one in layout.placed:
        assert one.x + WIDTH <= layout.width and one.y + one.height <= layout.height
        if one.parent >= 0:
            above = layout.placed[one.parent]
            if one.box.key == "_":
                assert (one.x, above.y + above.height < one.y) == (above.x, True)
            else:
                assert (one.x, above.y <= one.y) == (above.x + WIDTH + ACROSS, True)


@settings(max_examples=40, deadline=None)
@given(FLOWS)
def test_all_three_forms_hold_every_node_and_are_the_same_each_time(flow: dict[str, Any]) -> None:
    count = len(list(tree_of(flow).boxes()))
    svg, mermaid, text = (show(Picture([tree_of(flow)])) for show in (to_svg, to_mermaid, to_text))
    nodes = [each for each in ET.fromstring(svg).iter(f"{SVG}g") if each.get("class") == "node"]
    assert len({each.get("data-path") for each in nodes}) == len(nodes) == count
    assert len(re.findall(r"^    n[0-9]+\[", mermaid, re.MULTILINE)) == count
    assert len(re.findall(r" (==>|-->)", mermaid)) == count - 1
    assert len(text.splitlines()) == count + 1
    assert [show(Picture([tree_of(flow)])) for show in (to_svg, to_mermaid, to_text)] == [svg, mermaid, text]


def test_a_flow_as_text() -> None:
    document = {"id": "main", "name": "Main", "numbers": ["2000", "*9"], "flow": _menu()}
    assert to_text(Picture([tree_of(document)])) == (
        "Main (2000, *9)\n"
        "  menu  id main\n"
        "  ├─ 1: record_call  action start · url https://h.example.com/in?…\n"
        "  │  user  id alice\n"
        "  │  ├─ USER_BUSY: voicemail  id box\n"
        "  │  └─ _: hangup\n"
        "  └─ _: hangup\n"
    )


def test_a_flow_as_mermaid() -> None:
    chart = to_mermaid(
        Picture([tree_of(keyed(node("menu", {"id": "m"}), k1=node("play", {"id": 'a"]|<b>'})))])
    )
    assert chart.splitlines()[:6] == [
        "flowchart TD",
        '  subgraph t0["flow"]',
        '    n0["<b>menu</b><br/>id m"]',
        '    n1["<b>play</b><br/>id a#34;#93;#124;#60;b#62;"]',
        '    n0 -->|"1"| n1',
        "  end",
    ]


def test_what_stands_in_a_flow_is_text_and_not_markup() -> None:
    flow = node("<script>alert(1)</script>", {"id": "]]><svg onload=x>"})
    svg = to_svg(Picture([tree_of({"name": "<b>&", "flow": flow})]))
    assert "<script" not in svg and "onload=x>" not in svg.replace("onload=x&gt;", "")
    assert "<b>&" in "".join(ET.fromstring(svg).itertext())


def test_secrets_are_not_drawn() -> None:
    pictures = Picture([tree_of(_menu())])
    for show in (to_svg, to_mermaid, to_text):
        assert "pw" not in show(pictures) and "s3" not in show(pictures)
    assert facts_of("disa", {"pin": "4711"}) == ("pin ***",)
    assert facts_of("unheard_of", {"password": "x"}) == ("password ***",)


def test_data_in_few_words() -> None:
    facts = facts_of(
        "record_call", {"time_limit": "600", "action": "start", "format": "mp3", "silence_detection": False}
    )
    assert facts == ("action start", "format mp3", "time_limit 600")
    group = [{"id": "alice", "endpoint_type": "user"}, {"id": "bob", "endpoint_type": "user"}]
    assert facts_of("ring_group", {"endpoints": group, "timeout": 20}) == ("endpoints alice, bob",)
    assert facts_of("unheard_of", {"a": [1, 2], "b": {"c": 1}, "d": True}) == ("a 1, 2", "b {c}", "d true")
    assert len(facts_of("unheard_of", {str(number): "x" for number in range(9)})) == 4
    assert facts_of("play", {"id": "x", "skip_module": True})[0] == "skipped (skip_module)"


def test_problems_stand_at_their_nodes() -> None:
    document = {"name": "x", "numbers": ["1", "1"], "flow": keyed(_menu(), k2=node("recrod_call"))}
    around = Surroundings(load_settings(), judge_url=url_judge(load_settings()))
    tree = tree_of(document, problems=check_text(json.dumps(document), "x.json", around))
    marked = {box.path: [mark.code for mark in box.marks] for box in tree.boxes() if box.marks}
    assert marked["/children/2"] == ["CF-CHK-060"]
    assert tree.marks, "the number that is there twice is a problem of the document"
    svg = to_svg(Picture([tree]))
    assert "has-error" in svg and "CF-CHK-060" in svg and "CF-CHK-060" in to_text(Picture([tree]))


def test_an_empty_flow_a_chain_of_a_thousand_and_nodes_that_are_none() -> None:
    assert "an empty flow" in to_text(Picture([tree_of({"flow": {}})]))
    assert "an empty flow" in to_svg(Picture([tree_of({"flow": {}})]))
    deep = node("hangup")
    for _ in range(999):
        deep = node("noop", then=deep)
    layout = lay_out(tree_of(deep))
    assert len(layout.placed) == 1000 and layout.width == WIDTH
    odd = {"module": "menu", "data": {}, "children": {"1": None, "2": [1], "3": {}, "4": {"data": {}}}}
    assert to_text(Picture([tree_of(odd)])).count("?") == 3


def test_lines_are_cut_and_wrapped() -> None:
    assert cut("abcdef", 4) == "abc…" and cut("abcd", 4) == "abcd"
    assert wrapped("one two three", 7) == ["one two", "three"]
    assert wrapped("a b c d e f", 1, lines=3) == ["a", "b", "…"]
    assert wrapped("x" * 50, 10) == ["xxxxxxxxx…"]


def test_several_flows_in_one_picture() -> None:
    trees = [tree_of({"name": name, "flow": node("hangup")}) for name in ("a", "b")]
    root = ET.fromstring(to_svg(Picture(trees)))
    assert [each.text for each in root.iter(f"{SVG}text") if each.get("class") == "title"] == ["a", "b"]
    assert to_text(Picture([*trees, Tree("c", None)])).count("\n\n") == 2
