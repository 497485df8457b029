"""Layer 1: what each command does to legs, and what happens on a leg by itself (digits, ends)."""

from __future__ import annotations

from typing import Protocol

from callflow.errors import MediaError
from callflow.media.clips import ClipLoader
from callflow.media.leg import Leg, schedule
from callflow.media.messages import (
    AddLeg,
    Bridge,
    Digit,
    DigitHeard,
    Hold,
    Hush,
    JoinRoom,
    LeaveRoom,
    LegCommand,
    Muffle,
    Play,
    PlaybackDone,
    Press,
    RemoveLeg,
    RtpSource,
    RtpStream,
    Say,
    SayDone,
    SendDigits,
    SetMember,
    SetStream,
    StopPlay,
    Unbridge,
)
from callflow.media.plane import Plane
from callflow.media.room_commands import MOST_MEMBERS
from callflow.media.rooms import Member
from callflow.media.sound import Part, Sound
from callflow.media.tones import DTMF_HZ, dtmf

PASSED_S = 0.1
"""Length of a digit (and of the gap after it) that is passed on over a bridge."""

_BRIDGE = "bridge of "
"""So begin the names of rooms that stand for a bridge of two rates."""

_InRoom = JoinRoom | SetMember | LeaveRoom
_OnLeg = (
    RemoveLeg
    | SetStream
    | Say
    | Hush
    | Press
    | Unbridge
    | Hold
    | Muffle
    | _InRoom
    | Play
    | StopPlay
    | SendDigits
)


class PumpSide(Protocol):
    """What ``Commands`` needs of the pump."""

    @property
    def now(self) -> float: ...

    def plane(self, rate: int) -> Plane: ...

    def meet(self, one: int, other: int) -> bool: ...

    def rates_of(self, room: str) -> list[int]: ...

    def legs_changed(self, name: str) -> None: ...

    def leg_leaving(self, name: str, events: list[object]) -> None: ...

    def leg_removed(self, name: str, events: list[object]) -> None: ...

    def digit(self, digit: Digit, events: list[object]) -> None: ...

    def net_add(self, leg: Leg, source: RtpSource, now: int) -> None: ...

    def net_agree(self, leg: Leg, stream: RtpStream | None, now: int) -> None: ...

    def net_digit(self, leg: Leg, digit: str, tone_s: float, gap_s: float) -> bool: ...

    def net_remove(self, leg: Leg, now: int, events: list[object]) -> None: ...


class Commands:
    """Carries commands out at a tick. ``legs`` is the pump's own table of legs by name."""

    def __init__(self, load: ClipLoader, legs: dict[str, Leg], pump: PumpSide) -> None:
        self._load = load
        self._legs = legs
        self._pump = pump

    def carry_out(self, command: LegCommand, tick: int) -> list[object]:
        """Do ``command`` at the begin of ``tick``; return what happened at once."""
        events: list[object] = []
        match command:
            case AddLeg():
                self._add(command, tick, events)
            case Bridge(a, b):
                self._bridge(a, b)
            case _:
                leg = self._legs.get(command.leg)
                if leg is not None:
                    now = tick * self._pump.plane(leg.rate).tick
                    self._on_leg(command, leg, now, events)
                elif isinstance(command, Play):
                    events.append(PlaybackDone(command.leg, command.playback, "leg_gone", self._pump.now))
        return events

    def happen(self, leg: Leg, now: int, events: list[object]) -> None:
        """Everything that is due on ``leg`` by sample ``now``, in order."""
        events += [_done(leg, play.what, "finished", play.end) for play in leg.plays.finished(now)]
        events += [_done(leg, play.what, "finished", play.end) for play in leg.overs.finished(now)]
        said = leg.talk.finished(now)
        if said and said[-1].what and not leg.talk:
            events.append(SayDone(leg.name, said[-1].end / leg.rate))
        leg.keys.finished(now)
        leg.tones.finished(now)
        while leg.presses and leg.presses[0][0] <= now:
            self._pressed(leg, *leg.presses.popleft(), events)
        while leg.sends and leg.sends[0][0] <= now:
            start, digit = leg.sends.popleft()
            events.append(DigitHeard(leg.name, digit, start / leg.rate))
            self._send(leg, digit, *leg.send_s, now)
        self._pump.plane(leg.rate).update(leg)

    def _on_leg(self, command: _OnLeg, leg: Leg, now: int, events: list[object]) -> None:
        match command:
            case RemoveLeg():
                self._remove(leg, now, events)
                return
            case Unbridge():
                self._unbridge(leg)
            case Hold(held=held):
                leg.held = held
                self._rewire(leg)
            case Muffle(muted=muted, deaf=deaf):
                leg.muted, leg.deaf = muted, deaf
                self._rewire(leg)
            case JoinRoom() | SetMember() | LeaveRoom():
                self._in_room(command, leg)
            case Say():
                self._say(command, leg, now, events)
            case Hush():
                leg.talk.cut(now + leg.delay, False)
            case Press():
                self._press(command, leg, now)
            case SetStream(stream=stream):
                if not leg.on_net:
                    raise MediaError(f"leg {leg.name!r} is not on the network: it has no stream")
                self._pump.net_agree(leg, stream, now)
            case SendDigits():
                leg.send_s = (command.tone_s, command.gap_s)
                starts, leg.send_free = self._schedule(command, leg, max(now, leg.send_free))
                leg.sends.extend(starts)
            case Play():
                self._play(command, leg, now, events)
            case StopPlay(playback=playback):
                _stop(leg, playback, now, events)
        self.happen(leg, now, events)

    # ---- legs and bridges --------------------------------------------------------------------

    def _add(self, command: AddLeg, tick: int, events: list[object]) -> None:
        if command.leg in self._legs:
            raise MediaError(f"there is a leg {command.leg!r} already", hint="Leg names are used once.")
        plane = self._pump.plane(command.rate)
        leg = Leg(command, tick * plane.tick)
        self._pump.leg_leaving(leg.name, events)  # who listened for it has heard silence up to now
        plane.add(leg)
        if isinstance(command.source, RtpSource):
            try:
                self._pump.net_add(leg, command.source, tick * plane.tick)
            except MediaError:
                plane.remove(leg)
                raise
        self._legs[leg.name] = leg
        self._pump.legs_changed(leg.name)

    def _remove(self, leg: Leg, now: int, events: list[object]) -> None:
        self._pump.leg_leaving(leg.name, events)
        self._unbridge(leg)
        self._leave_room(leg)
        events += [_done(leg, item.what, "leg_gone", now) for item in (*leg.plays.items, *leg.overs.items)]
        leg.silence()
        if leg.on_net:
            self._pump.net_remove(leg, now, events)
        self._pump.plane(leg.rate).remove(leg)
        del self._legs[leg.name]
        self._pump.legs_changed(leg.name)
        self._pump.leg_removed(leg.name, events)

    def _bridge(self, a: str, b: str) -> None:
        one, other = self._legs.get(a), self._legs.get(b)
        if one is None or other is None:
            return
        if one is other or not self._pump.meet(one.rate, other.rate):
            raise MediaError(
                f"legs {a!r} ({one.rate} Hz) and {b!r} ({other.rate} Hz) cannot hear each other",
                hint="A bridge joins two different legs of one rate, or of 8000 and 16000.",
            )
        self._unbridge(one)
        self._unbridge(other)
        one.peer, other.peer = other, one
        self._rewire(one)
        self._meet_in_room(one)
        self._meet_in_room(other)

    def _unbridge(self, leg: Leg) -> None:
        peer = leg.peer
        if peer is not None:
            leg.peer = peer.peer = None
            for one in (leg, peer):
                self._rewire(one)
                if one.member is not None and one.member.room.startswith(_BRIDGE):
                    self._leave_room(one)

    def _rewire(self, leg: Leg) -> None:
        for one in (leg, leg.peer):
            if one is not None:
                self._pump.plane(one.rate).rewire(one)

    def _meet_in_room(self, leg: Leg) -> None:
        """Legs of two rates that are bridged hear each other in a room of their own."""
        peer = leg.peer
        if peer is not None and peer.rate != leg.rate and leg.member is None:
            room = _BRIDGE + " ".join(sorted((leg.name, peer.name)))
            leg.member = Member(room, speaks=True, hears=True, speaks_to=None, hears_from=None)
            self._pump.plane(leg.rate).rooms.join(leg)
            self._pump.plane(leg.rate).rewire(leg)

    # ---- rooms -------------------------------------------------------------------------------

    def _in_room(self, command: _InRoom, leg: Leg) -> None:
        plane = self._pump.plane(leg.rate)
        match command:
            case LeaveRoom():
                self._leave_room(leg)
                self._meet_in_room(leg)
            case SetMember():
                if leg.member is not None:
                    leg.member = Member.of(command, leg.member.room)
                    plane.rewire(leg)
            case JoinRoom(room=room):
                self._may_join(leg, room)
                self._leave_room(leg)
                leg.member = Member.of(command, room)
                plane.rooms.join(leg)
                plane.rewire(leg)

    def _may_join(self, leg: Leg, room: str) -> None:
        """Raises MediaError for a room of another rate, and a full one."""
        if not all(self._pump.meet(leg.rate, rate) for rate in self._pump.rates_of(room)):
            raise MediaError(
                f"leg {leg.name!r} ({leg.rate} Hz) cannot join room {room!r}, which has another rate",
                hint="All members of a room have one rate, or 8000 and 16000.",
            )
        rooms = self._pump.plane(leg.rate).rooms
        inside = leg.member is not None and leg.member.room == room
        if not inside and rooms.size(room) >= MOST_MEMBERS:
            raise MediaError(f"room {room!r} is full", hint=f"{MOST_MEMBERS} legs hear each other at most.")

    def _leave_room(self, leg: Leg) -> None:
        if leg.member is not None:
            plane = self._pump.plane(leg.rate)
            plane.rooms.leave(leg)
            leg.member = None
            plane.rewire(leg)

    # ---- what parties do ---------------------------------------------------------------------

    def _say(self, command: Say, leg: Leg, now: int, events: list[object]) -> None:
        if leg.on_net:
            raise MediaError(f"leg {leg.name!r} is on the network: its party says what it likes")
        try:
            sound = self._load.sound(command.clips, leg.rate, 0 if command.loop else 1)
        except MediaError as error:
            events.append(SayDone(leg.name, now / leg.rate, error.message))
        else:
            leg.talk.add(sound, now + leg.delay, True)

    def _press(self, command: Press, leg: Leg, now: int) -> None:
        starts, leg.press_free = self._schedule(command, leg, max(now + leg.delay, leg.press_free))
        if not command.in_band:
            leg.presses.extend(starts)
            return
        for start, digit in starts:
            pcm = dtmf(digit, command.tone_s, leg.rate)
            leg.keys.add(Sound([Part(len(pcm), pcm)]), start, None)

    def _schedule(
        self, command: Press | SendDigits, leg: Leg, start: int
    ) -> tuple[list[tuple[int, str]], int]:
        digits = command.digits.upper()
        unknown = [digit for digit in digits if digit not in DTMF_HZ]
        if unknown or command.tone_s < 0 or command.gap_s < 0:
            raise MediaError(
                f"{command.digits!r} cannot be pressed",
                hint="Digits are 0-9, *, #, A-D; lengths are 0 or more.",
            )
        tick = self._pump.plane(leg.rate).tick
        length = max(tick, round((command.tone_s + command.gap_s) * leg.rate))
        return schedule(digits, start, tick, length)

    def _pressed(self, leg: Leg, start: int, digit: str, events: list[object]) -> None:
        time = start / leg.rate
        playing = leg.plays.items[0] if leg.plays else None
        if playing is not None and digit in playing.what.terminators:
            leg.plays.remove(playing, start)
            event = Digit(leg.name, digit, time, playing.what.playback)
            events += [event, _done(leg, playing.what, "digit", start, digit=digit)]
        else:
            event = Digit(leg.name, digit, time)
            events.append(event)
        if leg.peer is not None and leg.peer.linked is leg:
            events.append(DigitHeard(leg.peer.name, digit, time))
            self._send(leg.peer, digit, PASSED_S, PASSED_S, start)
        self._pump.digit(event, events)

    def _send(self, leg: Leg, digit: str, tone_s: float, gap_s: float, now: int) -> None:
        """Send ``digit`` to a party on the network: as an event, or as sound if none were agreed."""
        if not leg.on_net or self._pump.net_digit(leg, digit, tone_s, gap_s):
            return
        pcm = dtmf(digit, tone_s, leg.rate)
        leg.tones.add(Sound([Part(len(pcm), pcm), Part(round(gap_s * leg.rate))]), now, None)
        self._pump.plane(leg.rate).update(leg)

    # ---- what is played to them --------------------------------------------------------------

    def _play(self, command: Play, leg: Leg, now: int, events: list[object]) -> None:
        if command.now:
            _stop(leg, "", now, events)
        try:
            sound = self._load.sound(command.clips, leg.rate, max(0, command.loops))
        except MediaError as error:
            events.append(_done(leg, command, "failed", now, message=error.message))
        else:
            (leg.overs if command.over else leg.plays).add(sound, now, command)


def _stop(leg: Leg, playback: str, now: int, events: list[object]) -> None:
    """End the playback called ``playback``, or all (empty)."""
    for track in (leg.plays, leg.overs):
        for item in tuple(track.items):
            if playback in ("", item.what.playback):
                track.remove(item, now)
                events.append(_done(leg, item.what, "stopped", now))


def _done(leg: Leg, play: Play, reason: str, at: int, *, digit: str = "", message: str = "") -> PlaybackDone:
    return PlaybackDone(leg.name, play.playback, reason, at / leg.rate, digit=digit, message=message)
