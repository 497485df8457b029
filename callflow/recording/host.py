"""Layer 2: all recordings of one pump: commands in, events out.

How a media port uses it (one thread, the pump's)::

    if isinstance(command, RecordingCommand): events = host.command(command)
    elif isinstance(command, RemoveLeg):      events = [*host.leg_gone(command.leg), *pump.command(command)]
    else:                                     events = pump.command(command)
    ...
    reached, events = pump.advance(until)
    events += host.settle(events)             # after every block: stop digits, what the writer has to tell
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from callflow.recording.messages import RecordingCommand, RecordingEvent, SpoolClosed
from callflow.recording.writer import SpoolWriter
from callflow.state.folder import StateFolder


@dataclass(frozen=True, slots=True)
class RecordingView:
    """A recording as a list shows it. ``seconds``: of the file so far."""

    id: str
    call_id: str
    state: str
    seconds: float
    origin: str


class RecordingHost:
    """Runs recorders as taps of ``pump``. ``on_closed`` is called from the writer's thread."""

    def __init__(
        self,
        pump: object,
        folder: StateFolder,
        writer: SpoolWriter,
        *,
        on_closed: Callable[[SpoolClosed], None],
    ) -> None: ...

    @property
    def recordings(self) -> tuple[RecordingView, ...]:
        """Those that wait or run, oldest first."""
        return ()

    @property
    def waiting_for_writer(self) -> bool:
        """True while ``settle`` may still have something to tell without any sound (real time: tick on)."""
        return False

    def command(self, command: RecordingCommand) -> list[RecordingEvent]:
        """Carry out a command at the pump's present sample. What does not fit gives a ``refused`` event."""
        return []

    def leg_gone(self, leg: str) -> list[RecordingEvent]:
        """A leg ends (before the pump removes it): so do the recordings whose first tap it is (``hangup``)."""
        return []

    def settle(self, events: Sequence[object] = ()) -> list[RecordingEvent]:
        """After each block: act on digits among the pump's ``events``, and tell what the writer found."""
        return []

    def end_all(self, reason: str) -> list[RecordingEvent]:
        """End every recording (shutdown)."""
        return []
