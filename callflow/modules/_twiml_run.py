"""Layer 4: TwiML carried out on a call, verb by verb, as Kazoo's pivot does. No module."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import urljoin

from callflow.channels.channel import DialTarget
from callflow.documents.caller_id import clean_number
from callflow.documents.record_settings import SilenceSettings, resolve_record
from callflow.engine.call import BridgeResult, Call
from callflow.engine.outcome import HandOver, HardStop, Outcome
from callflow.errors import CallflowError, CallGone
from callflow.media.messages import Clip, SilenceClip, ToneClip
from callflow.modules._caller_only import ANY_DIGIT, caller_tap
from callflow.modules._carriers import REACHED
from callflow.modules._speaking import spoken
from callflow.modules._twiml import Verb
from callflow.modules.send_dtmf import send_digits

MAX_LOOPS = 100
MAX_PAUSE_S = 3600.0
MAX_DIGITS = 128
BEEP = ToneClip("%(500,0,1000)")
REJECTIONS = {"busy": 486, "rejected": 603}
STATUS = {"USER_BUSY": "busy", "NO_ANSWER": "no-answer", "NO_USER_RESPONSE": "no-answer"}
"""``DialCallStatus`` of a cause; others are ``failed``."""


@dataclass(frozen=True, slots=True)
class Asking:
    """What the server is asked next: ``url`` by ``method`` (``get``, ``post``), told ``parameters``, too."""

    url: str
    method: str
    parameters: Mapping[str, str] = field(default_factory=dict)


async def run(verbs: Sequence[Verb], at: Asking, call: Call) -> Asking | Outcome:
    """Carry out ``verbs``, which came from ``at``: what to ask next, or how the walk goes on. After the last
    verb the call is hung up.
    """
    for verb in verbs:
        handler = VERBS.get(verb.name)
        if handler is None:
            _warn(call, f"<{verb.name}> is passed over: nothing here can do that")
            continue
        found = await handler(verb, at, call)
        if found is not None:
            return found
    return HardStop(did="came to the end of the TwiML")


# ---- sound ----------------------------------------------------------------------------------


async def _say(verb: Verb, at: Asking, call: Call) -> Asking | Outcome | None:
    await call.answer()
    await call.play(await _clips(verb, at, call), loops=verb.count("loop", 1, MAX_LOOPS))
    return None


async def _play(verb: Verb, at: Asking, call: Call) -> Asking | Outcome | None:
    await call.answer()
    if verb.attributes.get("digits"):
        await send_digits(verb.attributes["digits"].replace("w", ""), 0.2, call)
        return None
    return await _say(verb, at, call)


async def _pause(verb: Verb, at: Asking, call: Call) -> Asking | Outcome | None:
    await call.answer()
    await call.sleep(verb.seconds("length", 1.0, MAX_PAUSE_S))
    return None


async def _clips(verb: Verb, at: Asking, call: Call) -> tuple[Clip, ...]:
    """What ``Say``, ``Play`` or ``Pause`` sound like; what cannot be had is a notice, and silence."""
    if verb.name == "Pause":
        return (SilenceClip(verb.seconds("length", 1.0, MAX_PAUSE_S)),)
    try:
        if verb.name == "Say":
            voice, language = verb.attributes.get("voice", ""), verb.attributes.get("language", "")
            return await spoken(verb.text, call, voice=voice, language=language)
        media = verb.text if "://" in verb.text else urljoin(at.url, verb.text)
        return await call.clips_for(media)
    except CallGone:
        raise
    except CallflowError as error:
        _warn(call, f"<{verb.name}> is not heard: {error}")
        return ()


# ---- digits and recordings ------------------------------------------------------------------


async def _gather(verb: Verb, at: Asking, call: Call) -> Asking | Outcome | None:
    await call.answer()
    clips: list[Clip] = []
    for inner in verb.inner:
        if inner.name not in ("Say", "Play", "Pause"):
            _warn(call, f"<{inner.name}> within <Gather> is passed over")
            continue
        clips += await _clips(inner, at, call) * max(1, inner.count("loop", 1, 10))
    timeout_s = verb.seconds("timeout", 5.0, 600.0)
    digits = await call.collect_digits(
        max_digits=verb.count("numDigits", MAX_DIGITS, MAX_DIGITS) or 1,
        timeout_s=timeout_s,
        interdigit_s=timeout_s,
        terminators=verb.attributes.get("finishOnKey", "#"),
        clips=clips,
    )
    if not digits.digits:
        return None
    return _ask(verb, at, {"Digits": digits.digits})


async def _record(verb: Verb, at: Asking, call: Call) -> Asking | Outcome | None:
    await call.answer()
    if verb.flag("playBeep", True):
        await call.play((BEEP,))
    call.flush_digits()
    silence_ms = round(verb.seconds("timeout", 5.0, 600.0) * 1000)
    wanted = {"action": "start", "url": verb.attributes.get("recordingUrl") or ""}
    settings = replace(
        resolve_record({key: value for key, value in wanted.items() if value}, call.settings),
        time_limit=verb.count("maxLength", 3600, call.settings.media.max_recording_time_limit) or 1,
        silence=SilenceSettings(silence_ms, silence_ms, 200) if silence_ms else None,
    )
    handle = await call.record(
        settings,
        origin="pivot : Record",
        taps=caller_tap(call),
        dtmf_stop=verb.attributes.get("finishOnKey", ANY_DIGIT),
    )
    if handle is None:
        return None
    reason, seconds = await handle.ended()
    found = {"RecordingSid": handle.id, "RecordingDuration": str(round(seconds))}
    if handle.spec.target.url:
        found["RecordingUrl"] = handle.spec.target.url
    if reason == "digit":
        pressed = await call.collect_digits(max_digits=1, timeout_s=0.1, interdigit_s=0.1)
        found["Digits"] = pressed.digits
    return _ask(verb, at, found)


# ---- other parties --------------------------------------------------------------------------


async def _dial(verb: Verb, at: Asking, call: Call) -> Asking | Outcome | None:
    if verb.flag("record", False) or verb.attributes.get("record", "").startswith("record-from"):
        _warn(call, "<Dial record> is passed over: record_call before pivot records the call")
    one_by_one = not verb.inner
    targets = _targets(verb, call)
    began = call.services.clock.now()
    result = BridgeResult(answered=False, cause="NO_ROUTE_DESTINATION", code=404)
    for group in [[target] for target in targets] if one_by_one else [targets] if targets else []:
        result = await call.bridge(group, timeout_s=verb.seconds("timeout", 30.0, 600.0) or 30.0)
        if result.answered or result.transferred or result.cause in REACHED:
            break
    if result.transferred:
        return HandOver(did="was transferred")
    if "action" not in verb.attributes:
        return None
    status = "completed" if result.answered else STATUS.get(result.cause, "failed")
    found = {"DialCallStatus": status}
    if result.answered:
        found["DialCallDuration"] = str(round(call.services.clock.now() - began))
    return _ask(verb, at, found)


def _targets(verb: Verb, call: Call) -> list[DialTarget]:
    """Whom ``Dial`` rings: its text is a number, and so is ``Number``; ``User`` and ``Device`` are ids."""
    found: list[DialTarget] = []
    wanted = [*verb.inner] or [Verb("Number", {}, verb.text)]
    for party in wanted:
        try:
            if party.name == "User":
                found += call.endpoints_of_user(party.text)
            elif party.name == "Device":
                found.append(call.endpoint_of_device(party.text))
            elif party.name == "Number":
                gateways = call.endpoints_of_number(party.text)
                found += gateways if len(wanted) == 1 and not verb.inner else gateways[:1]
                if not gateways:
                    _warn(call, f"no resource of the account takes the number {party.text!r}")
            else:
                _warn(call, f"<{party.name}> within <Dial> is passed over: nothing here can do that")
        except CallflowError as error:
            _warn(call, f"<Dial>: {error}")
    shown = call.identity.shown("external")
    number = clean_number(verb.attributes.get("callerId"))
    if number:
        shown = replace(shown, from_number=number)
    return [
        replace(target, caller=shown) if number or target.endpoint == "number" else target for target in found
    ]


# ---- where the call goes --------------------------------------------------------------------


async def _redirect(verb: Verb, at: Asking, call: Call) -> Asking | Outcome | None:
    method = verb.attributes.get("method", "post").lower()
    return Asking(urljoin(at.url, verb.text), "get" if method == "get" else "post")


async def _hangup(verb: Verb, at: Asking, call: Call) -> Asking | Outcome | None:
    return HardStop(did="hung up, as the TwiML says")


async def _reject(verb: Verb, at: Asking, call: Call) -> Asking | Outcome | None:
    reason = verb.attributes.get("reason", "rejected")
    await call.respond(REJECTIONS.get(reason, 603))
    return HandOver(did=f"rejected the call: {reason}")


async def _set(verb: Verb, at: Asking, call: Call) -> Asking | Outcome | None:
    for inner in verb.inner:
        name = inner.attributes.get("key", "")
        if inner.name == "Variable" and name:
            value = inner.attributes.get("value", "")
            call.variables.set(name, value, "custom_application_vars")
    return None


def _ask(verb: Verb, at: Asking, found: Mapping[str, str]) -> Asking:
    """``action`` (without one: the same url again) is asked, and told ``found``."""
    method = verb.attributes.get("method", "post").lower()
    url = urljoin(at.url, verb.attributes.get("action", ""))
    return Asking(url, "get" if method == "get" else "post", found)


def _warn(call: Call, said: str) -> None:
    call.notice("warning", "CF-RUN-TWIML", f"pivot: {said}", "docs/modules/pivot.md lists what TwiML can do.")


_Handler = Callable[[Verb, Asking, Call], Awaitable[Asking | Outcome | None]]
VERBS: Mapping[str, _Handler] = {
    "Dial": _dial,
    "Gather": _gather,
    "Hangup": _hangup,
    "Pause": _pause,
    "Play": _play,
    "Record": _record,
    "Redirect": _redirect,
    "Reject": _reject,
    "Say": _say,
    "Set": _set,
}
"""What TwiML can ask for here. A handler gives None to go on with the next verb."""
