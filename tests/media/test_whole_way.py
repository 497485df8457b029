"""Speech on each side of a bridged call is found again in the finished file: on its channel, at its time.

Also when packets were lost or came late.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from callflow.media.clips import ClipLoader
from callflow.media.files import open_encoder
from callflow.media.messages import AddLeg, Bridge, FileClip, PretendSource, Say
from callflow.media.pump import Pump
from callflow.media.resample import StreamResampler
from tests.media.listening import RATE, offset_of, run_to, stereo

AUDIO = Path(__file__).resolve().parents[2] / "examples" / "audio"
CALLER_AT, CALLEE_AT, LENGTH = 1.37, 2.51, 18.0
LOSS = (0, 0, 1, 0, 0, 0, 0, 1, 1, 0)
LATE_MS = (0.0, 25.0, 12.5, 29.0, 30.0, 80.0, 3.0)  # of seven packets one comes after it should be heard


@pytest.mark.parametrize("format", ["wav", "mp3", "ogg"])
@pytest.mark.parametrize("file_rate", [8000, 11025])
@pytest.mark.parametrize(("loss", "late_ms"), [((), ()), (LOSS, ()), ((), LATE_MS), (LOSS, LATE_MS)])
def test_both_voices_are_where_they_belong(
    tmp_path: Path, format: str, file_rate: int, loss: tuple[int, ...], late_ms: tuple[float, ...]
) -> None:
    pump = Pump(ClipLoader())
    tap = stereo("a")
    pump.attach(tap)
    room_s = 0.03 if late_ms else 0.0
    pump.command(AddLeg("a", RATE, PretendSource(loss, delay_s=room_s, jitter_ms=late_ms)))
    pump.command(AddLeg("b", RATE, PretendSource(loss[::-1], delay_s=0.03, jitter_ms=late_ms[::-1])))
    pump.command(Bridge("a", "b"))
    run_to(pump, CALLER_AT)
    pump.command(Say("a", (FileClip(str(AUDIO / "caller.wav")),)))
    run_to(pump, CALLEE_AT)
    pump.command(Say("b", (FileClip(str(AUDIO / "callee.wav")),)))
    run_to(pump, LENGTH)

    path = tmp_path / f"call.{format}"
    encoder = open_encoder(path, format, file_rate, 2)
    resampler = StreamResampler(RATE, file_rate, 2)
    for block in tap.blocks:
        encoder.write(resampler.push(block.T))
    encoder.write(resampler.finish())
    encoder.close()

    back, rate = soundfile.read(path, dtype="int16")
    assert rate == file_rate
    assert len(back) == LENGTH * file_rate
    like = 0.95 - 0.2 * bool(loss) - 0.1 * bool(late_ms)
    exact = format == "wav" and file_rate == RATE
    for channel, (name, start) in enumerate((("caller", CALLER_AT + room_s), ("callee", CALLEE_AT + 0.03))):
        said = ClipLoader().load(FileClip(str(AUDIO / f"{name}.wav")), file_rate)
        at, likeness = offset_of(said, back[:, channel])
        assert at == pytest.approx(start * file_rate, abs=1e-6 if exact else 1)
        assert likeness > like
        _, other = offset_of(said, back[:, 1 - channel])
        assert other < 0.3
        before = back[: int(start * file_rate) - 200, channel].astype(np.int32)
        assert np.abs(before).max() < 60
