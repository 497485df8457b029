"""Layer 2: from spool to file: encode, name, commit. Runs in a thread beside the calls."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from callflow.state.folder import StateFolder


@dataclass(frozen=True, slots=True)
class Finished:
    """How a recording ended. ``change``: ``ready``, ``discarded``, ``cancelled`` or ``failed``; the other fields
    are those of ``callflow.events.RecordingChanged``. ``delivery_id``: its place in the outbox, if it has one.
    """

    id: str
    call_id: str
    change: str
    state: str
    reason: str
    seconds: float
    samples: int
    recovered: bool
    origin: str
    format: str
    bytes: int | None = None
    sha256: str | None = None
    file: str | None = None
    url: str | None = None
    delivery_id: str | None = None
    message: str = ""


class Finisher:
    """Finishes spools of ``folder`` into files, rows and deliveries."""

    def __init__(self, folder: StateFolder, database: object) -> None: ...

    def finish(self, spool: Path) -> Finished:
        """Bring one closed spool (``SpoolClosed.folder``) to its end. Blocks (encoding, fsync, SQLite): call it
        in a thread; several at once are fine. Never raises for what is wrong with the recording: that is a
        ``Finished`` with ``change`` ``failed``, and the spool is kept.
        """
        raise NotImplementedError
