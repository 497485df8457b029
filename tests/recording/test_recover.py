"""What recovery finds after a crash, in every shape, and what it must leave alone."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from callflow.media.wav import unfinished_header
from callflow.recording.encode import encode, part_of
from callflow.recording.finish import Finished
from callflow.recording.messages import SpoolClosed, StartOn, Target
from callflow.recording.recover import recover
from callflow.recording.spool import AUDIO, JOURNAL, META, header_bytes, line_bytes, meta_bytes, read_spool
from callflow.state.folder import StateFolder, safe_name
from callflow.state.lock import FileLock
from callflow.state.records import RecordingRow, begin_recording, list_recordings
from tests.recording.harness import WALL, Bench, ramp, spec
from tests.state.erased import erased

HTTP = Target("http", "http://rec.test/call_recording_call-1.wav")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path) as made:
        yield made


def leave(
    bench: Bench, *lines: dict[str, object], samples: int = 8000, tail: bytes = b"", **changes: object
) -> Path:
    """A spool as a dead process leaves it."""
    what = spec(target=HTTP, **changes)  # type: ignore[arg-type]
    folder = bench.folder.spool_of(what.id)
    folder.mkdir()
    bench.folder.lock_of(folder).touch()
    (folder / META).write_bytes(meta_bytes(what, 10.0))
    (folder / JOURNAL).write_bytes(b"".join(line_bytes(line) for line in lines))
    pcm = np.stack([ramp(samples), -ramp(samples)], axis=1) if samples else np.zeros((0, 2), np.int16)
    (folder / AUDIO).write_bytes(unfinished_header(8000, 2) + pcm.tobytes() + tail)
    return folder


STARTED: dict[str, object] = {"what": "started", "time": 12.0, "samples": 0}


def one(bench: Bench) -> Finished:
    (finished,) = recover(bench.folder, bench.finisher)
    return finished


def test_a_cut_recording_is_finished_and_says_so(bench: Bench) -> None:
    leave(bench, STARTED, min_s=30)
    finished = one(bench)
    assert (finished.change, finished.reason, finished.recovered) == ("ready", "recovered", True)
    assert finished.samples == 8000, "exempt from the minimum length"
    assert (bench.audio(finished)[:, 0] == ramp(8000)).all()
    row = bench.row()
    assert row is not None
    assert row.recovered
    assert row.finished_wall - row.started_wall == 1.0
    assert len(bench.deliveries()) == 1
    assert list(bench.folder.spool.iterdir()) == []
    assert recover(bench.folder, bench.finisher) == []


def test_what_this_process_is_about_to_finish_is_left_to_it(bench: Bench) -> None:
    spool = leave(bench, STARTED)
    assert recover(bench.folder, bench.finisher, lambda name: name == spool.name) == []
    assert spool.is_dir() and FileLock.try_acquire(bench.folder.lock_of(spool)) is not None
    assert recover(bench.folder, bench.finisher, lambda name: True) == [], "somebody holds it"


def test_what_was_finished_since_the_spools_were_listed_is_told_by_whoever_did(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = leave(bench, STARTED)
    assert one(bench).change == "ready"
    monkeypatch.setattr(StateFolder, "spools", lambda folder: iter([spool]))
    assert recover(bench.folder, bench.finisher) == []
    assert list(bench.folder.spool.iterdir()) == []


@pytest.mark.parametrize("tail", [b"\1", b"\1\2", b"\1\2\3"])
def test_half_a_sample_at_the_end_is_left_out(bench: Bench, tail: bytes) -> None:
    leave(bench, STARTED, samples=8000, tail=tail)
    assert (bench.audio(one(bench))[:, 1] == -ramp(8000)).all()


def test_half_a_line_at_the_end_is_left_out(bench: Bench) -> None:
    folder = leave(bench, STARTED)
    with (folder / JOURNAL).open("ab") as journal:
        journal.write(line_bytes({"what": "finishing", "time": 13.0, "samples": 8000})[:-9])
    assert one(bench).reason == "recovered"


def test_one_that_ended_in_order_keeps_its_reason_and_its_minimum(bench: Bench) -> None:
    ended: dict[str, object] = {"what": "finishing", "time": 13.0, "samples": 8000, "reason": "hangup"}
    leave(bench, STARTED, ended)
    finished = one(bench)
    assert (finished.change, finished.reason, finished.recovered) == ("ready", "hangup", False)
    leave(bench, STARTED, ended, id="r2", min_s=30)
    assert one(bench).change == "discarded"
    row = bench.row("r2")
    assert row is not None
    assert row.state == "DISCARDED"


def test_one_that_never_began_is_cancelled(bench: Bench) -> None:
    leave(bench, samples=0, start=StartOn.ANSWER)
    finished = one(bench)
    assert (finished.change, finished.reason) == ("cancelled", "recovered")
    assert bench.deliveries() == []


def test_one_that_began_just_now_is_not_forgotten(bench: Bench) -> None:
    leave(bench, STARTED, samples=0)
    finished = one(bench)
    assert (finished.change, finished.samples) == ("ready", 0)
    assert len(bench.deliveries()) == 1


def test_a_failed_one_says_why(bench: Bench) -> None:
    failed: dict[str, object] = {"what": "failed", "reason": "disk_full", "message": "the disk is full"}
    leave(bench, STARTED, failed, min_s=30)
    finished = one(bench)
    assert (finished.change, finished.reason, finished.message) == ("ready", "disk_full", "the disk is full")


def test_renamed_but_not_committed_is_done_again_with_the_same_name(bench: Bench) -> None:
    leave(bench, STARTED)
    (bench.folder.outbox / "r1.wav").write_bytes(b"whatever the dead process had written")
    finished = one(bench)
    assert (bench.audio(finished)[:, 0] == ramp(8000)).all()
    assert [path.name for path in bench.folder.outbox.iterdir()] == ["r1.wav"]
    assert len(bench.deliveries()) == 1


@pytest.mark.parametrize("part", [False, True])
@pytest.mark.parametrize("links", [True, False])
def test_named_by_the_dead_process_is_named_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, links: bool, part: bool
) -> None:
    """The file has its final name already (as a second name of the spool's, or as a copy of it)."""
    spool = read_spool(leave(bench, STARTED))
    path = bench.folder.outbox / "r1.wav"
    with monkeypatch.context() as patch:
        if not links:
            patch.setattr(os, "link", no_links)
        first = encode(spool, path)
    assert path.samefile(spool.audio) is links
    if part:
        os.link(spool.audio, part_of(path))
    finished = one(bench)
    assert (finished.sha256, finished.bytes) == (first.sha256, first.bytes)
    assert (bench.audio(finished)[:, 0] == ramp(8000)).all()
    assert [each.name for each in bench.folder.outbox.iterdir()] == ["r1.wav"]
    assert path.stat().st_nlink == 1, "the spool is gone"


def no_links(source: Path, target: Path) -> None:
    raise PermissionError(1, "Operation not permitted")  # EPERM: what FAT says


def test_committed_but_not_cleared_is_only_cleared(bench: Bench) -> None:
    leave(bench, STARTED)
    first = one(bench)
    assert first.file is not None
    (bench.folder.root / first.file).unlink()  # delivered and removed meanwhile
    leave(bench, STARTED)
    again = one(bench)
    assert (again.change, again.sha256) == ("ready", first.sha256)
    assert list(bench.folder.outbox.iterdir()) == [], "it is not encoded, and so not sent, again"
    assert list(bench.folder.spool.iterdir()) == []
    bench.database.run(lambda conn: erased(conn, "r1", force=True))


def test_a_spool_without_meta_is_nothing(bench: Bench) -> None:
    folder = bench.folder.spool_of("r1")
    folder.mkdir()
    assert recover(bench.folder, bench.finisher) == []
    assert not folder.exists()


@pytest.mark.parametrize(
    "meta",
    [b"", b"{", b"[]", b"{}", b'{"version":2,"asked":0,"spec":{"taps":[]}}', b'{"version":1}', b"\xff"],
)
def test_a_damaged_spool_is_kept_and_told_each_time(bench: Bench, meta: bytes) -> None:
    folder = leave(bench, STARTED)
    (folder / META).write_bytes(meta)
    leave(bench, STARTED, id="r2")
    for changes in (["failed", "ready"], ["failed"]):
        finished = recover(bench.folder, bench.finisher)
        assert [done.change for done in finished] == changes
        assert "damaged" in finished[0].message
    assert (folder / AUDIO).stat().st_size == header_bytes(2) + 32_000


def test_what_somebody_holds_is_left_alone(bench: Bench) -> None:
    folder = leave(bench, STARTED)
    lock = FileLock.try_acquire(bench.folder.lock_of(folder))
    assert lock is not None
    part = bench.folder.outbox / ".r1.wav.part"
    part.touch()
    assert recover(bench.folder, bench.finisher) == []
    assert part.exists()
    assert folder.exists()
    lock.release()
    assert one(bench).change == "ready"
    assert not part.exists()


def test_a_running_recording_is_left_alone(bench: Bench) -> None:
    bench.leg("a", ramp(8000))
    bench.start(spec("r2"))
    bench.start(spec("r3", start=StartOn.BRIDGE))
    bench.run(0.5)
    leave(bench, STARTED)
    assert [done.id for done in recover(bench.folder, bench.finisher)] == ["r1"]
    assert len(bench.stopped_audio("r2")) == 4000


def test_left_over_locks_and_parts_go(bench: Bench) -> None:
    bench.folder.lock_of(bench.folder.spool / "old").touch()
    (bench.folder.outbox / ".old.mp3.part").touch()
    (bench.folder.media / "202609").mkdir()
    (bench.folder.media / "202609" / ".older.wav.part").touch()
    (bench.folder.media / "202609" / "kept.wav").touch()
    assert recover(bench.folder, bench.finisher) == []
    left = [path.name for path in bench.folder.root.rglob("*") if path.is_file()]
    assert sorted(name for name in left if "callflow" not in name) == ["kept.wav"]


def test_a_row_without_a_spool_is_cancelled_once_it_is_old(bench: Bench) -> None:
    """``bench`` finishes at WALL + 100: a minute must have passed."""
    held = FileLock.try_acquire(bench.folder.lock_of(bench.folder.spool_of("held")))
    assert held is not None
    for name, state, wall in (
        ("old", "RECORDING", WALL),
        ("waiting", "WAITING", WALL + 39),
        ("fresh", "RECORDING", WALL + 41),
        ("held", "RECORDING", WALL),
        ("ready", "READY", WALL),
    ):
        row = RecordingRow(id=name, call_id="c", state=state, started_wall=wall)
        bench.database.run(lambda conn, row=row: begin_recording(conn, row))  # type: ignore[misc]
    done = recover(bench.folder, bench.finisher)
    held.release()
    assert {one.id: (one.change, one.reason) for one in done} == {
        "old": ("cancelled", "recovered"),
        "waiting": ("cancelled", "recovered"),
    }
    states = {row.id: row.state for row in bench.database.run(list_recordings)}
    assert (states["fresh"], states["held"], states["ready"]) == ("RECORDING", "RECORDING", "READY")


def test_one_that_was_given_up_too_early_is_finished_all_the_same(bench: Bench) -> None:
    leave(bench, STARTED)
    row = RecordingRow(id="r1", call_id="c", state="CANCELLED", started_wall=WALL)
    bench.database.run(lambda conn: begin_recording(conn, row))
    assert one(bench).change == "ready"
    assert len(bench.deliveries()) == 1


def test_two_recoveries_at_once_finish_each_recording_once(bench: Bench) -> None:
    for i in range(12):
        leave(bench, STARTED, id=f"r{i}")
    found: list[Finished] = []
    threads = [
        threading.Thread(target=lambda: found.extend(recover(bench.folder, bench.finisher))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {done.id for done in found if done.change == "ready"} == {f"r{i}" for i in range(12)}
    assert len(bench.deliveries()) == 12
    assert list(bench.folder.spool.iterdir()) == []


def test_a_finish_that_waits_for_another_process_gives_what_that_one_made(bench: Bench) -> None:
    folder = leave(bench, STARTED)
    lock = FileLock.try_acquire(bench.folder.lock_of(folder))
    assert lock is not None
    found: list[Finished] = []
    closed = SpoolClosed("r1", str(folder), 13.0)
    waiting = threading.Thread(target=lambda: found.append(bench.finisher.finish(closed)))
    waiting.start()
    first = bench.finisher.finish_locked(folder, lock, closed)
    waiting.join()
    assert [(done.change, done.sha256) for done in found] == [("ready", first.sha256)]
    assert len(bench.deliveries()) == 1


# ---- locks ----------------------------------------------------------------------------------


def test_a_lock_is_held_once_even_within_a_process(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    first = FileLock.try_acquire(path)
    assert first is not None
    assert FileLock.try_acquire(path) is None
    first.release()
    first.release()
    assert not first.held
    second = FileLock.try_acquire(path)
    assert second is not None
    second.release(remove=True)
    assert not path.exists()


def test_who_waits_for_a_removed_lock_gets_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    first = FileLock.acquire(path)
    got: list[FileLock] = []
    waiting = threading.Thread(target=lambda: got.append(FileLock.acquire(path)))
    waiting.start()
    first.release(remove=True)
    waiting.join()
    assert path.exists()
    assert FileLock.try_acquire(path) is None
    got[0].release()


def test_a_lock_in_a_folder_that_is_gone_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FileLock.try_acquire(tmp_path / "gone" / "x.lock")


def test_names_are_harmless() -> None:
    assert safe_name("202611-0123abc") == "202611-0123abc"
    names = {safe_name(bad) for bad in ("..", "a/b", "a\\b", "", "a.b", "-x", "\ud800", "a" * 101)}
    assert len(names) == 8
    assert all(name.startswith("id-") and len(name) == 43 for name in names)


def test_the_folder_knows_its_places(tmp_path: Path) -> None:
    folder = StateFolder.open(tmp_path / "new" / "state")
    assert folder.relative(folder.media / "202611" / "x.wav") == "media/202611/x.wav"
    assert StateFolder.open(folder.root) == folder
