"""S3: against a real server (moto), through a proxy that cuts, and against one that answers with faults."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from callflow.clock import VirtualClock, run_virtual
from callflow.delivery.stores import objects
from callflow.delivery.stores.objects import ObjectsStore
from callflow.delivery.stores.opened import opened
from callflow.documents.storage import Place
from callflow.errors import FetchError, StoreRefused
from tests.delivery.support import State, answer, raw_server, read_request
from tests.stores.support import BODY, enqueue, place_of, plan, proxy, upload, ways

SECRET = "wJalrXUtnFEMIbPxRfiCYEXAMPLEKEY"
PART_BYTES = 512 * 1024
"""In place of 8 MiB: what moves is the same."""
LARGE = bytes(range(256)) * (PART_BYTES // 256) * 2 + b"the rest of it"
"""Three parts."""


class S3:
    """The server's port, and what is in its only bucket."""

    def __init__(self, port: int, bucket: Any) -> None:
        self.port = port
        self.bucket = bucket

    def place(self, **other: object) -> Place:
        given = {
            "bucket": "recordings",
            "key": "AKIA",
            "secret": SECRET,
            "host": "127.0.0.1",
            "scheme": "http",
        }
        return place_of("s3", {**given, "port": self.port, **other})

    def body(self, path: str) -> bytes | None:
        found = self.bucket.keys.get(path)
        return None if found is None else bytes(found.value)

    @property
    def unfinished(self) -> list[str]:
        return [each.key_name for each in self.bucket.multiparts.values()]


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    from moto.moto_server.threaded_moto_server import ThreadedMotoServer
    from moto.s3 import models

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    backend = models.s3_backends["123456789012"]["aws"]
    backend.create_bucket("recordings", "us-east-1")
    _, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "S3_UPLOAD_PART_MIN_SIZE", 1)
        yield S3(port, backend.buckets["recordings"])
    server.stop()


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert objects.PART_BYTES >= 5 * 1024 * 1024, "S3 takes no smaller part but the last"
    monkeypatch.setattr(objects, "PART_BYTES", PART_BYTES)


def test_small_ones_in_one_request_and_large_ones_in_parts(tmp_path: Path, s3: S3) -> None:
    state = State.make(tmp_path)
    one = enqueue(state, s3.place(), "acc/one.wav", name="1")
    two = enqueue(state, s3.place(), "acc/two.wav", LARGE, name="2")
    asyncio.run(state.deliver())
    rows = [state.row(one), state.row(two)]
    said = state.attempts(one)[0].answer
    state.database.close()
    assert [row.state for row in rows] == ["DELIVERED", "DELIVERED"]
    assert s3.body("acc/one.wav") == BODY and s3.body("acc/two.wav") == LARGE
    kept = s3.bucket.keys["acc/one.wav"]
    assert kept.metadata["content-type"] == "audio/wav"
    assert kept.metadata["x-amz-meta-sha256"] == rows[0].sha256
    assert s3.bucket.keys["acc/two.wav"].multipart is not None
    assert said == f"kept as s3://127.0.0.1:{s3.port}/recordings/acc/one.wav".encode()


@pytest.mark.parametrize("body", [BODY, LARGE], ids=["small", "large"])
def test_nothing_is_written_over_and_a_lost_answer_is_no_second_file(
    tmp_path: Path, s3: S3, body: bytes
) -> None:
    state = State.make(tmp_path)
    first = f"over/{len(body)}.wav"
    for name in ("1", "2"):
        enqueue(state, s3.place(), first, body, name=name)
    enqueue(state, s3.place(), first, b"other" + body, name="3")
    asyncio.run(state.deliver())
    one, two, other = (state.attempts(f"dlv-{name}")[-1].answer.decode() for name in "123")
    state.database.close()
    assert one == two != other
    found = [s3.body(first), s3.body(f"over/{len(body)}-2.wav")]
    assert sorted(map(len, filter(None, found))) == [len(body), len(body) + 5]
    assert set(found) == {body, b"other" + body}
    assert s3.body(f"over/{len(body)}-3.wav") is None


def test_cut_in_the_middle_leaves_nothing_and_is_tried_again_soon(tmp_path: Path, s3: S3) -> None:
    state = State.make(tmp_path)

    async def main() -> None:
        async with proxy(s3.port, limit=PART_BYTES // 2) as between:
            delivery = enqueue(state, s3.place(port=between.at), "cut/long.wav", LARGE)
            await state.deliver_until(lambda: state.row(delivery).state == "WAITING")
            assert between.cuts

    asyncio.run(main())
    row = state.row("dlv-1")
    assert (row.fast_failures, row.slow_failures) == (1, 0)
    assert "broke the connection" in row.last_error
    assert s3.body("cut/long.wav") is None and s3.unfinished == []
    plan(state, s3.place())  # the plan is corrected: what waits goes to the new port
    state.database.run(lambda conn: conn.execute("UPDATE deliveries SET next_wall = 0"))
    asyncio.run(state.deliver())
    assert state.row("dlv-1").state == "DELIVERED"
    state.database.close()
    assert s3.body("cut/long.wav") == LARGE and s3.unfinished == []


def test_an_ended_upload_takes_its_parts_back(tmp_path: Path, s3: S3) -> None:
    async def main() -> None:
        async with proxy(s3.port, pause_s=0.02) as between, ways() as way:
            store = ObjectsStore(s3.place(port=between.at), way)
            sending = asyncio.create_task(store.put(upload("gone/long.wav", tmp_path / "f", LARGE)))
            while not s3.unfinished or between.passed < PART_BYTES:  # noqa: ASYNC110
                await asyncio.sleep(0.002)
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending

    asyncio.run(main())
    assert s3.body("gone/long.wav") is None and s3.unfinished == []


def test_server_gone_for_an_hour(tmp_path: Path, s3: S3) -> None:
    clock = VirtualClock(wall_start=1_700_000_000.0)
    state = State.make(tmp_path, clock)
    plan(state, s3.place(port=1))
    delivery = enqueue(state, s3.place(port=1), "hour/one.wav")

    async def main() -> None:
        deliverer = state.deliverer()
        running = asyncio.create_task(deliverer.run(until_empty=True))
        await clock.sleep(3600)
        plan(state, s3.place())
        await running
        await deliverer.close()

    run_virtual(main(), clock)
    attempts = state.attempts(delivery)
    row = state.row(delivery)
    state.database.close()
    assert row.state == "DELIVERED" and row.slow_failures == 0
    assert all("cannot be connected to" in each.error for each in attempts[:-1])
    assert 6 <= len(attempts) <= 8
    assert 3600 <= attempts[-1].started_wall - attempts[0].started_wall < 3 * 3600
    assert s3.body("hour/one.wav") == BODY


FAULTS = [
    ("404 Not Found", "NoSuchBucket", "make the bucket"),
    ("403 Forbidden", "InvalidAccessKeyId", "correct key"),
    ("403 Forbidden", "SignatureDoesNotMatch", "correct secret"),
    ("403 Forbidden", "RequestTimeTooSkewed", "set this machine's clock"),
    ("400 Bad Request", "AuthorizationHeaderMalformed", "correct region"),
    ("503 Slow Down", "SlowDown", ""),
]


@pytest.mark.parametrize(("status", "code", "hint"), FAULTS, ids=[code for _, code, _ in FAULTS])
def test_faults_go_to_their_schedule_and_say_what_to_do(
    tmp_path: Path, status: str, code: str, hint: str
) -> None:
    body = f"<Error><Code>{code}</Code><Message>{SECRET}</Message></Error>".encode()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await answer(writer, status, "Content-Type: application/xml", body=body)

    state = State.make(tmp_path)

    async def main() -> None:
        async with raw_server(handle) as base:
            place = S3(int(base.rpartition(":")[2]), None).place()
            enqueue(state, place, "x.wav")
            await state.deliver_until(lambda: state.row("dlv-1").state == "WAITING")

    asyncio.run(main())
    row, attempt = state.row("dlv-1"), state.attempts("dlv-1")[0]
    state.database.close()
    slow = int(bool(hint))
    assert (row.fast_failures, row.slow_failures) == (1 - slow, slow)
    assert code in row.last_error and hint in row.last_error
    shown = f"{row.last_error} {attempt.error} {attempt.answer!r} {row.url} {row!r}"
    assert SECRET not in shown


def test_a_missing_bucket_of_the_real_server_is_slow(tmp_path: Path, s3: S3) -> None:
    async def main() -> None:
        async with ways() as way, opened(s3.place(bucket="not-there"), way) as store:
            for body in (BODY, LARGE):
                with pytest.raises(StoreRefused, match="NoSuchBucket"):
                    await store.put(upload("a/b.wav", tmp_path / "f", body))

    asyncio.run(main())


def test_the_guard_looks_before_the_library_connects(tmp_path: Path, s3: S3) -> None:
    state = State.make(tmp_path)
    delivery = enqueue(state, s3.place(), "guard/one.wav")
    asyncio.run(state.deliver_until(lambda: state.row(delivery).state == "BLOCKED", allow_loopback=False))
    error = state.row(delivery).last_error
    state.database.close()
    assert "127.0.0.1" in error and s3.body("guard/one.wav") is None


def test_a_secret_that_is_not_there_waits_for_repair(
    tmp_path: Path, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = State.make(tmp_path)
    delivery = enqueue(state, s3.place(secret="secret:env:CF_TEST_S3"), "secret/one.wav")
    asyncio.run(state.deliver_until(lambda: state.row(delivery).state == "WAITING"))
    row = state.row(delivery)
    assert row.slow_failures == 1 and "CF_TEST_S3" in row.last_error
    monkeypatch.setenv("CF_TEST_S3", SECRET)
    state.database.run(lambda conn: conn.execute("UPDATE deliveries SET next_wall = 0"))
    asyncio.run(state.deliver())
    assert state.row(delivery).state == "DELIVERED"
    state.database.close()


def test_read_back_and_delete(tmp_path: Path, s3: S3) -> None:
    async def main() -> None:
        async with ways() as way, opened(s3.place(), way) as store:
            assert await store.size("rd/x.wav") is None
            assert await store.put(upload("rd/x.wav", tmp_path / "f", LARGE))
            assert await store.size("rd/x.wav") == len(LARGE)
            assert b"".join([piece async for piece in store.read("rd/x.wav")]) == LARGE
            await store.delete("rd/x.wav")
            await store.delete("rd/x.wav")
            with pytest.raises(StoreRefused):
                [piece async for piece in store.read("rd/x.wav")]

    asyncio.run(main())
    assert s3.body("rd/x.wav") is None


def test_a_name_that_is_not_resolved_is_tried_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with ways() as way, opened(S3(80, None).place(host="no-such-host.invalid"), way) as store:
            with pytest.raises(FetchError, match="cannot be resolved"):
                await store.put(upload("a.wav", tmp_path / "f"))

    asyncio.run(main())
