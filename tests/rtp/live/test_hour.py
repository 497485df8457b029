"""A recorded, bridged call over a bad network, through pump, jitter buffer, recorder and file: as long as it
lasted, both channels side by side from first to last, no click where a packet was lost.

Here the drift of an hour comes in four minutes. The whole hour at 50 ppm, by hand:
``python -m tests.rtp.live.test_hour 60 50`` (two minutes).
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from callflow.media.messages import Bridge, RemoveLeg, RtpReport
from callflow.media.rtp.codecs import decode_g711, encode_g711
from callflow.media.taps import Samples
from tests.recording.harness import spec
from tests.rtp.core.test_seams import clicks
from tests.rtp.live.stage import Phone
from tests.rtp.live.test_impaired import NetBench

RATE, N = 8000, 160
PERIOD = 5 * RATE  # from chirp to chirp
TONES = (361.7, 433.1)
LEVEL, LOUD = 8000, 16000
NET_MS = 10
EXPECTED_MS = NET_MS + 20 + 60  # on its way, in its packet, held


def chirp() -> NDArray[np.float64]:
    """0.1 s from 400 Hz up to 2800 Hz: its place can be told to the sample."""
    time = np.arange(RATE // 10) / RATE
    return LOUD * np.sin(2 * np.pi * (400 * time + 12000 * time**2)) * np.hanning(len(time))


def voice(seconds: float, pace: float, hertz: float) -> bytes:
    """µ-law of a party whose clock runs by ``pace``: a tone; in the middle of each period of ours a chirp."""
    n = round(seconds * RATE * pace) // N * N
    sound = LEVEL * np.sin(2 * np.pi * hertz * np.arange(n) / RATE)
    for middle in range(PERIOD // 2, n - RATE, PERIOD):
        at = round(middle * pace)
        sound[at : at + RATE // 10] = chirp()
    coded = np.empty(n, np.uint8)
    encode_g711("PCMU", np.rint(sound).astype(np.int16), coded)
    return coded.tobytes()


@dataclass
class Call:
    """``ppm``: how fast the caller's clock is, and how slow the callee's."""

    minutes: float
    ppm: float

    def play(self, folder: Path) -> tuple[Samples, list[RtpReport]]:
        """The recording, and what the legs have seen."""
        random = Random(7)
        seconds = self.minutes * 60

        def fate(number: int) -> float | None:
            """5 % lost; 60 ms of jitter, so that packets overtake each other."""
            return None if random.random() < 0.05 else (NET_MS + 60 * random.random()) / 1000

        paces = [1 + self.ppm * 1e-6, 1 - self.ppm * 1e-6]
        with NetBench(folder) as bench:
            phones = [Phone(bench.net, 5000), Phone(bench.net, 5002, ssrc=78)]
            ports = [bench.net_leg("a", 5000), bench.net_leg("b", 5002)]
            voices = [voice(seconds + 1, pace, hertz) for pace, hertz in zip(paces, TONES, strict=True)]
            for phone in phones:
                bench.net.fate[phone.port] = fate
            bench.send(Bridge("a", "b"))
            bench.start(spec())
            sent = [0, 0]
            for tick in range(round(seconds * 100)):
                for n, phone in enumerate(phones):
                    while (sent[n] + N) / RATE <= tick / 100 * paces[n]:  # when its last sample was said
                        phone.send(voices[n][sent[n] : sent[n] + N], ports[n], kind=0)
                        phone.timestamp = (phone.timestamp + N) & 0xFFFFFFFF
                        phone.sock.queue.clear()
                        sent[n] += N
                bench.net.run(tick / 100)
                bench.events += bench.pump.advance((tick + 1) / 100)[1]
            bench.send(RemoveLeg("a"), RemoveLeg("b"))
            audio = bench.audio(bench.finish())
            bench.ports.close()
        return audio, [event for event in bench.events if isinstance(event, RtpReport)]


def as_coded(coded: bytes) -> Samples:
    """The sound of a voice."""
    sound = np.empty(len(coded), np.int16)
    decode_g711("PCMU", np.frombuffer(coded, np.uint8), sound)
    return sound


def places(channel: Samples) -> NDArray[np.float64]:
    """How late each period's chirp was heard, in milliseconds; nan: a part of it was lost."""
    one = chirp()
    late = []
    for middle in range(PERIOD // 2, len(channel) - RATE, PERIOD):
        match = np.correlate(channel[middle - 400 : middle + 2400].astype(np.float64), one, "valid")
        best = int(match.argmax())
        late.append((best - 400) * 1000 / RATE if match[best] > 0.8 * (one @ one) else np.nan)
    return np.array(late)


def seams(channel: Samples) -> NDArray[np.float64]:
    """``clicks`` of all that is between the chirps (dB above 2.5 kHz), without the first and last second."""
    parts = [
        clicks(channel[max(RATE, middle - PERIOD + 2800) : middle - 400])
        for middle in range(PERIOD // 2, len(channel) - RATE, PERIOD)
    ]
    return np.concatenate(parts)


def judge(call: Call, folder: Path) -> dict[str, float]:
    """Play it; raises AssertionError unless all is as it must be. What was measured."""
    audio, reports = call.play(folder)
    assert abs(len(audio) - call.minutes * 60 * RATE) <= 0.04 * RATE
    left, right = places(audio[:, 0]), places(audio[:, 1])
    apart = (left - right)[np.isfinite(left - right)]
    assert len(apart) > len(left) / 4
    assert np.abs(apart).max() <= 20
    known = np.concatenate([left[np.isfinite(left)], right[np.isfinite(right)]])
    assert np.ptp(known) <= 20  # some 16
    assert EXPECTED_MS - 15 <= known.min() <= known.max() <= EXPECTED_MS + 25
    packets = call.minutes * 3000
    for report in reports:
        assert abs(report.received + report.lost - packets) <= packets * call.ppm * 1e-6 + 10
        assert 0.04 < report.lost / packets < 0.06
        assert report.late < packets / 1000
    clean = seams(as_coded(voice(20, 1, TONES[0])))
    heard = np.concatenate([seams(audio[:, side]) for side in (0, 1)])
    assert heard.max() < clean.max() + 4  # some 1: what was concealed; a hole is 12 and more
    assert np.percentile(heard, 99) < clean.max() + 1
    return {
        "seconds": len(audio) / RATE,
        "apart": float(np.abs(apart).max()),
        "moved": float(np.ptp(known)),
        "late": float(max(report.late for report in reports)),
        "seams_db": float(heard.max() - clean.max()),
    }


def test_the_drift_of_an_hour_and_a_bad_network_leave_a_recording_whole(tmp_path: Path) -> None:
    judge(Call(4, 750), tmp_path)


def test_packets_left_out_would_be_heard() -> None:
    """What ``seams`` says of silence in the place of some packets."""
    sound = as_coded(voice(20, 1, TONES[0]))
    clean = seams(sound).max()
    for packet in range(53, 900, 100):
        sound[packet * N : (packet + 1) * N] = 0
    assert seams(sound).max() > clean + 12


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as root:
        sys.stdout.write(f"{judge(Call(float(sys.argv[1]), float(sys.argv[2])), Path(root))}\n")
