"""Layer 4, action ``notify``: tells a web server, which may give another script (ncco.md 2.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callflow.engine.call import Call
from callflow.log import mask_url
from callflow.ncco import events
from callflow.ncco.moves import Move, Next, Replace
from callflow.ncco.session import Session


async def run(data: Mapping[str, Any], call: Call, session: Session) -> Move:
    """Send ``payload`` and wait for the answer."""
    webhook = session.webhook(data)
    if webhook is None:
        return Next(did="had nobody to tell")
    body = events.notification(session.conversation_uuid, data["payload"], session.wall)
    script = await session.ask(body, webhook)
    if script is not None:
        return Replace(script=script, did=f"was given another script by {mask_url(webhook.url)}")
    return Next(did=f"told {mask_url(webhook.url)}")
