"""Layer 2: what a command to the farm is about, and the keys under which that waits and moves."""

from __future__ import annotations

from callflow.media.messages import Bridge, JoinRoom
from callflow.media.taps import legs_of
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
            return tuple(legs_of(spec.taps) - {""}), spec.id, ""
        case MoveTaps(id, taps):
            return tuple(legs_of(taps) - {""}), id, ""
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
