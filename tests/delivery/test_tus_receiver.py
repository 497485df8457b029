"""``callflow receive --tus``: what it keeps of an upload that is cut, with our own deliveries and by hand."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from pathlib import Path

import aiohttp

from callflow.delivery import outbox
from callflow.delivery.outbox import DeliveryState
from callflow.delivery.receiver import Receiver
from callflow.delivery.receiver_faults import Fault, Faults
from tests.delivery.support import SETTINGS, State

BODY = bytes(range(256)) * 2000  # 0.5 MB
TUS = replace(SETTINGS, hosts={"127.0.0.1": {"upload": "tus"}})


def test_a_delivery_goes_on_where_it_was_cut(tmp_path: Path) -> None:
    state = State.make(tmp_path / "state")
    receiver = Receiver(tmp_path / "kept", Faults([Fault(cut=0.5)]), tus=True)

    async def main() -> None:
        base = await receiver.start()
        state.enqueue(f"{base}/in/call_recording_1.wav", BODY)
        await state.deliver_until(lambda: len(state.attempts("dlv-1")) > 0, TUS)
        state.database.run(lambda conn: outbox.hurry(conn, "rec-1", 0.0))
        await state.deliver(TUS)
        await receiver.close()

    asyncio.run(main())
    cut, rest = receiver.received
    assert (cut.status, rest.status) == (0, 204) and cut.file is None
    assert 0 < cut.body_bytes < len(BODY) and cut.body_bytes + rest.body_bytes == len(BODY)
    assert rest.file == tmp_path / "kept" / "call_recording_1.wav" and rest.file.read_bytes() == BODY
    assert rest.sha256 == hashlib.sha256(BODY).hexdigest()
    assert state.row("dlv-1").state == DeliveryState.DELIVERED
    assert [each.name for each in (tmp_path / "kept").iterdir()] == ["call_recording_1.wav"]
    state.database.close()


def test_what_is_asked_for_in_another_way_is_refused(tmp_path: Path) -> None:
    receiver = Receiver(tmp_path, tus=True)
    speaks = {"Tus-Resumable": "1.0.0"}
    patch = {**speaks, "Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
    wrong = {"Upload-Length": "4", "Upload-Metadata": "filename YS53YXY=,sha256 bm8=,x"}

    async def main() -> None:
        base = await receiver.start()
        async with aiohttp.ClientSession() as client:

            async def ask(method: str, url: str, headers: dict[str, str], body: bytes = b"") -> int:
                async with client.request(method, url, headers=headers, data=body) as response:
                    seen.update(response.headers)
                    return response.status

            seen: dict[str, str] = {}
            assert await ask("OPTIONS", base, {}) == 204 and seen["Tus-Extension"] == "creation"
            assert await ask("POST", base, {"Tus-Resumable": "0.2"}) == 412
            assert await ask("POST", base, speaks) == 400
            assert await ask("HEAD", f"{base}/none", speaks) == 404
            assert await ask("POST", f"{base}/files/", {**speaks, **wrong}) == 201
            at = base + seen["Location"]
            assert await ask("PATCH", at, {**patch, "Content-Type": "text/plain"}) == 415
            assert await ask("PATCH", at, {**patch, "Upload-Offset": "2"}, b"ab") == 409
            assert await ask("PATCH", at, patch, b"abcde") == 413
            assert await ask("PATCH", at, patch, b"ab") == 204
            assert await ask("HEAD", at, speaks) == 200
            assert (seen["Upload-Offset"], seen["Upload-Length"]) == ("2", "4")
            assert await ask("PATCH", at, {**patch, "Upload-Offset": "2"}, b"cd") == 400, "another digest"
            assert await ask("HEAD", at, speaks) == 404
            assert await ask("PUT", f"{base}/plain.wav", {}, b"as ever") == 201
        await receiver.close()

    asyncio.run(main())
    assert [each.name for each in tmp_path.iterdir()] == ["plain.wav"]
