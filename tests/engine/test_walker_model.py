"""The walker against a model of a few lines that knows kazoo.md 2.2 and 2.3 and nothing of the engine.

Hypothesis makes trees (with every kind of broken node) and decides, at each node that is reached, what its
module returns, that it raises, or that the caller hangs up. The model works on the raw JSON.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from callflow.clock import VirtualTimeLoop
from callflow.documents.accounts import Account
from callflow.documents.settings import Settings
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
from callflow.engine.walker import WalkEnd, Walker
from callflow.errors import MissingDocument
from callflow.state.database import Database
from tests.engine import harness

KEYS = ("_", "1", "2", "USER_BUSY")
FAULT = "NORMAL_TEMPORARY_FAILURE"
NORMAL = "NORMAL_CLEARING"
MISSING = object()
BROKEN = (None, "text", 7, True, ["list"])

# ---- trees ----------------------------------------------------------------------------------


def _nodes(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly nodes that can be run, some that cannot."""
    branches = st.dictionaries(st.sampled_from(KEYS), children, min_size=1)
    good = st.fixed_dictionaries({"module": st.just("go"), "children": branches})
    # ``children`` itself: the documentation's shape, a node where the branches should be.
    odd = st.fixed_dictionaries(
        {},
        optional={
            "module": st.sampled_from(["go", "nope", "", 5, None]),
            "data": st.sampled_from([{}, {"skip_module": "true"}, {"skip_module": False}]),
            "children": st.one_of(branches, children, st.sampled_from(BROKEN)),
        },
    )
    return st.one_of(good, good, good, odd)


LEAVES = st.sampled_from([{"module": "go"}, {"module": "go"}, {}, *BROKEN])
TREES = st.recursive(LEAVES, _nodes, max_leaves=20)
ROOTS = _nodes(TREES)


def _named(tree: Any) -> Any:
    """A copy in which every node has a name of its own."""
    tree = copy.deepcopy(tree)
    counter = iter(range(10_000))

    def visit(value: Any) -> None:
        if isinstance(value, dict) and value:
            value["data"] = {**value.get("data", {}), "name": next(counter)}
            children = value.get("children")
            if isinstance(children, dict):
                below = [children] if _misplaced(children) else children.values()
                for child in below:
                    visit(child)

    visit(tree)
    return tree


def _misplaced(children: dict[str, Any]) -> bool:
    return isinstance(children.get("module"), str) and children.keys() <= {"module", "data", "children"}


# ---- the model ------------------------------------------------------------------------------


class Model:
    """Where a walk is: ``at`` (a raw node that runs), or ``end`` (how, and with which cause)."""

    def __init__(self, root: Any, limit: int) -> None:
        self.stack: list[Any] = []
        self.left = limit
        self.at: Any = None
        self.end: tuple[WalkEnd, str] | None = None
        self.reach(root)

    def branches(self) -> dict[str, Any]:
        return self.children(self.at)

    @staticmethod
    def children(node: Any) -> dict[str, Any]:
        children = node.get("children")
        if not isinstance(children, dict):
            return {}
        return {"_": children} if _misplaced(children) else children

    def reach(self, node: Any) -> None:
        while True:
            if node is MISSING or node == {}:
                if not self.stack:
                    return self.hangup(NORMAL)
                node = self.stack.pop()
            elif not isinstance(node, dict):
                return self.hangup(FAULT)
            elif not isinstance(node.get("module"), str) or not node["module"]:
                if "_" not in self.children(node):
                    return self.hangup(FAULT)
                node = self.children(node)["_"]
            elif node["module"] == "go" and node["data"].get("skip_module") != "true":
                self.at = node
                return None
            else:
                node = self.children(node).get("_", MISSING)

    def go(self, key: str) -> None:
        branches = self.branches()
        self.reach(branches[key] if key in branches else branches.get("_", MISSING))

    def stop(self, cause: str) -> None:
        if self.stack:
            self.reach(self.stack.pop())
        else:
            self.hangup(cause)

    def replace(self, tree: Any) -> None:
        self.left -= 1
        return self.hangup(FAULT) if self.left < 0 else self.reach(tree)

    def branch(self, tree: Any) -> None:
        self.left -= 1
        if self.left < 0:
            return self.hangup(FAULT)
        own = self.branches().get("_", {})
        if own != {}:
            self.stack.append(own)
        return self.reach(tree)

    def hangup(self, cause: str) -> None:
        self.end = (WalkEnd.HANGUP, cause)


# ---- the machine ----------------------------------------------------------------------------


@cache
def _settings(limit: int) -> Settings:
    return harness.settings({"callflow.max_branch_count": limit})


class WalkerMachine(RuleBasedStateMachine):
    """Walks, one after the other, a move at a time. A move after the end of a walk begins the next one."""

    @initialize(trees=st.lists(ROOTS, min_size=2, max_size=5), limit=st.integers(1, 4))
    def begins(self, trees: list[Any], limit: int) -> None:
        self.trees = [_named(tree) for tree in trees]
        self.limit = limit
        self.begun = 0
        self._begin()

    def _begin(self) -> None:
        root = self.trees[self.begun % len(self.trees)]
        self.begun += 1
        self.model = Model(root, self.limit)
        self.asked: asyncio.Future[Outcome] | None = None
        self.name: object = None
        nothing = cast("Database", None)  # a walk of these modules asks for none
        self.world = harness.World(
            nothing, Path("unused"), account=Account.empty("acc"), config=_settings(self.limit)
        )
        self.loop = VirtualTimeLoop(self.world.clock)
        self.loop.run_until_complete(self._start(root))
        self._compare()

    def _walking(self) -> bool:
        """Is there a node whose module can move? A new walk is begun if the last one is over."""
        if self.model.end is not None:
            self.teardown()
            self._begin()
        return self.model.end is None

    async def _start(self, root: Any) -> None:
        self.call = Call(self.world.services, self.world.caller)
        self.call.start()
        walker = Walker(self.call, {"go": self._go})
        self.walk = asyncio.ensure_future(walker.run(Flow.parse(root)))
        await self._settle()

    async def _go(self, data: Mapping[str, Any], call: Call) -> Outcome:
        self.name = data["name"]
        self.asked = asyncio.get_running_loop().create_future()
        return await call.line.guard(self.asked)

    async def _settle(self) -> None:
        """Until a module asks for its move, or the walk is over."""
        while self.asked is None and not self.walk.done():  # noqa: ASYNC110 (nothing else happens here)
            await asyncio.sleep(0)

    def _answer(self, outcome: Outcome | Exception) -> None:
        asked, self.asked = self.asked, None
        assert asked is not None
        if isinstance(outcome, Exception):
            asked.set_exception(outcome)
        else:
            asked.set_result(outcome)
        self.loop.run_until_complete(self._settle())
        self._compare()

    def _compare(self) -> None:
        if self.model.end is None:
            assert self.asked is not None, f"the walk has ended, the model is at {self.model.at}"
            assert self.name == self.model.at["data"]["name"]
            assert self.world.caller.ended is None
            return
        assert self.asked is None, f"the walk is at {self.name}, the model has ended: {self.model.end}"
        assert self.walk.done()
        how, cause = self.model.end
        assert self.walk.result() is how
        if how is WalkEnd.HANDED_OVER:
            assert self.world.caller.ended is None
        else:
            assert self.world.caller.ended is not None
            assert self.world.caller.ended.cause == cause

    @rule(key=st.sampled_from(KEYS))
    def goes_on(self, key: str) -> None:
        if self._walking():
            self.model.go(key)
            self._answer(Continue(key=key))

    @rule(keys=st.lists(st.sampled_from(KEYS), max_size=3), stops=st.booleans())
    def attempts(self, keys: list[str], stops: bool) -> None:
        if not self._walking():
            return
        branches = self.model.branches()
        there = [key for key in keys if branches.get(key, {}) != {}]
        if there:
            self.model.go(there[0])
        elif stops:
            self.model.stop("USER_BUSY")
        else:
            self.model.go("_")
        otherwise: Outcome = Stop(cause="USER_BUSY") if stops else Continue()
        self._answer(Attempt(keys=tuple(keys), otherwise=otherwise))

    @rule(index=st.integers(0, 4))
    def branches_off(self, index: int) -> None:
        if self._walking():
            tree = self.trees[index % len(self.trees)]
            self.model.branch(tree)
            self._answer(Branch(flow=Flow.parse(tree)))

    @rule(index=st.integers(0, 4))
    def replaces_the_flow(self, index: int) -> None:
        if self._walking():
            tree = self.trees[index % len(self.trees)]
            self.model.replace(tree)
            self._answer(ReplaceFlow(flow=Flow.parse(tree)))

    @rule(cause=st.sampled_from([NORMAL, "USER_BUSY"]))
    def stops(self, cause: str) -> None:
        if self._walking():
            self.model.stop(cause)
            self._answer(Stop(cause=cause))

    @rule(cause=st.sampled_from([NORMAL, "CALL_REJECTED"]))
    def stops_hard(self, cause: str) -> None:
        if self._walking():
            self.model.hangup(cause)
            self._answer(HardStop(cause=cause))

    @rule()
    def hands_over(self) -> None:
        if self._walking():
            self.model.end = (WalkEnd.HANDED_OVER, "")
            self._answer(HandOver())

    @rule(ours=st.booleans())
    def raises(self, ours: bool) -> None:
        if self._walking():
            self.model.go("_")
            self._answer(MissingDocument("no such", hint="?") if ours else KeyError("x"))

    @rule()
    def caller_leaves(self) -> None:
        if self._walking():
            self.model.end = (WalkEnd.GONE, harness.HANGS_UP.cause)
            self.world.caller.happen(harness.HANGS_UP)
            self.asked = None
            self.loop.run_until_complete(self._settle())
            self._compare()

    def teardown(self) -> None:
        if not hasattr(self, "loop"):
            return
        self.loop.run_until_complete(self._finish())
        self.loop.close()

    async def _finish(self) -> None:
        self.walk.cancel()
        await asyncio.gather(self.walk, return_exceptions=True)
        await self.call.close()


TestWalkerModel = WalkerMachine.TestCase
TestWalkerModel.settings = settings(
    max_examples=100,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
