"""Which addresses may be connected to."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callflow.delivery.guard import Guard, embedded
from callflow.errors import SettingsError

PUBLIC = [
    "8.8.8.8",
    "93.184.216.34",
    "2606:4700::1111",
    "64:ff9b::808:808",  # NAT64 of 8.8.8.8: how an IPv6-only machine reaches it
    "2002:808:808::1",  # 6to4 of 8.8.8.8
    "::ffff:8.8.8.8",
]
PRIVATE = [
    "127.0.0.1",
    "127.255.0.3",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "64:ff9b:1::7f00:1",
    "2002:7f00:1::",
    "2002:a01:203::1",
    "2001:0:7f00:1::1",  # Teredo, its server on loopback
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "fc00::1",
    "fd12:3456::1",
    "ff02::1",
    "ff0e::1",
    "100::1",
    "2001:db8::1",
    "5f00::1",
    "2606:4700::5efe:7f00:1",  # ISATAP of 127.0.0.1
    "",
    "not an address",
    "/run/socket",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_pass(address: str) -> None:
    assert Guard().refusal(address) is None


@pytest.mark.parametrize("address", PRIVATE)
def test_all_others_are_refused(address: str) -> None:
    assert Guard().refusal(address)


def test_the_address_inside_is_named() -> None:
    refusal = Guard().refusal("64:ff9b::7f00:1")
    assert refusal is not None
    assert "127.0.0.1" in refusal
    assert "64:ff9b::7f00:1" in refusal


def test_allowed_networks() -> None:
    guard = Guard(["10.1.0.0/16", "fd00::/8", "192.168.7.4"])
    for address in ("10.1.9.9", "::ffff:10.1.2.3", "fd12::1", "192.168.7.4", "64:ff9b::a01:203"):
        assert guard.refusal(address) is None, address
    for address in ("10.2.0.1", "::ffff:10.2.0.1", "127.0.0.1", "192.168.7.5"):
        assert guard.refusal(address), address


def test_loopback_only_where_it_is_meant() -> None:
    guard = Guard(allow_loopback=True)
    for address in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
        assert guard.refusal(address) is None
    assert guard.refusal("10.0.0.1")
    assert guard.refusal("169.254.169.254")


def test_a_network_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(SettingsError, match=r"10\.0\.0\.0/99"):
        Guard(["10.0.0.0/99"])


@given(st.ip_addresses(v=4))
def test_every_disguise_is_judged_as_what_is_inside(address: ipaddress.IPv4Address) -> None:
    guard = Guard()
    verdict = guard.refusal(str(address)) is None
    number = int(address)
    for disguise in (
        ipaddress.IPv6Address((0xFFFF << 32) | number),
        ipaddress.IPv6Address((0x64FF9B << 96) | number),
        ipaddress.IPv6Address((0x2002 << 112) | (number << 80) | 1),
    ):
        assert address in embedded(disguise)
        assert (guard.refusal(str(disguise)) is None) is verdict, disguise
