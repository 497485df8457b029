"""The load generator over loopback: what comes back whole, lost or crossed is told so."""

from __future__ import annotations

import sys

import pytest

from benchmarks._load_streams import Heard
from benchmarks.rtp_load import against_echo

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="sendmmsg is Linux's")


def heard(**echo: object) -> list[Heard]:
    found: list[Heard] = against_echo(8, 0.8, dict(echo))["heard"]
    assert len(found) == 8
    return found


def test_what_comes_back_whole_is_told_so() -> None:
    for one in heard():
        assert one.received > 20 and one.sent >= one.received
        assert (one.lost, one.disorder, one.jumps, one.sources) == (0, 0, 0, 1)
        assert one.checked > 0 and one.right == one.checked


def test_lost_packets_are_counted() -> None:
    assert sum(one.lost for one in heard(drop=10)) > 0


def test_a_crossed_connection_is_heard() -> None:
    found = heard(swap=True)
    assert sum(one.checked for one in found) > 0
    assert all(one.right == 0 for one in found)
