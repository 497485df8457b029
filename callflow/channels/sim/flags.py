"""Layer 2: a scenario from flags: ``1@2.5``, ``USER_BUSY@3``, ``callee:blind:1002@5``.

Flags are brought into the scenario's JSON form and laid over the scenario file's, so that both ways mean the
same and are checked by one schema.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from callflow.errors import ScenarioError

_MOMENT = r"(?P<at>\d+(?:\.\d+)?)"
_WHO = r"(?:(?P<who>caller|callee):)?"
_PRESS = re.compile(rf"(?P<digits>[0-9*#A-D]+)@{_MOMENT}")
_HOLD = re.compile(rf"{_WHO}{_MOMENT}-(?P<until>\d+(?:\.\d+)?)")
_TRANSFER = re.compile(rf"{_WHO}(?:(?P<kind>blind|attended):)?(?P<target>[^@:]+)@{_MOMENT}")
_JITTER = re.compile(r"(?P<late>\d+(?:\.\d+)?(?:,\d+(?:\.\d+)?)*)(?:/(?P<room>\d+(?:\.\d+)?))?")
_REPLY_KEYS = frozenset({"answer_after", "reject", "reject_after", "reject_code"})
_REJECT = re.compile(r"(?P<cause>[A-Z][A-Z_]+)(?:@(?P<at>\d+(?:\.\d+)?))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """The flags of ``callflow run`` that describe the call; None or empty: not given.

    Audio files are absolute paths. ``answer_after``: seconds or ``never``.
    """

    from_number: str | None = None
    to_number: str | None = None
    user_id: str | None = None
    device_id: str | None = None
    caller_audio: str | None = None
    callee_audio: str | None = None
    answer_after: str | None = None
    reject: str | None = None
    dtmf: Sequence[str] = ()
    callee_dtmf: Sequence[str] = ()
    hangup_after: float | None = None
    callee_hangup_after: float | None = None
    transfer: Sequence[str] = ()
    hold: Sequence[str] = ()
    caller_loss: str | None = None
    callee_loss: str | None = None
    caller_jitter: str | None = None
    callee_jitter: str | None = None
    endpoints: Sequence[str] = ()
    max_duration_s: float | None = None


def overlay(document: Mapping[str, Any], flags: Flags) -> dict[str, Any]:
    """``document`` (a scenario in JSON) with the flags laid over it. Raises ScenarioError, naming the flag.

    An endpoint given by a flag alone (``desk=3``) does what ``callee`` does, but for what the flag says.
    """
    scenario: dict[str, Any] = copy.deepcopy(dict(document))
    _put(scenario, "from", flags.from_number)
    _put(scenario, "to", flags.to_number)
    _put(scenario, "user_id", flags.user_id)
    _put(scenario, "device_id", flags.device_id)
    _put(scenario, "max_duration_s", flags.max_duration_s)
    caller = scenario.setdefault("caller", {})
    _put(caller, "audio", flags.caller_audio)
    _put(caller, "loss", flags.caller_loss)
    caller.update(_jitter("--caller-jitter", flags.caller_jitter))
    _put(caller, "hangup_after", flags.hangup_after)
    callee = scenario.setdefault("callee", {})
    _put(callee, "audio", flags.callee_audio)
    _put(callee, "loss", flags.callee_loss)
    callee.update(_jitter("--callee-jitter", flags.callee_jitter))
    _put(callee, "hangup_after", flags.callee_hangup_after)
    _reply(callee, flags.answer_after, flags.reject)
    parties = {"caller": caller, "callee": callee}
    _act(caller, [_press("--dtmf", one) for one in flags.dtmf])
    _act(callee, [_press("--callee-dtmf", one) for one in flags.callee_dtmf])
    for one in flags.hold:
        who, actions = _hold(one)
        _act(parties[who], actions)
    for one in flags.transfer:
        who, action = _transfer(one)
        _act(parties[who], [action])
    for one in flags.endpoints:
        name, endpoint = _endpoint(one, callee)
        scenario.setdefault("endpoints", {})[name] = endpoint
    return scenario


def _put(into: dict[str, Any], key: str, value: object) -> None:
    if value is not None:
        into[key] = value


def _act(party: dict[str, Any], actions: Sequence[dict[str, Any]]) -> None:
    if actions:
        party["actions"] = [*party.get("actions", []), *actions]


def _reply(callee: dict[str, Any], answer_after: str | None, reject: str | None) -> None:
    if answer_after is not None and reject is not None:
        raise ScenarioError(
            "--answer-after and --reject cannot both be true", hint="A callee answers or refuses."
        )
    if answer_after is not None:
        callee["answer_after"] = None if answer_after == "never" else _seconds("--answer-after", answer_after)
        for key in _REPLY_KEYS - {"answer_after"}:
            callee.pop(key, None)
    if reject is not None:
        callee.update(_refusal("--reject", reject))


def _refusal(flag: str, text: str) -> dict[str, Any]:
    found = _match(_REJECT, flag, text, "a cause and when: USER_BUSY or CALL_REJECTED@3")
    refusal: dict[str, Any] = {"reject": found["cause"]}
    if found["at"] is not None:
        refusal["reject_after"] = float(found["at"])
    return refusal


def _jitter(flag: str, text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    found = _match(_JITTER, flag, text, "milliseconds per packet, and of the jitter buffer: 0,35,90/60")
    jitter: dict[str, Any] = {"jitter_ms": [float(one) for one in found["late"].split(",")]}
    if found["room"] is not None:
        jitter["delay_s"] = float(found["room"]) / 1000
    return jitter


def _press(flag: str, text: str) -> dict[str, Any]:
    found = _match(_PRESS, flag, text, "keys and when: 1@2.5 or 1234#@10")
    return {"at": float(found["at"]), "press": found["digits"]}


def _hold(text: str) -> tuple[str, list[dict[str, Any]]]:
    found = _match(_HOLD, "--hold", text, "who, from and to: callee:3-5")
    actions = [{"at": float(found["at"]), "hold": True}, {"at": float(found["until"]), "hold": False}]
    return found["who"] or "callee", actions


def _transfer(text: str) -> tuple[str, dict[str, Any]]:
    found = _match(_TRANSFER, "--transfer", text, "who, how, whom to and when: callee:attended:1002@5")
    action = {"at": float(found["at"]), "transfer": found["target"], "kind": found["kind"] or "blind"}
    return found["who"] or "callee", action


def _endpoint(text: str, callee: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    name, equals, how = text.partition("=")
    if not equals or not name:
        raise ScenarioError(
            f"--endpoint {text!r} is not ID=HOW", hint="Write desk=3, desk=never or desk=USER_BUSY."
        )
    if how.startswith("{"):
        try:
            return name, dict(json.loads(how))
        except ValueError as error:
            raise ScenarioError(
                f"--endpoint {name}: {error}", hint="The keys are those of a callee in a scenario file."
            ) from error
    same = {key: value for key, value in callee.items() if key not in _REPLY_KEYS}
    if how == "never":
        return name, {**same, "answer_after": None}
    if how[:1].isdigit():
        return name, {**same, "answer_after": _seconds("--endpoint", how)}
    return name, {**same, **_refusal("--endpoint", how)}


def _seconds(flag: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ScenarioError(f"{flag} {text!r} is not a number of seconds", hint="Write 2.5, or never.")
    return seconds


def _match(pattern: re.Pattern[str], flag: str, text: str, form: str) -> re.Match[str]:
    found = pattern.fullmatch(text)
    if found is None:
        raise ScenarioError(f"{flag} {text!r} cannot be read", hint=f"Write {form}.")
    return found
