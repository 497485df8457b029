"""Modules that ring, on real calls: a server process, phones that register, carriers that fail and ask."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from callflow.channels.sip.registrar_file import read_bindings
from tests.serve.accounts import PASSWORD, account, write
from tests.serve.server import Server, phone, plan, wait_until
from tests.sip.access.callee import Callee

REALM = "one.example.com"


def _node(module: str, data: dict[str, Any], **children: Any) -> dict[str, Any]:
    return {"module": module, "data": data, "children": children}


def _says(code: int) -> dict[str, Any]:
    return _node("response", {"code": code})


def _served(folder: Path, use: Callable[[Server], Awaitable[None]]) -> None:
    async def main() -> None:
        server = await Server.start(folder / "accounts", folder / "state")
        try:
            await use(server)
        except BaseException:
            print("\n".join(server.lines))
            raise
        finally:
            await server.close()

    asyncio.run(main())


def test_phones_register_and_ring_and_their_causes_choose_the_child(tmp_path: Path) -> None:
    members = [{"id": name, "endpoint_type": "device"} for name in ("bob", "zoe")]
    flows = {
        "200": _node(
            "device", {"id": "bob"}, USER_BUSY=_says(486), **{"sip:480": _says(404), "_": _says(500)}
        ),
        "201": _node("ring_group", {"endpoints": members}, _=_says(500)),
        "202": _node("ring_group", {"endpoints": members, "timeout": 1}, NO_ANSWER=_says(480), _=_says(500)),
        "203": _says(603),
    }
    account(tmp_path / "accounts" / "one", flows, devices=("desk", "bob", "zoe"))

    async def use(server: Server) -> None:
        bob, zoe = await Callee([180, 486]).start(), await Callee([183]).start()
        async with phone("desk") as desk:

            async def status(number: str) -> int:
                return (await desk.call(plan(server, number, 0.3))).status

            assert await status("200") == 404, "not registered: sip:480"
            assert await bob.register(server.at, "bob", "a guess", REALM) == [401, 401]
            assert await bob.register(server.at, "bob", PASSWORD, REALM) == [401, 200]
            assert await zoe.register(server.at, "zoe", PASSWORD, REALM) == [401, 200]
            assert await status("200") == 486 and len(bob.invites) == 1
            assert bob.invites[0].to.uri.user == "bob" and bob.invites[0].uri.host == "127.0.0.2"
            bob.statuses = [180, 200]
            result = await desk.call(plan(server, "201", 0.3))
            assert result.answered and len(bob.invites) == 2 and len(zoe.invites) == 1
            await wait_until(lambda: zoe.cancelled > 0)
            bob.statuses = [180]
            assert await status("202") == 480, "early media of a group is no answer"
            assert await status("203") == 603
        bob.close()
        zoe.close()
        await wait_until(lambda: len(read_bindings(tmp_path / "state")) == 2)

    _served(tmp_path, use)


def test_carriers_one_after_the_other_with_digest_and_rest(tmp_path: Path) -> None:
    flows = {"300": _node("resources", {"to_did": "+14155550123"}, **{"sip:503": _says(410)})}
    folder = account(
        tmp_path / "accounts" / "one", flows, devices=("desk",), caller_id={"external": {"number": "+431"}}
    )

    async def main() -> None:
        dead, asking = (
            await Callee([503]).start(),
            await Callee([180, 200], asks=("acme", "trunk-horse")).start(),
        )
        rows = [{"server": callee.host, "port": callee.port} for callee in (dead, asking)]
        rows[1] |= {"username": "acme", "password": "trunk-horse", "prefix": "00"}
        document = {"name": "Carrier", "rules": [r"^\+(\d+)$"], "gateways": rows}
        write(folder / "resources" / "carrier.json", document)
        server = await Server.start(tmp_path / "accounts", tmp_path / "state")
        try:
            async with phone("desk") as desk:
                assert (await desk.call(plan(server, "300", 0.3))).answered
                assert (len(dead.invites), len(asking.invites)) == (1, 2)
                first, second = asking.invites
                assert first.call_id == second.call_id and second.cseq.number == first.cseq.number + 1
                assert second.uri.user == "0014155550123" and second.from_.uri.user == "+431"
                assert (await desk.call(plan(server, "300", 0.3))).answered
                assert len(dead.invites) == 1, "it rests"
                asking.statuses = [503]
                assert (await desk.call(plan(server, "300", 0.3))).status == 410 and len(dead.invites) == 2
        finally:
            await server.close()
            dead.close()
            asking.close()
        assert "trunk-horse" not in "\n".join(server.lines) and PASSWORD not in "\n".join(server.lines)

    asyncio.run(main())
