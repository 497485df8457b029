"""What a server does not start with: each is said, and nothing is left open or made."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import trustme
from typer.testing import CliRunner, Result

from callflow.cli import app_for
from tests.serve.accounts import RECORD, account, write


def serve(*words: object) -> Result:
    """Try to start one."""
    return CliRunner().invoke(app_for("serve"), ["serve", "--workers", "0", *(str(word) for word in words)])


def test_other_machines_reach_only_accounts_that_ask_who_calls(tmp_path: Path) -> None:
    account(tmp_path / "accounts" / "one", {"100": RECORD}, devices=("desk",))
    trunk = account(tmp_path / "accounts" / "two", {"100": RECORD})
    write(trunk / "resources" / "carrier.json", {"name": "Carrier", "gateways": [{"server": "192.0.2.9"}]})
    account(tmp_path / "accounts" / "open", {"100": RECORD})
    for bind in ("0.0.0.0:0", "udp:[::]:0"):
        result = serve("--accounts", tmp_path / "accounts", "--state", tmp_path / "state", "--bind", bind)
        assert result.exit_code == 2
        assert (
            f"callflow: CF-SIP-004  refuses to listen on {bind}: other machines can reach it, and account "
            "open has neither a device with a password nor a gateway"
        ) in result.output
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--bind", "tls:127.0.0.1:0"), "needs a certificate (give --tls-cert"),
        (("--bind", "pbx.example.com"), "'pbx.example.com' is no address"),
        (
            ("--bind", "tls:127.0.0.1:0", "--tls-cert", "nowhere.pem"),
            "cannot be used: No such file",
        ),
        (("--tls-key", "key.pem"), "--tls-key needs --tls-cert"),
        (("--tls-cert", "cert.pem"), "--tls-cert is given, but nothing listens for TLS (add --bind tls:"),
        (("--bind", "192.0.2.7:5060"), "--bind 192.0.2.7:5060: this machine has no address 192.0.2.7"),
        (("--media-address", "pbx.example"), "--media-address pbx.example is no address (give a numeric one"),
        (("--media-ports", "9-8"), "--media-ports 9-8 is not LOW-HIGH"),
        (
            ("--accounts", "nowhere"),
            "there is no folder nowhere; --accounts DIR holds a folder per account; an example",
        ),
        (("--system-config", "nowhere"), "CF-CFG-000  nowhere is not a folder"),
        (("--var", "x"), "--var 'x' is not NAME=VALUE"),
    ],
)
def test_wrong_use_is_said(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    account(tmp_path / "one", {"100": RECORD})
    result = serve("--accounts", tmp_path / "one", "--state", tmp_path / "state", *words)
    assert result.exit_code in (1, 2)
    assert said in result.output


def test_a_mistake_in_a_document_is_said_with_its_place(tmp_path: Path) -> None:
    one = account(tmp_path / "one", {"100": {"module": "record_call", "data": {"action": "strat"}}})
    result = serve("--accounts", one, "--state", tmp_path / "state")
    assert result.exit_code == 1
    assert f"{one}/callflows/n100.json:8:17  CF-CHK-071  error: " in result.output
    assert "nothing is served while a document is at fault" in result.output


def test_a_port_that_somebody_has_is_said_and_all_is_given_back(tmp_path: Path) -> None:
    one = account(tmp_path / "one", {"100": RECORD})
    state = tmp_path / "state"
    with socket.socket(type=socket.SOCK_DGRAM) as sip:
        sip.bind(("127.0.0.1", 0))
        taken = sip.getsockname()[1]
        for _ in range(2):  # the second finds the state folder free
            result = serve("--accounts", one, "--state", state, "--bind", f"udp:127.0.0.1:{taken}")
            assert result.exit_code == 2
            assert "Address already in use (See who listens on it, or choose another" in result.output
            assert str(taken) in result.output


def test_a_certificate_that_cannot_be_used_is_said_in_words(tmp_path: Path) -> None:
    account(tmp_path / "one", {"100": RECORD})
    one, other, junk, key = (tmp_path / name for name in ("one.pem", "other.pem", "junk.pem", "key.pem"))
    for path in (one, other):
        issued = trustme.CA().issue_cert("127.0.0.1")
        issued.cert_chain_pems[0].write_to_path(path)
        issued.private_key_pem.write_to_path(key)
    junk.write_text("not a certificate")
    for files, said in (
        ((junk,), "junk.pem cannot be used: it is no certificate in PEM form"),
        (
            (other,),
            "other.pem cannot be used: it is no certificate in PEM form, or its key is not in the",
        ),
        ((one, "--tls-key", key), "one.pem cannot be used: the key belongs to another certificate"),
        ((other, "--tls-key", tmp_path / "none.pem"), "none.pem cannot be used: No such file"),
    ):
        words = ("--bind", "tls:127.0.0.1:0", "--tls-cert", *files)
        result = serve("--accounts", tmp_path / "one", "--state", tmp_path / "state", *words)
        assert result.exit_code == 2 and said in result.output, result.output
        assert "_ssl.c" not in result.output


def test_no_port_for_sound_is_said_at_the_start(tmp_path: Path) -> None:
    one = account(tmp_path / "one", {"100": RECORD})
    with socket.socket(type=socket.SOCK_DGRAM) as rtp:
        while True:
            rtp.bind(("127.0.0.1", 0))
            port = rtp.getsockname()[1]
            if port % 2 == 0:
                break
            rtp.close()
            rtp.__init__(type=socket.SOCK_DGRAM)  # type: ignore[misc]
        words = ("--bind", "127.0.0.1:0", "--media-ports", f"{port}-{port + 1}")
        result = serve("--accounts", one, "--state", tmp_path / "state", *words)
    assert result.exit_code == 2
    assert f"CF-MED-003  none of the UDP ports {port} to {port + 1} is free" in result.output
