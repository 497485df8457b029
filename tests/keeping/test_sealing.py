"""Files sealed to a key: nothing plain is left, only the key opens them, no wrong key costs a recording."""

from __future__ import annotations

import io
import json
import tracemalloc
from pathlib import Path

import pyrage
import pytest
import soundfile

from callflow.channels.sim.scenario import Scenario
from callflow.documents.accounts import Account
from callflow.documents.keeping_rules import recipient_fault, recipients_of
from callflow.errors import SealError
from callflow.recording.document import media_type, recording_document
from callflow.recording.finish import Finisher
from callflow.recording.messages import FileFormat, Target
from callflow.recording.recover import recover
from callflow.recording.sealing import keygen, looks_sealed, read_identities, seal, unseal
from callflow.state.records import RecordingRow, get_recording, list_deliveries
from tests.keeping.support import House
from tests.modules.stage import HIGH, Stage, caller, node, tone
from tests.recording.harness import ramp

PUBLIC, SECRET = keygen()
OTHER_PUBLIC, OTHER_SECRET = keygen()


def finished(house: House) -> RecordingRow:
    recover(house.folder, Finisher(house.folder, house.database))
    return house.database.run(lambda conn: get_recording(conn, "r1"))


def plain_files(house: House) -> list[str]:
    """What is there of sound that anybody can hear."""
    roots = (house.folder.spool, house.folder.outbox, house.folder.media)
    files = [path for root in roots for path in root.rglob("*") if path.is_file() and path.stat().st_size]
    return [path.name for path in files if not looks_sealed(path)]


@pytest.mark.parametrize("kind", ["wav", "mp3", "ogg"])
def test_what_is_kept_is_sealed(house: House, kind: str) -> None:
    house.spool(seal_to=(PUBLIC, OTHER_PUBLIC), format=FileFormat(kind, 0, 32, 5))
    row = finished(house)
    assert (row.state, row.file.rpartition("/")[2]) == ("READY", f"r1.{kind}.age")
    assert plain_files(house) == []
    sealed = (house.folder.root / row.file).read_bytes()
    assert (row.bytes, media_type(row)) == (len(sealed), "application/vnd.age")
    assert recording_document(row)["sealed"] == "age"
    for secret in (SECRET, OTHER_SECRET):
        opened = pyrage.decrypt(sealed, [pyrage.x25519.Identity.from_str(secret)])
        pcm, rate = soundfile.read(io.BytesIO(opened), dtype="int16", always_2d=True)
        assert (rate, pcm.shape) == (8000, (8000, 2))
        if kind == "wav":
            assert (pcm[:, 0] == ramp(8000)).all()


def test_what_is_sent_is_the_sealed_file(house: House) -> None:
    url = "http://rec.test/call_recording_call-1.wav.age"
    house.spool(seal_to=(PUBLIC,), target=Target("http", url))
    row = finished(house)
    (sent,) = house.database.run(list_deliveries)
    assert (sent.file, sent.sha256, sent.bytes) == (row.file, row.sha256, row.bytes)
    assert (sent.content_type, sent.url) == ("application/vnd.age", url)


def test_a_wrong_key_keeps_the_spool_until_it_is_mended(house: House) -> None:
    house.spool(seal_to=("age1wrong",))
    house.rules("account", sealed=True, recipients=["age1wrong"])
    row = finished(house)
    assert (row.state, row.file) == ("FAILED", "")
    assert "recipient" in row.message
    assert "age1wrong" not in json.dumps(row.message)
    assert list(house.folder.media.rglob("*.*")) == []
    house.rules("account", sealed=True, recipients=[PUBLIC])  # account.json was corrected
    row = finished(house)
    assert (row.state, looks_sealed(house.folder.root / row.file)) == ("READY", True)


def test_no_key_at_all_is_no_way_round(house: House) -> None:
    house.spool(seal_to=())
    assert finished(house).state == "FAILED"
    assert recipients_of({"recordings": {"encryption": {}}}) == ()
    assert recipients_of({"recordings": {"encryption": "age1"}}) == ()
    assert recipients_of({"recordings": {}}) is None


def test_a_call_of_a_sealing_account(tmp_path: Path) -> None:
    document = {"recordings": {"encryption": {"recipients": [PUBLIC]}}}
    stage = Stage(tmp_path / "state", Account("acme", document=document))
    rest = node("sleep", {"duration": 3})
    url = "http://127.0.0.1:9/in"
    sent = node("record_call", {"action": "start", "format": "mp3", "url": url}, then=rest)
    kept = node("record_call", {"action": "start", "format": "wav"}, then=sent)

    ran = stage.run(node("answer", then=kept), Scenario(caller=caller(says=(tone(HIGH, 2.0),), leaves=3.0)))
    by_kind = {row.target_kind: row for row in ran.rows}
    assert by_kind["local"].file.endswith(".wav.age")
    assert by_kind["http"].url.endswith(".mp3.age")
    assert [looks_sealed(ran.state / row.file) for row in ran.rows] == [True, True]


def test_a_file_is_opened_whole_or_not_at_all(tmp_path: Path) -> None:
    plain, sealed, target = (tmp_path / name for name in ("a.wav", "a.wav.age", "b.wav"))
    plain.write_bytes(bytes(range(256)) * 2000)
    size, digest = seal(plain, sealed, [PUBLIC])
    assert (size, len(digest)) == (sealed.stat().st_size, 64)
    assert unseal(sealed, target, [OTHER_SECRET, SECRET]) == plain.stat().st_size
    assert target.read_bytes() == plain.read_bytes()
    with pytest.raises(SealError, match="there already"):
        unseal(sealed, target, [SECRET])
    target.unlink()
    whole = sealed.read_bytes()
    faults = {
        "other keys, or is damaged": (whole, OTHER_SECRET),
        "or is damaged": (whole[:300_000], SECRET),
        "damaged": (whole[:-1] + bytes([whole[-1] ^ 1]), SECRET),
        "not sealed": (plain.read_bytes(), SECRET),
    }
    for hint, (content, secret) in faults.items():
        sealed.write_bytes(content)
        with pytest.raises(SealError, match="cannot be opened") as caught:
            unseal(sealed, target, [secret])
        assert hint in caught.value.hint
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav", "a.wav.age"]


def test_memory_is_bounded(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    with plain.open("wb") as file:
        file.truncate(20_000_000)
    tracemalloc.start()
    try:
        seal(plain, tmp_path / "sealed", [PUBLIC])
        unseal(tmp_path / "sealed", tmp_path / "opened", [SECRET])
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


def test_keys(tmp_path: Path) -> None:
    path = tmp_path / "key.txt"
    path.write_text(f"# mine\n\n{SECRET}\n")
    assert read_identities(path) == [SECRET]
    path.write_text(f"{SECRET}\n{PUBLIC}\n")
    with pytest.raises(SealError, match="no file of age secret keys") as caught:
        read_identities(path)
    assert SECRET not in str(caught.value) + caught.value.hint
    with pytest.raises(SealError, match="cannot be read"):
        read_identities(tmp_path / "none")
    assert recipient_fault(PUBLIC) == ""
    assert "secret key" in recipient_fault(SECRET)
    last = "q" if PUBLIC[-1] != "q" else "p"
    assert "not an age public key" in recipient_fault(PUBLIC[:-1] + last)
