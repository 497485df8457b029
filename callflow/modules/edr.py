"""Layer 4, module ``edr``: write an event record about the call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.engine.outcome import Continue, Outcome
from callflow.events import EventRecord

_OF_THE_NODE = ("skip_module",)


async def handle(data: Mapping[str, Any], call: Call) -> Outcome:
    """Publish the event ``event.record``: who calls whom, the flow, and the node's own data."""
    tags = {
        "Caller-ID-Name": call.identity.name,
        "Caller-ID-Number": call.identity.number,
        "Account-ID": call.account.id,
        "Owner-ID": call.variables.owner_id,
        "Authorizing-ID": call.party.device_id,
        "Callflow-ID": call.flow_id,
    }
    custom = {name: value for name, value in data.items() if name not in _OF_THE_NODE}
    call.services.bus.publish(
        EventRecord(
            time=call.services.clock.now(),
            call_id=call.id,
            tags={name: value for name, value in tags.items() if value},
            custom_data=custom,
        )
    )
    return Continue(did="wrote an event record")
