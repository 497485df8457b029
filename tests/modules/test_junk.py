"""Whatever is written into a node's data, the call goes on: no module fails on it."""

from __future__ import annotations

import pytest

from callflow.channels.sim.scenario import Scenario
from callflow.documents.schemas import module_schema
from callflow.modules import MODULES
from tests.modules.stage import NEVER, Stage, caller, node, presses

JUNK: tuple[object, ...] = (None, "", "x", "{NOBODY}", True, -1, 7.5, 10**30, [None], {"a": [1]})

WHOLE: dict[str, dict[str, object]] = {
    "callflow": {"id": "operator"},
    "device": {"id": "bob-desk", "timeout": 1},
    "menu": {"id": "main"},
    "play": {"id": "tone_stream://%(50,0,440)"},
    "record_caller": {"time_limit": 5},
    "set_variable": {"variable": "call_priority", "value": "1"},
    "tones": {"tones": "%(50,0,440)"},
    "user": {"id": "alice", "timeout": 1},
    "voicemail": {"id": "alice-box"},
    "webhook": {"uri": "ftp://nowhere/", "retries": 0},
}
"""What else must be there for a module to come to its work."""


def _nodes(module: str) -> list[dict[str, object]]:
    keys = [key for key in module_schema(module)["properties"] if key != "skip_module"]
    whole = WHOLE.get(module, {})
    nodes = [node(module, {**whole, key: junk}) for key in keys for junk in JUNK]
    return [
        *nodes,
        node(module),
        {"module": module, "children": {}},
        {"module": module, "data": [1], "children": {}},
    ]


def _chain(nodes: list[dict[str, object]]) -> dict[str, object]:
    flow = {**nodes[-1]}
    for one in reversed(nodes[:-1]):
        flow = {**one, "children": {"_": flow}}
    return flow


@pytest.mark.parametrize("module", MODULES)
def test_junk_in_the_data_never_breaks_a_module(module: str, demo: Stage) -> None:
    todo = _nodes(module)
    most = len(todo)
    scenario = Scenario(caller=caller(presses(0.5, "1"), leaves=900.0), callee=NEVER)
    while todo:
        ran = demo.run(_chain(todo[:most]), scenario)
        mine = [one for one in ran.modules if one == module]
        assert mine
        assert [notice for notice in ran.notices() if notice.code == "CF-RUN-MODULE"] == []
        todo = todo[len(mine) :]
        most = 2 * len(mine)  # where a call comes no further, the rest need not hang behind it each time
