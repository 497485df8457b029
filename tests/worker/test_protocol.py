"""The pipe between engine and media process."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from callflow.errors import WorkerGone
from callflow.media.messages import Digit, RemoveLeg
from callflow.recording.worker_protocol import FDS_PER_FRAME, FRAME_LIMIT, Frame, FramedSocket

Pair = tuple[FramedSocket, FramedSocket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two ends."""
    one, other = (FramedSocket(each) for each in socket.socketpair())
    yield one, other
    one.close()
    other.close()


def test_messages_come_in_order_and_frames_are_put_together(pair: Pair) -> None:
    one, other = pair
    one.push([RemoveLeg("a"), Digit("b", "1", 2.5)])
    one.push([b"x" * 100_000])
    assert [frame.messages for frame in other.pull()] == [
        (RemoveLeg("a"), Digit("b", "1", 2.5)),
        (b"x" * 100_000,),
    ]
    assert other.pull() == []


def test_a_reader_that_is_slow_loses_nothing(pair: Pair) -> None:
    one, other = pair
    for number in range(3000):
        one.push([(number, b"." * 1000)])
    assert one.unsent > 0
    got: list[int] = []
    while len(got) < 3000:
        got += [message[0] for frame in other.pull() for message in frame.messages]  # type: ignore[index]
        one.flush()
    assert got == list(range(3000)) and one.unsent == 0


def test_descriptors_come_with_their_frame(pair: Pair) -> None:
    one, other = pair
    pipes = [os.pipe() for _ in range(3)]
    one.push(["first"])
    one.push(["with two"], [pipes[0][1], pipes[1][1]])
    one.push([b"." * 300_000])
    one.push(["with one"], [pipes[2][1]])
    frames: list[Frame] = []
    while len(frames) < 4:
        frames += other.pull()
        one.flush()
    assert [len(frame.fds) for frame in frames] == [0, 2, 0, 1]
    written = [*frames[1].fds, *frames[3].fds]
    for number, fd in enumerate(written):
        os.write(fd, bytes([number]))
        os.close(fd)
    # Nobody else has them any more: what was written is all there is.
    assert [os.read(pipe[0], 10) for pipe in pipes] == [b"\0", b"\1", b"\2"]
    assert [os.read(pipe[0], 10) for pipe in pipes] == [b"", b"", b""]
    for pipe in pipes:
        os.close(pipe[0])


def test_descriptors_that_find_nobody_are_closed(pair: Pair) -> None:
    one, other = pair
    reads, writes = os.pipe()
    other.close()
    one.push(["x"])
    assert one.ended
    one.push(["y"], [writes])
    assert os.read(reads, 1) == b""
    os.close(reads)


@pytest.mark.parametrize(
    "data",
    [
        (FRAME_LIMIT + 1).to_bytes(4) + bytes(9),
        b"\0\0\0\1" + bytes([FDS_PER_FRAME + 1]) + bytes(8),
        b"\0\0\0\4" + bytes(9) + b"junk",
    ],
)
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    raw, theirs = socket.socketpair()
    end = FramedSocket(theirs)
    raw.sendall(data)
    with pytest.raises(WorkerGone):
        end.pull()
    raw.close()
    end.close()


def test_the_end_of_the_pipe_is_noticed_after_what_was_said(pair: Pair) -> None:
    one, other = pair
    one.push(["last words"])
    one.close()
    assert [frame.messages for frame in other.pull()] == [("last words",)]
    assert other.pull() == []
    assert other.ended
