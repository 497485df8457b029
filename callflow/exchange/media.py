"""Layer 5: the media of a server: in its own thread, or in processes of their own."""

from __future__ import annotations

from contextlib import AsyncExitStack

from callflow.app import EngineMedia
from callflow.clock import Clock, SystemClock
from callflow.exchange.options import ExchangeOptions
from callflow.keeping import Keeping
from callflow.recording.farm import FarmOptions, MediaFarm


def announced(options: ExchangeOptions) -> str:
    """The address that SDP announces: what was said, else what all binds agree on, else (a wildcard) the one
    at which each peer reaches us.
    """
    if options.media.address:
        return options.media.address
    hosts = {bind.host for bind in options.bind}
    if len(hosts) == 1:
        return next(iter(hosts))
    return "::" if any(":" in host for host in hosts) else "0.0.0.0"


def make_media(options: ExchangeOptions, clock: Clock, keeping: Keeping, life: AsyncExitStack) -> EngineMedia:
    """The media that ``options`` ask for, not started."""
    assert isinstance(clock, SystemClock)
    media = options.media
    farm = FarmOptions(workers=media.workers, host=announced(options), ports=media.ports)
    return MediaFarm(farm, keeping.folder, clock, on_closed=keeping.desk.on_closed)
