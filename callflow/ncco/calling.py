"""Layer 4: whom ``connect`` rings: from an endpoint to targets, and who is shown as calling (ncco.md 2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from callflow.channels.channel import DialTarget, Party
from callflow.documents.caller_id import clean_number
from callflow.engine.call import Call
from callflow.engine.flow import DEFAULT_KEY, Node
from callflow.engine.routing import find_flow
from callflow.ncco.application import Application
from callflow.ncco.session import Session
from callflow.ncco.webleg import web_target

MOST_NODES = 100
"""So far down a callflow an extension's phone is looked for."""


def name_of(endpoint: Mapping[str, Any]) -> str:
    """Who is called, as events have it in ``to``."""
    for key in ("number", "uri", "extension", "user"):
        if endpoint.get(key):
            return str(endpoint[key])
    return ""


def sip_uri(endpoint: Mapping[str, Any]) -> str:
    """``uri``, or made of ``user`` and ``domain``; empty: there is none."""
    if endpoint.get("uri"):
        return str(endpoint["uri"])
    user, domain = endpoint.get("user"), endpoint.get("domain")
    return f"sip:{user}@{domain}" if user and domain else ""


def shown(data: Mapping[str, Any], call: Call, session: Session) -> Party:
    """Who is shown as calling: ``from``, one of the application's numbers, or who calls."""
    numbers = session.application.numbers
    said = str(data.get("from") or "")
    if data.get("randomFromNumber") and numbers:
        said = numbers[min(len(numbers) - 1, int(call.services.ids.fraction() * len(numbers)))]
    caller = call.identity.shown("external")
    number = clean_number(said)
    return replace(caller, from_number=number) if number else caller


def groups_of(
    endpoint: Mapping[str, Any], caller: Party, call: Call, application: Application | None = None
) -> list[list[DialTarget]]:
    """Targets that ring together, one group after the other until one is reached; none: nobody can be rung.
    ``application``: whose secret signs a WebSocket's token. Raises MissingDocument.
    """
    kind = endpoint.get("type")
    if kind == "phone":
        number = str(endpoint.get("number") or "").lstrip("+")
        gateways = call.endpoints_of_number(number) or call.endpoints_of_number(f"+{number}")
        return [[replace(target, caller=caller)] for target in gateways]
    if kind == "sip":
        uri = sip_uri(endpoint)
        document = {"sip": {"invite_format": "route", "route": uri}}
        target = DialTarget("device", uri, document, headers=_headers(endpoint), caller=caller)
        return [[target]] if uri else []
    if kind == "websocket":
        return [[web_target(endpoint, caller, call, application)]]
    if kind == "app":
        targets = call.endpoints_of_user(str(endpoint.get("user") or ""))
    else:
        targets = _of_extension(str(endpoint.get("extension") or ""), call)
    together = [replace(target, caller=caller) for target in targets]
    return [together] if together else []


def _headers(endpoint: Mapping[str, Any]) -> dict[str, str]:
    """``headers`` as ``X-NAME``, and those with a name of their own."""
    own = endpoint.get("headers")
    standard = endpoint.get("standardHeaders")
    found = {f"X-{name}": str(value) for name, value in (own or {}).items()} if isinstance(own, dict) else {}
    if isinstance(standard, dict):
        found.update({str(name): str(value) for name, value in standard.items()})
    return found


def _of_extension(extension: str, call: Call) -> list[DialTarget]:
    """The phones that the account's callflow for the extension would ring first."""
    match = find_flow(extension, call.services.callflows(), allow_no_match=False)
    flow = call.find_callflow(match.flow_id) if match is not None else None
    node: Node | None = None if flow is None else flow.root
    for _ in range(MOST_NODES):
        if node is None:
            return []
        if node.module == "user":
            return call.endpoints_of_user(str(node.data.get("id") or ""))
        if node.module == "device":
            return [call.endpoint_of_device(str(node.data.get("id") or ""))]
        node = node.child(DEFAULT_KEY)
    return []
