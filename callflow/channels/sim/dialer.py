"""Layer 2: whom a pretend call rings: every target picks up (or does not) as the scenario says."""

from __future__ import annotations

from collections.abc import Callable

from callflow.channels.channel import DialTarget, Direction, Party
from callflow.channels.sim.channel import LegFacts, SimChannel
from callflow.channels.sim.scenario import Scenario
from callflow.channels.sim.stage import Stage

Rung = Callable[[SimChannel, tuple[str, ...]], None]
"""``rung(channel, names)``: somebody rings, who is known by these names (device or number, owner)."""


class SimDialer:
    """A ``Dialer`` (see ``channels/channel.py``) for one pretend call. ``rung`` hears of every leg."""

    def __init__(self, scenario: Scenario, stage: Stage, rung: Rung | None = None) -> None:
        self._scenario = scenario
        self._stage = stage
        self._rung = rung

    def expand(self, target: DialTarget) -> list[DialTarget]:
        return [target]

    def resting(self, target: DialTarget) -> bool:
        return False

    async def dial(
        self, target: DialTarget, *, caller: Party, rate: int, call_id: str, near: str = ""
    ) -> SimChannel:
        owner = str(target.document.get("owner_id", ""))
        callee = self._scenario.callee_for(target.id, owner)
        party = Party(
            from_number=caller.from_number,
            to_number=target.id if target.endpoint == "number" else caller.to_number,
            from_name=caller.from_name,
            user_id=target.id if target.endpoint == "user" else owner,
            device_id=target.id if target.endpoint == "device" else "",
        )
        channel = SimChannel(LegFacts(call_id, rate, Direction.OUTBOUND, party), callee.party, self._stage)
        channel.begin(callee.reply)
        if self._rung is not None:
            self._rung(channel, tuple(name for name in (target.id, owner) if name))
        return channel
