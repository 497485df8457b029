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


def main(asked: dict[str, object], state: Path) -> dict[str, object]:
    """Legs, then sound, then figures."""
    peers = asked["peers"]
    bridged, seconds = bool(asked["bridged"]), float(str(asked["seconds"]))
    assert isinstance(peers, list)
    media = Media(state)
    base = peak_mb()
    ports = []
    for number, peer in enumerate(peers):
        place = media.ports.take()
        stream = RtpStream("PCMU", 0, ((0, "PCMU"),), "127.0.0.1", peer, event_payload=101)
        media.pump.command(AddLeg(f"leg{number}", RATE, RtpSource(place, stream)))
        ports.append(place.port)
    if bridged:
        for number in range(0, len(peers), 2):
            media.pump.command(Bridge(f"leg{number}", f"leg{number + 1}"))
    print(json.dumps({"ports": ports}), flush=True)
    sys.stdin.readline()
    media.run(1.5)
    for number in range(0, len(peers), 1 + bridged):
        media.host.command(StartRecording(spec(number, f"leg{number}", bridged), answered=True, bridged=True))
    gc.collect()
    gc.freeze()
    gc.disable()
    sys.setswitchinterval(0.0005)
    media.run(2.0)  # what beginning has cost is made up for
    media.ticks.clear()
    media.late.clear()
    media.cpu.clear()
    profile = cProfile.Profile() if asked.get("profile") else None
    begin = media.pump.now
    with Measured() as measured:
        if profile is not None:
            profile.enable()
        media.run(seconds)
        if profile is not None:
            profile.disable()
    if profile is not None:
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(28)
    lasted = media.pump.now - begin
    plane = media.pump.plane(RATE)
    assert isinstance(plane, LivePlane) and plane.io is not None
    concealed = sum(plane.io.stats(row).concealed for row in plane.legs)
    reports = []
    for number in range(len(peers)):
        told = media.pump.command(RemoveLeg(f"leg{number}"))
        reports += [event for event in told if isinstance(event, RtpReport)]
    recordings = -(-len(peers) // (1 + bridged))
    media.writer.wait_idle()
    media.writer.close()
    lengths = {(p.stat().st_size - 44) // 4 for p in state.rglob("audio.wav")} or {0}
    ticks = np.array(media.ticks) * 1000
    print(json.dumps({"done": True}), flush=True)
    return {
        "legs": len(peers),
        "recordings": recordings,
        "cpu_s": measured.used.cpu_s,
        "wall_s": measured.used.wall_s,
        "lasted_s": lasted,
        "p50_ms": float(np.percentile(ticks, 50)),
        "p99_ms": float(np.percentile(ticks, 99)),
        "max_ms": float(ticks.max()),
        "cpu_p50_ms": float(np.percentile(media.cpu, 50)) * 1000,
        "concealed": concealed,
        "late_p99_ms": float(np.percentile(media.late, 99) * 1000),
        "late_max_ms": max(media.late) * 1000,
        "lost": sum(report.lost for report in reports),
        "late": sum(report.late for report in reports),
        "received": sum(report.received for report in reports),
        "sent": sum(report.sent for report in reports),
        "lengths": sorted(lengths),
        "kb_a_leg": (peak_mb() - base) * 1000 / len(peers),
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=os.environ.get("CALLFLOW_BENCH_STATE")) as folder:
        figures = main(options(), Path(folder))
    print(json.dumps(figures), flush=True)
