"""Layer 2: a whole pretend call: its caller's leg, and the dialer for everybody it rings."""

from __future__ import annotations

from collections.abc import Callable

from callflow.channels.channel import Channel, Dialer, Direction, Party
from callflow.channels.sim.channel import LegFacts, SimChannel
from callflow.channels.sim.dialer import SimDialer
from callflow.channels.sim.driven import Driver
from callflow.channels.sim.scenario import Party as Part
from callflow.channels.sim.scenario import Scenario
from callflow.channels.sim.stage import Notice, Stage
from callflow.clock import Clock
from callflow.ids import Ids
from callflow.media.port import MediaPort

Incoming = Callable[[Channel, Dialer], None]
"""``incoming(channel, dialer)``: a party of the call makes a call of its own (to consult, then transfer)."""


class PretendCall:
    """``caller`` and ``dialer`` are what the engine gets; ``begin()`` lets the caller's script run.

    ``incoming`` takes the calls that parties make of their own, with call ids from ``ids``. ``driver``: who
    drives the parties by hand, beside what the scenario says.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        media: MediaPort,
        clock: Clock,
        ids: Ids,
        notice: Notice,
        incoming: Incoming,
        driver: Driver | None = None,
    ) -> None:
        self._ids = ids
        self._incoming = incoming
        self._stage = Stage(
            media,
            clock,
            notice=notice,
            consult=self._consult,
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
        self.caller = self._inbound(party, scenario.caller, scenario.rate)
        self.dialer = SimDialer(scenario, self._stage, None if driver is None else driver.rung)
        if driver is not None:
            driver.begins(self.caller)

    def begin(self) -> None:
        """The caller is there: its leg is in the pump and its script runs."""
        self.caller.begin()

    async def close(self) -> None:
        """End what is left of the call."""
        await self._stage.close()

    def _consult(self, from_number: str, to_number: str, rate: int) -> str:
        channel = self._inbound(Party(from_number, to_number), Part(), rate)
        channel.begin()
        self._incoming(channel, self.dialer)
        return channel.call_id

    def _inbound(self, party: Party, part: Part, rate: int) -> SimChannel:
        facts = LegFacts(self._ids.call_id(), rate, Direction.INBOUND, party)
        return SimChannel(facts, part, self._stage)
