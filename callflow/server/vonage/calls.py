"""Layer 6: ``/v1/calls``: begin a call, list calls, look at one (ncco.md 4.2)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from callflow.documents.secrets import is_secret
from callflow.errors import ApiError, MissingDocument
from callflow.ncco.application import Application
from callflow.ncco.placing import Placement, chosen_number
from callflow.server.parts import Parts
from callflow.server.vonage import bodies
from callflow.server.vonage.answers import reply
from callflow.server.vonage.bodies import wrong
from callflow.server.vonage.book import STATES, Book, Leg
from callflow.server.vonage.door import Guest, guarded

PAGE, MOST_PAGE = 10, 100
MOST_INDEX = 1_000_000_000
LONGEST_CALL_S, LONGEST_RING_S = 86_400, 120
MOST_HEADERS = 50
MOST_SOCKET_HEADERS = 512

_NAMES = {"phone": "number", "sip": "uri", "app": "user", "vbc": "extension", "websocket": "uri"}

_NUMBER = re.compile(r"\+?[0-9]{2,15}")
_DIGITS = re.compile(r"[0-9*#p]{0,100}")


def routes(parts: Parts, book: Book) -> list[web.RouteDef]:
    """These."""

    async def create(request: web.Request, guest: Guest) -> web.StreamResponse:
        body = await bodies.read_object(request)
        return reply(request, begin(parts, book, guest, body), 201)

    async def listed(request: web.Request, guest: Guest) -> web.StreamResponse:
        found = book.of(guest.account_id, guest.application.id)
        base = guest.tenant.settings.ncco.public_url or str(request.url.origin())
        return reply(request, page(list(found), request.query, base.rstrip("/")))

    async def one(request: web.Request, guest: Guest) -> web.StreamResponse:
        leg = book.find(request.match_info["uuid"])
        if leg is None or not guest.owns(leg.account_id, leg.application_id):
            raise ApiError(404, "there is no such call")
        return reply(request, leg.shown())

    return [
        web.post("/v1/calls", guarded(parts, create)),
        web.get("/v1/calls", guarded(parts, listed)),
        web.get("/v1/calls/{uuid}", guarded(parts, one)),
    ]


# ---- begin one -----------------------------------------------------------------------------------


def begin(parts: Parts, book: Book, guest: Guest, body: Mapping[str, Any]) -> dict[str, Any]:
    """Begin the call that ``body`` wants; gives what is answered. Raises ApiError: 400 for a body that cannot
    be carried out, 429 if as many calls are up as may be, 503 while the server comes to its end.
    """
    services = parts.engine.services_of(guest.account_id)
    if parts.exchange.draining or services is None:
        raise ApiError(503, "no more calls are made: this server is about to end")
    if len(parts.live) >= services.settings.sip.max_calls:
        raise ApiError(429, "as many calls are up as may be", headers={"Retry-After": "5"})
    application, placement = read_call(body, guest.application)
    random = body.get("random_from_number") is True
    shown = chosen_number(placement.from_number, random=random, application=application, services=services)
    try:
        session, run = parts.engine.scripts.place(
            services, application, replace(placement, from_number=shown)
        )
    except MissingDocument as error:
        raise wrong("to", error.message) from error
    leg = book.add(session)
    parts.live.begin(session.call, run)
    return {
        "uuid": leg.uuid,
        "status": "started",
        "direction": "outbound",
        "conversation_uuid": leg.conversation_uuid,
    }


def read_call(body: Mapping[str, Any], application: Application) -> tuple[Application, Placement]:
    """What a body of ``POST /v1/calls`` wants, and the application as it holds for that call. Raises ApiError
    400.
    """
    answer = bodies.webhook(body, "answer", "GET")
    if ("ncco" in body) == (answer is not None):
        raise wrong("ncco", "give either ncco or answer_url")
    detection = bodies.text(body, "machine_detection", of=("continue", "hangup"))
    advanced = body.get("advanced_machine_detection")
    if advanced is not None and not isinstance(advanced, dict):
        raise wrong("advanced_machine_detection", "must be an object")
    placement = Placement(
        endpoint=_to(body.get("to")),
        from_number=_from(body),
        ringing_s=bodies.whole(body, "ringing_timer", 60, 1, LONGEST_RING_S),
        length_s=bodies.whole(body, "length_timer", 7200, 1, LONGEST_CALL_S),
        script=bodies.script(body["ncco"], "ncco", "POST /v1/calls") if answer is None else None,
        asks_machine=bool(detection or advanced),
    )
    event = bodies.webhook(body, "event") or application.event
    return replace(application, answer=answer or application.answer, event=event), placement


def _from(body: Mapping[str, Any]) -> str:
    random, said = body.get("random_from_number"), body.get("from")
    if not isinstance(random, bool | None):
        raise wrong("random_from_number", "must be true or false")
    if random and said is not None:
        raise wrong("from", "give either from or random_from_number")
    if isinstance(said, dict):
        said = said.get("number") or said.get("uri") or said.get("user")
    if said is None and not random:
        raise wrong("from", "is required, or random_from_number")
    if said is not None and (not isinstance(said, str) or not said.isprintable() or not 0 < len(said) <= 200):
        raise wrong("from", 'must be {"type": "phone", "number": "..."}')
    return str(said or "")


def _to(value: object) -> dict[str, Any]:
    """The endpoint, in the keys of ``connect``."""
    if not isinstance(value, list) or len(value) != 1 or not isinstance(value[0], dict):
        raise wrong("to", "must be a list with one endpoint")
    to = dict(value[0])
    kind = to.get("type", "phone")
    key = _NAMES.get(str(kind))
    if key is None:
        raise wrong("to", f"type {str(kind)[:40]!r} is not called here")
    name = bodies.text(to, key, most=500)
    if not name.isprintable() or not all(str(to.get(each, "")).isprintable() for each in ("user", "domain")):
        raise wrong("to", f"{key} has a control character in it")
    digits = bodies.text(to, "dtmfAnswer", most=100)
    if not _DIGITS.fullmatch(digits):
        raise wrong("to", "dtmfAnswer has digits, *, # and p")
    if kind == "phone" and not _NUMBER.fullmatch(name):
        raise wrong("to", "number must be a phone number, digits only")
    if kind == "sip" and not (name.startswith(("sip:", "sips:")) or (to.get("user") and to.get("domain"))):
        raise wrong("to", "uri must be a SIP URI: sip:user@host")
    if kind != "sip" and not name:
        raise wrong("to", f"{key} is required")
    if kind == "websocket":
        return {"type": kind, "uri": name, **_socket(to)}
    endpoint = {"type": kind, key: name, "dtmfAnswer": digits}
    if kind == "sip":
        endpoint |= {each: to[each] for each in ("user", "domain") if isinstance(to.get(each), str)}
        endpoint["headers"] = _headers(to.get("headers"))
        endpoint["standardHeaders"] = _standard(to.get("standard_headers", to.get("standardHeaders")))
    return endpoint


def _socket(to: Mapping[str, Any]) -> dict[str, Any]:
    """What else there is to a websocket. Documents of the account may name secrets; who asks here may not."""
    if not str(to["uri"]).lower().startswith(("ws://", "wss://")):
        raise wrong("to", "uri must be a WebSocket's: wss://host/path")
    said = {} if to.get("headers") is None else to["headers"]
    if not isinstance(said, dict) or len(json.dumps(said)) > MOST_SOCKET_HEADERS:
        raise wrong("to", f"headers must be an object of at most {MOST_SOCKET_HEADERS} bytes")
    allowed = to.get("authorization") or {}
    if not isinstance(allowed, dict) or is_secret(str(allowed.get("value") or "")):
        raise wrong("to", 'authorization must be {"type": "vonage"} or {"type": "custom", "value": "..."}')
    kind = bodies.text(to, "content-type", most=100)
    return {"content-type": kind, "headers": said, "authorization": allowed or None}


def _headers(value: object) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or len(value) > MOST_HEADERS:
        raise wrong("to", "headers must be an object of texts")
    found = {str(name): str(said) for name, said in value.items() if said is not None}
    if any(not re.fullmatch(r"[A-Za-z0-9-]{1,64}", name) or not said.isprintable() or len(said) > 1000
           for name, said in found.items()):  # fmt: skip
        raise wrong("to", "headers must be an object of texts")
    return found


def _standard(value: object) -> dict[str, str]:
    found = _headers(value)
    if found.keys() - {"User-to-User"}:
        raise wrong("to", "standard_headers may have User-to-User")
    return found


# ---- list them -----------------------------------------------------------------------------------


def page(legs: list[Leg], query: Mapping[str, str], base: str) -> dict[str, Any]:
    """A page of ``legs`` (the oldest first) as HAL; its links begin with ``base``: the Node SDK needs them
    whole. Raises ApiError 400 for a query that cannot be read.
    """
    size = bodies.whole(query, "page_size", PAGE, 1, MOST_PAGE)
    first = bodies.whole(query, "record_index", 0, 0, MOST_INDEX)
    order = bodies.text(query, "order", of=("asc", "desc")) or "asc"
    found = chosen(legs, query)
    if order == "desc":
        found.reverse()
    asked = {key: value for key, value in query.items() if key not in ("page_size", "record_index", "order")}

    def link(index: int) -> dict[str, str]:
        words = {"page_size": size, "record_index": index, "order": order, **asked}
        return {"href": f"{base}/v1/calls?{urlencode(words)}"}

    links = {"self": link(first), "first": link(0), "last": link(max(0, len(found) - 1) // size * size)}
    if first:
        links["prev"] = link(max(0, first - size))
    if first + size < len(found):
        links["next"] = link(first + size)
    return {
        "count": len(found),
        "page_size": size,
        "record_index": first,
        "_links": links,
        "_embedded": {"calls": [leg.shown() for leg in found[first : first + size]]},
    }


def chosen(legs: list[Leg], query: Mapping[str, str]) -> list[Leg]:
    """Those that fit what the query says. Raises ApiError 400."""
    status = bodies.text(query, "status", of=STATES)
    conversation = bodies.text(query, "conversation_uuid", most=100)
    after, before = _moment(query, "date_start"), _moment(query, "date_end")
    return [
        leg
        for leg in legs
        if (not status or leg.status == status)
        and (not conversation or leg.conversation_uuid == conversation)
        and (after is None or leg.began_wall >= after)
        and (before is None or leg.began_wall <= before)
    ]


def _moment(query: Mapping[str, str], key: str) -> float | None:
    said = bodies.text(query, key, most=40)
    if not said:
        return None
    try:
        found = datetime.fromisoformat(said)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise wrong(key, "must be a time such as 2026-01-31T12:00:00Z") from None
