"""The handler http as Kazoo sends it, and what Google Drive, Dropbox and OneDrive are sent by (OpenDAL)."""

from __future__ import annotations

import asyncio
import base64
import json
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest

from callflow.delivery.stores import drives
from callflow.delivery.stores.drives import DrivesStore
from callflow.errors import StoreRefused, UnsendableFile
from tests.delivery.support import RawRequest, State, answer, raw_server, read_request
from tests.stores.support import BODY, enqueue, place_of, upload, ways


def sent(
    tmp_path: Path, status: str = "201 Created", echo: str = "", **settings: Any
) -> tuple[RawRequest, State]:
    """The request that a delivery to a web server makes, and the state after it."""
    seen: list[RawRequest] = []
    state = State.make(tmp_path)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        await answer(writer, status, body=echo.encode())

    async def main() -> None:
        async with raw_server(handle) as base:
            place = place_of("http", {"url": f"{base}/in", **settings})
            enqueue(state, place, "acc/call%40x.wav")
            await state.deliver_until(lambda: bool(state.attempts("dlv-1")))

    asyncio.run(main())
    assert len(seen) == 1
    return seen[0], state


def test_plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CF_TEST_TOKEN", "Bearer 12345")
    request, state = sent(tmp_path, headers={"Authorization": "secret:env:CF_TEST_TOKEN"}, verb="POST")
    row = state.row("dlv-1")
    state.database.close()
    assert request.line == "POST /in/acc/call%40x.wav HTTP/1.1"
    assert request.body == BODY and request.header("Authorization") == "Bearer 12345"
    assert request.header("Content-Type") == "audio/wav"
    assert row.state == "DELIVERED" and "12345" not in repr(row)


@pytest.mark.parametrize("encoded", [False, True])
def test_multipart_has_the_document_and_the_file(tmp_path: Path, encoded: bool) -> None:
    request, state = sent(tmp_path, send_multipart=True, base64_encode_data=encoded)
    state.database.close()
    kind = f"Content-Type: {request.header('Content-Type')}\r\n\r\n".encode()
    parts: Any = message_from_bytes(kind + request.body).get_payload()
    document, audio = parts
    assert json.loads(document.get_payload()) == {"from": "1001@example.org", "name": "call"}
    assert audio.get_content_type() == "audio/wav" and audio.get_filename() == "call%40x.wav"
    if encoded:
        assert audio.get_payload(decode=True) == BODY
    else:
        assert BODY in request.body


def test_base64(tmp_path: Path) -> None:
    request, state = sent(tmp_path, base64_encode_data=True)
    state.database.close()
    assert base64.b64decode(request.body, validate=True) == BODY
    assert not list(state.folder.outbox.glob("callflow-*")), "what was written for it is gone"


def test_gone_is_dead_and_what_an_answer_repeats_is_hidden(tmp_path: Path) -> None:
    _, state = sent(tmp_path, "410 Gone", headers={"X-Key": "hidden-2"}, echo="you said hidden-2")
    row, attempt = state.row("dlv-1"), state.attempts("dlv-1")[0]
    state.database.close()
    assert (row.state, row.last_status, attempt.answer) == ("DEAD", 410, b"you said ***")
    assert attempt.address == "127.0.0.1"


@pytest.mark.parametrize(("status", "slow"), [("401 Unauthorized", 1), ("500 Oh", 0), ("404 Not Found", 1)])
def test_answers_go_to_their_schedule(tmp_path: Path, status: str, slow: int) -> None:
    _, state = sent(tmp_path, status)
    row = state.row("dlv-1")
    state.database.close()
    assert (row.state, row.slow_failures, row.fast_failures) == ("WAITING", slow, 1 - slow)


def test_drives_put_read_delete_and_never_over_another(tmp_path: Path) -> None:
    """By the same library, with its store in memory in place of a service in the network."""
    import opendal

    operator = opendal.AsyncOperator("memory")
    place = place_of("google_drive", {"refresh_token": "r", "client_id": "i", "client_secret": "s"})

    async def main() -> None:
        async with ways() as way:
            store = DrivesStore(place, way, operator)
            assert await store.put(upload("a/b.wav", tmp_path / "f"))
            assert await store.put(upload("a/b.wav", tmp_path / "g", b"other")) is False
            assert await store.size("a/b.wav") == len(BODY)
            assert b"".join([piece async for piece in store.read("a/b.wav")]) == BODY
            await store.delete("a/b.wav")
            assert await store.size("a/b.wav") is None
            with pytest.raises(StoreRefused):
                [piece async for piece in store.read("a/b.wav")]

    asyncio.run(main())


def test_drives_take_no_file_that_memory_could_not_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drives, "MOST_BYTES", 1000)

    async def main() -> None:
        async with ways() as way:
            with pytest.raises(UnsendableFile, match="more than"):
                await DrivesStore(place_of("dropbox", {}), way).put(upload("a.wav", tmp_path / "f"))

    asyncio.run(main())


def test_a_drive_without_credentials_says_which(tmp_path: Path) -> None:
    async def main() -> None:
        async with ways() as way:
            for handler in ("google_drive", "dropbox", "onedrive"):
                with pytest.raises(StoreRefused, match="refresh_token"):
                    await DrivesStore(place_of(handler, {}), way).put(upload("a.wav", tmp_path / "f"))

    asyncio.run(main())
