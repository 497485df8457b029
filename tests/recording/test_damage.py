"""Spools and state folders that are damaged: what can be saved is saved, and one never costs the others."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from callflow.recording import spoolfile
from callflow.recording.finish import Finisher
from callflow.recording.recover import recover
from callflow.recording.spool import AUDIO, JOURNAL, META, line_bytes, read_spool
from callflow.recording.spoolfile import SpoolFile
from callflow.recording.writer import SpoolWriter
from callflow.state.folder import StateFolder
from callflow.state.lock import FileLock
from callflow.state.records import RecordingRow, begin_recording, list_recordings
from tests.recording.harness import Bench, ramp, spec

STARTED: dict[str, object] = {"what": "started", "time": 12.0, "samples": 0}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path) as made:
        yield made


def abandon(bench: Bench, id: str = "r1", samples: int = 8000) -> Path:
    """A spool whose writer has died in the middle."""
    writer = SpoolWriter(bench.folder, patient=True)
    spool = writer.open(spec(id), 10.0, lambda closed: None)
    writer.note(spool, STARTED)
    if samples:
        writer.append(spool, np.stack([ramp(samples), -ramp(samples)], axis=1), 0)
    writer.close()
    return spool.file.folder


@pytest.mark.parametrize(
    "line",
    [
        {"what": "gap"},
        {"what": "gap", "length": "many", "samples": None},
        {"what": "finishing"},
        {"what": "finishing", "time": "late"},
        {"what": "finishing", "time": 13.0, "samples": [1]},
        {"what": "started"},
        {"what": ["finishing"]},
        {"what": "gap", "length": float("nan"), "samples": 1},
    ],
    ids=json.dumps,
)
def test_a_damaged_line_of_the_journal_costs_nothing(bench: Bench, line: dict[str, Any]) -> None:
    folder = abandon(bench)
    journal = (folder / JOURNAL).read_bytes()
    (folder / JOURNAL).write_bytes(line_bytes(line) + journal + line_bytes(line))
    (finished,) = recover(bench.folder, bench.finisher)
    assert (finished.change, finished.reason, finished.samples) == ("ready", "recovered", 8000)


@pytest.mark.parametrize("left", [b"", b"\0" * 100, line_bytes(STARTED)[:-5]])
def test_sound_without_its_first_line_is_kept(bench: Bench, left: bytes) -> None:
    """A power cut, or a disk that was full for a moment, has taken the line that says it began."""
    (abandon(bench) / JOURNAL).write_bytes(left)
    (finished,) = recover(bench.folder, bench.finisher)
    assert (finished.change, finished.reason, finished.samples) == ("ready", "recovered", 8000)
    assert (bench.audio(finished)[:, 0] == ramp(8000)).all()


@pytest.mark.parametrize("meta", [None, b"", b"\0" * 300, b"[]", b'{"version": 2, "asked": 0, "spec": null}'])
def test_sound_without_its_facts_is_kept_and_told(bench: Bench, meta: bytes | None) -> None:
    bench.database.run(lambda conn: begin_recording(conn, RecordingRow(id="a:b", call_id="c")))
    folder, other = abandon(bench, "a:b"), abandon(bench, "other")
    if meta is None:
        (folder / META).unlink()
    else:
        (folder / META).write_bytes(meta)
    told = {done.change for done in recover(bench.folder, bench.finisher)}
    assert told == {"failed", "ready"}
    assert (folder / AUDIO).stat().st_size > 32_000
    assert not other.exists()
    row = bench.row("a:b")
    assert row is not None
    assert (row.state, "damaged" in row.message or "cannot be read" in row.message) == ("FAILED", True)


@pytest.mark.parametrize("meta", [None, b""])
def test_one_that_died_before_there_was_anything_is_cleared_away(bench: Bench, meta: bytes | None) -> None:
    folder = abandon(bench, samples=0)
    (folder / META).unlink()
    if meta is not None:
        (folder / META).write_bytes(meta)
    assert recover(bench.folder, bench.finisher) == []
    assert list(bench.folder.spool.iterdir()) == []


def test_killed_while_the_spool_is_removed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file is committed; whatever of the spool is left does not come back as a recording."""
    folder = abandon(bench)
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)
    (first,) = recover(bench.folder, bench.finisher)
    monkeypatch.undo()
    assert folder.exists()
    assert not (folder / AUDIO).exists(), "the sound goes first"
    (again,) = recover(bench.folder, bench.finisher)
    assert (again.change, again.sha256) == ("ready", first.sha256)
    assert not folder.exists()


def test_a_fault_of_ours_costs_one_recording(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [abandon(bench, name) for name in ("a", "b", "c")]
    finish = Finisher._finish

    def broken(self: Finisher, spool: Any, closed: Any, making: Any) -> Any:
        if spool.spec.id == "b":
            raise ZeroDivisionError("a fault of ours")
        return finish(self, spool, closed, making)

    monkeypatch.setattr(Finisher, "_finish", broken)
    told = {done.id: done.change for done in recover(bench.folder, bench.finisher)}
    assert told == {"a": "ready", "b": "failed", "c": "ready"}
    assert [folder.exists() for folder in folders] == [False, True, False]
    monkeypatch.undo()
    (done,) = recover(bench.folder, bench.finisher)
    assert (done.id, done.change) == ("b", "ready"), "it was kept, and is finished by the next start"


def test_locks_and_parts_that_cannot_be_removed_do_not_keep_us_from_starting(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    abandon(bench)
    (bench.folder.outbox / ".gone.mp3.part").write_bytes(b"half")
    (bench.folder.spool / "gone.lock").touch()

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(Path, "unlink", refuse)
    (finished,) = recover(bench.folder, bench.finisher)
    assert finished.change == "ready"
    lock = FileLock.try_acquire(bench.folder.spool / "gone.lock")
    assert lock is not None, "and none of them is held"
    lock.release()


def test_a_power_cut_keeps_facts_and_journal_too(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: set[int] = set()

    def sync(fd: int) -> None:
        synced.add(os.fstat(fd).st_ino)

    monkeypatch.setattr(spoolfile, "_sync_data", sync)
    file = SpoolFile(bench.folder.spool / "r1", bench.folder.spool / "r1.lock", 2)
    file.open(spec(), 0.0)
    file.note(line_bytes(STARTED))
    file.append(np.ones((100, 2), np.int16))
    file.sync()
    folder = bench.folder.spool / "r1"
    assert synced == {(folder / name).stat().st_ino for name in (META, JOURNAL, AUDIO)}
    synced.clear()
    file.sync()
    assert synced == {(folder / AUDIO).stat().st_ino}
    file.note(line_bytes({"what": "masked", "time": 1.0}))
    file.sync()
    assert (folder / JOURNAL).stat().st_ino in synced
    file.close()


def test_a_new_month_of_the_store_is_brought_to_the_disk(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr("callflow.recording.encode.sync_folder", synced.append)
    abandon(bench)
    recover(bench.folder, bench.finisher)
    assert synced == [bench.folder.media, bench.folder.media / "202609"]


def test_a_line_that_found_half_its_room_is_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk takes a part of a line: that is a failure, and the line that says so is one of its own."""
    write = os.write
    with Bench(tmp_path) as bench:
        bench.leg("a", ramp(80_000))
        bench.start(spec())
        bench.run(1.0)
        short = [b""]

        def half(fd: int, data: bytes) -> int:
            if bytes(data).startswith(b'{"what":"masked"') and short:
                short.pop()
                return write(fd, bytes(data)[:9])
            if bytes(data).startswith(b'ked"') or b'asked"' in bytes(data)[:12]:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return write(fd, data)

        monkeypatch.setattr(os, "write", half)
        bench.writer.note(bench.host._taps["r1"].spool, {"what": "masked", "time": 1.0})
        bench.run(0.5)
        assert bench.last().change == "failed"
        failed = read_spool(bench.folder.spool_of("r1")).failed
        assert failed is not None
        assert failed["reason"] == "disk_full"
        monkeypatch.undo()
        assert bench.finish().change == "ready"


def test_a_disk_that_stands_still_for_an_hour_costs_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    append = SpoolFile.append

    def slow(file: SpoolFile, frames: Any) -> None:
        go_on.wait(20)
        append(file, frames)

    monkeypatch.setattr(SpoolFile, "append", slow)
    folder = StateFolder.open(tmp_path)
    writer = SpoolWriter(folder, patient=False, limit_bytes=100_000)
    closed = threading.Event()
    spool = writer.open(spec(), 0.0, lambda _: closed.set())
    writer.note(spool, STARTED)
    half_second = np.ones((4000, 2), np.int16)
    for block in range(7200):
        writer.append(spool, half_second.copy(), 4000 * block)
    assert len(writer._queue) < 20
    writer.note(spool, {"what": "finishing", "time": 3612.0, "samples": 4000 * 7200, "reason": "stopped"})
    writer.close_spool(spool, 3612.0)
    go_on.set()
    assert closed.wait(20)
    writer.close()
    left = read_spool(folder.spool_of("r1"))
    assert left.samples == 4000 * 7200, "exactly as long as it was"
    (gap,) = [line for line in left.journal if line["what"] == "gap"]
    assert gap["length"] == spool.gap_samples
    assert gap["samples"] + gap["length"] == 4000 * 7200


def test_rows_of_damaged_spools_are_listed_once(bench: Bench) -> None:
    folder = abandon(bench)
    (folder / META).write_bytes(b"{")
    for _ in range(2):
        (done,) = recover(bench.folder, bench.finisher)
        assert done.change == "failed"
    assert bench.database.run(list_recordings) == []
