"""A phone talks with a WebSocket server through ``callflow serve``: all over real sockets."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from aiohttp import WSMsgType, web
from numpy.typing import NDArray

from callflow.caller import CallPlan, CallResult
from callflow.delivery.signing import verify
from callflow.state.database import Database
from callflow.state.records import list_recordings
from tests.serve.accounts import account, write
from tests.serve.server import Server, phone, wait_until

NUMBER = "447700900001"
SECRET = "a secret of thirty-two characters"
CALLER_HZ, SERVER_HZ = 500, 700


def tone(hertz: float, seconds: float, rate: int) -> NDArray[np.int16]:
    at = np.arange(int(seconds * rate)) / rate
    return (9000 * np.sin(2 * np.pi * hertz * at)).astype(np.int16)


def seconds_of(sound: NDArray[np.int16], hertz: float, rate: int) -> float:
    """For how long a tone is in ``sound``, in pieces of 50 ms."""
    piece = rate // 20
    parts = sound[: len(sound) // piece * piece].reshape(-1, piece).astype(float)
    turn = np.exp(-2j * np.pi * hertz * np.arange(piece) / rate)
    return float((np.abs(parts @ turn) * 2 / piece > 4000).sum()) / 20


@dataclass
class Bot:
    """The application's web server, and the one at the other end of the socket: it says a second of a tone,
    asks when that was heard, says much more and takes it back, and leaves at the digit.
    """

    rate: int
    texts: list[dict[str, Any]] = field(default_factory=list)
    frames: list[bytes] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    authorization: str = ""
    port: int = 0

    def script(self) -> list[dict[str, Any]]:
        endpoint = {
            "type": "websocket",
            "uri": f"ws://127.0.0.1:{self.port}/socket?token=hidden",
            "content-type": f"audio/l16;rate={self.rate}",
            "headers": {"customer": "42"},
            "authorization": {"type": "vonage"},
        }
        record = {"action": "record", "split": "conversation", "format": "wav"}
        return [record, {"action": "connect", "endpoint": [endpoint]}, {"action": "wait", "timeout": 30}]

    async def answer(self, request: web.Request) -> web.Response:
        return web.json_response(self.script())

    async def event(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.events.append(body)
        return web.json_response(
            [{"action": "wait", "timeout": 0.2}] if body.get("status") == "disconnected" else {}
        )

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        self.authorization = request.headers.get("Authorization", "")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                self.frames.append(message.data)
                continue
            said = json.loads(message.data)
            self.texts.append(said)
            match said["event"]:
                case "websocket:connected":
                    await socket.send_bytes(tone(SERVER_HZ, 1.0, self.rate).tobytes())
                    await socket.send_json({"action": "notify", "payload": {"part": 1}})
                case "websocket:notify":
                    await socket.send_bytes(tone(SERVER_HZ, 20.0, self.rate).tobytes()[:250_000])
                    await socket.send_json({"action": "clear"})
                case "websocket:dtmf":
                    await socket.close()
        return socket

    @property
    def heard(self) -> NDArray[np.int16]:
        return np.frombuffer(b"".join(self.frames), "<i2").astype(np.int16)

    def states(self, **wanted: str) -> list[Mapping[str, Any]]:
        return [body for body in self.events if wanted.items() <= body.items()]


async def _talk(folder: Path, bot: Bot) -> CallResult:
    app = web.Application()
    app.add_routes(
        [web.get("/answer", bot.answer), web.post("/event", bot.event), web.get("/socket", bot.socket)]
    )
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    bot.port = runner.addresses[0][1]
    url = f"http://127.0.0.1:{bot.port}"
    application = {
        "numbers": [NUMBER],
        "answer_url": f"{url}/answer",
        "event_url": f"{url}/event",
        "signature_secret": SECRET,
    }
    write(folder / "one" / "applications" / "bot.json", application)
    write(folder / "config" / "delivery.json", {"allow_networks": ["127.0.0.0/8"]})
    server = await Server.start(folder / "one", folder / "state", "--system-config", str(folder / "config"))
    try:
        async with phone(jitter_ms=200) as one:  # a machine busy with other tests is no network
            sound = f"tone_stream://%(1000,0,{CALLER_HZ})"
            result = await one.call(
                CallPlan(
                    f"sip:{NUMBER}@{server.at}", audio=(sound,), loop=True, digits=(("5", 2.0),), give_up_s=15
                )
            )
        await wait_until(lambda: bool(bot.states(status="completed", direction="inbound")))
        await wait_until(lambda: any("recording_url" in body for body in bot.events))  # it is there now
        assert not any("hidden" in line for line in server.lines), server.lines
        return result
    finally:
        await server.close()
        await runner.cleanup()


def _recorded(state: Path) -> NDArray[np.int16]:
    database = Database.open(state / "callflow.db")
    try:
        (row,) = database.run(list_recordings)
    finally:
        database.close()
    sound, rate = soundfile.read(state / row.file, dtype="int16")
    assert rate == 16000
    found: NDArray[np.int16] = sound
    return found


def test_a_phone_talks_with_a_server_over_a_websocket(tmp_path: Path) -> None:
    account(tmp_path / "one", {})
    bot = Bot(16000)
    result = asyncio.run(_talk(tmp_path, bot))
    assert bot.texts[0] == {
        "event": "websocket:connected",
        "content-type": "audio/l16;rate=16000",
        "customer": "42",
    }
    assert [text["event"].partition(":")[2] for text in bot.texts[1:]] == ["notify", "cleared", "dtmf"]
    assert bot.texts[1]["payload"] == {"part": 1}
    assert bot.texts[3]["digit"] == "5" and 40 <= bot.texts[3]["duration"] <= 300
    assert verify(b"", bot.authorization, SECRET, now=time.time())["application_id"] == "bot"
    # Each hears the other, and of what was taken back next to nothing is heard.
    assert {len(frame) for frame in bot.frames} == {640}
    assert 1.2 < seconds_of(bot.heard, CALLER_HZ, 16000) < 3.0
    assert 0.9 < seconds_of(result.heard, SERVER_HZ, result.rate) < 1.4
    recorded = _recorded(tmp_path / "state")
    assert 0.9 < seconds_of(recorded[:, 1], SERVER_HZ, 16000) < 1.4
    assert seconds_of(recorded[:, 0], CALLER_HZ, 16000) > 1.2
    assert seconds_of(recorded[:, 0], SERVER_HZ, 16000) == 0
    (gone,) = bot.states(status="disconnected")
    assert gone["headers"] == {"customer": "42"} and "direction" not in gone
    outbound = [body["status"] for body in bot.states(direction="outbound")]
    assert outbound == ["started", "ringing", "answered", "completed"]
    assert result.seconds < 10, "the script that the event gave has ended the call, not wait's 30 s"
