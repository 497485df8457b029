"""Layer 6: the legs of a call: as ours show them, and as Kazoo's channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from callflow.channels.channel import Channel, Direction
from callflow.engine.call import Call
from callflow.engine.line import Leg
from callflow.engine.meeting.joining import Doing

GREGORIAN_S = 62_167_219_200
"""Seconds from the year 0 to 1970: Kazoo's time stamps count from there."""


@dataclass(frozen=True, slots=True)
class Seat:
    """A leg of a call and what it does; ``peer``: the leg that it talks with."""

    call: Call
    leg: Leg
    doing: Doing
    peer: Leg | None = None


def seats_of(call: Call) -> list[Seat]:
    """The legs that this call drives: the one on its line, who talks with it, phones that ring for it. None
    while its party is in another call.
    """
    if call.joins.host is not None:
        return []
    line, peer = call.line.leg, call.bridging.peer
    talking = Doing.TALKING if peer is not None and call.bridged else Doing.ALONE
    found = [Seat(call, line, talking, peer)]
    if peer is not None:
        found.append(Seat(call, peer, talking, line))
    found += [Seat(call, leg, Doing.RINGING) for leg in call.bridging.ringing() if leg is not peer]
    return found


def legs_of(call: Call) -> list[dict[str, Any]]:
    """The same, as they are shown."""
    return [_shown(seat) for seat in seats_of(call)]


def _shown(seat: Seat) -> dict[str, Any]:
    channel = seat.leg.channel
    party = channel.party
    return {
        "id": channel.call_id,
        "leg": channel.leg,
        "direction": channel.direction.value,
        "doing": seat.doing.value,
        "answered": channel.answered,
        "from": party.from_number,
        "to": party.to_number,
        "user_id": party.user_id,
        "device_id": _device(seat.leg, channel),
    }


def _device(leg: Leg, channel: Channel) -> str:
    """The phone on a leg: who calls, or what was rung."""
    if channel.direction is Direction.INBOUND or leg.target is None:
        return channel.party.device_id
    return leg.target.id if leg.target.endpoint == "device" else ""


def channel_of(seat: Seat, since_wall: float) -> dict[str, Any]:
    """A leg as Kazoo's API shows a channel."""
    call, channel = seat.call, seat.leg.channel
    device_id = _device(seat.leg, channel)
    device = call.account.get("device", device_id) if device_id else None
    sip = (device or {}).get("sip")
    username = str(sip.get("username") or "") if isinstance(sip, dict) else ""
    realm = str(call.account.document.get("realm") or channel.party.from_realm)
    owner = str((device or {}).get("owner_id") or channel.party.user_id)
    return {
        "uuid": channel.call_id,
        "call_id": call.id,
        "answered": channel.answered,
        "authorizing_id": device_id or channel.party.trunk,
        "authorizing_type": "device" if device_id else "resource" if channel.party.trunk else "",
        "destination": channel.party.to_number,
        "direction": channel.direction.value,
        "other_leg": seat.peer.channel.call_id if seat.peer is not None else "",
        "owner_id": owner,
        "presence_id": f"{username}@{realm}" if username else "",
        "timestamp": int(since_wall) + GREGORIAN_S,
        "username": username,
    }
