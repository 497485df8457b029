"""Layer 6: what a server tells: one line an event, ``name=value``, for people and for grep."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from enum import IntEnum

from callflow import events as ev
from callflow.clock import Clock, iso
from callflow.log import logger, one_line

LONGEST_VALUE = 200
_PLAIN = re.compile(r"[^\s\"'=]+")
_RECORDING_ENDS = ("ready", "discarded", "failed")
_DELIVERY_ENDS = ("delivered", "waiting", "dead", "blocked", "cancelled")

Pair = tuple[str, object]


class Chatter(IntEnum):
    """How much is told: warnings only; each call, recording and delivery; all that happens."""

    QUIET = 0
    NORMAL = 1
    VERBOSE = 2


def is_news(event: ev.Event, chatter: Chatter) -> bool:
    """Is this to be told?"""
    if isinstance(event, ev.Noticed):
        return event.level != "info" or chatter > Chatter.QUIET
    return chatter is Chatter.VERBOSE or (chatter is Chatter.NORMAL and _main(event) is not None)


class ServeTeller:
    """Writes each event that ``chatter`` asks for as a line, with the time of day (UTC). A fault in here
    costs a line, never a call.
    """

    def __init__(self, clock: Clock, write: Callable[[str], None], chatter: Chatter) -> None:
        self._clock = clock
        self._write = write
        self._chatter = chatter

    def __call__(self, event: ev.Event) -> None:
        try:
            line = self._line(event)
        except Exception:
            logger.exception("an event cannot be told: %s", event.NAME)
            return
        if line:
            self._write(f"{iso(self._clock.wall())[11:23]}  {line}")

    def _line(self, event: ev.Event) -> str:
        if not is_news(event, self._chatter):
            return ""
        if isinstance(event, ev.Noticed):
            return self._notice(event)
        name, pairs = _main(event) or _detail(event)
        return _words(name, pairs, ("call", event.call_id))

    def _notice(self, event: ev.Noticed) -> str:
        where: list[Pair] = [("call", event.call_id), ("node", event.path), ("module", event.module)]
        told = f"{event.level:<7}  {event.code}  {one_line(event.message)}"
        told += f"  ({one_line(event.hint)})" if event.hint and event.level != "info" else ""
        return " ".join((told, *_pairs(where)))


def _main(event: ev.Event) -> tuple[str, list[Pair]] | None:
    """The one line of each begin and end."""
    match event:
        case ev.CallStarted():
            return "call.begin", [
                ("account", event.account_id),
                ("from", event.from_number),
                ("to", event.to_number),
                ("flow", event.flow_name or event.flow_id),
            ]
        case ev.CallEnded():
            return "call.end", [
                ("seconds", f"{event.duration:.2f}"),
                ("cause", event.cause),
                ("by", event.by),
            ]
        case ev.RecordingChanged() if event.change in _RECORDING_ENDS:
            return f"recording.{event.change}", _recording(event)
        case ev.DeliveryChanged() if event.change in _DELIVERY_ENDS:
            return f"delivery.{event.change}", _delivery(event)
    return None


def _detail(event: ev.Event) -> tuple[str, list[Pair]]:
    """All the rest. Digits are not told: they may be somebody's PIN."""
    match event:
        case ev.StepStarted():
            return event.NAME, [
                ("node", event.path or "/"),
                ("module", event.module),
                ("flow", event.flow_id),
            ]
        case ev.StepEnded():
            return event.NAME, [("node", event.path or "/"), ("did", event.did), ("then", event.outcome)]
        case ev.CallRinging():
            return event.NAME, [("endpoint", event.endpoint), ("leg", event.leg)]
        case ev.CallBridged():
            return event.NAME, [("endpoint", event.endpoint), ("leg", event.leg), ("peer", event.peer)]
        case ev.CallUnbridged():
            return event.NAME, [("leg", event.leg), ("peer", event.peer), ("cause", event.cause)]
        case ev.CallTransferred():
            return event.NAME, [("leg", event.leg), ("target", event.target), ("kind", event.kind)]
        case ev.RoomJoined():
            return event.NAME, [("leg", event.leg), ("room", event.room), ("members", event.members)]
        case ev.RoomLeft():
            return event.NAME, [("leg", event.leg), ("room", event.room), ("reason", event.reason)]
        case ev.RecordingChanged():
            return f"recording.{event.change}", _recording(event)
        case ev.DeliveryChanged():
            return f"delivery.{event.change}", _delivery(event)
    return event.NAME, []


def _recording(event: ev.RecordingChanged) -> list[Pair]:
    return [
        ("recording", event.recording_id),
        ("seconds", f"{event.seconds:.2f}" if event.change in (*_RECORDING_ENDS, "finishing") else ""),
        ("reason", event.reason),
        ("file", event.file or ""),
        ("bytes", event.bytes if event.bytes is not None else ""),
        ("message", event.message),
    ]


def _delivery(event: ev.DeliveryChanged) -> list[Pair]:
    return [
        ("delivery", event.delivery_id),
        ("recording", event.recording_id),
        ("to", f"{event.method.upper()} {event.url}"),
        ("status", event.status if event.status is not None else ""),
        ("attempt", event.attempt or ""),
        ("next_in", f"{event.next_attempt_in:.0f}" if event.next_attempt_in is not None else ""),
        ("message", event.message),
    ]


def _words(name: str, pairs: list[Pair], *more: Pair) -> str:
    return " ".join((f"{name:<19}", *_pairs([*more, *pairs])))


def _pairs(pairs: Sequence[tuple[str, object]]) -> list[str]:
    """``name=value`` of what has a value; one with blanks is in quotes, as JSON has it."""
    return [f"{name}={_value(value)}" for name, value in pairs if value != ""]


def _value(value: object) -> str:
    text = one_line(value, LONGEST_VALUE)
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)
