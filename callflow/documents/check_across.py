"""Layer 1: what only shows when an account's callflows are seen together: loops, and flows that end the call.

Each flow is read once (``_read``): where it goes on to others, how surely, and whether it comes to a
voicemail. A loop is told only where no caller's choice lies on it: to return to the menu that one came from
is what callflows are for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from callflow.documents.nodes import DEFAULT, children_of, rule_of, skipped

ALWAYS, ALONE, ASKED = 0, 1, 2
"""How a call gets somewhere: every call does; some do, without the caller's doing; the caller chooses it."""

GOES_ON = frozenset(
    {
        "answer", "audio_macro", "call_forward", "call_waiting", "collect_dtmf", "do_not_disturb", "edr",
        "flush_dtmf", "language", "lookupcidname", "manual_presence", "missed_call_alert", "noop",
        "notification", "play", "prepend_cid", "record_call", "record_caller", "ring_group_toggle",
        "send_dtmf", "set", "set_alert_info", "set_cid", "set_variable", "set_variables", "skel", "sleep",
        "tones", "tts", "webhook",
    }
)  # fmt: skip
"""Modules that do their work and go on to ``_``, whatever the caller does (kazoo.md 3)."""

_BY_THEMSELVES = {"temporal_route", "check_cid", "cidlistmatch", "lookupcidname", "callflow"}
_UNASKED_KEYS = {DEFAULT, "timeout", "max_retries"}
_LONGEST_SHOWN = 12


class Edge(NamedTuple):
    """``target``: the callflow's id. ``pointer``: where it is named, in the document of its flow.
    ``stopped``: a ``record_call stop`` lies on the way to it.
    """

    target: str
    pointer: str
    how: int
    stopped: bool
    returns: bool  # a callflow node: the other flow's end comes back here


@dataclass(slots=True)
class _Story:
    """One flow: where it leads. ``voicemail``: the first that takes a message, with no stop before it.

    ``chain``: flows that every call goes through, in order; ``ends``: then the call ends for certain.
    """

    edges: list[Edge] = field(default_factory=list)
    voicemail: str = ""
    chain: list[str] = field(default_factory=list)
    ends: str = ""


class FlowMap:
    """The callflows of an account and the ways between them. ``documents``: by id."""

    def __init__(self, documents: Mapping[str, Mapping[str, Any]]) -> None:
        self._numbers: dict[str, str] = {}
        for id, document in documents.items():
            numbers = document.get("numbers")
            for number in numbers if isinstance(numbers, list) else ():
                if isinstance(number, str):
                    self._numbers[number] = id if number not in self._numbers else ""
        self._documents = documents

    @cached_property
    def _stories(self) -> dict[str, _Story]:
        return {
            id: _read(document.get("flow"), self._documents, self._numbers)
            for id, document in self._documents.items()
        }

    # ---- flows that never come back

    @cached_property
    def _ending(self) -> dict[str, str]:
        """Flows that end the call for certain, and by which module."""
        found = {id: story.ends for id, story in self._stories.items() if story.ends}
        sources: dict[str, list[str]] = {}
        for id, story in self._stories.items():
            for target in story.chain:
                sources.setdefault(target, []).append(id)
        todo = list(found)
        while todo:
            ended = todo.pop()
            for id in sources.get(ended, ()):
                if id not in found:
                    found[id] = found[ended]
                    todo.append(id)
        return found

    def ends_by(self, id: object) -> str:
        """The module that ends every call of this flow, so that none comes back from it; or nothing."""
        return self._ending.get(id, "") if isinstance(id, str) else ""

    # ---- voicemail

    @cached_property
    def _messages(self) -> dict[str, tuple[str, str]]:
        """For each flow the voicemail that is reached with no stop before it: its flow and place."""
        found = {id: (id, story.voicemail) for id, story in self._stories.items() if story.voicemail}
        sources: dict[str, list[str]] = {}
        for id, story in self._stories.items():
            for edge in story.edges:
                if not edge.stopped:
                    sources.setdefault(edge.target, []).append(id)
        todo = list(found)
        while todo:
            target = todo.pop()
            for id in sources.get(target, ()):
                if id not in found:
                    found[id] = found[target]
                    todo.append(id)
        return found

    def voicemail_in(self, id: object) -> tuple[str, str] | None:
        """A voicemail that takes its message in this flow, or in one that it goes to, before any stop of a
        recording: the flow's id and the place.
        """
        return self._messages.get(id) if isinstance(id, str) else None

    # ---- loops

    def loops(self, id: str) -> Iterator[tuple[Edge, list[str], bool]]:
        """Ways from this flow back to itself without the caller's doing: the way out, the ids on the round
        (this one first and last), and whether every call takes it.
        """
        story = self._stories.get(id)
        for edge in story.edges if story else ():
            if edge.how == ALWAYS and id in self._rounds_of_all:
                yield edge, self._way(id, edge.target, ALWAYS), True
                return
        for edge in story.edges if story else ():
            together = self._parts.get(edge.target) == self._parts.get(id)
            if edge.how != ASKED and together and (edge.target == id or self._parts[id] in self._round_parts):
                yield edge, self._way(id, edge.target, ALONE), False
                return

    def _next(self, id: str, most: int) -> list[str]:
        story = self._stories.get(id)
        return [edge.target for edge in story.edges if edge.how <= most] if story else []

    def _way(self, start: str, first: str, most: int) -> list[str]:
        """The shortest round from ``start`` by ``first`` back to it."""
        came: dict[str, str] = {first: start}
        todo = [first]
        for here in todo:
            if here == start:
                break
            for target in self._next(here, most):
                if target not in came:
                    came[target] = here
                    todo.append(target)
        way, here = [start], came.get(start, first)
        while here != start and len(way) <= len(came):
            way.append(here)
            here = came[here]
        return [start, *reversed(way[1:]), start] if way[1:] else [start, start]

    @cached_property
    def _rounds_of_all(self) -> frozenset[str]:
        """Flows on a round that every call takes: each has one first way at most."""
        ahead = {id: targets[0] for id in self._stories if (targets := self._next(id, ALWAYS))}
        state: dict[str, int] = {}
        rounds: set[str] = set()
        for number, start in enumerate(ahead):
            path: list[str] = []
            here: str | None = start
            while here is not None and here not in state:
                state[here] = number
                path.append(here)
                here = ahead.get(here)
            if here is not None and state[here] == number:
                rounds.update(path[path.index(here) :])
        return frozenset(rounds)

    @cached_property
    def _parts(self) -> dict[str, int]:
        """The strongly connected part of each flow, by ways that need no caller (Kosaraju's algorithm)."""
        backwards: dict[str, list[str]] = {}
        for id in self._stories:
            for target in self._next(id, ALONE):
                backwards.setdefault(target, []).append(id)
        parts: dict[str, int] = {}
        for number, start in enumerate(reversed(self._finished())):
            todo = [start]
            while todo:
                here = todo.pop()
                if here not in parts:
                    parts[here] = number
                    todo += backwards.get(here, ())
        return parts

    def _finished(self) -> list[str]:
        """All flows in the order in which a depth-first walk leaves them."""
        seen: set[str] = set()
        order: list[str] = []
        for start in self._stories:
            todo = [(start, iter(self._next(start, ALONE)))] if start not in seen else []
            seen.add(start)
            while todo:
                here, rest = todo[-1]
                target = next(rest, None)
                if target is None:
                    order.append(here)
                    todo.pop()
                elif target not in seen and target in self._stories:
                    seen.add(target)
                    todo.append((target, iter(self._next(target, ALONE))))
        return order

    @cached_property
    def _round_parts(self) -> frozenset[int]:
        """Parts with more than one flow."""
        counts: dict[int, int] = {}
        for part in self._parts.values():
            counts[part] = counts.get(part, 0) + 1
        return frozenset(part for part, count in counts.items() if count > 1)


def said(way: list[str]) -> str:
    """A round in words, short."""
    shown = way if len(way) <= _LONGEST_SHOWN else [*way[: _LONGEST_SHOWN - 2], "…", way[-1]]
    return " → ".join(shown)


class _Step(NamedTuple):
    node: Any
    pointer: str
    how: int
    stopped: bool
    chained: bool  # all calls come here, if they come back from the flows before


def _read(root: Any, known: Mapping[str, Any], numbers: Mapping[str, str]) -> _Story:
    story = _Story()
    todo = [_Step(root, "/flow", ALWAYS, False, True)]
    while todo:
        step = todo.pop()
        if not isinstance(step.node, Mapping) or not isinstance(step.node.get("module"), str):
            continue
        data = step.node.get("data")
        todo += reversed(_one(step, data if isinstance(data, Mapping) else {}, story, known, numbers))
    return story


def _one(
    step: _Step,
    data: Mapping[str, Any],
    story: _Story,
    known: Mapping[str, Any],
    numbers: Mapping[str, str],
) -> list[_Step]:
    """Note what one node means for the story; gives back its children."""
    module, where = str(step.node["module"]), f"{step.pointer}/data"
    how, stopped, chained = step.how, step.stopped, step.chained
    below: list[_Step] = []
    if skipped(data):
        module = "noop"
    elif module == "record_call" and data.get("action") == "stop":
        stopped = True
    elif module == "voicemail" and not stopped and data.get("action", "compose") != "check":
        story.voicemail = story.voicemail or step.pointer
    elif module == "hangup" and chained:
        story.ends = module
    elif module == "transfer" and data.get("target"):
        target = numbers.get(str(data["target"]), "")
        if target:
            story.edges.append(Edge(target, f"{where}/target", how, stopped, returns=False))
        story.ends = module if chained else story.ends
    elif module == "callflow" and isinstance(data.get("flow"), Mapping):
        below.append(_Step(data["flow"], f"{where}/flow", how, stopped, False))
    elif module == "callflow" and str(data.get("id")) in known:
        story.edges.append(Edge(str(data["id"]), f"{where}/id", how, stopped, returns=True))
        story.chain += [str(data["id"])] if chained else []
    for key, child, pointer in children_of(step.node, step.pointer):
        through = chained and key == DEFAULT and (module in GOES_ON or module == "callflow")
        below.append(_Step(child, pointer, max(how, _how(module, data, key)), stopped, through))
    return below


def _how(module: str, data: Mapping[str, Any], key: str) -> int:
    """How a call gets from a node of ``module`` to its child ``key``."""
    if module in GOES_ON and key == DEFAULT:
        return ALWAYS
    if module in _BY_THEMSELVES or rule_of(module, data) in ("bridge", "causes"):
        return ALONE
    return ALONE if module == "menu" and key in _UNASKED_KEYS else ASKED
