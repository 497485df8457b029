"""Layer 6: what ``callflow deliveries run`` does: finish what a dead process left, then empty the outbox."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from rich.console import Console

from callflow.cli._output import Output
from callflow.cli._story import JsonTeller, Patient, StoryTeller
from callflow.clock import SystemClock
from callflow.delivery.deliverer import Deliverer
from callflow.documents.settings import load_settings
from callflow.recording.finish import Finisher
from callflow.recording.recover import recover
from callflow.recording.transcribing import TranscribingDesk
from callflow.state.database import Database
from callflow.state.folder import StateFolder


async def deliver(
    folder: StateFolder,
    database: Database,
    output: Output,
    until_empty: bool,
    allow_loopback: bool,
    system_config: Path | None,
) -> None:
    """Recover, then deliver; tells each step as ``output`` wants it."""
    settings = load_settings(system_config)
    tell = Patient(JsonTeller(sys.stdout) if output is Output.json else StoryTeller(Console(highlight=False)))
    for done in await asyncio.to_thread(recover, folder, Finisher(folder, database)):
        tell(done.event(0.0))
    deliverer = Deliverer(
        database,
        folder,
        settings.delivery,
        SystemClock(),
        tell,
        allow_loopback=allow_loopback,
        url_metadata=settings.media.call_recording.url_metadata,
    )
    desk = TranscribingDesk(folder, database, settings.ncco.transcription, lambda _: deliverer.wake())
    try:
        desk.start()
        if until_empty:
            await asyncio.to_thread(desk.drain)
        await deliverer.run(until_empty=until_empty)
    finally:
        await asyncio.to_thread(desk.close)
        await deliverer.close()
