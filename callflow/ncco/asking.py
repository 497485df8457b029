"""Layer 4: asks a web server for an NCCO: tries, time-outs and the fallback of ncco.md 3.7."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from callflow.delivery.destinations.event import with_query
from callflow.delivery.signing import sign
from callflow.engine.services import HttpResponse
from callflow.errors import CallflowError, CallGone, InvalidDocument, NoScript
from callflow.log import mask_url
from callflow.ncco.application import Application, Webhook
from callflow.ncco.script import HINT, Script
from callflow.state.events import body_bytes

if TYPE_CHECKING:
    from callflow.engine.call import Call

TRIES = 2
"""So often each url is tried."""

MAX_ANSWER = 500_000
"""Bytes; a longer answer is refused."""

AGAIN = frozenset({429, 503, 504})
"""Answers that say: try once more."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. ``kind``: ``answer`` (an NCCO must come) or ``event`` (it may)."""

    kind: str
    webhook: Webhook
    body: Mapping[str, Any]


async def ask(question: Question, call: Call, application: Application) -> Script | None:
    """Ask the question's url, then the application's fallback: the NCCO in the answer, None for an answer
    without one (only of an ``event``). Raises CallGone, NoScript if none helped.
    """
    try:
        return await _ask(question, call, application)
    except NoScript as first:
        if application.fallback is None:
            raise
        call.notice(
            "warning",
            "CF-RUN-NCCO-FALLBACK",
            f"{mask_url(question.webhook.url)}: {first.message}: the fallback is asked",
            "Does the web server answer in time?",
        )
        original = {"url": question.webhook.url, "type": question.kind}
        body = {**question.body, "reason": first.message, "original_request": original}
        return await _ask(Question(question.kind, application.fallback, body), call, application)


async def _ask(question: Question, call: Call, application: Application) -> Script | None:
    """One url, at most ``TRIES`` times. Raises NoScript, CallGone."""
    for left in range(TRIES - 1, -1, -1):
        try:
            return await _once(question, call, application)
        except NoScript as error:
            if not error.again or not left:
                raise
    raise AssertionError("not reached")


async def _once(question: Question, call: Call, application: Application) -> Script | None:
    times = application.timeouts
    limit_s = times.connect_s + (times.answer_s if question.kind == "answer" else times.event_s)
    try:
        async with asyncio.timeout(limit_s):
            response = await call.line.guard(_send(question, call, application))
    except TimeoutError:
        raise _no_script(f"no answer within {limit_s:g} s", again=True) from None
    except CallGone:
        raise
    except CallflowError as error:
        raise _no_script(str(error), again=error.retryable) from error
    if not 200 <= response.status < 300:
        raise _no_script(f"it answered {response.status}", again=response.status in AGAIN)
    try:
        return read_answer(response, must=question.kind == "answer", name=_name(question))
    except InvalidDocument as error:
        raise _no_script(str(error), again=False) from error


def _no_script(reason: str, *, again: bool) -> NoScript:
    error = NoScript(reason, hint=HINT)
    error.again = again
    return error


async def _send(question: Question, call: Call, application: Application) -> HttpResponse:
    webhook = question.webhook
    headers: dict[str, str] = {"Accept": "application/json"}
    url, body = webhook.url, b""
    if webhook.method == "GET":
        url = with_query(url, question.body)
    else:
        headers["Content-Type"], body = "application/json", body_bytes(question.body)
    if application.signature_secret:
        headers["Authorization"] = "Bearer " + sign(
            body,
            application.signature_secret,
            jti=call.services.ids.hex32(),
            now=call.services.clock.wall(),
            api_key=application.api_key,
            application_id=application.id,
        )
    return await call.http(webhook.method, url, headers=headers, body=body or None)


def read_answer(response: HttpResponse, *, must: bool, name: str) -> Script | None:
    """The NCCO in an answer's body; None where there is none. Raises InvalidDocument for one that cannot be
    read, or (``must``) for none.
    """
    if len(response.body) > MAX_ANSWER:
        raise InvalidDocument(f"the answer is longer than {MAX_ANSWER} bytes", hint="Use notify.")
    try:
        text = response.body.decode("utf-8-sig").strip()
        value: object = json.loads(text) if text else None
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()  # no NaN, no half of a character
    except (ValueError, RecursionError) as error:  # also for a number of 5,000 digits
        if not must:
            return None  # "ok", a page: nobody who only takes notes must answer JSON
        raise InvalidDocument("the answer is not JSON", hint=HINT) from error
    if isinstance(value, list) or (isinstance(value, dict) and isinstance(value.get("ncco"), list)):
        script = Script.parse(value, name=name)
        return script if script.actions or must else None
    if must:
        raise InvalidDocument("the answer is no NCCO", hint=HINT)
    return None


def _name(question: Question) -> str:
    return f"{question.kind} of {mask_url(question.webhook.url).partition('?')[0]}"
