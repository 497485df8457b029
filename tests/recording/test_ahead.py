"""An MP3 that was encoded while it was recorded is the one that is encoded at the end, byte for byte."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from callflow.errors import AudioFileError
from callflow.recording import ahead
from callflow.recording.encode import Making
from callflow.recording.finish import Finished
from callflow.recording.messages import FileFormat, Mask, Pause, Resume, Unmask
from callflow.recording.spool import AUDIO, header_bytes
from tests.recording.harness import Bench, spec

SECONDS = 7 * 1.93 + 0.71


@pytest.fixture(autouse=True)
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "TURN_S", 1000.0)


@pytest.fixture
def benches(tmp_path: Path) -> Iterator[tuple[Bench, Bench]]:
    """Two that record the same: one encodes ahead."""
    with Bench(tmp_path / "ahead") as one, Bench(tmp_path / "end") as other:
        yield one, other
        one.finisher.ahead.close()


def begin(bench: Bench, rate: int = 0, **changes: object) -> Path:
    """Start an MP3 of noise; its spool."""
    noise = np.random.default_rng(1).integers(-9000, 9000, 8000 * 20).astype(np.int16)
    bench.leg("a", noise)
    bench.start(spec(format=FileFormat("mp3", rate, 32, 5), **changes))  # type: ignore[arg-type]
    return bench.folder.spool_of("r1")


def record(bench: Bench, turns: int = 7) -> None:
    """Some seconds with a mask and a pause; ``turns``: of what encodes ahead."""
    for number in range(turns):
        if number in (2, 4):
            bench.do((Mask if number == 2 else Pause)("r1"))
            bench.run(0.71)
            bench.do((Unmask if number == 2 else Resume)("r1"))
        bench.run(1.93)
        bench.finisher.ahead.turn()


def ready(bench: Bench) -> tuple[Finished, bytes]:
    finished = bench.finish()
    assert finished.file is not None, finished
    return finished, (bench.folder.root / finished.file).read_bytes()


@pytest.mark.parametrize("rate", [0, 22050])
def test_it_is_the_same_file(
    benches: tuple[Bench, Bench], rate: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    take = Making.take

    def watched(self: Making, audio: Path, n: int) -> None:
        taken.append(n - self.done)
        take(self, audio, n)

    monkeypatch.setattr(Making, "take", watched)
    files = []
    for bench in benches:
        spool = begin(bench, rate)
        if bench is benches[0]:
            bench.finisher.ahead.begin("r1")
        record(bench)
        bench.stop()
        taken.append(0)
        finished, data = ready(bench)
        files.append(data)
        assert (finished.state, finished.samples) == ("READY", round(SECONDS * 8000))
        assert not spool.exists()
    assert files[0] == files[1]
    samples = round(SECONDS * 8000)
    first, at_end, anew = taken[: taken.index(0)], taken[taken.index(0) + 1], taken[-1]
    assert sum(first) + at_end == samples == anew and at_end < samples / 10
    assert [path.name for path in (benches[0].folder.media).rglob("*") if path.is_file()] == ["r1.mp3"]


def test_what_is_discarded_leaves_nothing(benches: tuple[Bench, Bench]) -> None:
    bench = benches[0]
    spool = begin(bench, min_s=30)
    bench.finisher.ahead.begin("r1")
    record(bench)
    assert (spool / "ahead.part").exists()
    bench.stop()
    assert bench.finish().state == "DISCARDED"
    assert not spool.exists() and not list(bench.folder.media.rglob("*.*"))


def _cannot(*_: object) -> None:
    raise AudioFileError("the disk is full", hint="")


@pytest.mark.parametrize("fault", ["draft gone", "full", "cannot be renamed", "too much"])
def test_whatever_goes_wrong_it_is_encoded_anew(
    benches: tuple[Bench, Bench], fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = []
    for bench in benches:
        spool = begin(bench)
        if bench is benches[1]:
            monkeypatch.undo()
        else:
            bench.finisher.ahead.begin("r1")
            record(bench, 3)
            if fault == "full":
                monkeypatch.setattr(Making, "take", _cannot)
                bench.finisher.ahead.turn()
                bench.run(1.0)
                bench.finisher.ahead.turn()
                monkeypatch.undo()
                assert not (spool / "ahead.part").exists()
            elif fault == "draft gone":
                (spool / "ahead.part").unlink()
            elif fault == "too much":
                draft = bench.finisher.ahead._drafts[spool]
                assert draft.making is not None
                draft.making.done += 1 << 20
            elif fault == "cannot be renamed":
                (spool / "ahead.part").rename(spool / "else")
                (spool / "ahead.part").mkdir()
        if bench is benches[1]:
            record(bench, 3)
            if fault == "full":
                bench.run(1.0)
        bench.stop()
        files.append(ready(bench)[1])
    assert files[0] == files[1]


def test_a_wav_and_a_short_one_are_left_alone(benches: tuple[Bench, Bench]) -> None:
    bench = benches[0]
    bench.leg("a")
    bench.start(spec())
    bench.start(spec("r2", format=FileFormat("mp3", 0, 32, 5)))
    for id in ("r1", "r2", "r3"):
        bench.finisher.ahead.begin(id)
    bench.run(4.0)
    bench.finisher.ahead.turn()
    assert list(bench.finisher.ahead._drafts) == [bench.folder.spool_of("r2")]
    assert not list(bench.folder.spool.rglob("*.part"))


def test_no_more_than_so_many_at_once(benches: tuple[Bench, Bench], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "MOST", 1)
    bench = benches[0]
    bench.leg("a")
    for id in ("r1", "r2"):
        bench.start(spec(id, format=FileFormat("mp3", 0, 32, 5)))
        bench.finisher.ahead.begin(id)
    bench.run(7.0)
    bench.finisher.ahead.turn()
    assert len(list(bench.folder.spool.rglob("*.part"))) == 1
    for id in ("r1", "r2"):
        bench.stop(id)
        assert bench.finish().samples == 56000


def test_half_a_sample_waits_for_its_other_half(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        spool = begin(bench)
        bench.finisher.ahead.begin("r1")
        bench.run(6.0)
        whole = (spool / AUDIO).stat().st_size
        with (spool / AUDIO).open("ab") as file:
            file.write(b"xyz")
        bench.finisher.ahead.turn()
        making = bench.finisher.ahead.take(spool)
        assert making is not None and making.done == (whole - header_bytes(2)) // 4
        making.abandon()
        bench.finisher.ahead.close()
