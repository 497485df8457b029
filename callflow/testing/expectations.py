"""Layer 6: what a scenario expects (``expect`` in ``schemas/scenario.json``), held against what came."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from callflow.delivery.receiver import Received
from callflow.errors import CallflowError
from callflow.events import as_json
from callflow.testing.assertions import LEAST_MATCH, not_heard, steps_fit
from callflow.testing.hearing import hear
from callflow.testing.outcome import Outcome
from callflow.testing.recordings import Recording
from callflow.testing.sounds import as_samples, name_of
from callflow.testing.tracks import Track


@dataclass(frozen=True, slots=True)
class Check:
    """One expectation: ``what`` (``steps``, ``recording 1 seconds``), and whether it came so."""

    what: str
    ok: bool
    expected: str
    came: str

    def __str__(self) -> str:
        return f"{self.what}: expected {self.expected}, came {self.came}"


def evaluate(expect: Mapping[str, Any], outcome: Outcome, folder: Path) -> list[Check]:
    """Hold ``expect`` (which fits the schema) against what came of a call; sounds are relative to ``folder``.

    A check for each thing that is expected, and one that there are no errors if none are named.
    """
    found = [*_way(expect, outcome), *_notices(expect, outcome)]
    if "events" in expect:
        found.append(_events(expect["events"], outcome))
    if "recordings" in expect:
        found += _recordings(expect["recordings"], outcome, folder)
    if "uploads" in expect:
        found += _uploads(expect["uploads"], outcome)
    return found


def _same(what: str, expected: object, came: object) -> Check:
    return Check(what, expected == came, _say(expected), _say(came))


def _within(what: str, bounds: Sequence[float], came: float) -> Check:
    low, high = bounds
    return Check(what, low - 1e-9 <= came <= high + 1e-9, f"{low:g} to {high:g}", f"{came:.2f}")


def _like(what: str, pattern: str, came: str) -> Check:
    return Check(what, fnmatchcase(came, pattern), _say(pattern), _say(came))


def _say(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    return str(value)


def _way(expect: Mapping[str, Any], outcome: Outcome) -> Iterator[Check]:
    if "steps" in expect:
        wanted: list[str] = expect["steps"]
        yield Check("steps", steps_fit(outcome.steps, wanted), _say(wanted), _say(outcome.steps))
    ended = outcome.ended
    if "cause" in expect:
        yield _same("cause", expect["cause"], ended.cause if ended else "(it did not end)")
    if "ended_by" in expect:
        yield _same("ended_by", expect["ended_by"], ended.by if ended else "(it did not end)")
    if "duration" in expect:
        yield _within("duration", expect["duration"], ended.duration if ended else 0.0)


def _notices(expect: Mapping[str, Any], outcome: Outcome) -> Iterator[Check]:
    yield _same("errors", list(expect.get("errors", [])), outcome.codes("error"))
    if "warnings" in expect:
        yield _same("warnings", list(expect["warnings"]), outcome.codes("warning"))
    if "notices" in expect:
        yield _same("notices", list(expect["notices"]), outcome.codes("info"))


def _events(wanted: Sequence[Mapping[str, Any]], outcome: Outcome) -> Check:
    """All in this order, with others between them."""
    told = [as_json(event) for event in outcome.events]
    place = 0
    for one in wanted:
        while place < len(told) and any(told[place].get(key) != one[key] for key in one):
            place += 1
        if place == len(told):
            names = [body["event"] for body in told]
            same = [body for body in told if body["event"] == one["event"]]
            return Check("events", False, str(dict(one)), str(same) if same else f"only {names}")
        place += 1
    return Check("events", True, f"{len(wanted)} in this order", "all of them")


# ---- recordings --------------------------------------------------------------------------------------


def _recordings(wanted: Sequence[Mapping[str, Any]], outcome: Outcome, folder: Path) -> Iterator[Check]:
    came = outcome.recordings
    yield _same("number of recordings", len(wanted), len(came))
    for expected, recording in zip(wanted, came, strict=False):
        yield from _recording(expected, recording, folder)


def _recording(expected: Mapping[str, Any], recording: Recording, folder: Path) -> Iterator[Check]:
    name = f"recording {recording.number}"
    if "origin" in expected:
        yield _like(f"{name} origin", expected["origin"], recording.origin)
    for key, value in (
        ("format", recording.format),
        ("state", recording.state),
        ("reason", recording.reason),
    ):
        if key in expected:
            yield _same(f"{name} {key}", expected[key], value)
    if "seconds" in expected:
        yield _within(f"{name} seconds", expected["seconds"], recording.seconds)
    for key in ("channels", "rate", "left", "right", "mono"):
        if key in expected:
            try:
                yield from _of_file(key, expected[key], recording, folder)
            except (AssertionError, CallflowError) as error:
                yield Check(f"{name} {key}", False, _say(expected[key]), str(error))


def _of_file(key: str, expected: Any, recording: Recording, folder: Path) -> Iterator[Check]:
    what = f"recording {recording.number} {key}"
    match key:
        case "channels":
            yield _same(what, expected, recording.channels)
        case "rate":
            yield _same(what, expected, recording.rate)
        case "left":
            yield from _heard(what, expected, recording.left, folder)
        case "right":
            yield from _heard(what, expected, recording.right, folder)
        case "mono":
            yield from _heard(what, expected, recording.mono, folder)


def _heard(what: str, expected: str | list[str] | None, track: Track, folder: Path) -> Iterator[Check]:
    if expected is None:
        yield Check(what, track.silent, "silence", f"sound, mean absolute sample {track.loudness:.0f}")
        return
    for sound in [expected] if isinstance(expected, str) else expected:
        samples = as_samples(sound, folder, track.rate)
        found = hear(track.samples, samples, track.rate, least=LEAST_MATCH)
        ok = found.match >= LEAST_MATCH and not found.differs
        name = name_of(sound)
        came = "it" if ok else not_heard(track, name, len(samples) / track.rate, found)
        yield Check(what, ok, f"to hear {name}", came)


# ---- uploads -----------------------------------------------------------------------------------------


def _uploads(wanted: Sequence[Mapping[str, Any]], outcome: Outcome) -> Iterator[Check]:
    came = outcome.uploads
    yield Check(
        "number of uploads",
        len(wanted) == len(came),
        str(len(wanted)),
        f"{len(came)}: {_say([_attempt(one) for one in came])}",
    )
    for number, (expected, received) in enumerate(zip(wanted, came, strict=False), 1):
        yield from _upload(f"upload {number}", expected, received, outcome)


def _attempt(received: Received) -> str:
    return f"{received.method} {received.target} {received.status or 'cut'}"


def _upload(name: str, expected: Mapping[str, Any], received: Received, outcome: Outcome) -> Iterator[Check]:
    if "method" in expected:
        yield _same(f"{name} method", expected["method"], received.method)
    if "path" in expected:
        pattern = str(expected["path"]).replace("{CALL_ID}", outcome.call_id)
        yield _like(f"{name} path", pattern, received.target)
    if "status" in expected:
        yield _same(f"{name} status", expected["status"], received.status)
    if "content_type" in expected:
        yield _same(f"{name} content_type", expected["content_type"], received.header("Content-Type"))
    if "recording" in expected:
        number: int = expected["recording"]
        there = [one.sha256 for one in outcome.recordings if one.number == number]
        ok = there == [received.sha256]
        yield Check(
            f"{name} recording", ok, f"recording {number}, bit for bit", "it" if ok else "another file"
        )
