"""Layer 3: clips made louder or softer, once for the life of the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from callflow.media.level import leveled
from callflow.media.messages import Clip, FileClip

if TYPE_CHECKING:
    from callflow.engine.call import Call


async def at_level(call: Call, clips: Sequence[Clip], level: float) -> tuple[Clip, ...]:
    """``clips`` at another level: -1 is silent, 0 as they are, 1 twice the amplitude. Raises AudioFileError,
    CallGone.
    """
    if round(level, 1) == 0:
        return tuple(clips)
    folder = call.services.fetched
    made: list[Clip] = []
    for clip in clips:
        if isinstance(clip, FileClip):
            path = await call.line.guard(_leveled(call, Path(clip.path), level, folder))
            made.append(FileClip(str(path)))
        else:
            made.append(clip)
    return tuple(made)


async def _leveled(call: Call, file: Path, level: float, folder: Path) -> Path:
    with call.services.clock.external():
        return await asyncio.to_thread(leveled, file, level, folder)
