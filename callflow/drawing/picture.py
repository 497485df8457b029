"""Layer 4: what a picture of flows holds, however it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Mark:
    """A problem of a node. ``level``: ``error``, ``warning`` or ``note``; ``code`` as ``check`` has it."""

    level: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Visit:
    """A call has been at a node: as the ``turn``-th step (from 1), from ``at`` for ``seconds`` of call time.

    ``did`` and ``outcome``: as in the event ``step.ended``; empty for a step that never ended.
    """

    turn: int
    at: float
    seconds: float
    did: str = ""
    outcome: str = ""


@dataclass(slots=True)
class Box:
    """A node. ``key``: the branch key that leads here (the root: empty). ``path``: as in events.

    ``facts``: what its data says, a short line each. ``recordings``: what became of recordings while the call
    was here, a short line each; ``recorded``: something was being recorded meanwhile. ``now``: the call is
    here at this moment.
    """

    path: str
    key: str
    module: str
    facts: tuple[str, ...] = ()
    marks: tuple[Mark, ...] = ()
    children: list[Box] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)
    recordings: list[str] = field(default_factory=list)
    recorded: bool = False
    now: bool = False

    def down(self) -> Box | None:
        """The child that the flow goes on to when nothing else is said (``_``)."""
        return next((child for child in self.children if child.key == "_"), None)

    def aside(self) -> list[Box]:
        """The children that are gone to for a reason: digits, causes, results."""
        return [child for child in self.children if child.key != "_"]

    def in_order(self) -> list[Box]:
        """All children, ``_`` last."""
        down = self.down()
        return self.aside() if down is None else [*self.aside(), down]


@dataclass(slots=True)
class Tree:
    """One flow. ``flow_id``: its document's id; ``marks``: problems of the document outside its tree."""

    title: str
    root: Box | None
    flow_id: str = ""
    marks: tuple[Mark, ...] = ()

    def boxes(self) -> Iterator[Box]:
        """Every box, each before its children, in the order of the document."""
        todo = [self.root] if self.root else []
        while todo:
            box = todo.pop()
            yield box
            todo.extend(reversed(box.children))


@dataclass(slots=True)
class Picture:
    """One or more flows. ``walked``: a call's way is marked on it; ``footer``: what to say below."""

    trees: list[Tree]
    walked: bool = False
    footer: tuple[str, ...] = ()
