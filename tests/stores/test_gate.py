"""The gate: the address guard for a library that connects by itself."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from callflow.delivery.stores.gate import gate
from callflow.delivery.stores.opened import opened
from callflow.errors import BlockedAddress, StoreRefused
from tests.delivery.support import answer, raw_server, read_request
from tests.stores.support import place_of, upload, ways


async def ask(url: str, head: str, *, token: str | None = None) -> bytes:
    """What the gate answers to ``head`` on a raw socket."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection("127.0.0.1", parts.port)
    who = f"{parts.username}:{parts.password}" if token is None else token
    proof = base64.b64encode(who.encode()).decode()
    writer.write(f"{head}\r\nProxy-Authorization: Basic {proof}\r\n\r\n".encode())
    try:
        return await reader.read(100)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def test_only_for_who_has_its_token_and_only_to_allowed_addresses() -> None:
    seen: list[str] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await read_request(reader)
        assert request.header("Proxy-Authorization") is None
        seen.append(request.line)
        await answer(writer, "204 No Content")

    async def main() -> None:
        async with ways() as way, gate(way) as made, raw_server(handle) as base:
            there = base.removeprefix("http://")
            assert (await ask(made.url, f"GET {base}/x HTTP/1.1\r\nHost: {there}")).startswith(
                b"HTTP/1.1 204"
            )
            assert await ask(made.url, f"GET {base}/y HTTP/1.1\r\nHost: {there}", token="gate:no") == b""
            for head in ("GET /z HTTP/1.1", "CONNECT nowhere HTTP/1.1", "nonsense"):
                assert await ask(made.url, head) == b""
            assert (await ask(made.url, "CONNECT 10.0.0.1:443 HTTP/1.1")).startswith(b"HTTP/1.1 502")
            assert isinstance(made.problem, BlockedAddress)
            assert "10.0.0.1" in made.problem.message and made.url not in repr(made.problem)

    asyncio.run(main())
    assert seen == ["GET http://127.0.0.1:" + seen[0].split(":")[2].split("/")[0] + "/x HTTP/1.1"]


@pytest.mark.parametrize("target", ["http://10.0.0.1/x", "http://169.254.169.254/latest"])
def test_a_store_that_redirects_leads_nowhere(tmp_path: Path, target: str) -> None:
    asked: list[str] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await read_request(reader)).line)
        await answer(writer, "307 Temporary Redirect", f"Location: {target}")

    async def main() -> None:
        async with raw_server(handle) as base, ways() as way:
            settings = {
                "bucket": "recordings",
                "key": "k",
                "secret": "s",
                "host": "127.0.0.1",
                "scheme": "http",
            }
            place = place_of("s3", {**settings, "port": int(base.rpartition(":")[2])})
            async with opened(place, way) as store:
                with pytest.raises(StoreRefused, match="307"):
                    await store.put(upload("a.wav", tmp_path / "f", b"x"))

    asyncio.run(main())
    assert len(asked) == 1
