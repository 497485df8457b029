"""Layer 6: assertions on calls, with failures that say what came instead, and where it differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import ndiff
from pathlib import Path
from typing import Any

from callflow.events import Event, all_events
from callflow.testing.calls import CallSoFar
from callflow.testing.hearing import Heard, hear
from callflow.testing.receiver import RecordingReceiver
from callflow.testing.recordings import Recording
from callflow.testing.sounds import Sound, as_samples, name_of
from callflow.testing.tracks import Track

__tracebackhide__ = True  # a failure is the test's: pytest shows its lines, not ours

LEAST_MATCH = 0.9
"""Two sounds are the same if they match so well: 1 is the same but for loudness. MP3 at 32 kbit/s of speech
is above 0.95, another sound below 0.3.
"""


def assert_steps(call: CallSoFar, steps: Sequence[str]) -> None:
    """The call reached exactly these modules, in this order. ``...`` as a string stands for any others."""
    came = call.steps
    if not steps_fit(came, list(steps)):
        raise AssertionError(f"the steps differ\n{_difference(list(steps), came)}\n{call.story}")


def steps_fit(came: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether steps are as wanted; ``...`` stands for any number of others."""
    # The wanted steps that may come next, as in any matcher of such patterns.
    places = _after_dots({0}, wanted)
    for step in came:
        next_places = {at + 1 for at in places if at < len(wanted) and wanted[at] == step}
        next_places |= {at for at in places if at < len(wanted) and wanted[at] == "..."}
        places = _after_dots(next_places, wanted)
    return len(wanted) in places


def _after_dots(places: set[int], wanted: Sequence[str]) -> set[int]:
    found = set(places)
    for place in places:
        at = place
        while at < len(wanted) and wanted[at] == "...":
            at += 1
            found.add(at)
    return found


def _difference(wanted: list[str], came: list[str]) -> str:
    lines = (line for line in ndiff(wanted, came) if not line.startswith("?"))
    return "\n".join(f"    {line}" for line in lines) + "\n  (- expected, + came)"


def assert_event(call: CallSoFar, name: str, fields: Mapping[str, Any] | None = None) -> Event:
    """The call told an event of that name (docs/events.md) with these fields; gives the first."""
    wanted = fields or {}
    kinds = {kind.NAME for kind in all_events()}
    if name not in kinds:
        raise AssertionError(f"there is no event {name!r}; there are: {', '.join(sorted(kinds))}")
    same = [event for event in call.events if name == event.NAME]
    for event in same:
        if all(getattr(event, key, _NOT_THERE) == value for key, value in wanted.items()):
            return event
    came = "\n".join(f"    {event}" for event in same) or "    (none)"
    raise AssertionError(f"no event {name} with {dict(wanted)}\n  events of that name:\n{came}\n{call.story}")


_NOT_THERE = object()


def assert_no_errors(call: CallSoFar) -> None:
    """Nothing went wrong on the call."""
    if call.errors:
        raise AssertionError(f"the call has errors: {', '.join(call.errors)}\n{call.story}")


# ---- sound -------------------------------------------------------------------------------------------


def assert_heard(
    track: Track, sound: Sound, *, least: float = LEAST_MATCH, folder: Path | None = None
) -> Heard:
    """All of ``sound`` is heard in ``track``, wherever it begins. ``least``: how well it has to match, 0 to
    1. ``folder``: what a file is relative to (the working directory). Gives where it is.
    """
    wanted = as_samples(sound, folder or Path(), track.rate)
    found = hear(track.samples, wanted, track.rate, least=least)
    if found.match < least or found.differs:
        raise AssertionError(not_heard(track, name_of(sound), len(wanted) / track.rate, found))
    return found


def not_heard(track: Track, name: str, seconds: float, found: Heard) -> str:
    """Why it is not heard, and where the two differ."""
    head = f"{name} ({seconds:.2f} s) is not heard in {track.name} ({track.seconds:.2f} s)"
    if track.silent:
        return f"{head}: there is nothing but silence"
    lines = [f"{head}: match {found.match:.2f}, best with its beginning at {found.at:.2f} s"]
    lines += [
        f"    {one.begin:7.2f} to {one.end:7.2f} s of it "
        f"({one.begin + found.at:.2f} to {one.end + found.at:.2f} s of the track): "
        f"{one.why}, match {one.match:.2f}"
        for one in found.differs[:12]
    ]
    if len(found.differs) > 12:
        lines.append(f"    and {len(found.differs) - 12} more")
    return "\n".join(lines)


def assert_not_heard(
    track: Track, sound: Sound, *, least: float = LEAST_MATCH, folder: Path | None = None
) -> None:
    """``sound`` is not heard in ``track``: no half of it."""
    wanted = as_samples(sound, folder or Path(), track.rate)
    found = hear(track.samples, wanted, track.rate, least=least)
    if found.match > 0.5:
        raise AssertionError(
            f"{name_of(sound)} is heard in {track.name}: match {found.match:.2f}, from {found.at:.2f} s on"
        )


def assert_silent(track: Track) -> None:
    """There is nothing to hear in ``track``."""
    if not track.silent:
        raise AssertionError(f"{track.name} is not silent: mean absolute sample {track.loudness:.0f}")


# ---- uploads -----------------------------------------------------------------------------------------


def assert_uploaded(recording: Recording, receiver: RecordingReceiver) -> Path:
    """The receiver has taken the recording, bit for bit, exactly once; gives the file that it kept."""
    if recording.sha256 is None:
        raise AssertionError(f"recording {recording.number} is {recording.state}: there is nothing to upload")
    found = [one for one in receiver.uploads if one.sha256 == recording.sha256]
    if len(found) == 1 and found[0].file is not None:
        return found[0].file
    lines = [
        f"    {one.method} {one.target}: {one.status or 'cut'}, {one.body_bytes} bytes"
        for one in receiver.requests
    ]
    what = "was not uploaded" if not found else f"was uploaded {len(found)} times"
    raise AssertionError(
        f"recording {recording.number} {what} (call.delivered() waits for it); the receiver was sent:\n"
        + ("\n".join(lines) or "    (nothing)")
    )
