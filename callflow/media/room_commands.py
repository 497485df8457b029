"""Layer 1: what the pump is told about rooms, where many legs hear each other. Part of ``messages``."""

from __future__ import annotations

from dataclasses import dataclass

MOST_MEMBERS = 250
"""Legs in one room; one more is refused (``MediaError``)."""


@dataclass(frozen=True, slots=True)
class JoinRoom:
    """``leg`` becomes a member of ``room`` (a room is there from its first member to its last), and leaves
    the one that it is in. Each member that ``hears`` hears the sum, held at the ends of 16 bits, of all
    others that ``speaks``. ``speaks_to`` and ``hears_from`` name legs: only those, members or not yet, hear
    it, or are heard by it; ``None``: all. A pair hears each other only as far as both say so. A bridge stays:
    what the leg hears is its peer and the room, nobody twice. A held leg (``Hold``) neither hears nor is
    heard.

    Digits are not passed on in a room. A tap on ``write`` hears what the member does; to record a room's mix,
    let a leg that says nothing join with ``speaks=False``. ``MOST_MEMBERS`` in a room;
    they have one rate, or 8000 and 16000.
    """

    leg: str
    room: str
    speaks: bool = True
    hears: bool = True
    speaks_to: tuple[str, ...] | None = None
    hears_from: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class SetMember:
    """What a member may do in its room from now on; nothing, if the leg is in none. See ``JoinRoom``."""

    leg: str
    speaks: bool = True
    hears: bool = True
    speaks_to: tuple[str, ...] | None = None
    hears_from: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class LeaveRoom:
    """``leg`` is in no room any more."""

    leg: str
