"""Layer 2: a whole pretend call: its caller's leg, and the dialer for everybody it rings."""

from __future__ import annotations

from callflow.channels.channel import Direction, Party
from callflow.channels.sim.channel import LegFacts, SimChannel
from callflow.channels.sim.dialer import SimDialer
from callflow.channels.sim.scenario import Scenario
from callflow.channels.sim.stage import Notice, Stage
from callflow.clock import Clock
from callflow.media.port import MediaPort


class PretendCall:
    """``caller`` and ``dialer`` are what the engine gets; ``begin()`` lets the caller's script run."""

    def __init__(
        self, scenario: Scenario, *, call_id: str, media: MediaPort, clock: Clock, notice: Notice
    ) -> None:
        self._stage = Stage(
            media,
            clock,
            notice=notice,
            max_duration_s=scenario.max_duration_s,
            end_when_quiet_s=scenario.end_when_quiet_s,
        )
        party = Party(
            from_number=scenario.from_number,
            to_number=scenario.to_number,
            from_name=scenario.from_name,
            user_id=scenario.user_id,
            device_id=scenario.device_id,
        )
        facts = LegFacts(call_id, scenario.rate, Direction.INBOUND, party)
        self.caller = SimChannel(facts, scenario.caller, self._stage)
        self.dialer = SimDialer(scenario, self._stage)

    def begin(self) -> None:
        """The caller is there: its leg is in the pump and its script runs."""
        self.caller.begin()

    async def close(self) -> None:
        """End what is left of the call."""
        await self._stage.close()
