"""Redirects: same verb, the whole file anew, credentials to the same origin only."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from callflow.delivery.guard import Guard
from callflow.delivery.http import GuardedHttp
from callflow.errors import BadRedirect
from tests.delivery.support import RawRequest, State, answer, raw_server, read_request

BODY = bytes(range(256)) * 2000


class Site:
    """Answers by path: a status line and headers, else 200."""

    def __init__(self, answers: dict[str, tuple[str, ...]]) -> None:
        self.answers = answers
        self.seen: list[RawRequest] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await read_request(reader)
        self.seen.append(request)
        status, *headers = self.answers.get(request.line.split()[1], ("200 OK",))
        await answer(writer, status, *headers)


@pytest.mark.parametrize("method", ["put", "post"])
@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
def test_same_verb_and_whole_file(tmp_path: Path, status: str, method: str) -> None:
    state = State.make(tmp_path)
    site = Site({"/a": (status, "Location: /b%40c?x=%2F#part")})

    async def main() -> None:
        async with raw_server(site.handle) as base:
            state.enqueue(base.replace("://", "://user:pw@") + "/a", BODY, method=method)
            await state.deliver()

    asyncio.run(main())
    state.database.close()
    verb = method.upper()
    assert [each.line for each in site.seen] == [f"{verb} /a HTTP/1.1", f"{verb} /b%40c?x=%2F HTTP/1.1"]
    assert [each.body for each in site.seen] == [BODY, BODY]
    first, second = site.seen
    for name in ("Content-Type", "Content-Digest", "Idempotency-Key", "Content-Length", "Authorization"):
        assert first.header(name) is not None
        assert second.header(name) == first.header(name), name


def test_credentials_stay_with_their_origin(tmp_path: Path) -> None:
    state = State.make(tmp_path)
    other = Site({})

    async def main() -> Site:
        async with raw_server(other.handle) as elsewhere:
            site = Site({"/a": ("307 Temporary", f"Location: {elsewhere}/b")})
            async with raw_server(site.handle) as base:
                state.enqueue(base.replace("://", "://user:pw@") + "/a", BODY)
                await state.deliver()
            return site

    site = asyncio.run(main())
    state.database.close()
    assert site.seen[0].header("Authorization") is not None
    (request,) = other.seen
    assert request.header("Authorization") is None
    assert request.header("Content-Digest") == site.seen[0].header("Content-Digest")
    assert request.body == BODY


def test_secret_headers_of_a_request_stay_too() -> None:
    other = Site({})

    async def main() -> None:
        client = GuardedHttp(Guard(allow_loopback=True), connect_timeout_s=2, progress_timeout_s=2)
        async with raw_server(other.handle) as elsewhere:
            site = Site({"/a": ("308 Permanent", f"Location: {elsewhere}/b")})
            async with raw_server(site.handle) as base:
                headers = {"Authorization": "Bearer t", "cookie": "c=1", "X-Kept": "yes"}
                response = await client.request("POST", f"{base}/a", body=b"hello", headers=headers)
                assert response.status == 200
                assert response.url == f"{elsewhere}/b"
        await client.close()

    asyncio.run(main())
    (request,) = other.seen
    assert request.line == "POST /b HTTP/1.1"
    assert request.body == b"hello"
    assert request.header("Authorization") is None
    assert request.header("Cookie") is None
    assert request.header("X-Kept") == "yes"


@pytest.mark.parametrize(
    ("answers", "word", "requests"),
    [
        ({"/a": ("302 Found", "Location: /b"), "/b": ("302 Found", "Location: /a")}, "loop", 2),
        ({"/a": ("307 Temporary", "Location: /a")}, "loop", 1),
        ({"/a": ("302 Found",)}, "without a Location", 1),
        ({"/a": ("302 Found", "Location: ftp://h/x")}, "cannot be used", 1),
        ({"/a": ("302 Found", "Location: http://[bad/x")}, "cannot be used", 1),
    ],
)
def test_redirects_that_cannot_be_followed(
    tmp_path: Path, answers: dict[str, tuple[str, ...]], word: str, requests: int
) -> None:
    state = State.make(tmp_path)
    site = Site(answers)

    async def main() -> None:
        async with raw_server(site.handle) as base:
            delivery = state.enqueue(f"{base}/a")
            await state.deliver_until(lambda: "waiting" in state.changes(delivery))

    asyncio.run(main())
    (attempt,) = state.attempts("dlv-1")
    assert word in attempt.error
    assert len(site.seen) == requests
    assert state.row("dlv-1").slow_failures == 1, "a receiver's fault that has to be repaired: slow schedule"
    state.database.close()


def chain(length: int) -> Site:
    """``/0`` redirects to ``/1`` and so on, ``length`` times."""
    return Site({f"/{n}": ("307 Temporary", f"Location: /{n + 1}") for n in range(length)})


@pytest.mark.parametrize(("length", "good"), [(10, True), (11, False)])
def test_ten_redirects_and_no_more(length: int, good: bool) -> None:
    site = chain(length)

    async def main() -> int:
        client = GuardedHttp(Guard(allow_loopback=True), connect_timeout_s=2, progress_timeout_s=2)
        try:
            async with raw_server(site.handle) as base:
                return (await client.request("GET", f"{base}/0")).status
        finally:
            await client.close()

    if good:
        assert asyncio.run(main()) == 200
    else:
        with pytest.raises(BadRedirect, match="too many"):
            asyncio.run(main())
        assert len(site.seen) == 11


@pytest.mark.parametrize("status", ["303 See Other", "300 Choices", "304 Not Modified"])
def test_other_3xx_are_no_success_and_not_followed(tmp_path: Path, status: str) -> None:
    state = State.make(tmp_path)
    site = Site({"/a": (status, "Location: /b")})

    async def main() -> None:
        async with raw_server(site.handle) as base:
            delivery = state.enqueue(f"{base}/a")
            await state.deliver_until(lambda: "waiting" in state.changes(delivery))

    asyncio.run(main())
    state.database.close()
    assert len(site.seen) == 1


def test_no_redirects_wanted() -> None:
    site = chain(1)

    async def main() -> int:
        client = GuardedHttp(Guard(allow_loopback=True), connect_timeout_s=2, progress_timeout_s=2)
        try:
            async with raw_server(site.handle) as base:
                return (await client.request("GET", f"{base}/0", follow=0)).status
        finally:
            await client.close()

    assert asyncio.run(main()) == 307
