"""Layer 2: the thread that brings recorded samples to disk, so that no tick ever waits for a file."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from callflow.recording.messages import RecordingSpec, SpoolClosed
from callflow.state.folder import StateFolder

OnClosed = Callable[[SpoolClosed], None]


class SpoolHandle:
    """One recording's spool as the pump's thread sees it. ``opened``: it is on disk. ``failure``: why not."""

    opened: bool
    failure: tuple[str, str] | None  # reason, message


class SpoolWriter:
    """Appends blocks to spools. ``patient``: a full queue makes the caller wait (virtual time); else the
    block is written as silence of the same length and counted (``SpoolHandle.gap_samples``).
    """

    def __init__(self, folder: StateFolder, *, patient: bool, limit_bytes: int = 32 << 20) -> None: ...

    def open(self, spec: RecordingSpec, time: float) -> SpoolHandle: ...

    def append(self, spool: SpoolHandle, frames: npt.NDArray[np.int16]) -> None: ...

    def note(self, spool: SpoolHandle, line: dict[str, object]) -> None: ...

    def close_spool(self, spool: SpoolHandle, time: float, on_closed: OnClosed | None) -> None: ...

    def wait_idle(self) -> None: ...

    def close(self) -> None: ...
