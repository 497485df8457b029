"""An agreement that is told once more, and a loop that stood still: neither changes what is heard."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from callflow.clock import SystemClock
from callflow.media.clips import ClipLoader
from callflow.media.live import LivePump
from callflow.media.messages import AddLeg, RemoveLeg, RtpBegan, RtpLost, RtpSource, SetStream, SrtpKey
from callflow.media.rtp.ports import PortPool
from callflow.media.rtp.srtp import SUITES
from callflow.recording.host import RecordingHost
from callflow.recording.inline import InlineMedia
from callflow.recording.messages import RecordingEvent, StartRecording
from callflow.recording.writer import SpoolWriter
from callflow.state.folder import StateFolder
from tests.recording.harness import spec
from tests.rtp.live.stage import HOST, PLAIN, Stage, tone
from tests.rtp.live.test_calls import talk
from tests.worker.harness import Phone


@pytest.mark.parametrize("secret", [False, True])
def test_the_same_agreement_again_watches_anew_and_changes_nothing_else(secret: bool) -> None:
    key = SrtpKey(SUITES[0], bytes(range(30))) if secret else None
    with Stage() as stage:
        phone = stage.phone(5000)
        port = stage.leg("a", 5000, timeout_s=3.0, key_out=key)
        stream = replace(PLAIN, port=5000, key_out=key)
        talk(stage, (phone, port, 440), ticks=100)
        for _ in range(3):  # a held call: told, and told again, as the SIP session does
            before = len(stage.of(RtpLost))
            stage.tick(450)
            assert len(stage.of(RtpLost)) == before + 1
            stage.do(SetStream("a", stream))
        stage.do(SetStream("a", stream))
        talk(stage, (phone, port, 440), ticks=200)
        phone.listen()
        assert set(np.diff([p.sequence for p in phone.got]) & 0xFFFF) == {1}
        assert set(np.diff([p.timestamp for p in phone.got]) % (1 << 32)) == {160}
        assert len({p.ssrc for p in phone.got}) == 1
        plane = stage.pump.plane(8000)
        stats = plane.io.stats(0)  # type: ignore[attr-defined]
        assert (stats.lost, stats.late, stats.duplicates) == (0, 0, 0)
        assert {(began.host, began.port) for began in stage.of(RtpBegan)} == {(HOST, 5000)}


def test_a_call_that_ends_as_its_loop_stood_still_is_recorded_whole(tmp_path: Path) -> None:
    async def main() -> tuple[float, int]:
        clock, ports = SystemClock(), PortPool(HOST, 42200, 42300)
        pump = LivePump(ClipLoader(), ports)
        writer = SpoolWriter(StateFolder.open(tmp_path), patient=False)
        media = InlineMedia(
            pump, RecordingHost(pump, writer, on_closed=lambda closed: None), clock, ports=ports
        )
        told: list[object] = []
        media.subscribe(told.append)
        media.start()
        phone, place = Phone(500.0), ports.take()
        media.send(AddLeg("a", 8000, RtpSource(place, phone.stream)))
        phone.call(place)
        await asyncio.sleep(0.2)
        began = clock.now()
        media.send(StartRecording(spec(), answered=True, bridged=True))
        await asyncio.sleep(0.2)
        threading.Event().wait(0.8)  # the whole process is busy
        seconds = (
            clock.now() - began
        )  # the call ends now: making up for the ticks until then takes time itself
        media.send(RemoveLeg("a"))
        await media.end_recordings()
        await media.close()
        writer.close()
        phone.close()
        [end] = [each for each in told if isinstance(each, RecordingEvent) and each.change == "finishing"]
        return seconds, end.samples

    seconds, samples = asyncio.run(main())
    assert abs(samples / 8000 - seconds) < 0.06
    sound = np.frombuffer(next(tmp_path.rglob("audio.wav")).read_bytes()[44:], np.int16).reshape(-1, 2)[:, 0]
    assert (np.abs(sound[800:].reshape(-1)) > 1000).mean() > 0.8, "what came meanwhile is in it"
    assert np.abs(sound).max() > 0.8 * np.abs(tone(160)).max()


def test_a_fault_of_one_listener_costs_the_others_nothing(tmp_path: Path) -> None:
    async def main() -> list[object]:
        pump = LivePump(ClipLoader())
        writer = SpoolWriter(StateFolder.open(tmp_path), patient=False)
        host = RecordingHost(pump, writer, on_closed=lambda closed: None)
        media = InlineMedia(pump, host, SystemClock())
        heard: list[object] = []

        def broken(event: object) -> None:
            raise ZeroDivisionError

        media.subscribe(broken)
        media.subscribe(heard.append)
        media.start()
        media._tell((1, 2))
        await asyncio.sleep(0)
        await media.close()
        writer.close()
        return heard

    assert asyncio.run(main()) == [1, 2]
