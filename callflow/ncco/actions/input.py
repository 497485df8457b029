"""Layer 4, action ``input``: digits, and speech where something recognises it (ncco.md 2.4, 3.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.documents.ncco import dtmf_of, speech_of
from callflow.engine.call import Call
from callflow.engine.results import Digits
from callflow.ncco import events
from callflow.ncco.moves import Move, Next, Replace
from callflow.ncco.session import Session
from callflow.ncco.speech import Said, listen, unable

NO_DIGITS = Digits("", timed_out=True)


async def run(data: Mapping[str, Any], call: Call, session: Session) -> Move:
    """Answer, wait for the result, send it; an NCCO in the answer replaces the script."""
    kinds = data.get("type") or ["dtmf"]
    session.barge_in = session.barged = False
    await call.answer()
    if session.stop_digits():
        call.flush_digits()
    if data["mode"] == "asynchronous":
        session.listen_digits(session.webhook(data))
        return Next(did="sends each digit from now on")
    if "speech" in kinds:
        digits, speech = await _speech(data, call, session, both="dtmf" in kinds)
    else:
        digits, speech = await _digits(data, call), None
    body = _result(data, kinds, digits, speech, session)
    said = _words(kinds, digits, speech)
    script = await session.ask(body, session.webhook(data))
    if script is not None:
        return Replace(script=script, did=f"{said}; was given another script")
    return Next(did=said)


async def _digits(data: Mapping[str, Any], call: Call) -> Digits:
    settings = dtmf_of(data)
    wait_s = float(settings["timeOut"])
    return await call.collect_digits(
        max_digits=int(settings["maxDigits"]),
        timeout_s=wait_s,
        interdigit_s=wait_s,
        terminators="#" if settings["submitOnHash"] else "",
    )


async def _speech(
    data: Mapping[str, Any], call: Call, session: Session, *, both: bool
) -> tuple[Digits, Mapping[str, object]]:
    """Of ``both`` the first that comes: the first digit ends the listening; while nothing is pressed, speech
    has its own time-outs, which are longer.
    """
    why = unable(call)
    if why is not None:
        call.notice(
            "warning", "CF-RUN-NCCO-SPEECH", f"input: no speech is recognised: {why.message}", why.hint
        )
        error = {"error": why.message}
        if not both:  # nobody hears it, and the caller gets the time that he would have had to begin
            await call.sleep(float(speech_of(data)["startTimeout"]))
        digits = await _digits(data, call) if both else NO_DIGITS
        return digits, error if digits.digits else {**error, "timeout_reason": "start_timeout"}
    said = Said({}, by_digit=True)
    if not (both and call.listening.typed):
        said = await listen(data, call, session, digits=both)
    return (await _digits(data, call) if said.by_digit else NO_DIGITS), said.body


def _result(
    data: Mapping[str, Any],
    kinds: list[str],
    digits: Digits,
    speech: Mapping[str, object] | None,
    session: Session,
) -> Mapping[str, Any]:
    if "type" not in session.action.data and kinds == ["dtmf"]:
        return events.legacy_input_result(session.party, session.wall, digits.digits, digits.timed_out)
    dtmf = {"digits": digits.digits or None, "timed_out": digits.timed_out} if "dtmf" in kinds else None
    return events.input_result(session.party, session.wall, dtmf=dtmf, speech=speech)


def _words(kinds: list[str], digits: Digits, speech: Mapping[str, object] | None) -> str:
    if digits.digits:
        count = len(digits.digits)
        return f"heard {count} {'digit' if count == 1 else 'digits'}"
    if speech is None:
        return "heard no digit"
    return "heard speech" if speech.get("results") else "recognised no speech"
