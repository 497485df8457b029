"""Layer 1: secrets that documents name: read when used, never shown."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from callflow.documents.secrets import is_secret, problem_of, reveal, shown
from callflow.errors import MissingSecret


def test_reads_environment_and_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_bytes(b" two words\r\n\n")
    monkeypatch.setenv("CF_PW", "s3cret")
    assert reveal("secret:env:CF_PW") == "s3cret"
    assert reveal(f"secret:file:{file}") == " two words"
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert reveal("secret:file:password") == " two words"
    file.write_text("new")
    assert reveal("secret:file:password") == "new"


def test_what_names_no_secret_is_itself() -> None:
    assert reveal("Bearer x") == "Bearer x" and not is_secret("Bearer x") and not is_secret(None)


def test_what_cannot_be_read_names_the_place_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CF_PW", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    (tmp_path / "binary").write_bytes(b"hush\xff")
    (tmp_path / "long").write_bytes(b"hush" * 20_000)
    (tmp_path / "empty").write_bytes(b"\n")
    cases = (
        "env:CF_PW",
        "file:relative",
        *(f"file:{tmp_path / n}" for n in ("none", "binary", "long", "empty")),
    )
    for case in cases:
        place = case.partition(":")[2]
        with pytest.raises(MissingSecret, match=place.replace("\\", ".")) as caught:
            reveal(f"secret:{case}")
        assert "hush" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("value", ["secret:hush", "secret:env:A B", "secret:env:", "secret:file:", "secret:"])
def test_a_badly_written_place(value: str) -> None:
    assert problem_of(value) and shown(value) == "***"
    with pytest.raises(MissingSecret) as caught:
        reveal(value)
    assert "hush" not in str(caught.value)


def test_what_is_shown() -> None:
    assert shown("secret:env:A") == "secret:env:A"
    assert (shown("s3cret"), shown("")) == ("***", "")
