"""A live pump with RTP legs, bridged and recorded, as a media process has them: child of ``rtp_pump``.

Speaks JSON lines: prints the legs' ports, reads a line (the sound comes now), runs, prints what it took.
"""

from __future__ import annotations

import cProfile
import gc
import json
import os
import pstats
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from benchmarks.table import Measured, options, peak_mb
from callflow.clock import SystemClock
from callflow.media.clips import ClipLoader
from callflow.media.live import LivePump
from callflow.media.liveplane import LivePlane
from callflow.media.messages import (
    AddLeg,
    Bridge,
    RemoveLeg,
    RtpReport,
    RtpSource,
    RtpStream,
    Side,
    TapPoint,
)
from callflow.media.pump import TICK_S
from callflow.media.rtp.ports import PortPool
from callflow.recording.host import RecordingHost
from callflow.recording.messages import (
    FileFormat,
    RecordingSpec,
    SpoolClosed,
    StartOn,
    StartRecording,
    Target,
)
from callflow.recording.writer import SpoolWriter
from callflow.state.folder import StateFolder

RATE = 8000


class Media:
    """What a media process is made of, without its pipe."""

    def __init__(self, state: Path) -> None:
        self.clock = SystemClock()
        self.ports = PortPool("127.0.0.1", 20000, 32000)
        self.pump = LivePump(ClipLoader(), self.ports)
        self.writer = SpoolWriter(StateFolder.open(state), patient=False)
        self.closed: list[SpoolClosed] = []
        self.host = RecordingHost(self.pump, self.writer, on_closed=self.closed.append)
        self.ticks: list[float] = []
        self.cpu: list[float] = []  # of this thread alone
        self.late: list[float] = []

    def run(self, seconds: float) -> None:
        """Ticks on time; how long each took."""
        end = self.clock.now() + seconds
        while (now := self.clock.now()) < end:
            due = self.pump.now + TICK_S
            if now < due:
                time.sleep(due - now)
                continue
            begin, cpu = time.perf_counter(), time.thread_time()
            self.pump.advance(now)
            self.host.settle()
            self.ticks.append(time.perf_counter() - begin)
            self.cpu.append(time.thread_time() - cpu)
            self.late.append(now - due)

    def tick_times(self) -> dict[str, float]:
        """In milliseconds: how long ticks took, and how late they began."""
        ticks, late = np.array(self.ticks) * 1000, np.array(self.late) * 1000
        return {
            "p50_ms": float(np.percentile(ticks, 50)),
            "p99_ms": float(np.percentile(ticks, 99)),
            "max_ms": float(ticks.max()),
            "cpu_p50_ms": float(np.percentile(self.cpu, 50)) * 1000,
            "late_p99_ms": float(np.percentile(late, 99)),
            "late_max_ms": float(late.max()),
        }


def spec(number: int, leg: str, bridged: bool) -> RecordingSpec:
    """Stereo into a WAV."""
    return RecordingSpec(
        id=f"r{number}",
        call_id=f"call-{number}",
        account_id="account",
        taps=(TapPoint(leg, Side.READ), TapPoint(leg, Side.WRITE)),
        rate=RATE,
        start=StartOn.NOW,
        time_limit_s=3600,
        min_s=0,
        silence=None,
        format=FileFormat("wav", 0, 32, 5),
        follow_transfer=True,
        target=Target("local"),
        origin="benchmark",
        requested_wall=time.time(),
    )


def add_legs(media: Media, peers: list[int], bridged: bool) -> list[int]:
    """A leg for each peer's port, in pairs if ``bridged``; the legs' own ports."""
    ports = []
    for number, peer in enumerate(peers):
        place = media.ports.take()
        stream = RtpStream("PCMU", 0, ((0, "PCMU"),), "127.0.0.1", peer, event_payload=101)
        media.pump.command(AddLeg(f"leg{number}", RATE, RtpSource(place, stream)))
        ports.append(place.port)
    for number in range(0, len(peers) if bridged else 0, 2):
        media.pump.command(Bridge(f"leg{number}", f"leg{number + 1}"))
    return ports


def measured_run(media: Media, seconds: float, *, profiled: bool) -> Measured:
    """Ticks as in a media process that has been up for a while."""
    gc.collect()
    gc.freeze()
    gc.disable()
    sys.setswitchinterval(0.0005)
    media.run(2.0)  # what beginning has cost is made up for
    for times in (media.ticks, media.late, media.cpu):
        times.clear()
    profile = cProfile.Profile()
    with Measured() as measured:
        if profiled:
            profile.enable()
        media.run(seconds)
        profile.disable()
    if profiled:
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(28)
    return measured


def remove_legs(media: Media) -> tuple[int, Counter[str]]:
    """End all: samples that were concealed, and the sums of the legs' reports."""
    plane = media.pump.plane(RATE)
    assert isinstance(plane, LivePlane) and plane.io is not None
    concealed = sum(plane.io.stats(row).concealed for row in plane.legs)
    sums: Counter[str] = Counter()
    for leg in tuple(plane.legs.values()):
        for told in media.pump.command(RemoveLeg(leg.name)):
            if isinstance(told, RtpReport):
                sums.update({name: getattr(told, name) for name in ("lost", "late", "received", "sent")})
    return concealed, sums


def main(asked: dict[str, object], state: Path) -> dict[str, object]:
    """Legs, then sound, then figures."""
    peers = asked["peers"]
    bridged, seconds = bool(asked["bridged"]), float(str(asked["seconds"]))
    assert isinstance(peers, list)
    media = Media(state)
    base = peak_mb()
    print(json.dumps({"ports": add_legs(media, peers, bridged)}), flush=True)
    sys.stdin.readline()
    media.run(1.5)
    recorded = range(0, len(peers), 1 + bridged)
    for number in recorded:
        media.host.command(StartRecording(spec(number, f"leg{number}", bridged), answered=True, bridged=True))
    begin = media.pump.now + 2.0
    measured = measured_run(media, seconds, profiled=bool(asked.get("profile")))
    lasted = media.pump.now - begin
    concealed, sums = remove_legs(media)
    media.writer.wait_idle()
    media.writer.close()
    lengths = {(p.stat().st_size - 44) // 4 for p in state.rglob("audio.wav")} or {0}
    print(json.dumps({"done": True}), flush=True)
    return {
        "legs": len(peers),
        "recordings": len(recorded),
        "cpu_s": measured.used.cpu_s,
        "wall_s": measured.used.wall_s,
        "lasted_s": lasted,
        **media.tick_times(),
        "concealed": concealed,
        **{name: sums[name] for name in ("lost", "late", "received", "sent")},
        "lengths": sorted(lengths),
        "kb_a_leg": (peak_mb() - base) * 1000 / len(peers),
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=os.environ.get("CALLFLOW_BENCH_STATE")) as folder:
        figures = main(options(), Path(folder))
    print(json.dumps(figures), flush=True)
