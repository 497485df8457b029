"""Layer 6: what a call has done so far, in the few lines that a failure shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from callflow.events import (
    CallAnswered,
    CallBridged,
    CallEnded,
    CallRinging,
    CallStarted,
    DeliveryChanged,
    DigitPressed,
    Event,
    Noticed,
    RecordingChanged,
    StepEnded,
    StepStarted,
)

MOST_LINES = 40


def story(events: Sequence[Event], now: float) -> str:
    """A line an event, with the seconds since the call began; of a long call the last ``MOST_LINES``."""
    if not events:
        return "  the call has not begun"
    begun = events[0].time
    lines = [f"  {event.time - begun:8.2f} s  {text}" for event in events for text in _tell(event)]
    if len(lines) > MOST_LINES:
        lines = [f"  ... {len(lines) - MOST_LINES} lines before", *lines[-MOST_LINES:]]
    if not any(isinstance(event, CallEnded) for event in events):
        lines.append(f"  {now - begun:8.2f} s  (now)")
    return "\n".join(lines)


def _tell(event: Event) -> Iterator[str]:
    match event:
        case CallStarted():
            yield f"call from {event.from_number} to {event.to_number}"
        case StepStarted():
            yield f"reached {event.module} at {event.path or '/'}"
        case StepEnded():
            yield f"left {event.module}: {event.did} ({event.outcome})"
        case CallAnswered():
            yield "answered"
        case CallRinging():
            yield f"{event.endpoint} rings"
        case CallBridged():
            yield f"bridged with {event.endpoint}"
        case DigitPressed():
            yield f"digit {event.digit}"
        case RecordingChanged():
            yield f"recording {event.change}" + (f" ({event.reason})" if event.reason else "")
        case DeliveryChanged():
            yield f"delivery {event.change}" + (f" ({event.status})" if event.status else "")
        case Noticed():
            yield f"{event.level} {event.code}: {event.message}"
        case CallEnded():
            yield f"ended: {event.cause}, by {event.by}"
