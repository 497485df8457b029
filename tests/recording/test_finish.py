"""From spool to file: formats, rates, digests, rows and deliveries, and doing it again after a fault."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from callflow.errors import StorageError
from callflow.media.files import duration
from callflow.recording import encode
from callflow.recording.messages import FileFormat, SilenceRule, StartOn, Target
from callflow.recording.recover import recover
from callflow.recording.spool import META, header_bytes, meta_bytes, read_spool
from callflow.state.records import RecordingRow, begin_recording
from tests.recording.harness import WALL, Bench, ramp, spec, stereo
from tests.state.erased import erased

HTTP = Target(
    "http", "http://user:secret@rec.test/x/call_recording_call-1.wav", "post", "", "url of the node"
)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path) as made:
        yield made


def record(bench: Bench, seconds: float = 2.0, **changes: object) -> None:
    """Record a tone on both channels and stop."""
    if "a" not in bench.pump._legs:
        tone = 8000 * np.sin(2 * np.pi * 440 * np.arange(8000 * 60) / 8000)
        bench.leg("a", tone.astype(np.int16))
    what = spec(**changes)  # type: ignore[arg-type]
    bench.start(what)
    bench.run(seconds)
    bench.stop(what.id)


@pytest.mark.parametrize("rate", [0, 8000, 11025, 16000, 44100, 48000])
@pytest.mark.parametrize("name", ["wav", "mp3", "ogg"])
def test_formats_and_rates_have_the_recordings_length(bench: Bench, name: str, rate: int) -> None:
    record(bench, 2.37, format=FileFormat(name, rate, 32, 5))
    finished = bench.finish()
    assert (finished.change, finished.seconds, finished.samples) == ("ready", 2.37, 18960)
    assert finished.file is not None
    path = bench.folder.root / finished.file
    exact = abs(duration(path) - 2.37) * (rate or 8000)
    assert exact <= {"wav": 0.5, "mp3": 1, "ogg": 1}[name]
    info = soundfile.info(path)
    assert (info.samplerate, info.channels) == (rate or 8000, 2)
    data = path.read_bytes()
    assert (finished.bytes, finished.sha256) == (len(data), hashlib.sha256(data).hexdigest())


def test_the_wav_is_the_sound_to_the_sample_over_many_chunks(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encode, "CHUNK_BYTES", 1000)
    bench.leg("a", ramp(40_000))
    bench.start(spec(taps=stereo("a") * 2))
    bench.run(4.0)
    assert (bench.stopped_audio()[:, ::2] == ramp(32_000)[:, None]).all()


@pytest.mark.parametrize("legs", [1, 2])
def test_a_wav_is_the_spools_own_file_and_a_copy_where_there_are_no_links(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, legs: int
) -> None:
    """Both give the same bytes, with the same rights as any new file."""

    def no_links(source: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(encode, "CHUNK_BYTES", 1000)
    found = []
    for name in ("linked", "copied"):
        record(bench, 1.23, id=name, target=HTTP, taps=stereo("a") * legs)
        closed = bench.closed.get(timeout=10)
        with monkeypatch.context() as patch:
            if name == "copied":
                patch.setattr(os, "link", no_links)
            finished = bench.finisher.finish(closed)
        assert finished.file is not None
        path = bench.folder.root / finished.file
        found.append((path.read_bytes()[: header_bytes(2 * legs)], path.stat().st_size, path.stat().st_mode))
        assert hashlib.sha256(path.read_bytes()).hexdigest() == finished.sha256
        assert soundfile.info(path).frames == 9840
    assert found[0] == found[1]
    assert list(bench.folder.spool.iterdir()) == []


def test_a_wav_at_its_own_rate_is_not_written_twice(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("encoded")

    monkeypatch.setattr(encode, "open_encoder", never)
    record(bench, format=FileFormat("wav", 8000, 32, 5))
    assert bench.finish().change == "ready"


@pytest.mark.parametrize("name", ["wav", "mp3", "ogg"])
def test_a_recording_of_nothing_is_a_file_of_nothing(bench: Bench, name: str) -> None:
    record(bench, 0.0, format=FileFormat(name, 0, 32, 5))
    finished = bench.finish()
    assert (finished.change, finished.samples) == ("ready", 0)
    assert finished.file is not None
    assert duration(bench.folder.root / finished.file) == 0


def test_a_url_means_a_place_in_the_outbox(bench: Bench) -> None:
    record(bench, target=HTTP)
    finished = bench.finish()
    (delivery,) = bench.deliveries()
    assert finished.delivery_id == delivery.id
    assert finished.url == "http://***@rec.test/x/call_recording_call-1.wav", "shown without its secret"
    assert (delivery.url, delivery.method, delivery.kind) == (HTTP.url, "post", "http")
    assert (delivery.file, delivery.content_type) == ("outbox/r1.wav", "audio/wav")
    assert (delivery.bytes, delivery.sha256) == (finished.bytes, finished.sha256)
    assert delivery.created_wall == WALL + 100, "deliveries live in the machine's time"
    assert (bench.folder.root / delivery.file).stat().st_size == delivery.bytes


def test_couchdb_too_and_the_local_store_has_no_delivery(bench: Bench) -> None:
    record(bench, id="r1", target=Target("couchdb", "http://couch.test:5984", "put", "account%2Fxy"))
    record(bench, id="r2")
    bench.finish()
    bench.finish()
    (delivery,) = bench.deliveries()
    assert (delivery.recording_id, delivery.kind, delivery.database) == ("r1", "couchdb", "account%2Fxy")


@pytest.mark.parametrize("media_id", ["../../etc/passwd", "a/b", ".", "..", "", "x" * 300, "ü 1", "r1.lock"])
def test_an_id_from_a_document_is_never_a_path(bench: Bench, media_id: str) -> None:
    record(bench, id=media_id, target=HTTP)
    finished = bench.finish()
    assert finished.id == media_id
    assert finished.file is not None
    assert (bench.folder.root / finished.file).resolve().parent == bench.folder.outbox
    assert list(bench.folder.spool.iterdir()) == []


def test_finishing_twice_is_finishing_once(bench: Bench) -> None:
    record(bench, target=HTTP)
    closed = bench.closed.get()
    first = bench.finisher.finish(closed)
    second = bench.finisher.finish(closed)
    assert (second.change, second.sha256, second.file) == ("ready", first.sha256, first.file)
    assert len(bench.deliveries()) == 1


def test_a_file_that_cannot_be_encoded_keeps_its_spool_for_later(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(bench, target=HTTP)

    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", full)
        patch.setattr(os, "replace", full)
        finished = bench.finish()
    assert (finished.change, finished.reason, finished.file) == ("failed", "finishing", None)
    assert "No space left" in finished.message
    assert list(bench.folder.outbox.iterdir()) == [], "no half file, not even a hidden one"
    row = bench.row()
    assert row is not None
    assert row.state == "FAILED"
    assert bench.deliveries() == []
    (again,) = recover(bench.folder, bench.finisher)
    assert (again.change, again.reason, again.samples, again.recovered) == ("ready", "stopped", 16000, False)
    assert len(bench.deliveries()) == 1
    assert list(bench.folder.spool.iterdir()) == []


def test_three_channels_in_an_mp3_are_a_failure_that_says_so(bench: Bench) -> None:
    bench.leg("a")
    record(bench, taps=stereo("a") + stereo("a")[:1], format=FileFormat("mp3", 0, 32, 5))
    finished = bench.finish()
    assert (finished.change, finished.reason) == ("failed", "finishing")
    assert "channels" in finished.message


def test_a_database_that_is_gone_loses_nothing(bench: Bench) -> None:
    record(bench, target=HTTP)
    bench.database.close()
    with pytest.raises(StorageError):
        bench.database.run(lambda conn: None)
    finished = bench.finish()
    assert finished.change == "failed"
    assert "database" in finished.message
    assert read_spool(bench.folder.spool_of("r1")).samples == 16000


def test_a_listed_recording_is_updated_not_doubled(bench: Bench) -> None:
    listed = RecordingRow(id="r1", call_id="call-1", state="RECORDING")
    bench.database.run(lambda conn: begin_recording(conn, listed))
    record(bench)
    assert bench.finish().change == "ready"
    row = bench.row()
    assert row is not None
    assert (row.state, row.channels, row.rate, row.samples) == ("READY", 2, 8000, 16000)


def test_a_deleted_recording_can_be_made_again_under_its_id(bench: Bench) -> None:
    for seconds in (1.0, 2.0):
        record(bench, seconds)
        assert bench.finish().seconds == seconds
        bench.database.run(lambda conn: erased(conn, "r1"))


def test_meta_keeps_every_field(tmp_path: Path) -> None:
    full = spec(
        start=StartOn.BRIDGE,
        silence=SilenceRule(100, 200, 300, "vad", 3),
        format=FileFormat("mp3", 16000, 24, 2),
        target=HTTP,
        label="l ü",
        media_name="n",
        dtmf_stop="1#",
        document={"from": "1@x", "custom_channel_vars": {"a": 1}},
        min_s=1.5,
        time_limit_s=12.25,
    )
    for what in (spec(), full, replace(full, silence=None)):
        (tmp_path / META).write_bytes(meta_bytes(what, 3.5))
        read = read_spool(tmp_path)
        assert (read.spec, read.asked) == (what, 3.5)
