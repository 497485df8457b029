"""Real softphones over TLS and TCP, with SRTP and wideband: all at once, and with each other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.sip.peers.baresip import Baresip
from tests.sip.peers.house import PASSWORD, answer, record
from tests.sip.peers.listening import heard_by, sides
from tests.sip.peers.town import HERTZ, PLAYED, WIDE, Town, play, ring, town

pytestmark = pytest.mark.peer


FLOWS = {
    "100": answer(record(play())),
    **{f"20{number}": record(ring(name)) for number, name in enumerate(HERTZ)},
}
STRICT = {"encryption": {"enforce_security": True}}
DOCUMENTS: dict[str, Any] = {
    "devices/alice": {"sip": {"username": "alice", "password": PASSWORD}, "media": STRICT},
    "devices/carol": {
        "sip": {"username": "carol", "password": PASSWORD},
        "media": {"audio": {"codecs": ["G722"]}},
    },
}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``ca.pem``, the server's ``cert.pem`` and ``key.pem``, and ``phone.pem``: a phone's, with its key."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    server = authority.issue_cert("127.0.0.1", "localhost")
    server.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    server.private_key_pem.write_to_path(folder / "key.pem")
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(folder / "phone.pem")
    trustme.CA().cert_pem.write_to_path(folder / "other.pem")
    return folder


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory, certificates: Path) -> Iterator[Town]:
    files = ("--tls-cert", str(certificates / "cert.pem"), "--tls-key", str(certificates / "key.pem"))
    words = ("--bind", "tls:127.0.0.1:0", *files)
    with town(tmp_path_factory.mktemp("secure"), FLOWS, *words, documents=DOCUMENTS) as found:
        yield found


@pytest.fixture(scope="module")
def phones(here: Town, certificates: Path) -> dict[str, Baresip]:
    """One of each kind. That Alice's is for SRTP only, and Carol's prefers G.722, their documents say."""
    tls = next(part for part in here.lines("listening")[0].replace(",", " ").split() if "tls" in part)
    secure = tls.removeprefix("sip:").partition(";")[0]
    return {
        "alice": here.phone(
            "alice", transport="tls", at=secure, cafile=certificates / "ca.pem", extra=";mediaenc=srtp-mand"
        ),
        "bob": here.phone("bob", transport="tcp", codec="PCMA", extra=";mediaenc=srtp"),
        "carol": here.phone("carol", codec=f"PCMU,{WIDE}"),
        "dave": here.phone("dave", more=("rtcp_mux yes",)),
    }


def test_each_kind_of_phone_is_recorded(here: Town, phones: dict[str, Baresip]) -> None:
    calls = {name: here.call(phone, "100") for name, phone in phones.items()}
    time.sleep(1.8)
    for phone in phones.values():
        phone.command("hangup")
    for name, phone in phones.items():
        left, right = sides(here.delivered(calls[name]))
        assert left.rate == (16000 if name == "carol" else 8000)
        left.assert_speaks(HERTZ[name], left.seconds - 0.2)
        right.assert_speaks(PLAYED, right.seconds - 0.1)
        heard = heard_by(phone.heard[-1:])
        (began, ended), (first, last) = heard.span(PLAYED), right.span(PLAYED)
        assert last - first > 1.2 and ended - began > last - first - 0.6
        secured = phone.of("CALL_MENC")
        assert bool(secured) == (name in ("alice", "bob")), name


@pytest.mark.parametrize(
    ("one", "other"), [("carol", "alice"), ("alice", "bob"), ("dave", "carol")],
    ids=["wideband calls SRTP over TLS", "SRTP over TLS calls SRTP over TCP", "narrow calls wide"],
)  # fmt: skip
def test_phones_of_different_kinds_talk(here: Town, phones: dict[str, Baresip], one: str, other: str) -> None:
    caller, called = phones[one], phones[other]
    called.events.clear()
    call = here.call(caller, f"20{list(HERTZ).index(other)}")
    called.wait_for("CALL_ESTABLISHED")
    time.sleep(1.5)
    called.command("hangup")
    caller.wait_for("CALL_CLOSED")
    left, right = sides(here.delivered(call))
    assert left.rate == (16000 if one == "carol" else 8000)
    left.assert_speaks(HERTZ[one], left.seconds - 0.2)
    right.assert_speaks(HERTZ[other], right.seconds - 0.2)
    assert heard_by(caller.heard[-1:]).span(HERTZ[other])[1] > 1.1
    assert heard_by(called.heard[-1:]).span(HERTZ[one])[1] > 1.1
    assert bool(called.of("CALL_MENC")) == (other in ("alice", "bob"))


def test_a_device_that_is_for_srtp_only_makes_no_call_without_it(here: Town) -> None:
    plain = here.phone("alice", registers=False)
    here.dial(plain, "100")
    assert "488" in plain.wait_for("CALL_CLOSED")["param"]
