"""The walk: every move of kazoo.md 2.2 and every row of 2.3, as DESIGN 5 decides them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from callflow.channels.channel import Ended
from callflow.engine.call import Call
from callflow.engine.flow import Flow
from callflow.engine.outcome import (
    Attempt,
    Branch,
    Continue,
    HandOver,
    HardStop,
    Outcome,
    ReplaceFlow,
    Stop,
)
from callflow.engine.walker import Module, WalkEnd
from callflow.errors import CallGone, MissingDocument
from callflow.events import CallEnded, Noticed, StepEnded
from tests.engine.harness import HANGS_UP, world


async def visit(data: Mapping[str, Any], call: Call) -> Outcome:
    return Continue(did=f"visited {data.get('name')}")


def gives(outcome: Outcome) -> Module:
    async def module(data: Mapping[str, Any], call: Call) -> Outcome:
        return outcome

    return module


def raises(error: Exception) -> Module:
    async def module(data: Mapping[str, Any], call: Call) -> Outcome:
        raise error

    return module


def node(name: str, module: str = "visit", **children: object) -> dict[str, Any]:
    below = {key.removeprefix("k"): value for key, value in children.items()}
    return {"module": module, "data": {"name": name}, "children": below}


def visited(
    folder: Path, flow: object, modules: Mapping[str, Module] | None = None, end: str = "NORMAL_CLEARING"
) -> list[str]:
    """The names that were visited; the call must have ended with ``end``."""
    with world(folder) as here:
        run = here.run(flow, {"visit": visit, **(modules or {})})
        assert run.walk is WalkEnd.HANGUP
        assert run.cause == end
        assert here.caller.ended is not None
        return [step.did.removeprefix("visited ") for step in here.of(StepEnded) if step.module == "visit"]


# ---- moves ----------------------------------------------------------------------------------


def test_continue_goes_down_the_default_branch_and_hangs_up_at_the_end(tmp_path: Path) -> None:
    assert visited(tmp_path, node("a", _=node("b", _=node("c")))) == ["a", "b", "c"]


def test_continue_with_a_key_takes_that_child_else_the_default(tmp_path: Path) -> None:
    one = {"one": gives(Continue(key="1"))}
    children = {"k1": node("exact"), "_": node("default")}
    assert visited(tmp_path, node("", "one", **children), one) == ["exact"]
    children.pop("k1")
    (tmp_path / "b").mkdir()
    assert visited(tmp_path / "b", node("", "one", k01=node("other"), **children), one) == ["default"]


def test_continue_without_any_child_hangs_up(tmp_path: Path) -> None:
    assert visited(tmp_path, node("", "one", k2=node("no")), {"one": gives(Continue(key="1"))}) == []


def test_continue_to_an_empty_child_stops_even_if_there_is_a_default(tmp_path: Path) -> None:
    flow = node("", "one", k1={}, _=node("default"))
    assert visited(tmp_path, flow, {"one": gives(Continue(key="1"))}) == []


def test_attempt_takes_the_first_key_that_is_there_and_never_the_default(tmp_path: Path) -> None:
    attempt = {"try": gives(Attempt(keys=("USER_BUSY", "sip:486"), otherwise=Stop()))}
    flow = {"module": "try", "children": {"USER_BUSY": {}, "sip:486": node("code"), "_": node("default")}}
    assert visited(tmp_path, flow, attempt) == ["code"]
    (tmp_path / "b").mkdir()
    assert visited(tmp_path / "b", {"module": "try", "children": {"_": node("default")}}, attempt) == []


def test_attempt_otherwise_may_be_any_move(tmp_path: Path) -> None:
    nested = Attempt(keys=("x",), otherwise=Attempt(keys=("1",), otherwise=Continue()))
    flow = node("", "try", k1=node("one"), _=node("default"))
    assert visited(tmp_path, flow, {"try": gives(nested)}) == ["one"]


def test_a_branch_runs_the_other_flow_and_then_ones_own_default(tmp_path: Path) -> None:
    inner = Flow.parse(node("inner", "to_c", _=node("after inner")), flow_id="b")
    c = Flow.parse(node("c"), flow_id="c")
    modules = {"to_b": gives(Branch(flow=inner)), "to_c": gives(Branch(flow=c))}
    flow = node("", "to_b", _=node("after outer"), k1=node("never"))
    assert visited(tmp_path, flow, modules) == ["c", "after inner", "after outer"]


def test_a_branch_with_an_empty_default_stacks_nothing(tmp_path: Path) -> None:
    modules = {"to": gives(Branch(flow=Flow.parse(node("other"))))}
    assert visited(tmp_path, node("", "to", _={}), modules) == ["other"]


def test_stop_runs_the_stack_and_drops_its_cause(tmp_path: Path) -> None:
    modules = {"to": gives(Branch(flow=Flow.parse(node("", "stop")))), "stop": gives(Stop(cause="USER_BUSY"))}
    assert visited(tmp_path, node("", "to", _=node("stacked")), modules) == ["stacked"]


def test_stop_with_an_empty_stack_hangs_up_with_its_cause(tmp_path: Path) -> None:
    stop = {"stop": gives(Stop(cause="USER_BUSY"))}
    assert visited(tmp_path, node("", "stop", _=node("no")), stop, "USER_BUSY") == []


def test_hard_stop_ignores_the_stack(tmp_path: Path) -> None:
    modules = {
        "to": gives(Branch(flow=Flow.parse(node("", "stop")))),
        "stop": gives(HardStop(cause="CALL_REJECTED")),
    }
    assert visited(tmp_path, node("", "to", _=node("stacked")), modules, "CALL_REJECTED") == []


def test_replacing_the_flow_leaves_the_stack(tmp_path: Path) -> None:
    modules = {
        "to": gives(Branch(flow=Flow.parse(node("", "replace", _=node("forgotten"))))),
        "replace": gives(ReplaceFlow(flow=Flow.parse(node("new")))),
    }
    assert visited(tmp_path, node("", "to", _=node("stacked")), modules) == ["new", "stacked"]


def test_hand_over_ends_the_walk_without_a_hangup(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.caller_does(30, HANGS_UP)
        run = here.run(node("", "over", _=node("no")), {"over": gives(HandOver()), "visit": visit})
        assert (run.walk, run.by, run.duration) == (WalkEnd.HANDED_OVER, "party", 30)
        assert [step[1] for step in here.steps] == ["over"]


@pytest.mark.parametrize("limit", [50, 3])
def test_one_branch_more_than_the_limit_ends_the_call(tmp_path: Path, limit: int) -> None:
    ring = Flow.parse(node("again", "again"), flow_id="ring")
    with world(tmp_path, overrides={"callflow.max_branch_count": limit}) as here:
        run = here.run(node("", "again"), {"again": gives(Branch(flow=ring))})
        assert run.walk is WalkEnd.HANGUP
        assert len(here.steps) == limit + 1
        assert ("error", "CF-ENG-002") in here.notices


def test_fifty_branches_are_fine(tmp_path: Path) -> None:
    left = [50]

    async def count(data: Mapping[str, Any], call: Call) -> Outcome:
        left[0] -= 1
        return Branch(flow=ring) if left[0] >= 0 else Continue()

    ring = Flow.parse(node("", "count"))
    with world(tmp_path) as here:
        run = here.run(node("", "count", _=node("stacked")), {"count": count, "visit": visit})
        assert run.cause == "NORMAL_CLEARING"
        assert [step.did for step in here.of(StepEnded)][-1] == "visited stacked"


def test_a_thousand_nodes_are_walked(tmp_path: Path) -> None:
    flow = node("end")
    for _ in range(998):
        flow = node("on", _=flow)
    names = visited(tmp_path, flow)
    assert (len(names), names[-1]) == (999, "end")


# ---- unusual nodes --------------------------------------------------------------------------


def test_an_empty_flow_hangs_up(tmp_path: Path) -> None:
    assert visited(tmp_path, {}) == []


def test_an_unknown_module_is_passed_over_with_a_warning(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.run(node("", "frobnicate", _=node("after")), {"visit": visit})
        assert here.steps[-1][0] == "/children/_"
        assert here.notices == [("warning", "CF-RUN-UNKNOWN-MODULE")]


def test_a_module_of_kazoo_without_code_is_named_as_such(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.run(node("", "function", _=node("after")), {"visit": visit})
        assert here.notices == [("warning", "CF-RUN-NO-MODULE")]


@pytest.mark.parametrize("value", [True, "true", "True"])
def test_skip_module(tmp_path: Path, value: object) -> None:
    flow = {"module": "stop", "data": {"skip_module": value}, "children": {"_": node("after")}}
    assert visited(tmp_path, flow, {"stop": gives(HardStop())}) == ["after"]


@pytest.mark.parametrize("value", [False, "false", None, 0])
def test_skip_module_that_is_not_true(tmp_path: Path, value: object) -> None:
    flow = {"module": "stop", "data": {"skip_module": value}, "children": {"_": node("after")}}
    assert visited(tmp_path, flow, {"stop": gives(HardStop())}) == []


@pytest.mark.parametrize("bad", [{"data": {}}, {"module": ""}, {"module": 5}])
def test_a_malformed_node_is_passed_over_to_its_default(tmp_path: Path, bad: dict[str, Any]) -> None:
    with world(tmp_path) as here:
        run = here.run({**bad, "children": {"_": node("after")}}, {"visit": visit})
        assert run.cause == "NORMAL_CLEARING"
        assert here.steps[-1][:2] == ("/children/_", "visit")
        assert here.notices == [("error", "CF-ENG-000")]


@pytest.mark.parametrize("bad", [{"data": {}}, {"module": ""}, None, "text", 5, []])
def test_a_malformed_node_without_default_ends_the_call_with_an_error(tmp_path: Path, bad: object) -> None:
    inner = Flow.parse({"module": "visit", "data": {}, "children": {"_": bad}})
    with world(tmp_path) as here:
        run = here.run(node("", "to", _=node("stacked")), {"visit": visit, "to": gives(Branch(flow=inner))})
        assert (run.walk, run.cause) == (WalkEnd.HANGUP, "NORMAL_TEMPORARY_FAILURE")
        [notice] = here.of(Noticed)
        assert (notice.level, notice.path) == ("error", "/children/_")
        assert "the call ends here" in notice.message
        assert notice.hint


def test_the_documentations_example_reaches_its_inner_module_with_a_warning(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.run({"module": "visit", "data": {}, "children": node("inner")}, {"visit": visit})
        assert [step[0] for step in here.steps] == ["", "/children/_"]
        assert here.notices == [("warning", "CF-RUN-NODE")]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KeyError("x"), "CF-RUN-MODULE"),
        (RecursionError(), "CF-RUN-MODULE"),
        (MissingDocument("no menu", hint="make one"), "CF-DOC-003"),
    ],
)
def test_a_module_that_raises_is_reported_and_the_walk_goes_on(
    tmp_path: Path, error: Exception, code: str
) -> None:
    with world(tmp_path) as here:
        here.run(node("", "bad", k1=node("no"), _=node("after")), {"visit": visit, "bad": raises(error)})
        assert [step[1] for step in here.steps] == ["bad", "visit"]
        assert here.notices == [("error", code)]


def test_a_module_that_gives_no_move_is_reported_and_the_walk_goes_on(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.run(
            node("", "bad", _=node("after")),
            {"visit": visit, "bad": gives(None)},  # type: ignore[arg-type]
        )
        assert [step[1] for step in here.steps] == ["bad", "visit"]
        assert here.notices == [("error", "CF-ENG-000")]


# ---- the caller goes ------------------------------------------------------------------------


def test_no_node_runs_once_the_caller_has_gone(tmp_path: Path) -> None:
    async def sleep(data: Mapping[str, Any], call: Call) -> Outcome:
        await call.sleep(60)
        return Continue()

    with world(tmp_path) as here:
        here.caller_does(7, Ended("NORMAL_CLEARING", 200))
        run = here.run(node("", "sleep", _=node("no")), {"visit": visit, "sleep": sleep})
        assert (run.walk, run.by, run.duration) == (WalkEnd.GONE, "party", 7)
        assert here.steps == [("", "sleep", "gone")]
        assert here.notices == []


def test_a_module_that_swallows_the_hangup_still_ends_the_walk(tmp_path: Path) -> None:
    async def deaf(data: Mapping[str, Any], call: Call) -> Outcome:
        try:
            await call.sleep(60)
        except CallGone:
            return Continue()
        return Continue()

    with world(tmp_path) as here:
        here.caller_does(7, HANGS_UP)
        run = here.run(node("", "deaf", _=node("no")), {"visit": visit, "deaf": deaf})
        assert run.walk is WalkEnd.GONE
        assert len(here.steps) == 1


def test_a_caller_that_has_gone_before_the_first_node(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.caller_does(0, HANGS_UP)
        run = here.run(node("", "wait", _=node("no")), {"visit": visit, "wait": raises(CallGone("gone"))})
        assert run.walk in (WalkEnd.GONE, WalkEnd.HANGUP)
        assert [step[1] for step in here.steps] in ([], ["wait"])


def test_waiting_for_the_hangup_is_no_error(tmp_path: Path) -> None:
    with world(tmp_path) as here:

        async def wait(call: Call) -> None:
            await call.wait_for_hangup()

        here.caller_does(9, HANGS_UP)
        assert here.with_call(wait).duration == 9


# ---- data -----------------------------------------------------------------------------------


def test_placeholders_are_filled_from_var_call_and_account(tmp_path: Path) -> None:
    seen: dict[str, Any] = {}

    async def look(data: Mapping[str, Any], call: Call) -> Outcome:
        seen.update(data)
        return Continue()

    with world(tmp_path) as here:
        here.with_services(variables={"BOX": "b7", "TO": "given"})
        here.run(
            {
                "module": "look",
                "data": {
                    "id": "{ACCOUNT_ID}/{USER_ID}/{CALL_ID}/{FROM}/{TO}/{BOX}",
                    "url": "http://h/{FROM}/{CALLER_ID_NAME}",
                    "deep": [{"x": "{NOBODY}"}],
                },
            },
            {"look": look},
        )
        assert seen["id"] == "acc/u1/call-1/1001/given/b7"
        assert seen["url"] == "http://h/1001/Alice"
        assert seen["deep"] == [{"x": "{NOBODY}"}]
        assert here.notices == [("error", "CF-ENG-004")]


def test_the_call_is_told_where_it_is(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        run = here.run(node("a", _=node("b")), {"visit": visit}, flow_id="main")
        assert [(s.path, s.module, s.outcome, s.did) for s in here.of(StepEnded)] == [
            ("", "visit", "continue _", "visited a"),
            ("/children/_", "visit", "stop", "visited b"),
        ]
        assert here.of(CallEnded)[0].cause == run.cause
