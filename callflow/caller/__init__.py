"""Layer 5 (beside ``exchange``): a small phone without an engine: it calls a SIP URI, speaks and listens.

What ``callflow call``, the demo and tests place real calls with::

    async with Caller(CallerOptions(), SystemClock()) as caller:
        result = await caller.call(CallPlan("sip:1000@127.0.0.1:5060", audio=("a.wav",), hangup_after_s=10))

    phone         the phone itself: its stack, its media, its calls
    plan          what it is to do, and what came of it
    way           from what a person writes to where a call goes
    line, ear     one call of it, and what that hears
    registering   its registration
    witness, reasons   what became of an INVITE, and that in words
    doorkeeper    whom it lets in: everybody
"""

from callflow.caller.phone import Caller
from callflow.caller.plan import CallerOptions, CallPlan, CallResult

__all__ = ["CallPlan", "CallResult", "Caller", "CallerOptions"]
