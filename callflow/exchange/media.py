"""Layer 5: the media of a server: in its own thread, or in processes of their own."""

from __future__ import annotations

import resource
from contextlib import AsyncExitStack

from callflow.app import EngineMedia
from callflow.clock import Clock, SystemClock
from callflow.errors import NoMediaPort
from callflow.exchange.options import ExchangeOptions
from callflow.keeping import Keeping
from callflow.media.clips import ClipLoader
from callflow.media.live import LivePump
from callflow.media.port import RtpPorts
from callflow.media.rtp.ports import PortPool
from callflow.recording.farm import FarmOptions, MediaFarm
from callflow.recording.host import RecordingHost
from callflow.recording.inline import InlineMedia
from callflow.recording.spoolfile import allow_many_files
from callflow.recording.writer import SpoolWriter

LEGS_PER_CALL = 2
FILES_PER_LEG = 4
"""RTP and RTCP sockets, and as much for what a recorded leg has open on disk."""
FILES_BESIDE = 200
"""What a process has open beside its calls."""


def local_address(options: ExchangeOptions) -> str:
    """What RTP sockets are bound to: the address that all binds agree on, else all of this machine's."""
    hosts = {bind.host for bind in options.bind}
    if len(hosts) == 1:
        return next(iter(hosts))
    return "::" if any(":" in host for host in hosts) else "0.0.0.0"


def near_address(options: ExchangeOptions) -> str:
    """Where this machine itself reaches those sockets."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bound := local_address(options), bound)


def make_media(options: ExchangeOptions, clock: Clock, keeping: Keeping, life: AsyncExitStack) -> EngineMedia:
    """The media that ``options`` ask for, not started. Raises MediaError for ports that cannot be."""
    assert isinstance(clock, SystemClock)
    media, bind = options.media, local_address(options)
    host = media.address or bind
    if media.workers:
        farm = FarmOptions(workers=media.workers, host=host, bind=bind, ports=media.ports)
        return MediaFarm(farm, keeping.folder, clock, on_closed=keeping.desk.on_closed)
    ports = PortPool(host, *media.ports, bind=bind)
    pump = LivePump(ClipLoader(), ports)
    writer = SpoolWriter(keeping.folder, patient=False)
    life.callback(writer.close)
    recordings = RecordingHost(pump, writer, on_closed=keeping.desk.on_closed)
    return InlineMedia(pump, recordings, clock, ports=ports)


def try_ports(ports: RtpPorts, asked: tuple[int, int]) -> None:
    """Raises NoMediaPort if not one RTP port can be had: better at the start than at the first call."""
    try:
        ports.give_back(ports.take())
    except NoMediaPort:
        low, high = asked
        raise NoMediaPort(
            f"none of the UDP ports {low} to {high} is free", hint="give others with --media-ports LOW-HIGH"
        ) from None


def shortages(options: ExchangeOptions, most_calls: int) -> list[str]:
    """Why fewer calls than ``sip.max_calls`` can be up at once here, in words; raises the limit of open files
    as far as this process may.
    """
    allow_many_files()
    said = []
    low, high = options.media.ports
    legs = (high - low + 1) // 2
    if legs < most_calls * LEGS_PER_CALL:
        said.append(
            f"--media-ports {low}-{high} are enough for {legs // LEGS_PER_CALL} calls between two parties, "
            f"sip.max_calls is {most_calls}"
        )
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    calls = max(0, files - FILES_BESIDE) // (LEGS_PER_CALL * FILES_PER_LEG) * max(1, options.media.workers)
    if files != resource.RLIM_INFINITY and calls < most_calls:
        said.append(
            f"a process may open {files} files (ulimit -n): enough for {calls} calls between two parties, "
            f"sip.max_calls is {most_calls}"
        )
    return said
