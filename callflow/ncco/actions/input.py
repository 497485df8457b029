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

NO_RECOGNISER = "no speech recogniser is installed here"


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
        call.notice(
            "warning",
            "CF-RUN-NCCO-SPEECH",
            "input: no speech is recognised: the result of speech is an error",
            'Ask for digits as well: "type": ["dtmf", "speech"].',
        )
    digits = await _digits(data, call) if "dtmf" in kinds else await _silence(data, call)
    body = _result(data, kinds, digits, session)
    said = _words(kinds, digits)
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


async def _silence(data: Mapping[str, Any], call: Call) -> Digits:
    """Speech alone: nobody hears it, and the caller gets the time that he would have had to begin."""
    await call.sleep(float(speech_of(data)["startTimeout"]))
    return Digits("", timed_out=True)


def _result(data: Mapping[str, Any], kinds: list[str], digits: Digits, session: Session) -> Mapping[str, Any]:
    if "type" not in session.action.data and kinds == ["dtmf"]:
        return events.legacy_input_result(session.party, session.wall, digits.digits, digits.timed_out)
    dtmf = {"digits": digits.digits or None, "timed_out": digits.timed_out} if "dtmf" in kinds else None
    speech: dict[str, object] | None = None
    if "speech" in kinds:
        speech = {"error": NO_RECOGNISER}
        if not digits.digits:
            speech["timeout_reason"] = "start_timeout"
    return events.input_result(session.party, session.wall, dtmf=dtmf, speech=speech)


def _words(kinds: list[str], digits: Digits) -> str:
    if "dtmf" not in kinds:
        return "recognised no speech"
    if not digits.digits:
        return "heard no digit"
    count = len(digits.digits)
    return f"heard {count} {'digit' if count == 1 else 'digits'}"
