"""``callflow recordings delete|hold|release|holds|proof|sweep|keygen|decrypt``."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, cast

from rich.console import Console
from typer.testing import CliRunner, Result

import callflow.cli
from callflow.cli._story import summarize
from callflow.clock import SystemClock
from callflow.recording.sealing import keygen, seal
from callflow.state.records import RecordingRow
from tests.keeping.support import DAY, House


def command(*words: str) -> Result:
    return CliRunner().invoke(callflow.cli.app_for("recordings"), ["recordings", *words])


def answer(*words: str) -> Any:
    result = command(*words, "--output", "json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_hold_delete_proof(house: House) -> None:
    house.recording("rec-1", delivery="DELIVERED")
    where = ("--state", str(house.folder.root))
    assert command("hold", "rec-1", *where).exit_code == 2, "no reason"
    held = answer("hold", "rec-1", "--reason", "case 4711", "--by", "legal", *where)
    assert (held["by"], held["reason"], held["released"]) == ("legal", "case 4711", None)
    refused = command("delete", "rec-1", "--force", *where)
    assert (refused.exit_code, "CF-REC-005" in refused.output) == (2, True)
    assert "case 4711" in command("holds", *where).output
    assert answer("release", "rec-1", "--by", "judge", *where)["released_by"] == "judge"
    assert answer("holds", *where) == []
    assert len(answer("holds", "--all", *where)) == 1
    done = command("delete", "rec-1", "--by", "anna", *where)
    assert done.exit_code == 0
    assert "a copy was delivered to" in done.output
    assert "hunter2" not in done.output
    (proof,) = answer("proof", *where)["proofs"]
    assert (proof["id"], proof["by"], proof["why"], proof["seconds"]) == ("rec-1", "anna", "cli", 2.0)
    assert proof["files_gone"] is not None
    assert "anna" in command("proof", "rec-1", *where).output
    for number in range(3):
        house.recording(f"more-{number}")
        answer("delete", f"more-{number}", *where)
    page = answer("proof", "--limit", "3", *where)
    assert [each["id"] for each in page["proofs"]] == ["more-2", "more-1", "more-0"]
    assert [e["id"] for e in answer("proof", "--before", str(page["next"]), *where)["proofs"]] == ["rec-1"]


def test_sweep(house: House) -> None:
    house.now = 0.0  # of the command's own clock these are very old
    house.rules(retention_days=1.0)
    house.recording("old", age_days=-2.0)
    (house.folder.outbox / "young.wav").write_bytes(b"x")
    where = ("--state", str(house.folder.root))
    assert house.left() == {"old"}
    found = answer("sweep", "--remove", *where)
    assert [(each["path"], each["removed"]) for each in found["orphans"]] == [("outbox/young.wav", False)]
    assert "stays" in command("sweep", *where).output
    doubted = command("sweep", "--expired", *where)
    assert doubted.exit_code == 2 and "CF-REC-009" in doubted.output and house.left() == {"old"}
    found = answer("sweep", "--expired", "--force", *where)
    assert ([each["id"] for each in found["erased"]], house.left()) == (["old"], set())
    assert answer("sweep", "--expired", *where)["erased"] == [], "an erasure is a sign of life"
    house.now = SystemClock().wall() + 3 * DAY
    house.recording("later")
    assert "is of" in command("sweep", "--expired", *where).output


def test_keys_and_opening(tmp_path: Path, house: House) -> None:
    key, plain = tmp_path / "key.txt", tmp_path / "plain.wav"
    public = answer("keygen", "--to", str(key))["public_key"]
    assert key.stat().st_mode & 0o077 == 0
    assert command("keygen", "--to", str(key)).exit_code == 2, "no key is overwritten"
    assert "AGE-SECRET-KEY-1" in command("keygen").output
    plain.write_bytes(b"what was said")
    path = house.recording("rec-1", file="media/202609/rec-1.wav.age")
    path.unlink()
    seal(plain, path.with_name("rec-1.wav.age"), [public])
    where = ("--state", str(house.folder.root))
    for number, source in enumerate(("rec-1", str(path.with_name("rec-1.wav.age")))):
        out = tmp_path / f"out{number}.wav"
        result = command("decrypt", source, "--identity", str(key), "-o", str(out), *where)
        assert result.exit_code == 0, result.output
        assert out.read_bytes() == b"what was said"
    other = tmp_path / "other.txt"
    other.write_text(keygen()[1])
    result = command("decrypt", "rec-1", "--identity", str(other), "-o", str(tmp_path / "no.wav"), *where)
    assert (result.exit_code, "CF-REC-007" in result.output) == (2, True)


def test_the_end_of_run_says_that_a_file_is_sealed(tmp_path: Path) -> None:
    row = RecordingRow(id="r", call_id="c", state="READY", format="wav", channels=2, file="media/r.wav.age")
    shown = Console(file=io.StringIO(), width=200)
    summarize(shown, [row], [], tmp_path)
    assert f"  sealed     {tmp_path / 'media' / 'r.wav.age'}\n" in cast(io.StringIO, shown.file).getvalue()
