"""Layer 3: what is done when a call has ended (Kazoo's termination handlers), and with what knowledge."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from callflow.engine.call import Call

MESSAGE = "voicemail"
"""``source_type`` of the document of a message in a mailbox."""

MAX_ENDINGS = 20
"""Further ones of a call are left out: a flow that goes in circles adds one each time."""


@dataclass(frozen=True, slots=True)
class CallEnd:
    """How a call ended. ``bridged``: somebody talked with the caller; ``message_left``: a mailbox has a
    message of this call; ``duration`` in seconds.
    """

    cause: str
    by: str
    duration: float
    bridged: bool
    message_left: bool


Ending = Callable[[CallEnd], Coroutine[Any, Any, object]]


class Endings:
    """What modules want done after the call's end."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._wanted: list[Ending] = []
        self._bridged = False
        call.bridging.on_connect.append(self._note_talk)

    def _note_talk(self) -> None:
        self._bridged = True

    def add(self, ending: Ending) -> bool:
        """Do ``ending`` when the call has ended and nothing is recorded any more. False: too many."""
        if len(self._wanted) >= MAX_ENDINGS:
            self._call.notice(
                "warning",
                "CF-RUN-ENDINGS",
                f"{self._call.node.module}: the call has {MAX_ENDINGS} things to do at its end already",
                "Does the flow come by here again and again?",
            )
            return False
        self._wanted.append(ending)
        return True

    async def start(self, cause: str, by: str, duration: float) -> None:
        """Begin with all of them, beside each other; ``Background`` waits for them."""
        wanted, self._wanted = self._wanted, []
        if not wanted:
            return
        end = CallEnd(cause, by, duration, self._bridged, await self._message_left())
        for ending in wanted:
            self._call.spawn(ending(end))

    async def _message_left(self) -> bool:
        for handle in self._call.recordings.handles:
            _, seconds = await handle.ended()
            kept = handle.state in ("READY", "FINISHING") and seconds >= max(1.0, handle.spec.min_s)
            if kept and handle.spec.document.get("source_type") == MESSAGE:
                return True
        return False
