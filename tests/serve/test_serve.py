"""The whole process, called by real phones over real SIP and RTP on this machine."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from callflow.caller import CallPlan
from tests.app.harness import loudness
from tests.serve.accounts import RECORD, account, write
from tests.serve.server import Server, begun, phone, plan, wait_until

TONE = "tone_stream://%(60000,0,440)"


def served(
    folder: Path, use: Callable[[Server], Awaitable[None]], *words: str, accounts: Path | None = None
) -> Server:
    """Start a server on ``folder/accounts``, let ``use`` call it, and end it if it is still there."""

    async def main() -> Server:
        server = await Server.start(
            accounts or folder / "accounts", folder / "state", *patient(folder), *words
        )
        try:
            await use(server)
        except BaseException:
            print("\n".join(server.lines))
            raise
        finally:
            await server.close()
        return server

    return asyncio.run(main())


def patient(folder: Path) -> tuple[str, str]:
    """The words for a server to which nothing is late: a machine busy with other tests is no network."""
    write(folder / "system_config" / "sip.json", {"jitter_ms": 200})
    return "--system-config", str(folder / "system_config")


def loopback_deliveries(folder: Path) -> tuple[str, str]:
    """The words that let a server deliver to this machine."""
    write(folder / "system_config" / "delivery.json", {"allow_networks": ["127.0.0.0/8"]})
    return "--system-config", str(folder / "system_config")


def recorded(state: Path) -> list[Path]:
    """The recordings in the local store."""
    return sorted((state / "media").rglob("*.wav"))


def assert_tone(file: Path, seconds: float) -> None:
    """What the caller said is in the left channel, whole; the right one is silent."""
    samples, rate = soundfile.read(file, dtype="int16", always_2d=True)
    assert len(samples) / rate == pytest.approx(seconds, abs=0.2)
    end = len(samples) / rate - 0.1
    # Piece by piece: where a packet came too late on a busy machine the tone goes on in another phase.
    pieces = np.arange(0.3, end - 0.1, 0.1)
    loud = [loudness(samples[:, 0], rate, at, at + 0.1, 440) > 0.1 for at in pieces]
    assert sum(loud) >= len(loud) - 1, loud
    assert loudness(samples[:, 0], rate, 0.3, 0.5, 440) == pytest.approx(
        loudness(samples[:, 0], rate, end - 0.2, end, 440), rel=0.1
    )
    assert not np.any(samples[:, 1])


def test_a_call_is_recorded_and_told_and_sigterm_ends_it_all(tmp_path: Path) -> None:
    account(tmp_path / "accounts" / "one", {"100": RECORD}, devices=("desk",), name="One")
    talked: list[float] = []

    async def use(server: Server) -> None:
        await server.until("try ")
        async with phone("desk") as desk:
            result = await desk.call(plan(server, "100", 1.0, TONE))
            assert result.answered, result
            talked.append(result.seconds)
            await server.until("recording.ready")
            unknown = await desk.call(plan(server, "999", 1.0))
            assert (unknown.answered, unknown.status) == (False, 404)
        async with phone("desk", "a wrong one") as stranger:
            assert not (await stranger.call(plan(server, "100", 1.0))).answered
        server.signal(signal.SIGTERM)
        assert await server.ended() == 0
        assert server.lines[-1] == "ended"

    server = served(tmp_path, use)
    (file,) = recorded(tmp_path / "state")
    assert_tone(file, talked[0])
    said = "\n".join(server.lines)
    assert "  account    one (One): 1 flow, 1 device, 0 trunks" in said
    assert f"callflow call sip:100@{server.at} --username desk --password PASSWORD" in said
    (begin,) = server.having("call.begin")
    assert " account=one from=desk to=100 flow=n100" in begin
    assert len(server.having("call.end ")) == 1
    assert f"file={file.relative_to(tmp_path / 'state')}" in server.having("recording.ready")[0]
    assert len(server.having("has the number '999'")) == 1


def test_drain_lets_calls_end_and_takes_no_new_ones(tmp_path: Path) -> None:
    account(tmp_path / "accounts" / "one", {"100": RECORD}, devices=("desk",))
    talked: list[float] = []

    async def use(server: Server) -> None:
        async with phone("desk") as desk:
            call = asyncio.ensure_future(desk.call(plan(server, "100", None, TONE)))
            await wait_until(lambda: bool(begun(tmp_path / "state")))
            server.signal(signal.SIGTERM)
            await server.until("waiting for 1 call to end")
            async with phone("desk") as other:
                late = await other.call(plan(server, "100", 1.0))
            assert (late.answered, late.status) == (False, 503)
            await asyncio.sleep(1.0)
            assert not call.done(), "it may go on"
            await desk.hang_up()
            result = await call
            talked.append(result.seconds)
            assert (result.answered, result.ended_by) == (True, "engine"), (
                "the caller hung up, not the server"
            )
            assert await server.ended() == 0

    served(tmp_path, use, "--drain", "30")
    (file,) = recorded(tmp_path / "state")
    assert_tone(file, talked[0])


def test_a_drain_ends_calls_that_do_not_end(tmp_path: Path) -> None:
    async def ends(how: str, *words: str) -> None:
        folder = tmp_path / how
        account(folder / "accounts" / "one", {"100": RECORD}, devices=("desk",))
        server = await Server.start(folder / "accounts", folder / "state", *words)
        try:
            async with phone("desk") as desk:
                call = asyncio.ensure_future(desk.call(plan(server, "100", None, TONE)))
                await wait_until(lambda: bool(begun(folder / "state")))
                await asyncio.sleep(1)
                server.signal(signal.SIGINT)
                await server.until("waiting for 1 call")
                if how == "a second signal":
                    server.signal(signal.SIGINT)
                assert (await call).ended_by == "party"
                assert await server.ended() == 0
        finally:
            await server.close()
        assert server.having("the call that is left is hung up")
        (file,) = recorded(folder / "state")
        assert soundfile.info(file).duration >= 0.9, "its recording is finished before the end"

    async def main() -> None:
        await asyncio.gather(
            ends("the time is over", "--drain", "0.3"), ends("a second signal", "--drain", "600")
        )

    asyncio.run(main())


def test_changed_files_are_read_and_mistakes_refused(tmp_path: Path) -> None:
    one = account(tmp_path / "accounts" / "one", {"100": RECORD}, devices=("desk",))

    async def use(server: Server) -> None:
        async with phone("desk") as desk:
            assert (await desk.register(f"sip:desk@{server.at}")).answered
            call = asyncio.ensure_future(desk.call(plan(server, "100", None, TONE)))
            await server.until("call.begin")
            # A good change, by SIGHUP, then one by itself.
            account(tmp_path / "accounts" / "one", {"200": RECORD}, devices=("desk", "mobile"))
            server.signal(signal.SIGHUP)
            assert "account one: callflow n200 added" in await server.until("callflow n200")
            # The phone is still registered: a flow that rings it finds it.
            ring = {"module": "device", "data": {"id": "desk"}, "children": {}}
            write(one / "callflows" / "n300.json", {"numbers": ["300"], "flow": ring})
            await server.until("callflow n300 added")
            # A mistake refuses everything, with its place.
            bad = write(one / "callflows" / "n400.json", {"numbers": ["400"], "flow": {"module": 7}})
            write(one / "callflows" / "n500.json", {"numbers": ["500"], "flow": RECORD})
            server.signal(signal.SIGHUP)
            await server.until("the old ones stay")
            assert f"{bad}:" in server.having("CF-RUN-RELOAD-REFUSED")[0]
            assert (await desk.call(plan(server, "500", 0.3))).status == 404
            async with phone("mobile") as other:
                answering = asyncio.ensure_future(desk.answer(plan(server, "", None)))
                rung = await other.call(plan(server, "300", 0.3))
                assert rung.answered, rung
                await answering
            bad.unlink()
            server.signal(signal.SIGHUP)
            await server.until("callflow n500 added")
            assert (await desk.call(plan(server, "500", 0.3))).answered
            assert not call.done(), "what was up stays up"
            server.signal(signal.SIGTERM)
            await server.until("waiting for")
            server.signal(signal.SIGTERM)
            await call
            await server.ended()

    served(tmp_path, use, "--workers", "0")


def test_two_accounts_never_see_each_other_and_a_second_server_is_refused(tmp_path: Path) -> None:
    account(tmp_path / "accounts" / "one", {"100": RECORD}, devices=("desk",))
    ring = {"module": "device", "data": {"id": "desk"}, "children": {}}
    account(tmp_path / "accounts" / "two", {"100": RECORD, "200": ring}, devices=("desk",))

    async def use(server: Server) -> None:
        async with phone("desk") as desk:
            port = server.at.rpartition(":")[2]
            for realm, number, status in (("one", "100", 0), ("two", "200", 480), ("one", "200", 404)):
                uri = f"sip:{number}@{realm}.example.com:{port};maddr=127.0.0.1"
                result = await desk.call(CallPlan(uri, hangup_after_s=0.3, keep_s=0))
                assert (realm, number, result.status if not result.answered else 0) == (realm, number, status)
        with pytest.raises(AssertionError) as caught:
            await Server.start(tmp_path / "accounts", tmp_path / "state")
        assert "CF-STO-000  another callflow serve (process " in str(caught.value)
        assert str(server.process.pid) in str(caught.value)

    server = served(tmp_path, use, "--workers", "0")
    assert [line.split("account=")[1].split()[0] for line in server.having("call.begin")] == ["one", "two"]


def children_of(pid: int) -> list[int]:
    """The processes that it has started."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
