"""What really goes over the wire, seen by a server on raw sockets."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from callflow import __version__
from callflow.delivery.guard import Guard
from callflow.delivery.http import GuardedHttp
from callflow.errors import FetchError
from tests.delivery.support import (
    SETTINGS,
    RawRequest,
    State,
    answer,
    patient,
    raw_server,
    read_head,
    read_request,
)


@pytest.mark.parametrize("method", ["put", "post"])
def test_the_request_to_the_letter(tmp_path: Path, method: str) -> None:
    state = State.make(tmp_path)
    body = bytes(range(256)) * 3000
    seen: list[RawRequest] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        await answer(writer, "200 OK", body=b"z" * 5000)

    async def main() -> str:
        async with raw_server(handle) as base:
            url = f"{base}/a%40b/%7Euser/call_recording_x%40y%2F%20.wav?k=%40&e="
            delivery = state.enqueue(url, body, method=method)
            await state.deliver()
            return delivery

    delivery = asyncio.run(main())
    state.database.close()
    (request,) = seen
    line = f"{method.upper()} /a%40b/%7Euser/call_recording_x%40y%2F%20.wav?k=%40&e= HTTP/1.1"
    assert request.line == line
    assert request.body == body
    assert request.header("Content-Length") == str(len(body))
    assert request.header("Transfer-Encoding") is None
    assert request.header("Expect") is None
    assert request.header("Content-Type") == "audio/wav"
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    assert request.header("Content-Digest") == f"sha-256=:{digest}:"
    assert request.header("Idempotency-Key") == "rec-1"
    assert request.header("User-Agent") == f"callflow/{__version__}"
    assert request.header("Authorization") is None
    assert delivery == "dlv-1"


def test_the_answer_is_kept_up_to_2_kb(tmp_path: Path) -> None:
    state = State.make(tmp_path)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await answer(writer, "418 Teapot", body=b"short and stout " * 1000)

    async def main() -> None:
        async with raw_server(handle) as base:
            delivery = state.enqueue(f"{base}/x")
            await state.deliver_until(lambda: "waiting" in state.changes(delivery))

    asyncio.run(main())
    (attempt,) = state.attempts("dlv-1")
    state.database.close()
    assert attempt.status == 418
    assert attempt.outcome == "refused"
    assert attempt.address == "127.0.0.1"
    assert attempt.answer == (b"short and stout " * 1000)[:2048]
    assert attempt.seconds > 0


def test_credentials_of_the_url_go_into_a_header(tmp_path: Path) -> None:
    state = State.make(tmp_path)
    seen: list[RawRequest] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        echo = f"{seen[-1].line} {seen[-1].header('Authorization')}".encode()
        await answer(writer, "200 OK", body=echo)

    async def main() -> None:
        async with raw_server(handle) as base:
            state.enqueue(base.replace("://", "://us%40er:p%3Aw%C3%BC@") + "/x?token=hunter2")
            await state.deliver()

    asyncio.run(main())
    (attempt,) = state.attempts("dlv-1")
    state.database.close()
    assert attempt.answer == b"PUT /x?token=*** HTTP/1.1 Basic ***"
    assert seen[0].line == "PUT /x?token=hunter2 HTTP/1.1"
    assert "@" not in (seen[0].header("Host") or "")
    expected = base64.b64encode("us@er:p:wü".encode()).decode()
    assert seen[0].header("Authorization") == f"Basic {expected}"
    told = " ".join(repr(event) for event in state.events)
    assert "hunter2" not in told
    assert "p%3Aw" not in told


def test_metadata_in_the_query_when_switched_on(tmp_path: Path) -> None:
    state = State.make(tmp_path)
    seen: list[RawRequest] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        await answer(writer, "200 OK")

    async def main() -> None:
        async with raw_server(handle) as base:
            state.enqueue(f"{base}/call_recording_call-1.wav")
            deliverer = state.deliverer(url_metadata=True)
            await deliverer.run(until_empty=True)
            await deliverer.close()

    asyncio.run(main())
    state.database.close()
    assert seen[0].line == (
        "PUT /call_recording_call-1.wav?from=1001%40example.org&to=&caller_id_name=&caller_id_number="
        "&call_id=call-1&cdr_id=&interaction_id=&owner_id=&account_id=acc&start=&duration_ms=2000"
        "&recording_id=rec-1 HTTP/1.1"
    )


def test_proxies_of_the_environment_are_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = State.make(tmp_path)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    seen: list[RawRequest] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        await answer(writer, "200 OK")

    async def main() -> None:
        async with raw_server(handle) as base:
            state.enqueue(f"{base}/x")
            await state.deliver()

    asyncio.run(main())
    state.database.close()
    assert seen[0].line == "PUT /x HTTP/1.1"


def test_a_cut_upload_is_one_attempt_and_is_sent_whole_again_later(tmp_path: Path) -> None:
    """aiohttp repeats a PUT by itself if the connection breaks: it must not, an attempt is one request."""
    state = State.make(tmp_path)
    body = b"0123456789" * 300_000
    requests: list[RawRequest] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await read_head(reader)
        requests.append(head)
        await reader.readexactly(100_000)
        writer.transport.abort()

    async def main() -> None:
        async with raw_server(handle) as base:
            delivery = state.enqueue(f"{base}/x", body)
            await state.deliver_until(lambda: "waiting" in state.changes(delivery))

    asyncio.run(main())
    (attempt,) = state.attempts("dlv-1")
    row = state.row("dlv-1")
    state.database.close()
    assert len(requests) == 1
    assert attempt.outcome == "fault"
    assert attempt.status is None
    assert "broke" in attempt.error or "closed" in attempt.error
    assert row.state == "WAITING"
    assert 4.5 < row.next_wall - attempt.started_wall < 8


def test_a_slow_reader_is_waited_for_as_long_as_bytes_move(tmp_path: Path) -> None:
    """In all it takes far longer than the time-out: only standing still counts."""
    state = State.make(tmp_path)
    body = b"x" * 1_500_000
    got: list[int] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await read_head(reader)
        left = int(head.header("Content-Length") or 0)
        while left:
            await asyncio.sleep(0.04)
            left -= len(await reader.readexactly(min(left, 32_000)))
        got.append(1)
        await answer(writer, "200 OK")

    async def main() -> None:
        async with raw_server(handle, receive_buffer=8192) as base:
            state.enqueue(f"{base}/x", body)
            await state.deliver(patient(0.6))

    asyncio.run(main())
    (attempt,) = state.attempts("dlv-1")
    state.database.close()
    assert got == [1]
    assert attempt.status == 200
    assert attempt.seconds > 1.2, "it took at least twice the time-out"


def test_a_reader_that_stops_is_given_up(tmp_path: Path) -> None:
    state = State.make(tmp_path)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        await asyncio.sleep(30)

    async def main() -> None:
        async with raw_server(handle, receive_buffer=8192) as base:
            delivery = state.enqueue(f"{base}/x", b"x" * 8_000_000)
            await state.deliver_until(lambda: "waiting" in state.changes(delivery), patient(0.4))

    asyncio.run(main())
    (attempt,) = state.attempts("dlv-1")
    state.database.close()
    assert attempt.outcome == "fault"
    assert "nothing moved for 0.4 s" in attempt.error
    assert "sending" in attempt.error
    assert attempt.seconds < 5


def test_a_silent_server_is_given_up(tmp_path: Path) -> None:
    state = State.make(tmp_path)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await asyncio.sleep(30)

    async def main() -> None:
        async with raw_server(handle) as base:
            delivery = state.enqueue(f"{base}/x")
            await state.deliver_until(lambda: "waiting" in state.changes(delivery), patient(0.3))

    asyncio.run(main())
    (attempt,) = state.attempts("dlv-1")
    state.database.close()
    assert "nothing moved for 0.3 s" in attempt.error
    assert "waiting for the answer" in attempt.error


def test_an_answers_endless_body_does_not_matter(tmp_path: Path) -> None:
    state = State.make(tmp_path)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 1000000\r\n\r\nthank")
        await writer.drain()
        await asyncio.sleep(30)

    async def main() -> None:
        async with raw_server(handle) as base:
            delivery = state.enqueue(f"{base}/x")
            await state.deliver(patient(0.3))
            assert state.changes(delivery) == ["sending", "delivered"]

    asyncio.run(main())
    state.database.close()


def test_yes_before_the_whole_file_came_is_no(tmp_path: Path) -> None:
    state = State.make(tmp_path)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        await reader.readexactly(1000)
        await answer(writer, "200 OK")
        writer.transport.abort()

    async def main() -> None:
        async with raw_server(handle, receive_buffer=8192) as base:
            delivery = state.enqueue(f"{base}/x", b"x" * 8_000_000)
            await state.deliver_until(lambda: "waiting" in state.changes(delivery))

    asyncio.run(main())
    (attempt,) = state.attempts("dlv-1")
    state.database.close()
    assert attempt.outcome == "fault"


def test_an_early_yes_that_goes_on_reading_is_a_yes(tmp_path: Path) -> None:
    state = State.make(tmp_path)
    body = b"x" * 4_000_000
    got: list[int] = []
    all_read = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()
        try:
            got.append(len(await reader.readexactly(int(head.header("Content-Length") or 0))))
        finally:
            all_read.set()

    async def main() -> None:
        async with raw_server(handle, receive_buffer=65536) as base:
            state.enqueue(f"{base}/x", body)
            await state.deliver()
            await all_read.wait()

    asyncio.run(main())
    state.database.close()
    assert got == [len(body)]


@pytest.mark.parametrize("damage", ["gone", "shorter", "longer"])
def test_a_file_that_is_not_the_one_is_not_sent(tmp_path: Path, damage: str) -> None:
    state = State.make(tmp_path)
    delivery = state.enqueue("http://127.0.0.1:9/x", b"0123456789")
    path = state.folder.root / state.row(delivery).file
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(b"0123" if damage == "shorter" else b"0123456789abc")

    asyncio.run(state.deliver())
    (attempt,) = state.attempts(delivery)
    assert state.row(delivery).state == "DEAD"
    assert attempt.outcome == "unsendable"
    assert "1.wav" in attempt.error
    state.database.close()


def test_not_http_and_nobody_there(tmp_path: Path) -> None:
    state = State.make(tmp_path)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"SSH-2.0-nonsense\r\n\r\n")
        await writer.drain()

    async def main() -> None:
        async with raw_server(handle) as base:
            state.enqueue(f"{base}/x?secret=hunter2", name="1")
            state.enqueue("http://127.0.0.1:1/x?secret=hunter2", name="2")
            state.enqueue("http://no-such-host.invalid/x?secret=hunter2", name="3")
            names = [f"dlv-{n}" for n in "123"]
            settings = replace(SETTINGS, connect_timeout_s=5)
            await state.deliver_until(
                lambda: all("waiting" in state.changes(name) for name in names), settings
            )

    asyncio.run(main())
    errors = [state.attempts(f"dlv-{n}")[0].error for n in "123"]
    state.database.close()
    assert "not HTTP" in errors[0]
    assert "cannot be connected to" in errors[1]
    assert "cannot be resolved" in errors[2] or "in time" in errors[2]
    assert not any("hunter2" in error for error in errors)


def test_a_server_that_sends_a_byte_now_and_then_keeps_nobody() -> None:
    """A small request (webhook, pivot) has an end, however steadily its answer comes; an upload has not."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x")
            await asyncio.sleep(0.02)

    async def main() -> None:
        client = GuardedHttp(Guard(allow_loopback=True), connect_timeout_s=2, progress_timeout_s=2)
        client.request_s = 0.2
        async with raw_server(handle) as base:
            with pytest.raises(FetchError, match=r"not done within 0 s"):
                await client.request("GET", base)
            await client.close()

    asyncio.run(asyncio.wait_for(main(), 30))
