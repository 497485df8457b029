"""Layer 3: the walk of a call through a flow: carries out the moves that modules make (kazoo.md 2.2, 2.3).

The walker knows no module: it is given a mapping from names to functions. It never recurses, however deep
the flow or long the chain of branches.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from callflow.documents.moduledata import prepare
from callflow.documents.placeholders import fill
from callflow.documents.schemas import other_modules
from callflow.engine.call import Call
from callflow.engine.flow import DEFAULT_KEY, Flow, Node
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
from callflow.errors import CallflowError, CallGone, EngineError, MissingVariable, TooManyBranches
from callflow.events import StepEnded, StepStarted

logger = logging.getLogger(__name__)

Module = Callable[[Mapping[str, Any], Call], Awaitable[Outcome]]

NORMAL = "NORMAL_CLEARING"
FAULT = "NORMAL_TEMPORARY_FAILURE"
"""The hangup cause of a walk that cannot go on."""


class WalkEnd(StrEnum):
    """How a walk ended."""

    HANGUP = "hangup"  # the engine ended the call
    GONE = "gone"  # the caller had left
    HANDED_OVER = "handed_over"  # somebody else drives the call


@dataclass(frozen=True, slots=True)
class _Spot:
    """A node and the flow that it is in."""

    node: Node | None
    flow: Flow


class Walker:
    """One walk. ``modules``: the functions by name."""

    def __init__(self, call: Call, modules: Mapping[str, Module]) -> None:
        self._call = call
        self._modules = modules
        self._stack: list[_Spot] = []
        self._branches = 0

    async def run(self, flow: Flow, before: Flow | None = None) -> WalkEnd:
        """Walk until the call has ended or is handed over. The end of a flow always hangs up. ``before``: a
        flow that is walked first; where it stops, ``flow`` begins.
        """
        spot = _Spot(flow.root, flow)
        if before is not None:
            self._stack.append(spot)
            spot = _Spot(before.root, before)
        while True:
            if self._gone():
                return WalkEnd.GONE
            if spot.node is None or spot.node.empty:
                outcome: Outcome = Stop(did="no flow left")
            else:
                outcome = await self._step(spot)
            redirect = self._call.bridging.take_redirect()
            if redirect is not None:  # transfers are counted where they are taken
                self._stack.clear()
                spot = _Spot(redirect.root, redirect)
                continue
            if self._gone():
                return WalkEnd.GONE
            onward = await self._move(spot, outcome)
            if isinstance(onward, WalkEnd):
                return onward
            spot = onward

    def _gone(self) -> bool:
        return self._call.gone

    # ---- one node ----------------------------------------------------------------------------

    async def _step(self, spot: _Spot) -> Outcome:
        node, call = spot.node, self._call
        assert node is not None
        call.node, call.flow_id = node, spot.flow.id
        started = call.services.clock.now()
        call.services.bus.publish(
            StepStarted(
                time=started, call_id=call.id, path=node.path, module=node.module, flow_id=spot.flow.id
            )
        )
        for text in node.notices:
            call.notice("warning", "CF-RUN-NODE", text, "`callflow check` shows where.")
        outcome = await self._outcome(node)
        now = call.services.clock.now()
        call.services.bus.publish(
            StepEnded(
                time=now,
                call_id=call.id,
                path=node.path,
                module=node.module,
                outcome="gone" if outcome is None else describe(outcome, node),
                did="" if outcome is None else outcome.did,
                seconds=now - started,
            )
        )
        return HardStop() if outcome is None else outcome

    async def _outcome(self, node: Node) -> Outcome | None:
        """What the node's module decides, or what is done in its place; None: the caller has gone."""
        if node.problem:
            return self._pass_over(node)
        if _is_true(node.data.get("skip_module")):
            return Continue(did="skipped (skip_module)")
        module = self._modules.get(node.module)
        if module is None:
            return self._no_module(node)
        data = self._data(node)
        try:
            outcome: object = await module(data, self._call)
            if not isinstance(outcome, Outcome):
                raise EngineError(
                    f"module {node.module} gave {outcome!r} instead of a move", hint="This is a fault of it."
                )
        except CallGone:
            return None
        except CallflowError as error:
            self._call.notice("error", error.code, f"{node.module}: {error}", error.hint)
        except Exception as error:
            logger.exception("module %s failed", node.module)
            self._call.notice(
                "error",
                "CF-RUN-MODULE",
                f"module {node.module} failed: {type(error).__name__}: {error}",
                "The walk goes on; this is a fault of the module, please report it.",
            )
        else:
            return outcome
        return Continue(did="failed")

    def _pass_over(self, node: Node) -> Outcome:
        """A node that cannot be run: on to its ``_`` where there is one, else the call ends."""
        code = EngineError.code
        if DEFAULT_KEY in node.children:
            self._call.notice("error", code, f"{node.problem}: passed over", "`callflow check` shows where.")
            return Continue(did="passed over")
        self._call.notice(
            "error", code, f"{node.problem}: the call ends here", "`callflow check` shows where."
        )
        return HardStop(cause=FAULT, did="cannot be run")

    def _no_module(self, node: Node) -> Outcome:
        why = other_modules().get(node.module)
        if why is None:
            self._call.notice(
                "warning",
                "CF-RUN-UNKNOWN-MODULE",
                f"there is no module {node.module!r}: passed over",
                "`callflow schema` lists the modules.",
            )
        else:
            said = f"{node.module} has no code here: passed over"
            self._call.notice("warning", "CF-RUN-NO-MODULE", said, why)
        return Continue(did="passed over")

    def _data(self, node: Node) -> Mapping[str, Any]:
        """The node's data as its module gets it: placeholders filled, cast, defaults in place."""
        filled = fill(node.data, self._call.placeholders())
        for name in filled.missing:
            self._call.notice(
                "error",
                MissingVariable.code,
                f"nothing resolves the placeholder {{{name}}}",
                f"Give it: --var {name}=VALUE.",
            )
        prepared = prepare(node.module, filled.value)
        for note in prepared.notes:
            level = "info" if note.level == "note" else note.level
            self._call.notice(level, note.code, note.message, note.hint)
        return prepared.data

    # ---- moves -------------------------------------------------------------------------------

    async def _move(self, spot: _Spot, outcome: Outcome) -> _Spot | WalkEnd:
        """Where ``outcome`` leads from ``spot``."""
        while isinstance(outcome, Attempt):
            key = chosen(outcome, spot.node)
            outcome = outcome.otherwise if key is None else Continue(key=key)
        match outcome:
            case Continue(key=key):
                return _Spot(next_node(spot.node, key), spot.flow)
            case Branch(flow=flow):
                return await self._branch(spot, flow)
            case ReplaceFlow(flow=flow):
                return await self._replace(flow)
            case Stop() if self._stack:
                return self._stack.pop()
            case Stop(cause=cause) | HardStop(cause=cause):
                return await self._hangup(cause)
            case HandOver():
                return WalkEnd.HANDED_OVER

    async def _replace(self, flow: Flow) -> _Spot | WalkEnd:
        """A server that answers with a flow that asks the server is a circle, too."""
        return await self._too_often() or _Spot(flow.root, flow)

    async def _too_often(self) -> WalkEnd | None:
        """One more callflow is gone to; the call ends if it goes round in circles."""
        limit = self._call.settings.callflow.max_branch_count
        self._branches += 1
        if self._branches <= limit:
            return None
        self._call.notice(
            "error",
            TooManyBranches.code,
            f"the call has gone to another callflow {limit} times: it ends here",
            "Do two callflows lead to each other? The limit is callflow.max_branch_count.",
        )
        return await self._hangup(FAULT)

    async def _branch(self, spot: _Spot, flow: Flow) -> _Spot | WalkEnd:
        if end := await self._too_often():
            return end
        own = None if spot.node is None else spot.node.child(DEFAULT_KEY)
        if own is not None and not own.empty:
            self._stack.append(_Spot(own, spot.flow))
        return _Spot(flow.root, flow)

    async def _hangup(self, cause: str) -> WalkEnd:
        await self._call.hangup(cause)
        return WalkEnd.HANGUP


def next_node(node: Node | None, key: str) -> Node | None:
    """Child ``key``, else ``_``, else None (no flow left). A child that is ``{}`` is found, and empty."""
    if node is None:
        return None
    return node.child(key) or node.child(DEFAULT_KEY)


def chosen(attempt: Attempt, node: Node | None) -> str | None:
    """The first of the keys that is a child and not empty; None if none is."""
    for key in attempt.keys:
        child = None if node is None else node.child(key)
        if child is not None and not child.empty:
            return key
    return None


def describe(outcome: Outcome, node: Node) -> str:
    """A move in a few words, for ``StepEnded.outcome``: where it really leads from ``node``."""
    while isinstance(outcome, Attempt):
        key = chosen(outcome, node)
        if key is not None:
            return f"attempt {key}"
        outcome = outcome.otherwise
    match outcome:
        case Continue(key=key):
            if node.child(key) is not None:
                return f"continue {key}"
            return f"continue {DEFAULT_KEY}" if node.child(DEFAULT_KEY) is not None else "stop"
        case Branch(flow=flow):
            return f"branch {flow.id}".strip()
        case ReplaceFlow(flow=flow):
            return f"replace_flow {flow.id}".strip()
        case Stop():
            return "stop"
        case HardStop():
            return "hard_stop"
        case HandOver():
            return "hand_over"


def _is_true(value: object) -> bool:
    """Kazoo's reading of a boolean that may be written as a string."""
    return value is True or (isinstance(value, str) and value.strip().lower() == "true")
