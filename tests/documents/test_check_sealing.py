"""``callflow check``: recipients of sealed recordings that are no public keys."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

import callflow.cli
from callflow.recording.sealing import keygen


def test_check_tells_of_keys_that_are_none(tmp_path: Path) -> None:
    public, secret = keygen()
    last = "q" if public[-1] != "q" else "p"
    keys = [public, public[:-1] + last]
    account = tmp_path / "acme"
    account.mkdir()
    document = {"name": "A", "recordings": {"encryption": {"recipients": keys}}}
    (account / "account.json").write_text(json.dumps(document))
    found = CliRunner().invoke(callflow.cli.app_for("check"), ["check", str(account), "-o", "json"])
    assert "CF-CHK-155" in found.output
    assert "recipient 2 is not an age public key" in found.output
    assert found.exit_code == 1
    document["recordings"]["encryption"]["recipients"] = [secret]  # type: ignore[index]
    (account / "account.json").write_text(json.dumps(document))
    found = CliRunner().invoke(callflow.cli.app_for("check"), ["check", str(account)])
    assert "is a secret key" in found.output
    assert secret not in found.output
