"""Layer 6: a call told line by line as it happens, for people; or as one JSON object a line."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.text import Text

from callflow import events as ev
from callflow.cli._output import shown
from callflow.log import mask_url
from callflow.state.records import ACTIVE, DeliveryRow, RecordingRow

Teller = Callable[[ev.Event], None]


class Patient:
    """A teller whose listener may go away (``| head``, a full disk): then it falls silent, and the call goes
    on.
    """

    def __init__(self, teller: Teller) -> None:
        self._teller: Teller | None = teller

    def __call__(self, event: ev.Event) -> None:
        if self._teller is None:
            return
        try:
            self._teller(event)
        except (
            OSError,
            SystemExit,
        ) as error:  # rich makes this of a broken pipe
            self._teller = None
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            if not isinstance(error, BrokenPipeError | SystemExit):
                print(f"the story cannot be written, the call goes on: {error.strerror}", file=sys.stderr)


_LEVELS = {"info": ("note", "dim"), "warning": ("warning", "yellow"), "error": ("error", "bold red")}


class JsonTeller:
    """Every event as one JSON object a line (docs/events.md), flushed, so that a pipe sees it at once."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def __call__(self, event: ev.Event) -> None:
        self._out.write(json.dumps(ev.as_json(event), ensure_ascii=False) + "\n")
        self._out.flush()


class StoryTeller:
    """Tells steps, recordings and deliveries in plain lines: call time, then what happened.

    ``names``: legs by call id, as they are to be shown.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._names: dict[str, str] = {}
        self._recordings: dict[str, str] = {}

    def __call__(self, event: ev.Event) -> None:
        match event:
            case ev.StepStarted():
                self._step(event)
            case ev.StepEnded():
                self._step_ended(event)
            case ev.Noticed():
                self._notice(event)
            case ev.RecordingChanged():
                self._recording(event)
            case ev.TranscriptChanged():
                self._transcript(event)
            case ev.DeliveryChanged():
                self._delivery(event)
            case _:
                self._call(event)

    # ---- the walk ----

    def _step(self, event: ev.StepStarted) -> None:
        line = _at(event.time)
        line.append(f"{event.module:<16}", style="bold cyan")
        line.append(f" {event.path or '/'}", style="dim")
        self._print(line)

    def _step_ended(self, event: ev.StepEnded) -> None:
        line = _at(event.time, inner=True)
        line.append(event.did or ("the caller has left" if event.outcome == "gone" else event.module))
        line.append(f"  → {event.outcome}", style="green")
        if event.seconds >= 0.005:
            line.append(f"  ({event.seconds:.2f} s)", style="dim")
        self._print(line)

    def _notice(self, event: ev.Noticed) -> None:
        word, style = _LEVELS.get(event.level, ("note", "dim"))
        line = _at(event.time, inner=True)
        line.append(f"{word} {event.code}: ", style=style)
        line.append(event.message)
        if event.hint and event.level != "info":
            line.append(f"  {event.hint}", style="dim")
        self._print(line)

    # ---- the call ----

    def _call(self, event: ev.Event) -> None:
        match event:
            case ev.CallStarted():
                # A second call on the same stage is a party that consults before it transfers.
                self._names[event.call_id] = event.from_number if self._names else "caller"
                flow = event.flow_name or event.flow_id
                text = f"call from {event.from_number} to {event.to_number}" + (
                    f", flow {flow}" if flow else ""
                )
                self._print(_at(event.time).append(text, style="bold"))
                self._print(_at(event.time, inner=True).append(f"call id {event.call_id}", style="dim"))
            case ev.CallAnswered():
                self._say(event, "the call is answered")
            case ev.CallRinging():
                self._names[event.leg] = event.endpoint
                self._say(event, f"{event.endpoint} is ringing")
            case ev.CallBridged():
                self._say(event, f"{self._name(event.leg)} and {event.endpoint} hear each other")
            case ev.CallUnbridged():
                self._say(event, f"{self._name(event.leg)} and {self._name(event.peer)} part ({event.cause})")
            case ev.CallTransferred():
                who, kept = self._name(event.leg), self._name(event.kept)
                self._say(event, f"{who} transfers {kept} to {event.target} ({event.kind})")
            case ev.RoomJoined():
                self._say(event, f"{self._name(event.leg)} comes into {event.room} ({event.members} there)")
            case ev.RoomLeft():
                self._say(event, f"{self._name(event.leg)} is out of {event.room} ({event.reason})")
            case ev.DigitPressed():
                self._say(event, f"{self._name(event.leg)} presses {event.digit}")
            case ev.CallEnded():
                text = f"call ended by {event.by}: {event.cause}, after {event.duration:.2f} s"
                self._print(_at(event.time).append(text, style="bold"))

    def _say(self, event: ev.Event, text: str) -> None:
        self._print(_at(event.time, inner=True).append(text))

    def _name(self, leg: str) -> str:
        return self._names.get(leg, leg[:8])

    # ---- recordings and deliveries ----

    def _transcript(self, event: ev.TranscriptChanged) -> None:
        line = _at(event.time, inner=True)
        line.append(
            f"recording {self._recordings.get(event.recording_id, event.recording_id)} ", style="magenta"
        )
        line.append("is not transcribed: " if event.error else "is transcribed: ")
        line.append(event.error or event.file, style="red" if event.error else "")
        self._print(line)

    def _recording(self, event: ev.RecordingChanged) -> None:
        number = self._recordings.setdefault(event.recording_id, str(len(self._recordings) + 1))
        line = _at(event.time, inner=True)
        line.append(f"recording {number} ", style="magenta")
        line.append(_RECORDING_WORDS.get(event.change, event.change))
        if event.reason:
            line.append(f" ({event.reason})")
        if event.change in ("finishing", "ready", "discarded"):
            line.append(f", {event.seconds:.2f} s")
        if event.change == "ready" and event.bytes is not None:
            line.append(f", {event.format}, {event.bytes:,} bytes")
        if event.message:
            line.append(f": {event.message}", style="red" if event.change == "failed" else "")
        self._print(line)

    def _delivery(self, event: ev.DeliveryChanged) -> None:
        if not event.recording_id and event.change in ("queued", "sending"):
            return  # an event of the call: that it came, or did not, is enough
        number = self._recordings.get(event.recording_id, "?")
        line = _at(event.time, inner=True)
        line.append(f"delivery of {number} " if event.recording_id else "event ", style="blue")
        line.append(_DELIVERY_WORDS.get(event.change, event.change))
        if event.change in ("queued", "sending") or not event.recording_id:
            line.append(f"{'' if event.recording_id else ':'} {event.method.upper()} {event.url}")
        if event.status is not None:
            line.append(f", answer {event.status}")
        if event.seconds is not None:
            line.append(f" in {event.seconds:.2f} s")
        if event.next_attempt_in is not None:
            line.append(f", next try in {event.next_attempt_in:.0f} s")
        if event.message:
            line.append(f": {event.message}", style="red" if event.change in ("dead", "blocked") else "")
        self._print(line)

    def _print(self, line: Text) -> None:
        line.plain = shown(line.plain)
        self._console.print(line, soft_wrap=True)


_RECORDING_WORDS: Mapping[str, str] = {
    "waiting": "waits for the answer or the bridge",
    "started": "begins",
    "masked": "is masked: silence from here",
    "unmasked": "is unmasked",
    "paused": "pauses",
    "resumed": "goes on",
    "moved": "follows the transfer",
    "finishing": "has its last sample",
    "ready": "is ready",
    "discarded": "is discarded",
    "cancelled": "never began",
    "failed": "failed",
    "refused": "refused a command",
}

_DELIVERY_WORDS: Mapping[str, str] = {
    "queued": "is queued:",
    "sending": "is on its way:",
    "delivered": "is done",
    "waiting": "failed for now",
    "dead": "is given up",
    "blocked": "is blocked",
    "cancelled": "is cancelled",
}


def _at(time: float, *, inner: bool = False) -> Text:
    """The beginning of a line: the call time, and room for what belongs to a step."""
    line = Text()
    line.append(f"{time:9.2f}  ", style="dim")
    if inner:
        line.append("    ")
    return line


def summarize(
    console: Console, recordings: Sequence[RecordingRow], deliveries: Sequence[DeliveryRow], state: Path
) -> None:
    """What is there at the end: each recording, its file, and where it was sent."""
    if not recordings:
        console.print("\nnothing was recorded", style="dim")
        return
    console.print()
    for number, row in enumerate(recordings, 1):
        line = Text()
        line.append(f"recording {number}  ", style="magenta")
        line.append(f"{row.state.lower()}, {row.seconds:.2f} s")
        if row.state == "READY":
            line.append(
                f", {row.format}, {row.channels} channel{'s' * (row.channels != 1)}, {row.bytes:,} bytes"
            )
        line.append(f"  {row.id}", style="dim")
        console.print(line, soft_wrap=True)
        if row.file:
            word = "sealed" if row.file.endswith(".age") else "listen"
            console.print(Text(f"  {word}     {state / row.file}"), soft_wrap=True)
        for delivery in deliveries:
            if delivery.recording_id == row.id:
                console.print(_sent(delivery), soft_wrap=True)


def _sent(row: DeliveryRow) -> Text:
    line = Text(f"  {row.state.lower():<10} ", style="green" if row.state == "DELIVERED" else "yellow")
    line.append(f"{row.method.upper()} {mask_url(row.url)}", style="")
    if row.last_status is not None:
        line.append(f"  answer {row.last_status}", style="dim")
    if row.last_error and row.state != "DELIVERED":
        line.append(f"  {row.last_error}", style="red")
    if row.state in ACTIVE:
        line.append("  it stays queued: `callflow deliveries run` goes on with it", style="dim")
    return line
