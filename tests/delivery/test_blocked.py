"""The guard at work: what is really connected to decides, at each attempt and redirect."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from callflow.delivery.guard import Guard
from callflow.delivery.http import GuardedHttp
from callflow.errors import BlockedAddress, FetchError
from tests.delivery.support import SETTINGS, RawRequest, State, answer, raw_server, read_request

seen: list[RawRequest] = []


async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    seen.append(await read_request(reader))
    await answer(writer, "200 OK", body=b"inside")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0"])
def test_this_machine_is_blocked_by_number_and_by_name(tmp_path: Path, host: str) -> None:
    state = State.make(tmp_path)
    seen.clear()

    async def main() -> None:
        async with raw_server(handle) as base:
            port = base.rpartition(":")[2]
            delivery = state.enqueue(f"http://{host}:{port}/x")
            await state.deliver_until(lambda: "blocked" in state.changes(delivery), allow_loopback=False)

    asyncio.run(main())
    row = state.row("dlv-1")
    (attempt,) = state.attempts("dlv-1")
    kept = (state.folder.root / row.file).exists()
    state.database.close()
    assert seen == []
    assert row.state == "BLOCKED"
    assert attempt.outcome == "blocked"
    assert "may not be connected to" in attempt.error
    assert kept, "the file is kept"


def fake_dns(monkeypatch: pytest.MonkeyPatch, answers: dict[str, list[str]]) -> None:
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *rest: Any, **named: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in answers:
            return real(host, port, *rest, **named)
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, int(port or 0)))
            for address in answers[name]
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_a_public_name_for_a_private_address_is_blocked(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_dns(monkeypatch, {"files.example.com": ["10.0.0.7", "127.0.0.1"]})

    async def main() -> None:
        client = GuardedHttp(Guard(), connect_timeout_s=2, progress_timeout_s=2)
        try:
            await client.request("GET", "http://files.example.com/x")
        finally:
            await client.close()

    with pytest.raises(BlockedAddress, match=r"10\.0\.0\.7"):
        asyncio.run(main())


def test_a_name_that_turns_private_between_attempts_is_blocked(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: each request looks at the address it connects to, not at an earlier answer."""
    answers = {"files.example.com": ["127.0.0.2"]}
    fake_dns(monkeypatch, answers)
    seen.clear()

    async def main() -> list[str]:
        client = GuardedHttp(Guard(["127.0.0.2"]), connect_timeout_s=2, progress_timeout_s=2)
        client_after = GuardedHttp(Guard(["127.0.0.2"]), connect_timeout_s=2, progress_timeout_s=2)
        outcomes = []
        async with raw_server(handle, host="127.0.0.2") as base:
            port = base.rpartition(":")[2]
            outcomes.append(str((await client.request("GET", f"http://files.example.com:{port}/")).status))
            answers["files.example.com"] = ["127.0.0.1"]
            try:
                await client_after.request("GET", f"http://files.example.com:{port}/")
            except BlockedAddress:
                outcomes.append("blocked")
        await client.close()
        await client_after.close()
        return outcomes

    assert asyncio.run(main()) == ["200", "blocked"]
    assert len(seen) == 1


def test_a_redirect_to_the_inside_is_blocked(tmp_path: Path) -> None:
    """The public receiver is 127.0.0.2 (allowed), the inside 127.0.0.1 (not)."""
    state = State.make(tmp_path)
    seen.clear()

    async def main() -> None:
        async with raw_server(handle) as inside:

            async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await read_request(reader)
                await answer(writer, "307 Temporary", f"Location: {inside}/secret")

            async with raw_server(redirect, host="127.0.0.2") as outside:
                delivery = state.enqueue(f"{outside}/x")
                await state.deliver_until(
                    lambda: "blocked" in state.changes(delivery),
                    replace(SETTINGS, allow_networks=("127.0.0.2/32",)),
                    allow_loopback=False,
                )

    asyncio.run(main())
    state.database.close()
    assert seen == []


def test_one_bad_address_of_several_does_not_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with an allowed and a refused address: the allowed one is used; down, it is a fault."""
    fake_dns(monkeypatch, {"files.example.com": ["10.0.0.7", "127.0.0.1"]})

    async def main() -> int:
        client = GuardedHttp(Guard(allow_loopback=True), connect_timeout_s=2, progress_timeout_s=2)
        try:
            async with raw_server(handle) as base:
                port = base.rpartition(":")[2]
                status = (await client.request("GET", f"http://files.example.com:{port}/")).status
            with pytest.raises(FetchError, match="cannot be connected to"):
                await client.request("GET", f"http://files.example.com:{port}/")
            return status
        finally:
            await client.close()

    assert asyncio.run(main()) == 200


def test_fetching_a_file(tmp_path: Path) -> None:
    async def main() -> None:
        client = GuardedHttp(Guard(allow_loopback=True), connect_timeout_s=2, progress_timeout_s=2)
        try:
            async with raw_server(handle) as base:
                await client.fetch_file(f"{base}/x", tmp_path / "got", 6)
                with pytest.raises(FetchError, match="more than 5 bytes"):
                    await client.fetch_file(f"{base}/x", tmp_path / "big", 5)
                with pytest.raises(FetchError, match="cannot be stored"):
                    await client.fetch_file(f"{base}/x", tmp_path / "no" / "folder", 6)
        finally:
            await client.close()

    asyncio.run(main())
    assert (tmp_path / "got").read_bytes() == b"inside"
    assert not (tmp_path / "big").exists()
