"""Modules on real phones: SIP and RTP to a real server, and the sound of what was recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.modules.test_pivot import serving
from tests.serve.office import BOB, DORA, ERIN, LOUD, PLAYED, Office, in_office, pivoted, write_office

MASKED_AND_PAUSED = ["started", "masked", "unmasked", "paused", "resumed", "finishing", "ready"]
SLOW_S = 1.0
"""What a busy machine may take for signalling, and the buffers of both ends."""


async def conference(office: Office) -> None:
    """Three members, each recorded: left is the member, right the two others."""
    tones = (400, 700, 900)
    results = await asyncio.gather(*(office.call("1000", 3.5, hertz) for hertz in tones))
    for own, result in zip(tones, results, strict=True):
        recording = await office.recording(result)
        assert abs(recording.seconds - result.seconds) < 0.3
        for hertz in tones:
            if hertz == own:
                assert recording.lasts(0, hertz) > result.seconds - SLOW_S
                assert recording.lasts(1, hertz) < 0.1, "nobody hears himself"
            else:
                assert recording.lasts(0, hertz) == 0
                assert recording.lasts(1, hertz) > 1.0


async def parking(office: Office) -> None:
    """One recording of all of it: dora, who transfers the caller to a slot, music, and who retrieves."""
    parked = asyncio.ensure_future(office.call("2004", 4.0, 400))
    await office.server.until('"to_number": "2004"')
    await asyncio.sleep(2.0)
    taker = await office.call("*4101", 1.5, 700, of=office.carol)
    result = await parked
    recording = await office.recording(result)
    assert recording.lasts(0, 400) > result.seconds - SLOW_S
    assert recording.lasts(1, DORA) > 0.5
    assert recording.begins(1, 700) > 1.5
    assert taker.seconds - SLOW_S < recording.lasts(1, 700) < taker.seconds + 0.1


async def voicemail(office: Office) -> None:
    """A message is left, and played to its owner after the PIN."""
    await office.call("3001", 2.4, 1500, of=office.carol)
    await office.server.until("recording.ready", count=1)
    checked = await office.call("3002", 5.0, 400, ("1", 0.6))
    recording = await office.recording(checked)
    assert recording.lasts(0, 400) > checked.seconds - SLOW_S
    assert recording.lasts(1, 1500) > 1.0
    assert recording.begins(1, 1500) > 1.0


async def masking(office: Office) -> None:
    """Digits of a metaflow mask (nothing on either side), and pause (nothing at all)."""
    result = await office.call("2102", 6.8, 400, ("*1", 0.6), ("*2", 2.2), ("*3", 3.8), ("*4", 5.4))
    recording, changed = await office.recording(result), office.changes(result)
    assert list(changed) == MASKED_AND_PAUSED
    paused = changed["resumed"].at - changed["paused"].at
    for span, most in (
        (changed["finishing"].at - changed["started"].at, 0.02),
        (result.setup_s + result.seconds, 0.5),
    ):
        assert abs(span - paused - recording.seconds) < most, "what was paused is not in the file"
    off, on = (round(8000 * changed[what].seconds) for what in ("masked", "unmasked"))
    assert 0 < off < on and not recording.samples[off:on].any()
    heard = recording.amplitudes(1, BOB) > LOUD  # who keys digits says nothing meanwhile
    more = int((~heard[np.argmax(heard) :]).sum()) / 50 - (on - off) / 8000
    assert -0.02 <= more < 0.4, "what was masked, and nothing else"
    assert (recording.amplitudes(0, 400)[-20:-8] > 3000).all()


async def forwarding(office: Office) -> None:
    """Carol forwards her calls to bob by feature code; the next call to her is his, and recorded."""
    await office.call("*722002", 1.0, 500, of=office.carol)
    result = await office.call("2003", 2.5, 600)
    recording = await office.recording(result)
    assert recording.lasts(0, 600) > result.seconds - SLOW_S
    assert recording.lasts(1, BOB) > 2.5 - SLOW_S


async def hours(office: Office) -> None:
    """The first time rule that holds now leads to the tone."""
    recording = await office.recording(await office.call("4000", 1.5, 400))
    assert recording.lasts(1, PLAYED) > 1.5 - SLOW_S


async def queue(office: Office) -> None:
    """A caller waits for the agent, with music; both are in the recording."""
    result = await office.call("5000", 3.0, 400)
    recording = await office.recording(result)
    assert recording.lasts(0, 400) > result.seconds - SLOW_S
    assert recording.begins(1, ERIN) > 0.4
    assert recording.lasts(1, ERIN) > 1.0


async def pivot(office: Office) -> None:
    """The flow comes from a web server: what it records and plays."""
    result = await office.call("6000", 1.5, 400)
    recording = await office.recording(result)
    assert recording.lasts(0, 400) > result.seconds - SLOW_S
    assert recording.lasts(1, PLAYED) > 1.5 - SLOW_S


SCENES: dict[str, Callable[[Office], Awaitable[None]]] = {
    scene.__name__: scene
    for scene in (conference, parking, voicemail, masking, forwarding, hours, queue, pivot)
}


async def _play(folder: Path) -> dict[str, BaseException | None]:
    async with in_office(folder) as office:
        found = await asyncio.gather(*(scene(office) for scene in SCENES.values()), return_exceptions=True)
    print("\n".join(office.server.lines))
    assert not office.server.having("Traceback") and not office.server.having("CF-INT")
    return dict(zip(SCENES, found, strict=True))


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, BaseException | None]]:
    """All scenes, at the same time on one server; what each has raised."""
    folder = tmp_path_factory.mktemp("office")
    with serving(voice=pivoted()) as web:
        write_office(folder, web.url)
        yield asyncio.run(_play(folder))


@pytest.mark.parametrize("scene", SCENES)
def test_on_real_phones(played: dict[str, BaseException | None], scene: str) -> None:
    fault = played[scene]
    if fault is not None:
        raise fault
