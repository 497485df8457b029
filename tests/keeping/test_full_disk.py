"""No room on the disk, really (RLIMIT_FSIZE): nothing that was recorded is lost, and it goes on with room."""

from __future__ import annotations

import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from callflow.errors import CallflowError, StorageError
from callflow.recording import transcribing
from callflow.recording.erasing import erase, finish_erasing
from callflow.recording.finish import Finisher
from callflow.recording.messages import FileFormat
from callflow.recording.recover import recover
from callflow.recording.sealing import keygen, looks_sealed
from callflow.recording.transcribing import TranscribingDesk
from callflow.state.erasing import Proof, Why, list_proofs
from callflow.state.records import get_recording
from tests.keeping.support import House
from tests.transcribing import test_desk as desk

PUBLIC, _ = keygen()


@contextmanager
def full(bytes: int) -> Iterator[None]:
    """No file of this process may become longer than that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("kind", ["wav", "mp3"])
@pytest.mark.parametrize("room", [0, 3_000, 20_000])
def test_while_it_is_sealed(house: House, kind: str, room: int) -> None:
    house.spool(id="rec-1", seal_to=(PUBLIC,), format=FileFormat(kind, 0, 32, 5))
    finisher = Finisher(house.folder, house.database)
    with full(room):
        try:
            done = recover(house.folder, finisher)
        except CallflowError:  # it cannot even look
            done = []
    assert all(each.state in ("FAILED", "READY") for each in done)
    places = (house.folder.outbox, house.folder.media)
    files = [path for place in places for path in place.rglob("*") if path.is_file()]
    assert all(looks_sealed(path) for path in files if path.stat().st_size)
    assert house.folder.spool_of("rec-1").is_dir() or done[0].state == "READY"
    recover(house.folder, finisher)
    row = house.database.run(lambda conn: get_recording(conn, "rec-1"))
    assert (row.state, row.samples) == ("READY", 8000)
    assert looks_sealed(house.folder.root / row.file)
    assert list(house.folder.spool.iterdir()) == []


def test_while_it_is_erased(house: House) -> None:
    path = house.recording("rec-1")
    remove = partial(erase, house.folder, house.database, "rec-1", why=Why.API, by="anna", wall=house.now)
    with full(0), pytest.raises(StorageError):
        remove()
    assert (house.left(), path.exists()) == ({"rec-1"}, True), "whole"
    mark = house.database.run

    def and_then_full(action: Any) -> Any:
        proof = mark(action)
        if isinstance(proof, Proof):  # it is marked: no room for anything from here on
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        return proof

    with pytest.MonkeyPatch.context() as patched, full(-1):
        patched.setattr(house.database, "run", and_then_full)
        with pytest.raises(StorageError):
            remove()
    (proof,) = house.database.run(list_proofs)
    assert (path.exists(), proof.done_wall) == (False, 0.0)
    (proof,) = finish_erasing(house.folder, house.database, house.now + 1)
    assert proof.done_wall == house.now + 1


def test_while_a_transcript_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk's refusal is no failure of the transcript: it is wanted again, and costs no attempt."""
    with desk.state(tmp_path) as one, full(-1):
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        lifted = threading.Event()

        def room() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            lifted.set()

        def meanwhile() -> None:
            if len(ears.asked) == 1:
                resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
                threading.Timer(0.1, room).start()

        ears = desk.Ears([desk.HEARD, desk.HEARD], meanwhile=meanwhile)
        monkeypatch.setattr(transcribing, "Helper", lambda: ears)
        monkeypatch.setattr(transcribing, "AGAIN_S", (0.0, 0.0))
        monkeypatch.setattr(transcribing, "LOOK_S", 0.02)
        at_work = TranscribingDesk(one.folder, one.database, desk._settings(1), lambda news: None)
        at_work.start()
        assert lifted.wait(10)
        at_work.drain()
        at_work.close()
        assert len(ears.asked) == 2
        row = one.transcript()
        assert row is not None and (row.state, row.attempts) == ("DONE", 1)
        assert one.bodies() == [desk.BODY]
        assert sorted(path.name for path in one.file.parent.iterdir()) == ["r1.transcript.json", "r1.wav"]
