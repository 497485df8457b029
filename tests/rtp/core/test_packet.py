"""RTP headers: what is read is what was written; anything else is refused, never an error."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from callflow.media.rtp.arrivals import SLOT
from callflow.media.rtp.packet import HEADER, read_headers, write_headers
from tests.rtp.core.line import arrivals, packet


def read(*packets: bytes) -> list[tuple[bool, bytes]]:
    """Of each packet: whether it is RTP, and its payload."""
    batch = arrivals((0, raw) for raw in packets)
    head = read_headers(batch.data, batch.sizes)
    ends = zip(head.ok.tolist(), head.start.tolist(), head.end.tolist(), packets, strict=True)
    return [(ok, raw[start:end] if ok else b"") for ok, start, end, raw in ends]


def test_fields_are_read_as_they_are_written() -> None:
    out = np.zeros((2, SLOT), np.uint8)
    sequences, times, ssrcs = (
        np.array([65535, 65536 + 7]),
        np.array([2**32 - 1, 2**32 + 9]),
        np.array([5, 2**31]),
    )
    write_headers(out, np.array([0, 101]), np.array([False, True]), sequences, times, ssrcs)
    assert out[0, :HEADER].tobytes() == packet(b"", sequence=65535, time=2**32 - 1, ssrc=5)
    head = read_headers(out, np.array([HEADER + 4, HEADER + 4]))
    assert head.ok.all()
    assert head.payload_type.tolist() == [0, 101]
    assert head.marker.tolist() == [False, True]
    assert head.sequence.tolist() == [65535, 7]
    assert head.timestamp.tolist() == [2**32 - 1, 9]
    assert head.ssrc.tolist() == [5, 2**31]


def test_sources_extension_and_padding_are_taken_off() -> None:
    plain = packet(b"sound")
    body = plain[1:HEADER]
    sources = b"\x82" + body + bytes(8) + b"sound"
    extended = b"\x90" + body + b"\xbe\xde\x00\x02" + bytes(8) + b"sound"
    padded = b"\xa0" + body + b"sound" + b"\0\0\x03"
    all_of_it = b"\xb1" + body + bytes(4) + b"\xbe\xde\x00\x01" + bytes(4) + b"sound" + b"\0\x02"
    assert read(plain, sources, extended, padded, all_of_it) == [(True, b"sound")] * 5


def test_what_is_no_rtp_is_refused() -> None:
    body = packet(b"")[1:HEADER]
    short_extension = b"\x90" + body + b"\xbe\xde\xff\xff" + b"sound"
    no_room = b"\x90" + body
    too_much_padding = b"\xa0" + body + b"sound\xff"
    no_padding = b"\xa0" + body + b"sound\x00"
    version = b"\x40" + body + b"sound"
    many_sources = b"\x8f" + body + b"sound"
    refused = (short_extension, no_room, too_much_padding, no_padding, version, many_sources, b"", b"\x80\0")
    assert [ok for ok, _ in read(*refused)] == [False] * len(refused)


@given(st.lists(st.binary(max_size=80), max_size=6), st.integers(0, 4000))
def test_no_bytes_make_it_fail_and_a_payload_lies_in_its_packet(packets: list[bytes], longer: int) -> None:
    batch = arrivals((0, raw) for raw in packets)
    sizes = batch.sizes + (longer if packets and longer > 3000 else 0)  # told longer than the slot
    head = read_headers(batch.data, sizes)
    for ok, start, end in zip(head.ok.tolist(), head.start.tolist(), head.end.tolist(), strict=True):
        assert not ok or HEADER <= start <= end <= SLOT
