"""Layer 4: an NCCO as values: a list of actions (ncco.md 0)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from callflow.errors import InvalidDocument

MAX_ACTIONS = 1000
"""More actions than this are no answer to a call."""

HINT = 'An NCCO is a JSON list of objects: [{"action": "talk", "text": "Hello"}].'


@dataclass(frozen=True, slots=True)
class Action:
    """One action. ``name``: ``talk`` ... (empty if it has none); ``data``: its other keys, as written;
    ``path``: where it is in the script (``/0``). ``problem``: why it cannot be run, if it cannot.
    """

    index: int
    name: str
    data: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""

    @property
    def path(self) -> str:
        """Its place in the script, a JSON pointer."""
        return f"/{self.index}"


@dataclass(frozen=True, slots=True)
class Script:
    """``actions`` in their order. ``name``: of the file, or where it came from (``answer_url``)."""

    actions: tuple[Action, ...] = ()
    name: str = ""

    @property
    def document(self) -> list[dict[str, Any]]:
        """The list that it was read from."""
        return [({"action": each.name} if each.name else {}) | dict(each.data) for each in self.actions]

    @classmethod
    def parse(cls, document: object, *, name: str = "") -> Script:
        """Read a list of actions, or an object that wraps one (``{"ncco": [...]}``, as REST bodies do).

        An action that cannot be run carries its ``problem``. Raises InvalidDocument for what is no list or
        has more than ``MAX_ACTIONS`` actions.
        """
        if isinstance(document, Mapping) and isinstance(document.get("ncco"), list):
            document = document["ncco"]
        if not isinstance(document, list):
            raise InvalidDocument("the NCCO is not a list of actions", hint=HINT)
        if len(document) > MAX_ACTIONS:
            raise InvalidDocument(f"the NCCO has more than {MAX_ACTIONS} actions", hint="Use notify.")
        return cls(tuple(_action(index, each) for index, each in enumerate(document)), name)


def _action(index: int, value: object) -> Action:
    if not isinstance(value, Mapping):
        return Action(index, "", problem="the action is not an object")
    name = value.get("action")
    if not isinstance(name, str) or not name:
        return Action(index, "", dict(value), problem='the object has no "action"')
    return Action(index, name, {key: each for key, each in value.items() if key != "action"})
