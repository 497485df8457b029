"""Sound between a leg's packets and a WebSocket, and what comes of servers that are not as they should be."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from callflow.channels.channel import DialTarget, Ended, Party
from callflow.channels.nochannel import NoChannel
from callflow.channels.websocket.channel import WebSocketGround
from callflow.channels.websocket.dialer import WithWebSockets
from callflow.channels.websocket.gateway import EVENTS, SOUND, Gateway, _Bring, door
from callflow.clock import OutsideLoop
from callflow.delivery.guard import Guard
from callflow.delivery.websockets import MOST_BYTES, OpenSocket, open_socket
from callflow.errors import BadUrl, BlockedAddress, DeliveryError, FetchError, NoMediaPort
from callflow.media.messages import AddLeg, RemoveLeg, RtpPlace, SetStream

HERE = Guard(allow_loopback=True)
CALLER = Party("1000", "2000")


@asynccontextmanager
async def serving(handle: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Any:
    app = web.Application()
    app.router.add_get("/", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


class Pipe:
    """A WebSocket of queues."""

    def __init__(self) -> None:
        self.said: asyncio.Queue[str | bytes] = asyncio.Queue()
        self.heard: asyncio.Queue[str | bytes | None] = asyncio.Queue()
        self.closed = False

    async def say(self, message: str | bytes) -> None:
        self.said.put_nowait(message)

    async def hear(self) -> str | bytes | None:
        return await self.heard.get()

    async def close(self) -> None:
        self.closed = True


def packet(kind: int, sequence: int, payload: bytes, time: int = 0) -> bytes:
    return bytes((0x80, kind)) + sequence.to_bytes(2, "big") + time.to_bytes(4, "big") + b"ssrc" + payload


async def _both_ways(rate: int, wire: int) -> None:
    pipe = Pipe()
    leg, ours = door("127.0.0.1"), door("127.0.0.1")
    ours.connect(leg.getsockname())
    leg.connect(ours.getsockname())
    running = asyncio.ensure_future(Gateway(pipe, ours, rate, {}).run())
    loop = asyncio.get_running_loop()
    try:
        assert json.loads(await pipe.said.get())["content-type"] == f"audio/l16;rate={rate}"
        pipe.heard.put_nowait(np.full(rate // 10, 1000, "<i2").tobytes())
        got = [await loop.sock_recv(leg, 2048) for _ in range(10)]
        assert {len(data) - 12 for data in got} == {wire // 50 * 2}
        assert [int.from_bytes(data[4:8], "big") for data in got] == [160 * number for number in range(10)]
        said = np.concatenate([np.frombuffer(data[12:], ">i2") for data in got])
        assert 0.08 < (np.abs(said - 1000) < 60).sum() / wire < 0.11
        for number in range(9):
            await loop.sock_sendall(leg, packet(SOUND, number, np.full(wire // 50, -2000, ">i2").tobytes()))
        for end in (0, 0x80, 0x80, 0x80):
            await loop.sock_sendall(leg, packet(EVENTS, 9, bytes((11, end)) + (1600).to_bytes(2, "big"), 960))
        frames = [await pipe.said.get() for _ in range(9)]
        assert {len(frame) for frame in frames} == {rate // 50 * 2}
        last = frames[-1]
        assert isinstance(last, bytes) and (np.abs(np.frombuffer(last, "<i2") + 2000) < 100).all()
        assert json.loads(await pipe.said.get()) == {"event": "websocket:dtmf", "digit": "#", "duration": 200}
        assert pipe.said.empty()
        pipe.heard.put_nowait(None)  # the server leaves
        await asyncio.wait_for(running, 5)
        assert pipe.closed
    finally:
        running.cancel()
        leg.close()
        ours.close()


@pytest.mark.parametrize(("rate", "wire"), [(8000, 8000), (16000, 16000), (24000, 16000)])
def test_sound_and_digits_go_both_ways(rate: int, wire: int) -> None:
    asyncio.run(_both_ways(rate, wire))


def test_a_tone_of_another_rate_has_no_seam() -> None:
    sound = (8000 * np.sin(2 * np.pi * 400 * np.arange(24000) / 24000)).astype(np.int16)
    bring = _Bring(24000, 16000)
    out = np.concatenate([bring(part) for part in sound.reshape(50, -1)])[1600:]
    assert len(out) == 14400 and bring._ready.size <= 2 * 320
    spectrum = np.abs(np.fft.rfft(out * np.hanning(len(out))))
    peak = int(spectrum.argmax())
    assert peak * 16000 / len(out) == pytest.approx(400, abs=1.2)
    assert np.delete(spectrum, range(peak - 4, peak + 5)).max() < spectrum[peak] / 1000


# ---- the client ----------------------------------------------------------------------------------


async def _refused(handle: Any, guard: Guard = HERE, scheme: str = "ws") -> DeliveryError:
    async with serving(handle) as url:
        with pytest.raises(DeliveryError) as caught:
            await open_socket(guard, url.replace("ws", scheme, 1), {}, within_s=5)
        return caught.value


def test_servers_that_cannot_be_talked_with() -> None:
    async def forbids(request: web.Request) -> web.StreamResponse:
        return web.Response(status=403, text="secret words of the server")

    async def no_socket(request: web.Request) -> web.StreamResponse:
        return web.Response(text="hello")

    async def elsewhere(request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("ws://127.0.0.1:1/")

    error = asyncio.run(_refused(forbids))
    assert isinstance(error, FetchError) and "answered 403" in error.message and "secret" not in str(error)
    assert "answered 200" in asyncio.run(_refused(no_socket)).message
    assert "answered 302" in asyncio.run(_refused(elsewhere)).message
    blocked = asyncio.run(_refused(no_socket, Guard()))
    assert isinstance(blocked, BlockedAddress) and "allow_networks" in blocked.hint
    assert isinstance(asyncio.run(_refused(no_socket, scheme="http")), BadUrl)


def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(FetchError):
            url = f"ws://127.0.0.1:{taken.getsockname()[1]}/"
            asyncio.run(_opened_and_closed(url))


async def _opened_and_closed(url: str) -> None:
    await (await open_socket(HERE, url, {}, within_s=5)).close()


def test_credentials_and_messages_that_are_too_long() -> None:
    seen: list[str] = []

    async def floods(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers["Authorization"])
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str("hello")
        await socket.send_bytes(bytes(MOST_BYTES + 1))
        async for _ in socket:
            pass
        return socket

    async def run() -> list[str | bytes | None]:
        async with serving(floods) as url:
            opened: OpenSocket = await open_socket(
                HERE, url.replace("//", "//user:pass%20word@"), {}, within_s=5
            )
            came = [await opened.hear(), await opened.hear()]
            with pytest.raises(OSError, match="closed"):
                await opened.say("too late")
            await opened.close()
            await opened.close()
            return came

    assert asyncio.run(run()) == ["hello", None]
    assert seen == ["Basic dXNlcjpwYXNzIHdvcmQ="]


# ---- the leg -------------------------------------------------------------------------------------


class Media:
    def __init__(self) -> None:
        self.sent: list[object] = []

    def send(self, command: object) -> None:
        self.sent.append(command)

    def subscribe(self, handler: Any, *, leg: str | None = None) -> Callable[[], None]:
        return lambda: None


class Ports:
    def __init__(self, *, none: bool = False) -> None:
        self.none = none

    def take(self, near: str = "") -> RtpPlace:
        if self.none:
            raise NoMediaPort("none is free")
        return RtpPlace("127.0.0.1", 40000)

    def give_back(self, place: RtpPlace) -> None:
        raise AssertionError("it is the leg's")


async def _dialled(url: str, *, none: bool = False, kind: str = "", hang_up: bool = False) -> Any:
    outside = OutsideLoop()
    media = Media()
    ground = WebSocketGround(
        media,
        Ports(none=none),
        "127.0.0.1",
        outside,
        lambda url, headers: open_socket(HERE, url, headers, within_s=5),
    )
    try:
        dialer = WithWebSockets(None, ground)  # type: ignore[arg-type]
        target = DialTarget("websocket", url, {"content-type": kind})
        assert dialer.expand(target) == [target] and not dialer.resting(target)
        channel = await dialer.dial(target, caller=CALLER, rate=8000, call_id="leg")
        events = [await channel.next_event()]
        if hang_up:
            await channel.hangup("NORMAL_CLEARING")
            events.append(await channel.next_event())
            await channel.hangup("NORMAL_CLEARING")
        return channel, events, media.sent
    finally:
        outside.close()


def test_a_leg_that_nobody_answers_ends_and_leaves_nothing() -> None:
    channel, events, sent = asyncio.run(_dialled("ws://user:secret@127.0.0.1:1/x?token=secret"))
    assert events == [Ended("DESTINATION_OUT_OF_ORDER", 502)] == [channel.ended]
    assert [type(each) for each in sent] == [AddLeg, RemoveLeg]
    assert "secret" not in channel.party.to_number


@pytest.mark.parametrize(
    ("none", "kind", "ended"),
    [
        (True, "", Ended("SWITCH_CONGESTION", 503)),
        (False, "audio/opus", Ended("INCOMPATIBLE_DESTINATION", 488)),
    ],
)
def test_a_leg_that_cannot_be(none: bool, kind: str, ended: Ended) -> None:
    channel, events, sent = asyncio.run(_dialled("ws://127.0.0.1:1/", none=none, kind=kind))
    assert isinstance(channel, NoChannel) and events == [ended] and sent == []


def test_a_leg_is_hung_up_from_here() -> None:
    async def waits(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for _ in socket:
            pass
        return socket

    async def run() -> Any:
        async with serving(waits) as url:
            return await _dialled(url, hang_up=True)

    channel, events, sent = asyncio.run(run())
    assert [type(event).__name__ for event in events] == ["Answered", "Ended"]
    assert channel.answered and events[1] == Ended("NORMAL_CLEARING", 0, "engine")
    assert [type(each) for each in sent] == [AddLeg, SetStream, RemoveLeg]
