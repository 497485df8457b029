"""Layer 4: what ``faxbox`` and ``receive_fax`` share: to say that no fax is received here. No module."""

from __future__ import annotations

from callflow.engine.call import Call
from callflow.engine.outcome import Continue, Outcome


async def no_fax(call: Call) -> Outcome:
    """An error notice; the walk goes on to ``_``."""
    call.notice(
        "error",
        "CF-RUN-FAX",
        f"{call.node.module}: this engine receives no faxes (neither T.38 nor T.30 over sound)",
        "Send the number to a fax server: resources with a carrier, or a device.",
    )
    return Continue(did="cannot receive a fax")
