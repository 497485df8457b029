"""Layer 4, module ``webhook``: tell a web server about the call, without waiting for its answer.

The fields and their two forms (a query for GET, a form for POST) are those of Kazoo's webhooks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from callflow.engine.call import Call
from callflow.engine.flow import Node
from callflow.engine.outcome import Continue, Outcome
from callflow.errors import CallflowError
from callflow.log import mask_url

FIRST_PAUSE_S = 1.0
"""Before the second try; doubled before each later one."""

FORM = "application/x-www-form-urlencoded"


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Start the request in the background and go on to ``_`` at once."""
    uri = str(data.get("uri") or "")
    if not uri:
        call.notice(
            "error", "CF-RUN-WEBHOOK", "webhook: there is no uri", "Write data.uri: an http or https url."
        )
        return Continue(did="had nobody to tell")
    verb = data["http_verb"].upper()
    tries = 1 + int(data["retries"])
    fields = hook_fields(call, data.get("custom_data"))
    call.spawn(_tell(call, call.node, verb, uri, fields, tries))
    return Continue(did=f"tells {mask_url(uri)}")


def hook_fields(call: Call, custom_data: object) -> dict[str, object]:
    """What the server is told: flat facts of the call, and the node's own ``custom_data``."""
    fields: dict[str, object] = {
        "hook_event": "callflow",
        "call_id": call.id,
        "account_id": call.account.id,
        "from": call.party.from_number,
        "to": call.party.to_number,
        "caller_id_name": call.identity.name,
        "caller_id_number": call.identity.number,
        "owner_id": call.party.user_id,
    }
    fields = {name: value for name, value in fields.items() if value}
    if isinstance(custom_data, Mapping) and custom_data:
        fields["custom_data"] = custom_data
    return fields


async def _tell(
    call: Call, node: Node, verb: str, uri: str, fields: Mapping[str, object], tries: int
) -> None:
    """Send until a 2xx, at most ``tries`` times; the last failure is told as a notice about ``node``, however
    far the walk has gone since.
    """
    text = query_of(fields)
    url, headers, body = uri, {}, None
    if verb == "GET":
        url = with_query(uri, text)
    else:
        headers, body = {"Content-Type": FORM}, text.encode()
    why = ""
    for attempt in range(tries):
        if attempt:
            await call.services.clock.sleep(FIRST_PAUSE_S * 2 ** (attempt - 1))
        try:
            answer = await call.http(verb, url, headers=headers, body=body)
        except CallflowError as error:
            why = str(error)
            if not error.retryable:
                break
            continue
        if 200 <= answer.status < 300:
            return
        why = f"it answered {answer.status}"
    call.notice(
        "error",
        "CF-RUN-WEBHOOK",
        f"webhook: {mask_url(uri)} was not told: {why}",
        "Is the server up, and does it answer 200?",
        node=node,
    )


def query_of(fields: Mapping[str, object]) -> str:
    """``fields`` as a form or query; an object's keys and a list's places go into brackets: ``a[b][0]=1``."""
    return urlencode(list(_pairs(fields)))


def with_query(uri: str, query: str) -> str:
    """``uri`` with ``query`` added to the one it has; a fragment is not sent."""
    parts = urlsplit(uri)
    both = "&".join(part for part in (parts.query, query) if part)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, both, ""))


def _pairs(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _pairs(inner, f"{name}[{key}]" if name else str(key))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _pairs(inner, f"{name}[{index}]")
    elif isinstance(value, bool):
        yield name, "true" if value else "false"
    elif value is not None:
        yield name, str(value)
