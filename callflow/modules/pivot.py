"""Layer 4, module ``pivot``: ask a web server what to do with the call: a callflow as JSON, or TwiML.

The request's parameters are Kazoo's (``kzt_kazoo``, ``kzt_twiml``); answers go through the guarded client.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.endings import CallEnd
from callflow.engine.flow import Flow, Node
from callflow.engine.outcome import Continue, Outcome, ReplaceFlow
from callflow.engine.services import HttpResponse
from callflow.errors import CallflowError, CallGone, InvalidDocument
from callflow.log import mask_url
from callflow.modules._twiml import Verb, parse
from callflow.modules._twiml_run import Asking, run
from callflow.modules.webhook import FORM, query_of, with_query

MAX_REQUESTS = 50
"""So often one node asks (redirects, gathered digits): a server that only asks back must not keep a call."""

MAX_ANSWER = 500_000
"""Bytes; a longer answer is refused."""

HINT = "It must answer 200 with a callflow (a JSON object with module, data, children) or TwiML."


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Ask ``voice_url``, do what it says; a server that cannot be asked or understood: ``_``."""
    if data.get("cdr_url"):
        _tell_at_the_end(data, call)
    asking = Asking(str(data.get("voice_url") or ""), str(data["method"]).lower())
    for _ in range(MAX_REQUESTS):
        try:
            answer = await _ask(asking, data, call)
        except CallGone:
            raise
        except CallflowError as error:
            _complain(call, f"{mask_url(asking.url)}: {error}", error.hint or HINT)
            return Continue(did="got no answer that can be used")
        if isinstance(answer, Flow):
            return ReplaceFlow(flow=answer, did=f"was given a callflow by {mask_url(asking.url)}")
        found = await run(answer, asking, call)
        if not isinstance(found, Asking):
            return found
        asking = found
    _complain(call, f"the server was asked {MAX_REQUESTS} times in this node", "Does it redirect in circles?")
    return Continue(did="asked too often")


async def _ask(asking: Asking, data: Mapping[str, Any], call: Call) -> Flow | tuple[Verb, ...]:
    """One request. Raises what HTTP raises, and InvalidDocument."""
    if not asking.url:
        raise InvalidDocument("there is no url to ask", hint="Write data.voice_url.")
    twiml = data["req_format"] == "twiml"
    parameters = {**(twiml_parameters(call) if twiml else kazoo_parameters(call)), **asking.parameters}
    headers = {str(name): str(value) for name, value in (data.get("custom_request_headers") or {}).items()}
    url, body = asking.url, None
    if asking.method == "get":
        url = with_query(url, query_of(parameters))
    elif data["req_body_format"] == "json":
        headers["Content-Type"], body = "application/json", json.dumps(parameters).encode()
    else:
        headers["Content-Type"], body = FORM, query_of(parameters).encode()
    _debug(data, call, f"asks {asking.method.upper()} {mask_url(asking.url)}")
    try:
        async with asyncio.timeout(data["req_timeout_ms"] / 1000):
            work = call.http(asking.method.upper(), url, headers=headers, body=body)
            response = await call.line.guard(work)
    except TimeoutError:
        raise InvalidDocument(
            f"no answer within {data['req_timeout_ms']} ms", hint="req_timeout_ms"
        ) from None
    _debug(data, call, f"was answered {response.status}, {len(response.body)} bytes")
    return read_answer(response, twiml=twiml)


def read_answer(response: HttpResponse, *, twiml: bool = False) -> Flow | tuple[Verb, ...]:
    """A flow or TwiML, by its content type, else by how it looks. Raises InvalidDocument."""
    if not 200 <= response.status < 300:
        raise InvalidDocument(f"it answered {response.status}", hint=HINT)
    if len(response.body) > MAX_ANSWER:
        raise InvalidDocument(f"the answer is longer than {MAX_ANSWER} bytes", hint="Use a redirect.")
    try:
        text = response.body.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise InvalidDocument("the answer is not UTF-8", hint=HINT) from error
    kind = next((value for name, value in response.headers.items() if name.lower() == "content-type"), "")
    if "json" in kind or (not text.startswith("<") and "xml" not in kind and not (twiml and not text)):
        return _flow(text)
    return parse(text)


def _flow(text: str) -> Flow:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: a number of thousands of digits, too
        raise InvalidDocument(f"the answer is not JSON: {error}", hint=HINT) from error
    flow = Flow.parse(value)
    if flow.root.problem or flow.root.empty:
        said = flow.root.problem or "it is empty"
        raise InvalidDocument(f"the answer is no callflow: {said}", hint=HINT)
    return flow


# ---- what the server is told ----------------------------------------------------------------


def kazoo_parameters(call: Call) -> dict[str, str]:
    """``req_format`` kazoo."""
    party = call.party
    found = {
        "Call-ID": call.id,
        "Account-ID": call.account.id,
        "From": party.from_number,
        "From-Realm": party.from_realm,
        "To": party.to_number,
        "To-Realm": party.to_realm,
        "Request": party.to_number,
        "Request-Realm": party.to_realm,
        "Call-Status": status_of(call),
        "Api-Version": "4.x",
        "Direction": "inbound",
        "Caller-ID-Name": call.identity.name,
        "Caller-ID-Number": call.identity.number,
        "User-ID": call.variables.owner_id,
        "Language": call.language,
        "Digits": call.collections.get("default", ""),
    }
    return {name: value for name, value in found.items() if value}


def twiml_parameters(call: Call) -> dict[str, str]:
    """``req_format`` twiml."""
    party = call.party
    found = {
        "CallSid": call.id,
        "AccountSid": call.account.id,
        "From": party.from_number,
        "FromRealm": party.from_realm,
        "To": party.to_number,
        "ToRealm": party.to_realm,
        "CallStatus": status_of(call),
        "ApiVersion": "2010-04-01",
        "Direction": "inbound",
        "CallerName": call.identity.name,
        "CallerNumber": call.identity.number,
    }
    return {name: value for name, value in found.items() if value}


def status_of(call: Call) -> str:
    """``ringing``, ``in-progress`` from the answer on, ``completed`` at the end."""
    if call.gone:
        return "completed"
    return "in-progress" if call.answered else "ringing"


def _tell_at_the_end(data: Mapping[str, Any], call: Call) -> None:
    """Have the facts of the whole call posted to ``cdr_url`` when it has ended."""
    node, url = call.node, str(data["cdr_url"])

    async def tell(end: CallEnd) -> None:
        facts = {
            **kazoo_parameters(call),
            "Call-Status": "completed",
            "Hangup-Cause": end.cause,
            "Duration-Seconds": str(round(end.duration)),
        }
        try:
            answer = await call.http(
                "POST", url, headers={"Content-Type": FORM}, body=query_of(facts).encode()
            )
            why = "" if 200 <= answer.status < 300 else f"it answered {answer.status}"
        except CallflowError as error:
            why = str(error)
        if why:
            _complain(call, f"cdr_url {mask_url(url)} was not told: {why}", "Is the server up?", node)

    call.endings.add(tell)


def _complain(call: Call, said: str, hint: str, node: Node | None = None) -> None:
    call.notice("error", "CF-RUN-PIVOT", f"pivot: {said}", hint, node=node)


def _debug(data: Mapping[str, Any], call: Call, said: str) -> None:
    if data["debug"]:
        call.notice("info", "CF-RUN-PIVOT-DEBUG", f"pivot: {said}")
