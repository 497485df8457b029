"""Layer 2: what a command to the farm is about, and the keys under which that waits and moves."""

from __future__ import annotations

from callflow.media.messages import Bridge, JoinRoom
from callflow.recording.messages import (
    LegNotice,
    Mask,
    MoveTaps,
    Pause,
    Resume,
    StartRecording,
    StopRecording,
    Unmask,
)


def about(command: object) -> tuple[tuple[str, ...], str, str]:
    """The legs, the recording and the room that a command names."""
    match command:
        case Bridge(a, b):
            return (a, b), "", ""
        case JoinRoom(leg, room):
            return (leg,), "", room
        case StartRecording(spec):
            return tuple({point.leg for point in spec.taps if point.leg}), spec.id, ""
        case MoveTaps(id, taps):
            return tuple({point.leg for point in taps if point.leg}), id, ""
        case LegNotice(leg):
            return (leg,), "", ""
        case StopRecording(id) | Mask(id) | Unmask(id) | Pause(id) | Resume(id):
            return (), id, ""
    return (getattr(command, "leg", ""),), "", ""


def leg_key(name: str) -> str:
    """Legs, recordings and rooms of one name are kept apart."""
    return "leg " + name


def recording_key(name: str) -> str:
    """As ``leg_key``."""
    return "recording " + name


def room_key(name: str) -> str:
    """As ``leg_key``."""
    return "room " + name
