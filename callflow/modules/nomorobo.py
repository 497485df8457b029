"""Layer 4, module ``nomorobo``: ask a service how likely a robot calls, and branch by the score.

The request is Kazoo's (``cf_nomorobo``): GET with ``From`` and ``To``, basic authentication; the answer is
JSON with ``score`` from 0 to 1.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Continue, Outcome, Stop
from callflow.errors import CallflowError, CallGone, InvalidDocument
from callflow.log import mask_url
from callflow.modules._children import has_child, wildcard_is_empty
from callflow.modules.webhook import query_of, with_query

TOP = 10
HINT = "It must answer 200 with JSON that has a score from 0 to 1."


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """The child whose number is the highest that the score (0 to 10) reaches, else the lowest. No answer:
    ``_``, else ``0``, else the call ends, as in Kazoo.
    """
    url = str(data["url"])
    try:
        score = await _score(url, data, call)
    except CallGone:
        raise
    except CallflowError as error:
        said = f"nomorobo: {mask_url(url)} gave no score: {error}"
        call.notice("error", "CF-RUN-NOMOROBO", said, error.hint or HINT)
        if wildcard_is_empty(call) and not has_child(call, "0"):
            return Stop(did="got no score, and has neither _ nor 0")
        return Continue(key="0" if wildcard_is_empty(call) else "_", did="got no score")
    return Continue(key=chosen(score, list(call.node.children)), did=f"the score is {score} of {TOP}")


async def _score(url: str, data: Mapping[str, Any], call: Call) -> int:
    secret = f"{data.get('username') or ''}:{data.get('password') or ''}"
    headers = {"Authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"}
    numbers = {"From": national(call.identity.number), "To": national(call.party.to_number)}
    asked = call.http("GET", with_query(url, query_of(numbers)), headers=headers)
    response = await call.line.guard(asked)
    if response.status != 200:
        raise InvalidDocument(f"it answered {response.status}", hint="Are username and password right?")
    try:
        score = json.loads(response.body)["score"]
        return min(TOP, max(0, int(float(score) * TOP)))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise InvalidDocument("the answer holds no score", hint=HINT) from error


def national(number: str) -> str:
    """A number of North America without +1, as the service wants it; others as they are."""
    bare = number.removeprefix("+")
    return bare[1:] if len(bare) == 11 and bare.startswith("1") else bare


def chosen(score: int, keys: list[str]) -> str:
    """The child for a score, by the numbers among ``keys``; ``_`` counts as below 0."""
    steps = sorted(-1 if key == "_" else int(key) for key in keys if key == "_" or _is_step(key))
    reached = [step for step in steps if step <= score] or steps[:1] or [-1]
    return "_" if reached[-1] < 0 else str(reached[-1])


def _is_step(key: str) -> bool:
    return key.isascii() and key.isdigit() and str(int(key)) == key and int(key) <= TOP
