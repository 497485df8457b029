"""What phones change on a server outlives a reload and a ``kill -9``."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

from callflow.caller import Caller
from tests.serve.accounts import account, write
from tests.serve.server import Server, phone, plan

END: dict[str, Any] = {"module": "hangup", "data": {}}
QUIET = {
    "module": "do_not_disturb",
    "data": {"action": "activate", "id": "desk"},
    "children": {"_": END},
}


def _refused(code: int) -> dict[str, Any]:
    return {"module": "response", "data": {"code": code}}


RING = {
    "module": "device",
    "data": {"id": "desk"},
    "children": {"_": _refused(486), "USER_NOT_REGISTERED": _refused(404)},
}
"""486: nobody is to be rung; 404: the phone would be, but is not registered."""


def test_do_not_disturb_by_phone_outlives_reload_and_kill(tmp_path: Path) -> None:
    folder = account(
        tmp_path / "accounts" / "one", {"78": QUIET, "200": RING}, devices=("desk", "other"), name="One"
    )

    async def ringing(caller: Caller, server: Server) -> int:
        return (await caller.call(plan(server, "200", 1.0))).status

    async def main() -> None:
        server = await Server.start(folder, tmp_path / "state", "--workers", "0")
        try:
            async with phone("desk") as desk, phone("other") as other:
                assert await ringing(other, server) == 404
                assert (await desk.call(plan(server, "78", None))).answered
                assert await ringing(other, server) == 486
                write(
                    folder / "devices" / "third.json", {"sip": {"username": "third", "password": "a-secret"}}
                )
                server.signal(signal.SIGHUP)
                await server.until("CF-RUN-RELOAD")
                assert await ringing(other, server) == 486, "documents were read anew"
                server.signal(signal.SIGKILL)
                await server.ended()
        finally:
            await server.close()
        server = await Server.start(folder, tmp_path / "state", "--workers", "0")
        try:
            async with phone("other") as other:
                assert await ringing(other, server) == 486, "another process"
        finally:
            await server.close()

    asyncio.run(main())
