"""Layer 2: resumable uploads to a real tus server (npm @tus/server): whole, cut, gone, after a restart."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from callflow.delivery import outbox
from callflow.delivery.deliverer import Deliverer
from callflow.delivery.destinations import tus
from callflow.delivery.outbox import DeliveryState
from callflow.state.database import Database
from tests.delivery.support import SETTINGS, State
from tests.peers import MODULES, require, require_module, running
from tests.ports import free_ports

HOST = "127.0.0.1"
BODY = bytes(range(256)) * 8000  # 2 MB
TUS = replace(SETTINGS, hosts={HOST: {"upload": "tus"}})
pytestmark = pytest.mark.peer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    node, port = require("node"), free_ports(1)
    require_module("@tus/server")
    folder = tmp_path_factory.mktemp("tus")
    shutil.copy(Path(__file__).parent / "tus_server.mjs", folder)
    (folder / "node_modules").symlink_to(MODULES)
    files = folder / "files"
    files.mkdir()
    with running([node, "tus_server.mjs", str(port), str(files)], port, cwd=folder):
        yield port, files


@dataclass
class Relay:
    """A way to the server that can break: ``cuts`` says after how many bytes of each PATCH."""

    port: int
    cuts: list[int] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        async with await asyncio.start_server(self._handle, HOST, 0) as listening:
            yield f"http://{HOST}:{listening.sockets[0].getsockname()[1]}/files"

    @property
    def lines(self) -> list[str]:
        return [head.partition(" ")[0] for head in self.heads]

    def offset(self, index: int) -> int:
        """``Upload-Offset`` of a request."""
        return int(self.heads[index].lower().partition("upload-offset: ")[2].partition("\r")[0])

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, out = await asyncio.open_connection(HOST, self.port)
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head.decode())
        out.write(head)
        left = self.cuts.pop(0) if head.startswith(b"PATCH") and self.cuts else 1 << 40

        async def up() -> None:
            count = 0
            while data := await reader.read(65536):
                count += len(data)
                out.write(data)
                await out.drain()
                if count >= left:
                    break
            out.close()
            if count >= left:
                await out.wait_closed()
                writer.transport.abort()

        async def down() -> None:
            while data := await there.read(65536):
                writer.write(data)
                await writer.drain()
            writer.close()

        await asyncio.gather(up(), down(), return_exceptions=True)


def again(state: State) -> State:
    """A process that comes after: the same folder, opened anew; what waits is due."""
    state.database.run(lambda conn: outbox.hurry(conn, "rec-1", 0.0))
    state.database.close()
    return State(state.folder, Database.open(state.folder.database))


def url_of(state: State) -> str:
    rows = state.database.run(lambda conn: conn.execute("SELECT url FROM uploads").fetchall())
    return str(rows[0][0]) if rows else ""


async def fails(state: State) -> None:
    before = len(state.attempts("dlv-1"))
    await state.deliver_until(lambda: len(state.attempts("dlv-1")) > before, TUS)


def test_whole_and_signed(server: tuple[int, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CF_SIGN", "whsec_" + "A" * 32)
    port, files = server
    state, relay = State.make(tmp_path), Relay(port)
    signing = {"upload": "tus", "signing": ["secret:env:CF_SIGN"], "headers": {"X-Tenant": "sales"}}

    async def main() -> None:
        async with relay.open() as base:
            state.enqueue(f"{base}/call_recording_1.wav", BODY)
            await state.deliver(replace(TUS, hosts={HOST: signing}))

    asyncio.run(main())
    assert relay.lines == ["POST", "PATCH"]
    assert all("X-Tenant: sales" in head for head in relay.heads)
    assert " d1," in relay.heads[0] and "Repr-Digest: sha-256=:" in relay.heads[0]
    (info,) = [json.loads(path.read_text()) for path in files.glob("*.json")]
    assert info["metadata"]["filename"] == "call_recording_1.wav" and info["size"] == len(BODY)
    assert (files / info["id"]).read_bytes() == BODY
    assert state.row("dlv-1").state == DeliveryState.DELIVERED and url_of(state) == ""
    state.database.close()


def test_it_goes_on_where_it_was_cut_also_after_a_restart(server: tuple[int, Path], tmp_path: Path) -> None:
    port, files = server
    state, relay = State.make(tmp_path), Relay(port, cuts=[700_000, 400_000])

    async def main() -> State:
        first = state
        async with relay.open() as base:
            first.enqueue(f"{base}/call_recording_1.wav", BODY)
            await fails(first)
            kept = url_of(first)
            assert kept.startswith(base)
            second = again(first)
            await fails(second)
            assert url_of(second) == kept
            third = again(second)
            await third.deliver(TUS)
            assert (files / kept.rpartition("/")[2]).read_bytes() == BODY
            return third

    last = asyncio.run(main())
    assert relay.lines == ["POST", "PATCH", "HEAD", "PATCH", "HEAD", "PATCH"]
    offsets = [relay.offset(index) for index in (1, 3, 5)]
    assert offsets[0] == 0 < offsets[1] < offsets[2] < len(BODY)
    assert last.row("dlv-1").state == DeliveryState.DELIVERED and url_of(last) == ""
    last.database.close()


def test_killed_before_it_is_written_down_it_is_not_uploaded_twice(
    server: tuple[int, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, files = server
    state, relay = State.make(tmp_path), Relay(port)
    before = len(list(files.glob("*.json")))

    async def main() -> State:
        async with relay.open() as base:
            state.enqueue(f"{base}/call_recording_1.wav", BODY)
            sent = asyncio.Event()

            async def dies(self: Deliverer, parcel: object, tried: object) -> None:
                sent.set()
                await asyncio.sleep(30)

            with monkeypatch.context() as patched:
                patched.setattr(Deliverer, "_settle", dies)
                await state.deliver_until(sent.is_set, TUS)
            second = again(state)
            await second.deliver(TUS)
            return second

    last = asyncio.run(main())
    assert relay.lines == ["POST", "PATCH", "HEAD"]
    assert len(list(files.glob("*.json"))) == before + 1
    assert last.row("dlv-1").state == DeliveryState.DELIVERED and url_of(last) == ""
    last.database.close()


def test_an_upload_that_the_server_forgot_begins_anew(server: tuple[int, Path], tmp_path: Path) -> None:
    port, files = server
    state, relay = State.make(tmp_path), Relay(port, cuts=[700_000])

    async def main() -> None:
        async with relay.open() as base:
            state.enqueue(f"{base}/call_recording_1.wav", BODY)
            await fails(state)
            gone = url_of(state).rpartition("/")[2]
            for path in files.glob(f"{gone}*"):
                path.unlink()
            state.database.run(lambda conn: outbox.hurry(conn, "rec-1", 0.0))
            await state.deliver(TUS)

    asyncio.run(main())
    assert relay.lines == ["POST", "PATCH", "HEAD", "POST", "PATCH"]
    assert state.row("dlv-1").state == DeliveryState.DELIVERED
    state.database.close()


def test_credentials_are_for_the_server_of_the_flow() -> None:
    assert tus.VERSION == "1.0.0"
    parcel = outbox.Parcel.__new__(outbox.Parcel)
    object.__setattr__(parcel, "account", {"parallel": 1})
    assert tus._account(parcel, "http://a/x", "http://a/files/1") == {"parallel": 1}
    assert tus._account(parcel, "http://a/x", "http://b/files/1") is None
    assert tus._account(parcel, "http://a/x", "http://a:81/files/1") is None
