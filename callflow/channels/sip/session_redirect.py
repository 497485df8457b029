"""Layer 2: where a 3xx sends a call (RFC 3261 8.1.3.4), as pure functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from callflow.channels.sip.dialog import usable_target
from callflow.channels.sip.message import Response
from callflow.channels.sip.refer import target_number
from callflow.channels.sip.uri import NameAddr, SipUri

MOST_TARGETS = 6
"""Of one call: the first one, and those that 3xx name."""


def named_targets(
    response: Response, ours: Callable[[SipUri], bool], may_follow: Callable[[SipUri], bool]
) -> tuple[list[SipUri], str]:
    """The targets that ``response`` names and that may be followed, the best first, and the number that is to
    be routed after them: of the first contact that is ``ours`` or a telephone number (empty: none is). What
    is named after that is not needed.
    """
    contacts = [one for one in response.contacts[:MOST_TARGETS] if not one.is_star]
    contacts.sort(key=_preference, reverse=True)
    ahead: list[SipUri] = []
    for contact in contacts:
        uri = replace(contact.uri, headers={})
        if uri.scheme == "tel" or ours(uri):
            if number := target_number(uri):
                return ahead, number
        elif usable_target(contact) and may_follow(uri):
            ahead.append(uri)
    return ahead, ""


def reached(uri: SipUri) -> str:
    """The host that requests to ``uri`` go to."""
    return (uri.params.get("maddr") or uri.host).strip("[]").lower()


def _preference(contact: NameAddr) -> float:
    try:
        return min(1.0, max(0.0, float(contact.params.get("q", "1")[:8])))
    except ValueError:
        return 0.0
