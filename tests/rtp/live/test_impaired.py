"""A recorded, bridged RTP call with loss, jitter, disorder and drift: pump, recorder, file; virtual time."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np

from callflow.media.clips import ClipLoader
from callflow.media.live import LivePump
from callflow.media.messages import AddLeg, Bridge, RemoveLeg, RtpReport, RtpSource
from callflow.media.rtp.ports import PortPool
from callflow.media.taps import Samples
from tests.media.listening import offset_of
from tests.recording.harness import Bench, spec
from tests.rtp.live.memory import MemoryNet
from tests.rtp.live.stage import HOST, Phone
from tests.rtp.live.test_calls import agreed

SECONDS = 40
DRIFT = 50e-6


def burst(second: int, voice: int) -> Samples:
    """A fifth of a second of noise that is like no other, once a second."""
    random = np.random.default_rng(1000 * voice + second)
    sound = np.zeros(8000, np.int16)
    sound[2000:3600] = random.integers(-8000, 8000, 1600)
    return sound


class NetBench(Bench):
    """The recordings' test bench with legs on a net in memory."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.net = MemoryNet()
        self.ports = PortPool(HOST, 40000, 40100, net=self.net, ahead=2)
        self.pump = LivePump(ClipLoader(), self.ports, Random(2))
        self.host = type(self.host)(self.pump, self.writer, on_closed=self.closed.put)

    def __enter__(self) -> NetBench:
        return self

    def net_leg(self, name: str, port: int) -> int:
        place = self.ports.take()
        self.send(AddLeg(name, 8000, RtpSource(place, agreed(port))))
        return place.port


def test_a_bad_network_neither_shifts_nor_shortens_a_recording(tmp_path: Path) -> None:
    random = Random(7)

    def fate(number: int) -> float | None:
        """5 % lost; 60 ms of jitter, so that packets overtake each other."""
        return None if random.random() < 0.05 else 0.01 + 0.06 * random.random()

    with NetBench(tmp_path) as bench:
        phones = [Phone(bench.net, 5000), Phone(bench.net, 5002, ssrc=78)]
        ports = [bench.net_leg("a", 5000), bench.net_leg("b", 5002)]
        voices = [np.concatenate([burst(second, n) for second in range(SECONDS + 1)]) for n in (1, 2)]
        for phone in phones:
            bench.net.fate[phone.port] = fate
        bench.send(Bridge("a", "b"))
        bench.start(spec())
        sent = [0, 0]
        pace = [1 + DRIFT, 1 - DRIFT]  # of the phones' clocks
        for tick in range(SECONDS * 100):
            for n, phone in enumerate(phones):
                while sent[n] / 8000 <= tick / 100 * pace[n]:
                    phone.say(voices[n][sent[n] : sent[n] + 160], ports[n])
                    sent[n] += 160
            bench.net.run(tick / 100)
            bench.events += bench.pump.advance((tick + 1) / 100)[1]
        bench.send(RemoveLeg("a"), RemoveLeg("b"))
        audio = bench.audio(bench.finish())
        assert len(audio) == SECONDS * 8000
        delays = []
        for channel, voice in enumerate(voices):
            for second in (1, 2, SECONDS - 3, SECONDS - 2):
                want = voice[second * 8000 + 2000 : second * 8000 + 3600]
                begin = second * 8000 + 1000
                at, fit = offset_of(want, audio[begin : begin + 4500, channel])
                assert fit > 0.7
                delays.append((begin + at - second * 8000 - 2000) / 8)
        assert max(delays) - min(delays) < 20, delays  # both channels, first to last
        assert 10 < min(delays) <= max(delays) < 160, delays
        reports = [event for event in bench.events if isinstance(event, RtpReport)]
        assert all(60 < report.lost < 150 for report in reports)
        bench.ports.close()
