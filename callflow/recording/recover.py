"""Layer 2: after a crash: finish what nobody holds any more."""

from __future__ import annotations

from callflow.recording.finish import Finished, Finisher
from callflow.state.folder import StateFolder


def recover(folder: StateFolder, finisher: Finisher) -> list[Finished]:
    """Finish every spool whose lock is free and clear away half-made files. Blocks: call it in a thread."""
    return []
