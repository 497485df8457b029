"""Layer 4, module ``set``: keep whatever the node's data holds with the call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Continue, Outcome

_OF_THE_NODE = ("skip_module",)


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Merge the data into the variables of scope ``custom_application_vars``: objects key by key, as Kazoo
    merges the skills that its queues look for.
    """
    known = call.variables.custom_application_vars
    names = [name for name in data if name not in _OF_THE_NODE]
    for name in names:
        call.variables.set(name, _merged(known.get(name), data[name]), "custom_application_vars")
    return Continue(did="set " + (", ".join(names) or "nothing"))


def _merged(under: Any, over: Any) -> Any:
    if not isinstance(under, Mapping) or not isinstance(over, Mapping):
        return over
    return {**under, **{key: _merged(under.get(key), value) for key, value in over.items()}}
