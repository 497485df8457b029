"""The writer's thread: room, gaps, full disks, folders that cannot be written; and calls that go on."""

from __future__ import annotations

import errno
import os
import resource
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from callflow.clock import monotonic
from callflow.recording import spoolfile
from callflow.recording.messages import SpoolClosed
from callflow.recording.spool import AUDIO, header_bytes, read_spool
from callflow.recording.writer import SpoolWriter
from callflow.state.folder import StateFolder
from callflow.state.lock import FileLock
from tests.recording.harness import Bench, ramp, spec, stereo

Write = Callable[[int, bytes], int]
HEAD = header_bytes(2)


class SmallDisk:
    """Stands for ``os.write``: after ``room`` bytes of sound the disk is full."""

    def __init__(self, room: int, real: Write) -> None:
        self.room = room
        self._real = real

    def __call__(self, fd: int, data: bytes) -> int:
        if len(data) < 1000:  # journal and meta.json
            return self._real(fd, data)
        if self.room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = self._real(fd, data[: self.room])
        self.room -= written
        return written


def small_disk(monkeypatch: pytest.MonkeyPatch, room: int) -> SmallDisk:
    disk = SmallDisk(room, os.write)
    monkeypatch.setattr(os, "write", disk)
    return disk


@pytest.mark.parametrize("patient", [True, False])
@pytest.mark.parametrize("room", [0, 40_003, 64_000])
def test_a_full_disk_fails_the_recording_and_keeps_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patient: bool, room: int
) -> None:
    with Bench(tmp_path, patient=patient) as bench:
        small_disk(monkeypatch, room)
        bench.leg("a", ramp(80_000))
        bench.start(spec(min_s=60))
        for _ in range(10):
            bench.run(0.5)
            bench.writer.wait_idle()
        bench.events += bench.host.settle()
        assert bench.changes() == ["started", "failed"]
        failed = bench.last()
        assert (failed.state, failed.reason) == ("FAILED", "disk_full")
        assert "full" in failed.message
        assert ("nothing of it was recorded" in failed.message) is (room == 0)
        assert bench.host.recordings == ()
        bench.run(1.0)  # the call goes on
        finished = bench.finish()
        assert (finished.reason, finished.samples) == ("disk_full", room // 4), "whole samples, no minimum"
        assert finished.change == ("ready" if room else "failed")
        if room:
            assert (bench.audio(finished)[:, 0] == ramp(room // 4)).all()
        row = bench.row()
        assert row is not None
        assert (row.state, row.reason) == (finished.state, "disk_full")
        assert "full" in row.message


def test_a_limit_that_the_system_itself_sets(tmp_path: Path) -> None:
    """No stand-in here: the kernel refuses to let the file grow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Bench(tmp_path) as bench:
        bench.leg("a", ramp(80_000))
        bench.start(spec())
        resource.setrlimit(resource.RLIMIT_FSIZE, (HEAD + 200_001, hard))
        try:
            bench.run(8.0)
            bench.writer.wait_idle()
            bench.events += bench.host.settle()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert (bench.last().change, bench.last().reason) == ("failed", "disk_full")
        assert (bench.audio(bench.finish())[:, 0] == ramp(50_000)).all()


def test_nobody_to_finish_it_costs_the_others_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Bench(tmp_path) as bench:

        def broken(closed: SpoolClosed) -> None:
            raise RuntimeError(closed.id)

        bench.leg("a", ramp(80_000))
        lone = bench.writer.open(spec("lone"), 0.0, broken)
        bench.start(spec())
        bench.run(0.5)
        bench.writer.close_spool(lone, 0.5)
        assert "RuntimeError: lone" in caplog.text
        bench.run(0.5)
        assert len(bench.stopped_audio()) == 8000


def test_one_that_fails_costs_the_others_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Bench(tmp_path) as bench:
        bench.leg("a", ramp(80_000))
        bench.start(spec("r1"))
        bench.start(spec("r2"))
        real = spoolfile.SpoolFile.append

        def broken(
            self: spoolfile.SpoolFile, frames: np.ndarray[tuple[int, ...], np.dtype[np.int16]]
        ) -> None:
            if self.folder.name == "r1" and self.samples >= 8000:
                raise OSError(errno.EIO, "Input/output error")
            real(self, frames)

        monkeypatch.setattr(spoolfile.SpoolFile, "append", broken)
        bench.run(3.0)
        bench.writer.wait_idle()
        bench.run(1.0)
        assert (bench.last("r1").change, bench.last("r1").reason) == ("failed", "spool_unwritable")
        first = bench.finish()
        assert (first.id, first.samples, first.reason) == ("r1", 8000, "spool_unwritable")
        assert (bench.stopped_audio("r2")[:, 0] == ramp(32_000)).all()


def test_a_fault_of_ours_is_a_failure_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Bench(tmp_path) as bench:
        bench.leg("a")
        bench.start(spec())

        def wrong(*_: object) -> None:
            raise RuntimeError("a bug")

        monkeypatch.setattr(spoolfile.SpoolFile, "append", wrong)
        bench.run(1.0)
        bench.writer.wait_idle()
        bench.events += bench.host.settle()
        assert bench.last().change == "failed"
        assert "a bug" in bench.last().message


@pytest.mark.parametrize("patient", [True, False])
def test_a_spool_that_cannot_be_made_fails_and_never_was_started(tmp_path: Path, patient: bool) -> None:
    """``started`` is told only of what is on disk; the call goes on."""
    with Bench(tmp_path, patient=patient) as bench:
        bench.folder.spool.rmdir()
        bench.folder.spool.write_text("in the way")
        bench.leg("a", ramp(8000))
        bench.start(spec())
        bench.run(0.5)
        bench.writer.wait_idle()
        bench.events += bench.host.settle()
        assert bench.changes() == ["failed"]
        assert bench.last().reason == "spool_unwritable"
        bench.run(1.0)
        assert bench.finish().change == "failed"


def test_a_folder_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write anywhere, so the refusal is the system's in form only."""
    with Bench(tmp_path) as bench:

        def denied(path: Path, mode: int = 0o777) -> None:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

        monkeypatch.setattr(Path, "mkdir", denied)
        bench.leg("a")
        (failed,) = bench.start(spec())
        assert (failed.change, failed.reason) == ("failed", "spool_unwritable")
        assert "Permission denied" in failed.message
        assert "nothing of it was recorded" in failed.message


def test_a_failure_on_the_very_last_block_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Bench(tmp_path) as bench:
        bench.leg("a", ramp(8000))
        bench.start(spec())
        bench.run(0.7)
        bench.writer.wait_idle()
        small_disk(monkeypatch, 0)
        assert [event.change for event in bench.stop()] == ["finishing", "failed"]
        finished = bench.finish()
        assert (finished.change, finished.reason, finished.samples) == ("ready", "disk_full", 4000)


def test_another_process_recording_the_same_id_is_not_touched(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        lock = FileLock.try_acquire(bench.folder.lock_of(bench.folder.spool_of("r1")))
        assert lock is not None
        bench.leg("a")
        (failed,) = bench.start(spec())
        assert (failed.change, failed.reason) == ("failed", "spool_unwritable")
        lock.release()


class Gate:
    """Holds the writer's thread before each append until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._open = threading.Event()
        real = spoolfile.SpoolFile.append

        def held(file: spoolfile.SpoolFile, frames: np.ndarray[tuple[int, ...], np.dtype[np.int16]]) -> None:
            self._open.wait(30)
            real(file, frames)

        monkeypatch.setattr(spoolfile.SpoolFile, "append", held)

    def open(self) -> None:
        self._open.set()


def test_in_real_time_a_full_queue_becomes_silence_of_its_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)
    with Bench(tmp_path, patient=False, limit_bytes=40_000) as bench:
        bench.leg("a", ramp(80_000))
        bench.start(spec())
        bench.run(5.0)  # would stand still here if it waited
        gate.open()
        bench.writer.wait_idle()
        bench.run(1.0)
        bench.stop()
        closed = bench.closed.get(timeout=10)
        gaps = [line for line in read_spool(Path(closed.folder)).journal if line["what"] == "gap"]
        finished = bench.finisher.finish(closed)
        pcm = bench.audio(finished)[:, 0]
        assert len(pcm) == 48_000
        missing = pcm != ramp(48_000)
        assert not pcm[missing].any(), "either the true sample or silence"
        assert 8_000 <= missing.sum() == sum(int(line["length"]) for line in gaps)
        for line in gaps:
            assert missing[line["samples"] : line["samples"] + line["length"]].all()
        assert f"{missing.sum() / 8000:.1f} s" in finished.message


def test_in_virtual_time_the_disk_sets_the_pace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch)
    with Bench(tmp_path, limit_bytes=40_000) as bench:
        bench.leg("a", ramp(80_000))
        bench.start(spec())
        opener = threading.Timer(0.1, gate.open)
        opener.start()
        bench.run(5.0)
        opener.join()
        assert (bench.stopped_audio()[:, 0] == ramp(40_000)).all()


def test_blocks_leave_at_least_every_half_second(tmp_path: Path) -> None:
    with Bench(tmp_path, patient=False) as bench:
        bench.leg("a", ramp(80_000))
        bench.start(spec())
        for _ in range(37):
            bench.run(0.1, 0.01)
            bench.writer.wait_idle()
            spool = read_spool(bench.folder.spool_of("r1"))
            assert bench.pump.now * 8000 - spool.samples < 4000


@pytest.mark.parametrize("legs", [1, 2])
def test_the_spool_can_be_listened_to_at_any_time(tmp_path: Path, legs: int) -> None:
    """Its header has no sizes yet: readers go on to the end of what is there. Others may not read it."""
    with Bench(tmp_path) as bench:
        bench.leg("a", ramp(80_000))
        bench.start(spec(taps=stereo("a") * legs))
        bench.run(2.0)
        spool = bench.folder.spool_of("r1")
        pcm, rate = soundfile.read(spool / AUDIO, dtype="int16", always_2d=True)
        assert (rate, pcm.shape) == (8000, (16_000, 2 * legs))
        assert (pcm[:, 0] == ramp(16_000)).all()
        assert spool.stat().st_mode & 0o777 == 0o700


def test_what_the_sync_finds_is_a_failure_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(spoolfile, "_sync_data", broken)
    monkeypatch.setattr("callflow.recording.writer.SYNC_EVERY_S", 0.01)
    with Bench(tmp_path) as bench:
        bench.leg("a", ramp(8000))
        bench.start(spec())
        until = monotonic() + 10
        while bench.last().change != "failed" and monotonic() < until:
            bench.run(0.5)
        assert (bench.last().change, bench.last().reason) == ("failed", "spool_unwritable")
        assert bench.finish().change == "ready"


def test_started_is_told_once_the_spool_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Bench(tmp_path, patient=False) as bench:
        going = threading.Event()
        real = spoolfile.SpoolFile.open

        def slow(self: spoolfile.SpoolFile, what: object, asked: float) -> None:
            going.wait(30)
            real(self, what, asked)  # type: ignore[arg-type]

        monkeypatch.setattr(spoolfile.SpoolFile, "open", slow)
        bench.leg("a", ramp(80_000))
        assert bench.start(spec()) == []
        bench.run(0.2)
        assert bench.stop() == []
        assert bench.changes() == []
        going.set()
        bench.writer.wait_idle()
        bench.events += bench.host.settle()
        assert bench.changes() == ["started", "finishing"]
        assert bench.of()[0].time == 0.0
        assert len(bench.audio(bench.finish())) == 1600


def test_what_is_synced_is_what_is_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = threading.Semaphore(0)
    real = spoolfile._sync_data

    def counted(fd: int) -> None:
        real(fd)
        synced.release()

    monkeypatch.setattr(spoolfile, "_sync_data", counted)
    monkeypatch.setattr("callflow.recording.writer.SYNC_EVERY_S", 0.01)
    with Bench(tmp_path) as bench:
        bench.leg("a", ramp(8000))
        bench.start(spec())
        bench.run(0.5)
        assert synced.acquire(timeout=10)
        assert len(bench.stopped_audio()) == 4000


def test_close_leaves_open_spools_to_recovery(tmp_path: Path) -> None:
    folder = StateFolder.open(tmp_path)
    writer = SpoolWriter(folder, patient=False)
    closed: list[SpoolClosed] = []
    spool = writer.open(spec(), 0.0, closed.append)
    frames = ramp(16).reshape(8, 2)
    writer.append(spool, frames, 0)
    writer.close()
    writer.close()
    assert closed == []
    assert read_spool(folder.spool_of("r1")).samples == 8
    lock = FileLock.try_acquire(folder.lock_of(folder.spool_of("r1")))
    assert lock is not None
    lock.release()
