"""Layer 1: one leg in the pump: what its party says, what is played to it, which digits are on their way.

All times here are absolute samples (at the leg's rate) since the pump's start. Rendering changes nothing.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from callflow.media.messages import AddLeg, Play, PretendSource, RtpSource
from callflow.media.mixing import add_clipped, lose_packets
from callflow.media.rooms import Member
from callflow.media.sound import Item, Track
from callflow.media.taps import Samples

PACKET_MS = 20


class Leg:
    """The state of one leg. ``row``: its place in the plane of its rate."""

    __slots__ = (
        "_masks",
        "born",
        "deaf",
        "delay",
        "held",
        "keys",
        "member",
        "muted",
        "name",
        "on_net",
        "overs",
        "peer",
        "plays",
        "press_free",
        "presses",
        "rate",
        "row",
        "send_free",
        "send_s",
        "sends",
        "talk",
        "tones",
    )

    def __init__(self, command: AddLeg, now: int) -> None:
        self.name = command.leg
        self.rate = command.rate
        self.row = -1
        self.born = now
        self.on_net = isinstance(command.source, RtpSource)
        source = command.source if isinstance(command.source, PretendSource) else PretendSource()
        self.delay = max(0, round(source.delay_s * command.rate))
        self._masks = packet_masks(source)
        self.talk: Track[bool] = Track()  # what the party says; False: hushed
        self.keys: Track[None] = Track()  # audible digits, in place of what it says
        self.plays: Track[Play] = Track()  # what is played to it
        self.overs: Track[Play] = Track()  # what is laid over all that (a beep)
        self.tones: Track[None] = Track()  # digits that are sent to it as sound, in place of all else
        self.presses: deque[tuple[int, str]] = deque()  # (sample, digit) still to be pressed
        self.press_free = now  # the sample from which the next digit may be pressed
        self.sends: deque[tuple[int, str]] = deque()
        self.send_free = now
        self.send_s = (0.0, 0.0)  # length of each and of the gap after it
        self.peer: Leg | None = None
        self.held = False
        self.muted = self.deaf = False  # towards bridge and room
        self.member: Member | None = None  # of which room, and what it may do there

    @property
    def sounding(self) -> bool:
        """Its party makes sound (now or later)."""
        return bool(self.talk or self.keys)

    @property
    def played(self) -> bool:
        """Something is laid over what it hears from its bridge and room (now or later)."""
        return bool(self.plays or self.overs or self.tones)

    @property
    def due(self) -> int:
        """The sample of the next thing that happens by itself."""
        due = min(self.talk.due, self.keys.due, self.plays.due, self.overs.due, self.tones.due)
        if self.presses:
            due = min(due, self.presses[0][0])
        if self.sends:
            due = min(due, self.sends[0][0])
        return due

    @property
    def linked(self) -> Leg | None:
        """The leg that this one talks with now (hold cuts both ways)."""
        peer = self.peer
        return None if peer is None or self.held or peer.held else peer

    @property
    def hears(self) -> Leg | None:
        """As ``linked``, among the rows of one rate; those of two rates hear each other in a room."""
        peer = self.linked
        return None if peer is None or peer.rate != self.rate or self.deaf or peer.muted else peer

    @property
    def heard_by(self) -> Leg | None:
        """The leg whose ``hears`` is this one."""
        peer = self.linked
        return peer if peer is not None and peer.hears is self else None

    def silence(self) -> None:
        """Drop everything said, played and pressed."""
        for track in (self.talk, self.keys, self.plays, self.overs, self.tones):
            track.items.clear()
        self.presses.clear()
        self.sends.clear()

    def render_read(self, row: Samples, start: int) -> None:
        """What comes from the party in ``start .. start + len(row)``, without the packets that are lost."""
        end = start + len(row)
        at = start
        for item, low, high in self.talk.within(start, end):
            if at < low:
                row[at - start : low - start] = 0
            item.sound.fill(row[low - start : high - start], low - item.start)
            at = high
        if at < end:
            row[at - start :] = 0
        for key, low, high in self.keys.within(start, end):
            key.sound.fill(row[low - start : high - start], low - key.start)
        packet = self.rate * PACKET_MS // 1000
        for mask in self._masks:
            lose_packets(row, start - self.born - self.delay, packet, mask)

    def render_write(self, row: Samples, start: int) -> None:
        """Lay what is played to the leg over ``row`` (what it hears from its bridge and room)."""
        for item, low, high in self.plays.within(start, start + len(row)):
            part = row[low - start : high - start]
            if item.what.mix:
                _add(item, part, low)
            else:
                item.sound.fill(part, low - item.start)
        for item, low, high in self.overs.within(start, start + len(row)):
            _add(item, row[low - start : high - start], low)
        for tone, low, high in self.tones.within(start, start + len(row)):
            tone.sound.fill(row[low - start : high - start], low - tone.start)


def _add(item: Item[Play], part: Samples, low: int) -> None:
    """Mix a playback into ``part``, which begins at sample ``low``."""
    sound = np.empty(len(part), np.int16)
    item.sound.fill(sound, low - item.start)
    add_clipped(part, sound)


def packet_masks(source: PretendSource) -> tuple[Samples, ...]:
    """The repeating patterns of packets that are lost or come too late to be played: 0 for such a one, -1 for
    any other. One that loses nothing is left out.
    """
    room_ms = round(source.delay_s * 1000, 6)
    late = [jitter_ms > room_ms for jitter_ms in source.jitter_ms]
    return tuple(np.where(pattern, 0, -1).astype(np.int16) for pattern in (source.loss, late) if any(pattern))


def schedule(digits: str, start: int, tick: int, length: int) -> tuple[list[tuple[int, str]], int]:
    """When each of ``digits`` begins: the first not before sample ``start``, each on a tick (as RTP events
    do) and ``length`` samples or more after the former; and from where the next one may.
    """
    starts = []
    for digit in digits:
        start = -(-start // tick) * tick
        starts.append((start, digit))
        start += length
    return starts, start
