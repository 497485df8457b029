"""SRTP: what is protected is unprotected, with the right key, once; nothing that comes raises."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callflow.errors import MediaError
from callflow.media.messages import SrtpKey
from callflow.media.rtp.rtcp import ReceiverReport, write_rtcp
from callflow.media.rtp.srtp import KEY_BYTES, SUITES, SrtpIn, SrtpOut
from tests.rtp.core.line import packet

RTCP = write_rtcp([ReceiverReport(1)])


def key(suite: str = SUITES[0], first: int = 1) -> SrtpKey:
    return SrtpKey(suite, bytes(range(first, first + KEY_BYTES)))


@pytest.mark.parametrize(("suite", "tag"), [(SUITES[0], 10), (SUITES[1], 4)])
def test_both_suites(suite: str, tag: int) -> None:
    there, here = SrtpOut(key(suite)), SrtpIn(key(suite))
    for sequence in range(65530, 65545):
        raw = packet(b"sound", sequence=sequence)
        protected = there.rtp(raw)
        assert protected is not None
        assert len(protected) == len(raw) + tag
        assert here.rtp(protected) == raw
    protected = there.rtcp(RTCP)
    assert protected is not None
    assert len(protected) == len(RTCP) + 14  # the index, and 80 bits with both suites (RFC 4568 6.2.2)
    assert here.rtcp(protected) == RTCP
    assert (here.counts.forged, here.counts.replayed) == (0, 0)


def test_replayed_and_forged_packets_are_refused_and_counted() -> None:
    there, here = SrtpOut(key()), SrtpIn(key())
    protected = there.rtp(packet(b"sound", sequence=5))
    assert protected is not None
    assert here.rtp(protected) is not None
    assert here.rtp(protected) is None
    assert here.rtp(protected[:-1] + bytes([protected[-1] ^ 1])) is None
    assert here.rtp(packet(b"sound", sequence=6)) is None
    assert here.rtp(bytes(3000)) is None
    assert (here.counts.replayed, here.counts.forged) == (2, 2)


def test_late_packets_within_a_second_are_taken() -> None:
    there, here = SrtpOut(key()), SrtpIn(key())
    protected = [there.rtp(packet(b"sound", sequence=sequence)) for sequence in range(150)]
    for one in reversed(protected):
        assert one is not None
        assert here.rtp(one) is not None


def test_a_new_key_counts_from_then_on_and_the_same_key_changes_nothing() -> None:
    there, here = SrtpOut(key()), SrtpIn(key())
    first = there.rtp(packet(b"sound", sequence=1))
    assert first is not None and here.rtp(first) is not None
    here.rekey(key())
    assert here.rtp(first) is None  # still known as a replay
    there.rekey(key(first=2))
    second = there.rtp(packet(b"sound", sequence=2))
    assert second is not None and here.rtp(second) is None
    here.rekey(key(first=2))
    assert here.rtp(second) == packet(b"sound", sequence=2)


def test_what_is_too_long_is_not_sent() -> None:
    there = SrtpOut(key())
    assert there.rtp(bytes(2000)) is None
    assert there.rtcp(b"\x80") is None


def test_keys_that_cannot_be_used_are_errors() -> None:
    for bad in (SrtpKey("AES_256", bytes(30)), SrtpKey(SUITES[0], bytes(29))):
        with pytest.raises(MediaError):
            SrtpIn(bad)
        with pytest.raises(MediaError):
            SrtpOut(bad)


@given(st.binary(max_size=300))
def test_no_bytes_make_it_raise(data: bytes) -> None:
    here = SrtpIn(key())
    assert here.rtp(data) is None
    assert here.rtcp(data) is None
    assert here.counts.forged + here.counts.replayed == 2
