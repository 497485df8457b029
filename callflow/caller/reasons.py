"""Layer 5: why a call did not come about, in words, and what to try."""

from __future__ import annotations

from callflow.caller.witness import Fate
from callflow.channels.channel import Ended
from callflow.log import one_line

_WHY: dict[int, tuple[str, str]] = {
    403: (
        "the other end does not let this caller in",
        "is the device, or this address, allowed to call there?",
    ),
    404: ("there is no such number", "does a flow of the account have this number, or no_match?"),
    407: ("the proxy refuses user name or password", "see --username and --password"),
    408: ("the other end did not answer in time", "is the phone that is rung registered and up?"),
    415: ("the other end does not understand the call's body", ""),
    416: ("the other end does not know this kind of URI", "write it as sip:USER@HOST:PORT"),
    420: ("the other end lacks a SIP extension that was required", ""),
    480: ("nobody is there", "is the phone that is rung registered?"),
    482: ("the call goes round in a circle", "look at the flow, or at the route to it"),
    484: ("the number is not complete", "give the whole number"),
    486: ("busy", "try again later"),
    487: ("it was cancelled", ""),
    488: ("no codec or encryption that both can do", "try --codec PCMU, or another --srtp"),
    500: ("the other end has a fault", "its log says which"),
    501: ("the other end cannot do this", ""),
    503: ("the other end takes no calls now", "is it draining, or full? Try again later"),
    600: ("busy everywhere", "try again later"),
    603: ("the call was declined", ""),
}

_NEVER = {
    "SWITCH_CONGESTION": ("no RTP ports are left here", "make fewer calls at once, or give --media-ports")
}


def explain(fate: Fate | None, ended: Ended, *, has_password: bool) -> tuple[str, str]:
    """Message and hint for a call that ``ended`` before it was answered."""
    if fate is None:
        return _NEVER.get(ended.cause, (f"the call could not be made ({ended.cause})", ""))
    if ended.by == "engine" and ended.cause == "NO_ANSWER":
        return "nobody answered in time", "let it ring longer: --ring-for"
    if fate.failure:
        return _unsent(fate)
    if fate.silent or not fate.status:
        return (
            f"no answer from {fate.hop}",
            "is it up, and does a firewall let SIP through? Perhaps it speaks only --tcp",
        )
    said = one_line(f"{fate.status} {fate.reason}".strip(), 100)
    if fate.status in (401, 407):
        if has_password:
            return f"{said}: user name or password are wrong there", "see --username and --password"
        return f"{said}: it asks for a password", "give --username and --password"
    why, hint = _WHY.get(fate.status, ("the call was refused", ""))
    warning = f" ({one_line(fate.warning, 120)})" if fate.warning else ""
    return f"{said}: {why}{warning}", hint


def _unsent(fate: Fate) -> tuple[str, str]:
    message = one_line(fate.failure, 200)
    if "certificate" in message.lower() or "ssl" in message.lower():
        return message, "trust its certificate with --ca FILE, or --insecure where that does not matter"
    other = "without --tcp" if fate.hop.transport == "tcp" else "--tcp"
    return message, f"is it up and listening there? callflow serve says its URIs; or try {other}"
