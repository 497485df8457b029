"""Layer 4: names as the Voice API writes them: a conversation's ``CON-...``, a leg's UUID."""

from __future__ import annotations

from uuid import NAMESPACE_URL, UUID, uuid5

from callflow.ids import Ids

CONVERSATION_PREFIX = "CON-"


def conversation_uuid(ids: Ids) -> str:
    """A new conversation's name."""
    return CONVERSATION_PREFIX + ids.call_id()


def new_uuid(ids: Ids) -> str:
    """A UUID for a recording, a file, a request."""
    return ids.call_id()


def leg_uuid(call_id: str) -> str:
    """The UUID of the leg with this call id: the call id itself where it is one, else made of it, always the
    same one.
    """
    try:
        if str(UUID(call_id)) == call_id:
            return call_id
    except ValueError:
        pass
    return str(uuid5(NAMESPACE_URL, f"callid:{call_id}"))
