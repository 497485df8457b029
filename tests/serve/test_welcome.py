"""What a server says to try is a call that can be made."""

from __future__ import annotations

from pathlib import Path

import pytest

from callflow.channels.sip.transport import Hop
from callflow.exchange.welcome import try_this
from tests.serve.accounts import RECORD, account, catalog

HERE = [Hop("udp", "127.0.0.1", 5060)]
RING = {"module": "device", "data": {"id": "desk"}, "children": {}}
RING_RECORDED = {"module": "record_call", "data": {"action": "start"}, "children": {"_": RING}}


def attempt(folder: Path, hops: list[Hop]) -> str:
    return try_this(list(catalog(folder).accounts.values()), hops)


def test_a_number_that_is_recorded_and_rings_nobody_comes_first(tmp_path: Path) -> None:
    account(tmp_path / "one", {"1": RING, "22": RING_RECORDED}, devices=("desk",))
    login = " --username desk --password PASSWORD"
    assert attempt(tmp_path, HERE) == f"callflow call sip:22@127.0.0.1:5060{login}"
    account(tmp_path / "one", {"333": RECORD})
    assert attempt(tmp_path, HERE) == f"callflow call sip:333@127.0.0.1:5060{login}"
    assert attempt(tmp_path, []) == ""


@pytest.mark.parametrize(
    ("hop", "reached"),
    [
        (Hop("udp", "0.0.0.0", 5070), "sip:100@127.0.0.1:5070"),
        (Hop("udp", "::", 5060), "sip:100@[::1]:5060"),
        (Hop("tls", "192.0.2.1", 5061), "sip:100@192.0.2.1:5061 --tls"),
    ],
)
def test_it_is_where_the_server_is(tmp_path: Path, hop: Hop, reached: str) -> None:
    account(tmp_path / "one", {"100": RECORD})
    assert attempt(tmp_path, [hop]) == f"callflow call {reached}"


def test_of_several_accounts_it_names_the_one(tmp_path: Path) -> None:
    account(tmp_path / "one", {})
    account(tmp_path / "two", {"100": RECORD})
    said = attempt(tmp_path, HERE)
    assert said == "callflow call 'sip:100@two.example.com:5060;maddr=127.0.0.1'"
    account(tmp_path / "two", {"100": RING})
    (tmp_path / "two" / "callflows" / "n100.json").unlink()
    assert attempt(tmp_path, HERE) == ""
