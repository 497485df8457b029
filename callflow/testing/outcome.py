"""Layer 6: all that came of a call, for expectations and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from callflow.delivery.receiver import Received
from callflow.documents.accounts import Account
from callflow.drawing.gather import tree_of
from callflow.drawing.journey import Journey
from callflow.drawing.picture import Tree
from callflow.drawing.scripts import tree_of_script
from callflow.drawing.text import to_text
from callflow.engine.flow import Flow
from callflow.events import CallEnded, Event, Noticed, StepStarted
from callflow.ncco.script import Script
from callflow.testing.recordings import Recording, recordings_of


@dataclass(frozen=True)
class Outcome:
    """``events``: the call's. ``uploads``: what a receiver was sent, in the order of its coming. ``flow``:
    the one it was placed through, None: the account's.
    """

    call_id: str
    events: tuple[Event, ...]
    state: Path
    uploads: tuple[Received, ...] = ()
    flow: Flow | Script | None = None
    account: Account = field(default_factory=Account.empty)
    flows: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def steps(self) -> list[str]:
        """The modules that it has reached, in order."""
        return [event.module for event in self.events if isinstance(event, StepStarted)]

    @property
    def ended(self) -> CallEnded | None:
        """How it ended; None: it did not."""
        return next((event for event in self.events if isinstance(event, CallEnded)), None)

    def codes(self, level: str) -> list[str]:
        """Codes of its notices of one level (``info``, ``warning``, ``error``)."""
        return [one.code for one in self.events if isinstance(one, Noticed) and one.level == level]

    @cached_property
    def recordings(self) -> list[Recording]:
        """Its recordings, in the order of their starts."""
        return recordings_of(self.events, self.state)


def picture_of(outcome: Outcome) -> str:
    """The flows that a call walked, as text, with its way on them."""

    def known(flow_id: str) -> Tree | None:
        flow = outcome.flow
        if isinstance(flow, Script):
            return tree_of_script(flow.document, flow_id=flow_id) if flow_id == flow.name else None
        if flow is not None and flow_id == flow.id and flow.document:
            return tree_of(flow.document, flow_id=flow_id)
        source = outcome.flows.get(flow_id) or outcome.account.get("callflow", flow_id)
        return None if source is None else tree_of(source, flow_id=flow_id)

    journey = Journey(outcome.call_id)
    for event in outcome.events:
        journey(event)
    return to_text(journey.draw_on(known))
