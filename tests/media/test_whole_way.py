"""Speech on each side of a bridged call is found again in the finished file: on its channel, at its time.

Also when packets were lost.
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


@pytest.mark.parametrize("format", ["wav", "mp3", "ogg"])
@pytest.mark.parametrize("file_rate", [8000, 11025])
@pytest.mark.parametrize("loss", [(), (0, 0, 1, 0, 0, 0, 0, 1, 1, 0)])
def test_both_voices_are_where_they_belong(
    tmp_path: Path, format: str, file_rate: int, loss: tuple[int, ...]
) -> None:
    pump = Pump(ClipLoader())
    tap = stereo("a")
    pump.attach(tap)
    pump.command(AddLeg("a", RATE, PretendSource(loss)))
    pump.command(AddLeg("b", RATE, PretendSource(loss[::-1], delay_s=0.03)))
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
    like = 0.75 if loss else 0.95
    for channel, (name, start) in enumerate((("caller", CALLER_AT), ("callee", CALLEE_AT + 0.03))):
        said = ClipLoader().load(FileClip(str(AUDIO / f"{name}.wav")), file_rate)
        at, likeness = offset_of(said, back[:, channel])
        assert at == pytest.approx(start * file_rate, abs=1)
        assert likeness > like
        _, other = offset_of(said, back[:, 1 - channel])
        assert other < 0.3
        before = back[: int(start * file_rate) - 200, channel].astype(np.int32)
        assert np.abs(before).max() < 60
