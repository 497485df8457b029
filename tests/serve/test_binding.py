"""Where a server listens, as the command line says it."""

from __future__ import annotations

import socket

import pytest

from callflow.channels.sip.transport import Hop
from callflow.channels.sip.transports import free_port
from callflow.errors import ListenError
from callflow.exchange.binding import Bind, uri_of


@pytest.mark.parametrize(
    ("text", "transports", "host", "port"),
    [
        ("127.0.0.1:5060", ("udp", "tcp"), "127.0.0.1", 5060),
        ("127.0.0.1", ("udp", "tcp"), "127.0.0.1", 5060),
        ("localhost:7000", ("udp", "tcp"), "127.0.0.1", 7000),
        ("udp:10.0.0.1:5070", ("udp",), "10.0.0.1", 5070),
        ("TLS:[::1]", ("tls",), "::1", 5061),
        ("tcp:[2001:db8::1]:0", ("tcp",), "2001:db8::1", 0),
        ("::1", ("udp", "tcp"), "::1", 5060),
        ("0.0.0.0:5060", ("udp", "tcp"), "0.0.0.0", 5060),
    ],
)
def test_what_can_be_written(text: str, transports: tuple[str, ...], host: str, port: int) -> None:
    bind = Bind.parse(text)
    assert (bind.transports, bind.host, bind.port) == (transports, host, port)
    assert Bind.parse(str(bind)) == bind


@pytest.mark.parametrize(
    "text", ["", "pbx.example.com:5060", "127.0.0.1:65536", "127.0.0.1:sip", "sctp:127.0.0.1:5060"]
)
def test_what_cannot_says_so(text: str) -> None:
    with pytest.raises(ListenError, match="--bind"):
        Bind.parse(text)


def test_which_addresses_other_machines_reach() -> None:
    assert Bind.parse("127.0.0.2:1").loopback
    assert Bind.parse("[::1]:1").loopback
    for text in ("0.0.0.0:1", "[::]:1", "192.0.2.1:1"):
        assert not Bind.parse(text).loopback


def test_the_uri_of_a_listener() -> None:
    assert uri_of(Hop("udp", "127.0.0.1", 5060)) == "sip:127.0.0.1:5060"
    assert uri_of(Hop("tls", "::1", 5061)) == "sip:[::1]:5061;transport=tls"


def test_a_free_port_is_free_for_both() -> None:
    port = free_port("127.0.0.1")
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", port))
        udp.bind(("127.0.0.1", port))
