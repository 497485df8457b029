"""Layer 2: a scenario from its JSON form (``schemas/scenario.json``)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsonschema.exceptions import best_match

from callflow.channels.sim.clips import clip_of
from callflow.channels.sim.scenario import (
    MAX_DURATION_S,
    QUIET_S,
    Action,
    Answers,
    BeQuiet,
    Callee,
    HangUp,
    NeverAnswers,
    Party,
    PressDigits,
    PutOnHold,
    Rejects,
    Reply,
    SayIt,
    Scenario,
    Timed,
    TransferTo,
)
from callflow.documents import jsontext, schemas
from callflow.errors import ScenarioError
from callflow.media.messages import Clip


def read_document(path: Path) -> dict[str, Any]:
    """The scenario file at ``path`` as JSON that fits the schema.

    Raises JsonSyntaxError and MissingDocument for what is not JSON or not there, and ScenarioError, with
    line and column, for what is not a scenario.
    """
    parsed = jsontext.read(path)
    problem = _first_problem(parsed.value)
    if problem is not None:
        pointer, message = problem
        line, column = parsed.position(pointer)
        raise ScenarioError(f"{path}:{line}:{column}: {message}", hint=_HINT)
    assert isinstance(parsed.value, dict)
    return parsed.value


def parse_scenario(value: object, folder: Path) -> Scenario:
    """The scenario that ``value`` (JSON) describes, with files relative to ``folder``.

    Raises ScenarioError for what does not fit the schema and for audio files that are not there.
    """
    problem = _first_problem(value)
    if problem is not None:
        pointer, message = problem
        raise ScenarioError(f"scenario {pointer or '/'}: {message}", hint=_HINT)
    assert isinstance(value, dict)
    return _scenario(value, folder)


_HINT = "`callflow schema scenario` lists the keys."


def _first_problem(value: Any) -> tuple[str, str] | None:
    """JSON pointer and message of the most telling thing that is against the schema."""
    error = best_match(schemas.validator("scenario").iter_errors(value))
    if error is None:
        return None
    pointer = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in error.absolute_path)
    return pointer, error.message


def _scenario(value: Mapping[str, Any], folder: Path) -> Scenario:
    caller = value.get("caller", {})
    return Scenario(
        from_number=value.get("from", "1000"),
        to_number=value.get("to", "2000"),
        from_name=value.get("from_name", ""),
        user_id=value.get("user_id", ""),
        device_id=value.get("device_id", ""),
        rate=value.get("rate", 8000),
        caller=_party(caller, folder, since="start"),
        callee=_callee(value.get("callee", {}), folder),
        endpoints={name: _callee(one, folder) for name, one in value.get("endpoints", {}).items()},
        max_duration_s=float(value.get("max_duration_s", MAX_DURATION_S)),
        end_when_quiet_s=value.get("end_when_quiet_s", QUIET_S),
    )


def _callee(value: Mapping[str, Any], folder: Path) -> Callee:
    return Callee(reply=_reply(value, folder), party=_party(value, folder, since="answer"))


def _reply(value: Mapping[str, Any], folder: Path) -> Reply:
    early = _clips(value.get("early_audio", []), folder)
    if "reject" in value:
        return Rejects(
            cause=value["reject"],
            after_s=float(value.get("reject_after", 0)),
            code=value.get("reject_code", 0),
            early=early,
        )
    after = value.get("answer_after", 0)
    return NeverAnswers(early) if after is None else Answers(float(after), early)


def _party(value: Mapping[str, Any], folder: Path, *, since: str) -> Party:
    script = [_timed(one, folder, since) for one in value.get("actions", [])]
    if "hangup_after" in value:
        script.append(Timed(float(value["hangup_after"]), HangUp(), since))
    return Party(
        clips=_clips(value.get("audio", []), folder),
        loop=value.get("loop", False),
        speaks_since=value.get("speaks_since", since),
        loss=tuple(int(one) for one in value.get("loss", "")),
        delay_s=float(value.get("delay_s", 0)),
        jitter_ms=tuple(float(one) for one in value.get("jitter_ms", ())),
        script=tuple(script),
    )


def _timed(value: Mapping[str, Any], folder: Path, since: str) -> Timed:
    return Timed(float(value["at"]), _action(value, folder), value.get("since", since))


def _action(value: Mapping[str, Any], folder: Path) -> Action:
    if "say" in value:
        return SayIt(_clips(value["say"], folder), value.get("loop", False))
    if "quiet" in value:
        return BeQuiet()
    if "press" in value:
        return PressDigits(value["press"], value.get("in_band", False))
    if "hangup" in value:
        return HangUp(value["hangup"])
    if "hold" in value:
        return PutOnHold(value["hold"])
    return TransferTo(value["transfer"], value.get("kind", "blind"), float(value.get("consult_s", 2)))


def _clips(value: str | list[str], folder: Path) -> tuple[Clip, ...]:
    return tuple(clip_of(one, folder) for one in ([value] if isinstance(value, str) else value))
