"""Layer 4, module ``check_cid``: branch by the caller's number, and maybe make the caller somebody else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from callflow.documents.patterns import compile_pattern
from callflow.engine.call import Call
from callflow.engine.outcome import Attempt, Continue, Outcome
from callflow.modules._children import has_child

MATCH, NOMATCH = "match", "nomatch"


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """``match`` or ``nomatch``, as ``regex`` is found in the caller's number; in absolute mode a match leads
    to the child of that number. Without the child: ``_``.
    """
    number = call.identity.number
    try:
        found = compile_pattern(str(data["regex"])).search(number) is not None
    except re.error as error:
        call.notice(
            "warning",
            "CF-RUN-REGEX",
            f"check_cid: {data['regex']!r} is no regular expression: {error.msg}",
            "The node is passed over to _.",
        )
        return Continue(did="could not compare")
    if not found:
        return Attempt(keys=(NOMATCH,), otherwise=Continue(), did=f"{number} does not match")
    key = number if data["use_absolute_mode"] else MATCH
    if has_child(call, key):
        _become(data, call)
    return Attempt(keys=(key,), otherwise=Continue(), did=f"{number} matches")


def _become(data: Mapping[str, Any], call: Call) -> None:
    """The caller id and owner that the node gives; all of name, number and user, or nothing (as Kazoo)."""
    given = data.get("caller_id")
    external = given.get("external") if isinstance(given, Mapping) else None
    external = external if isinstance(external, Mapping) else {}
    name, number, user = external.get("name"), external.get("number"), data.get("user_id")
    if name and number and user:
        call.identity.become(str(number), str(name))
        call.variables.owner_id = str(user)
        call.variables.set("Owner-ID", str(user))
    elif name or number or user:
        call.notice(
            "warning",
            "CF-RUN-CHECK-CID",
            "check_cid: the caller stays who it is: name, number and user_id are not all given",
            "Write caller_id.external.name, caller_id.external.number and user_id.",
        )
