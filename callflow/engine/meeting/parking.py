"""Layer 3: parking: a caller waits in a numbered slot, with music, until somebody retrieves the call.

Slots are those of an account; they live in memory, as the calls in them do. Kazoo's ``park`` module is the
model (kazoo.md 3, cf_park).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from callflow.channels.channel import DialTarget
from callflow.engine.dialling.ringing import NO_RINGBACK
from callflow.engine.meeting.slots import Parked
from callflow.engine.results import BridgeResult
from callflow.engine.sound.holdmusic import HoldMusic, hold_music
from callflow.events import ParkingChanged, PresenceChanged

if TYPE_CHECKING:
    from callflow.engine.call import Call


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """How a caller is to be parked. ``parker``: whom to ring back after ``ringback_s`` seconds, for
    ``callback_s`` (None: nobody). ``reserved``: the parker waits in the slot in person, until the transfer of
    whom it is for; nobody can retrieve that. ``lamp``: what the presence id shows while the slot is taken
    (``ringing``, ``busy``, ``idle``). ``leaves_unanswered``: a ringback that nobody answers ends the stay.
    """

    slot: str
    presence_id: str
    lamp: str = "ringing"
    parker: DialTarget | None = None
    ringback_s: float = 120.0
    callback_s: float = 30.0
    reserved: bool = False
    leaves_unanswered: bool = False


class Left(StrEnum):
    """How a stay has ended."""

    RETRIEVED = "retrieved"  # somebody came, or the parker took the call back; that talk is over
    TRANSFERRED = "transferred"  # and a party of that talk was transferred
    UNANSWERED = "unanswered"  # the parker did not take the call back


class Parking:
    """The stay of one call. ``take`` the slot first, then ``wait``."""

    def __init__(self, call: Call, stay: Stay) -> None:
        self._call = call
        self._stay = stay
        self._parked = Parked(stay.slot, call, stay.reserved)

    def take(self) -> bool:
        """Take the slot; False: somebody is in it. Then ``wait`` or ``leave`` must follow."""
        if not self._call.services.calls.parking.take(self._parked):
            return False
        if self._stay.reserved:
            self._call.line.on_reseat.append(self._no_longer_reserved)
        self._tell("parked")
        return True

    def leave(self, change: str = "abandoned") -> None:
        """The slot is free again (once)."""
        if self._call.services.calls.parking.leave(self._parked):
            self._tell(change)
        if self._no_longer_reserved in self._call.line.on_reseat:
            self._call.line.on_reseat.remove(self._no_longer_reserved)

    async def wait(self) -> Left:
        """Music, until somebody comes, the parker at last; then the talk. Raises ``CallGone``."""
        call = self._call
        call.bridging.on_connect.append(self._retrieved)
        parker = self._stay.parker
        music = await hold_music(call, *_documents_of(call, parker))
        try:
            while True:
                music.start()
                offer = await call.joins.next_offer(self._stay.ringback_s if parker else None)
                if offer is not None:
                    music.stop()
                    result = await call.bridging.welcome(offer)
                elif parker is not None:
                    result = await self._ring_back(parker, music)
                    if not result.answered and not result.transferred and self._stay.leaves_unanswered:
                        return Left.UNANSWERED
                if result is not None and (result.answered or result.transferred):
                    return Left.TRANSFERRED if result.transferred else Left.RETRIEVED
        finally:
            music.stop()
            call.bridging.on_connect.remove(self._retrieved)
            self.leave()

    async def _ring_back(self, parker: DialTarget, music: HoldMusic) -> BridgeResult:
        """The parker's phone rings, and says which slot it is about; the caller goes on hearing music."""
        call = self._call
        stop: Callable[[], None] = music.stop
        call.bridging.on_connect.append(stop)
        try:
            return await call.bridging.run(
                [parking_target(call, parker, f"Parking slot {self._stay.slot}")],
                timeout_s=self._stay.callback_s,
                ringback=NO_RINGBACK,
                fail_on_single_reject=False,
                ignore_early_media=True,
            )
        finally:
            call.bridging.on_connect.remove(stop)

    def _retrieved(self) -> None:
        self.leave("retrieved")

    def _no_longer_reserved(self) -> None:
        self._parked.reserved = False

    def _tell(self, change: str) -> None:
        call, stay = self._call, self._stay
        now = call.services.clock.now()
        call.services.bus.publish(ParkingChanged(time=now, call_id=call.id, change=change, slot=stay.slot))
        call.services.bus.publish(
            PresenceChanged(
                time=now,
                call_id=call.id,
                account_id=call.account.id,
                presence_id=stay.presence_id,
                status=stay.lamp if change == "parked" else "idle",
            )
        )


def parking_target(call: Call, parker: DialTarget, name: str) -> DialTarget:
    """The parker's phone, to be rung with ``name`` in the place of the caller's."""
    return replace(parker, caller=replace(parker.caller or call.party, from_name=name))


def _documents_of(call: Call, parker: DialTarget | None) -> tuple[Mapping[str, object] | None, ...]:
    """Whose music it is: the parker's device's, its owner's."""
    if parker is None:
        return ()
    return parker.document, call.account.get("user", str(parker.document.get("owner_id") or ""))
