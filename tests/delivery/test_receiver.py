"""The receiver: what it keeps, under which name, and how it misbehaves."""

from __future__ import annotations

import asyncio
import io
import wave
from pathlib import Path

import aiohttp
import pytest

from callflow.delivery.receiver import Receiver, as_json, file_name
from callflow.delivery.receiver_faults import Fault, Faults, parse_cut, parse_fail
from callflow.errors import SettingsError
from tests.delivery.support import State


def wav(seconds: float) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(int(seconds * 8000) * 4))
    return out.getvalue()


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("/a/call_recording_x.mp3", "call_recording_x.mp3"),
        ("/call_recording_a%40b.wav", "call_recording_a@b.wav"),
        ("/call_recording_a%2F..%2Fb.wav", "call_recording_a_.._b.wav"),
        ("/p?token=1&recording=call_recording_x.mp3&from=2", "call_recording_x.mp3"),
        ("/p?file=call_recording_x-2.mp3", "call_recording_x-2.mp3"),
        ("/some/file.bin?x=1", "file.bin"),
        ("/..%2F..%2Fetc%2Fpasswd", "_.._etc_passwd"),
        ("/", "recording"),
    ],
)
def test_names_are_harmless(target: str, name: str) -> None:
    assert file_name(target) == name


def test_a_delivery_arrives_with_its_facts(tmp_path: Path) -> None:
    state = State.make(tmp_path / "s")

    async def main() -> Receiver:
        receiver = Receiver(tmp_path / "r")
        base = await receiver.start()
        state.enqueue(f"{base}/r/call_recording_a%40b.wav", wav(2.5))
        await state.deliver()
        await receiver.close()
        return receiver

    receiver = asyncio.run(main())
    state.database.close()
    (received,) = receiver.received
    assert (received.method, received.target) == ("PUT", "/r/call_recording_a%40b.wav")
    assert received.digest_ok is True
    assert received.status == 201
    assert received.seconds == pytest.approx(2.5)
    assert received.file == tmp_path / "r" / "call_recording_a@b.wav"
    assert received.file.read_bytes() == wav(2.5)
    assert received.header("content-type") == "audio/wav"
    body = as_json(received)
    assert body["bytes"] == len(wav(2.5))
    assert body["headers"]["Idempotency-Key"] == "rec-1"


def test_what_is_not_whole_or_not_right_is_not_kept(tmp_path: Path) -> None:
    async def main() -> list[int]:
        receiver = Receiver(tmp_path, Faults([Fault(cut=0.5)]))
        base = await receiver.start()
        statuses = []
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientError):
                await session.post(f"{base}/call_recording_1.wav", data=b"x" * 500_000)
            wrong = {"Content-Digest": "sha-256=:AAAA:"}
            for method, headers in (("PUT", wrong), ("DELETE", {}), ("PUT", {})):
                async with session.request(
                    method, f"{base}/call_recording_1.wav", data=b"abc", headers=headers
                ) as answer:
                    statuses.append(answer.status)
        await receiver.close()
        assert [each.digest_ok for each in receiver.received] == [None, False, None, None]
        return statuses

    assert asyncio.run(main()) == [400, 405, 201]
    assert [path.name for path in tmp_path.iterdir()] == ["call_recording_1.wav"]


def test_nothing_is_overwritten_but_the_same_again(tmp_path: Path) -> None:
    async def main() -> None:
        receiver = Receiver(tmp_path)
        base = await receiver.start()
        async with aiohttp.ClientSession() as session:
            again = ("1", b"one"), ("1", b"another's")
            for key, body in (("1", b"one"), ("2", b"two"), ("", b"three"), *again):
                headers = {"Idempotency-Key": key} if key else {}
                async with session.put(f"{base}/call_recording_x.mp3", data=body, headers=headers):
                    pass
        await receiver.close()

    asyncio.run(main())
    kept = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert kept == {
        "call_recording_x.mp3": b"one",
        "call_recording_x-2.mp3": b"two",
        "call_recording_x-3.mp3": b"three",
        "call_recording_x-4.mp3": b"another's",
    }


def test_faults_in_order(tmp_path: Path) -> None:
    async def main() -> list[object]:
        slow = Fault(delay_s=0.2)
        moved = Fault(status=307, location="/elsewhere")
        later = Fault(status=503, retry_after=9)
        receiver = Receiver(tmp_path, Faults([Fault(cut=0.0), later, moved, slow]))
        base = await receiver.start()
        seen: list[object] = []
        async with aiohttp.ClientSession() as session:
            for _ in range(5):
                began = asyncio.get_running_loop().time()
                try:
                    async with session.post(f"{base}/x", data=b"abc", allow_redirects=False) as answer:
                        took = asyncio.get_running_loop().time() - began
                        headers = answer.headers
                        seen.append(
                            (
                                answer.status,
                                headers.get("Retry-After") or headers.get("Location"),
                                took > 0.19,
                            )
                        )
                except aiohttp.ClientError:
                    seen.append("cut")
        await receiver.close()
        return seen

    assert asyncio.run(main()) == [
        "cut",
        (503, "9", False),
        (307, "/elsewhere", False),
        (201, None, True),
        (201, None, False),
    ]


def test_words_for_faults() -> None:
    assert parse_fail("503") == (503, None)
    assert parse_fail("503x2") == (503, 2)
    assert parse_cut("50%") == (0.5, None)
    assert parse_cut("0%x3") == (0.0, 3)
    for bad in ("", "99", "503x", "600", "x2"):
        with pytest.raises(SettingsError):
            parse_fail(bad)
    for bad in ("50", "101%", "%", "5%x"):
        with pytest.raises(SettingsError):
            parse_cut(bad)
