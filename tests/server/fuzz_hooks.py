"""What schemathesis is told that a description cannot say: ``fuzz.py`` names this file to it.

What is generated for an operation is changed where it would be refused for a reason beyond its form, and
stays of its form: a tree that no module understands, an endpoint that nobody has, the end of the only call.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import schemathesis

TOO_BIG = 2**63
"""Numbers from here on are refused in every body (docs/http_api.md)."""
FLOWS = [
    json.loads(path.read_text(encoding="utf-8"))["flow"]
    for path in sorted((Path(__file__).parents[2] / "examples" / "flows").glob("*.json"))
    if path.stem not in ("menu-with-voicemail", "record-per-user")  # which need more of the account
]
LISTS = ("recordings", "user_recordings", "deliveries")
DOCUMENTS = ("create_callflow", "replace_callflow", "draw_sent_callflow")


@schemathesis.hook
def filter_body(context: Any, body: Any) -> bool:
    """Has it numbers that fit 64 bits?"""
    todo = [body]
    while todo:
        value = todo.pop()
        if isinstance(value, int | float) and abs(value) >= TOO_BIG:
            return False
        if isinstance(value, dict):
            todo.extend(value.values())
        elif isinstance(value, list):
            todo.extend(value)
    return True


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """What is of its form becomes what can be carried out."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    name = case.operation.definition.raw.get("operationId")
    if case.headers and "If-Match" in case.headers:
        case.headers["If-Match"] = "*"
    if name in LISTS and case.query:
        case.query = {key: value for key, value in case.query.items() if asks_well(key, value)}
    case.body = carried_out(name, case.body)


def asks_well(key: str, value: Any) -> bool:
    """A page's key is one that a page gave; words have two letters, and are printed."""
    if isinstance(value, str) and not value.isprintable():
        return False
    return key != "start_key" and (key != "text" or value == "smith")


def carried_out(name: str, body: Any) -> Any:
    """The body of an operation."""
    if name in DOCUMENTS and isinstance(body, str):
        return json.dumps(document(name, {}))
    if not isinstance(body, dict):
        return body
    data, to = body.get("data"), body.get("to")
    if name in DOCUMENTS and isinstance(data, dict) and "flow" in data:
        return {**body, "data": {**data, **document(name, data)}}
    if name == "vonageCreateCall" and isinstance(to, list) and names_somebody(to[0]):
        return {**body, "to": [{"type": "sip", "uri": "sip:nobody@127.0.0.1:9"}]}
    return body


def names_somebody(endpoint: Any) -> bool:
    """Who is not there?"""
    return isinstance(endpoint, dict) and endpoint.get("type") in ("phone", "app", "vbc")


def document(name: str, data: dict[str, Any]) -> dict[str, Any]:
    """What of a callflow says more than its form: a tree that runs, and what the account has."""
    number = zlib.crc32(repr((name, data)).encode(errors="replace"))
    id = "n300" if name == "replace_callflow" else f"made-{number}"
    whole: dict[str, Any] = {
        "id": id,
        "numbers": [str(number)],
        "patterns": [f"^{number}([0-9]*)$"],
        "owner_id": "carol",
    }
    more: dict[str, Any] = {"metaflow": {"numbers": {}}, "metaflows": {"numbers": {}}}
    kept = {key: value for key, value in {**whole, **more}.items() if key in data}
    return {**kept, "flow": FLOWS[number % len(FLOWS)]}
