"""Layer 4: what the modules that change somebody's settings share: whose they are, questions.
Not a module of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from callflow.engine.call import Call, Digits
from callflow.engine.flow import Flow

ASK_S = 5.0
"""How long the first digit may take (Kazoo's default_collect_timeout)."""

INTERDIGIT_S = 2.0
"""From one digit to the next, where the node says nothing (Kazoo's default_interdigit_timeout)."""


@dataclass(frozen=True, slots=True)
class Mine:
    """A document that the caller may change: the user who calls, or the phone."""

    kind: str
    id: str
    document: Mapping[str, Any]

    def part(self, key: str) -> Mapping[str, Any]:
        """The object under ``key``; {}: there is none."""
        value = self.document.get(key)
        return value if isinstance(value, Mapping) else {}


def find(call: Call, *wanted: tuple[str, str]) -> Mine | None:
    """The first of ``(kind, id)`` that the account has."""
    for kind, id in wanted:
        document = call.account.get(kind, id) if id else None
        if document is not None:
            return Mine(kind, id, document)
    return None


def owner_or_phone(call: Call) -> Mine | None:
    """The user who calls, else the phone (Kazoo: owner, then authorizing id)."""
    return find(call, ("user", call.variables.owner_id), ("device", call.party.device_id))


async def ask(
    call: Call, prompt: str, data: Mapping[str, Any], *, max_digits: int, timeout_s: float = ASK_S
) -> Digits:
    """Play a prompt and collect digits; # ends them."""
    return await call.collect_digits(
        max_digits=max_digits,
        timeout_s=timeout_s,
        interdigit_s=interdigit_s(data),
        terminators="#",
        clips=call.clips.prompt(prompt, call.language),
    )


def interdigit_s(data: Mapping[str, Any]) -> float:
    """``interdigit_timeout`` of a node, in seconds."""
    return float(data.get("interdigit_timeout") or INTERDIGIT_S * 1000) / 1000


def dial(call: Call, number: str) -> Flow | None:
    """The flow for a number that the caller dials within the call, as if it had been called at first; None:
    the account has none.
    """
    flow = call.route(number, allow_no_match=True)
    if flow is not None:
        call.party = replace(call.party, to_number=number)
    return flow
