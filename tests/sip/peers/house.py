"""A real server that sipp calls, the receiver of its recordings, and what must be in these."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import soundfile

from callflow.clock import OutsideLoop
from callflow.delivery.receiver import Received, Receiver
from tests.ports import free_ports
from tests.serve.accounts import write
from tests.serve.server import Server, wait_until
from tests.sip.peers import moments
from tests.sip.peers.listening import said
from tests.sip.peers.sipp import HERTZ, LOUD, Sipp

T = TypeVar("T")

FRAME = 160
"""Samples of 20 ms, in which sound is measured."""
WAIT = {"module": "wait_for_hangup", "data": {}, "children": {}}
MEDIA_PORTS = 160
HOLD_S = 0.2
"""For so long packets wait for late ones: a machine that is busy with other tests is no network."""
PASSWORD = "a-good-secret"


def record(then: Mapping[str, Any], **data: Any) -> dict[str, Any]:
    """Record to the house's receiver, then go on."""
    kept = {"action": "start", "format": "wav", "url": "{URL}", **data}
    return {"module": "record_call", "data": kept, "children": {"_": dict(then)}}


def answer(then: Mapping[str, Any]) -> dict[str, Any]:
    return {"module": "answer", "data": {}, "children": {"_": dict(then)}}


def node(name: str, children: Mapping[str, Any] | None = None, **data: Any) -> dict[str, Any]:
    return {"module": name, "data": data, "children": dict(children or {})}


RECORDED = answer(record(WAIT))
"""Answers and records until somebody hangs up."""


@dataclass
class House:
    """A server with one account, whose recordings come to ``receiver``."""

    folder: Path
    server: Server
    receiver: Receiver
    runs: list[Sipp] = field(default_factory=list)

    @property
    def at(self) -> str:
        """Where it takes calls, HOST:PORT."""
        return self.server.at

    def sipp(self, name: str, host: str = "127.0.0.1", port: int = 0) -> Sipp:
        """A sipp of that name, ended with the house."""
        self.runs.append(Sipp(self.folder, name, host, port))
        return self.runs[-1]

    async def delivered(self, call_id: str, within_s: float = 10) -> Path:
        """The delivered recording of a call."""
        wanted = f"call_recording_{call_id}.wav"

        def found() -> list[Received]:
            kept = [one for one in self.receiver.received if one.file is not None]
            return [one for one in kept if one.target.rpartition("/")[2] == wanted]

        await wait_until(lambda: bool(found()), within_s)
        (one,) = found()
        assert one.digest_ok and one.file is not None
        return one.file

    async def spoken(
        self,
        call_id: str,
        channel: int,
        who: str,
        *,
        least_s: float,
        early_s: float = 0.2,
        holes_s: float = 0.0,
    ) -> Path:
        """``assert_spoken`` of a call's delivered recording, from when ``who`` has begun on."""
        file = await self.delivered(call_id)
        begin_s = moments.begin(self.server.lines, await self.recording(file), channel, HOLD_S)
        more = {"least_s": least_s, "begin_s": begin_s, "early_s": early_s, "holes_s": holes_s}
        assert_spoken(file, channel, who, **more)
        return file

    async def assert_whole(self, call_id: str, file: Path, least_s: float) -> None:
        """A call has lasted ``least_s``, its delivered recording from its begin to when the leg was to go."""
        await self.server.until(f"call.end            call={call_id} ")
        (ended,) = self.server.having(f" call={call_id} seconds=")
        lasted_s = float(ended.split(" seconds=")[1].split()[0])
        whole_s = moments.lasted(self.server.lines, await self.recording(file))
        seconds = soundfile.info(file).duration
        assert lasted_s >= least_s
        assert abs(seconds - whole_s) < 0.1, f"{file.name}: {seconds:.2f} s of {whole_s:.2f}"

    async def recording(self, file: Path) -> str:
        """The id of a delivered recording."""
        await self.server.until(f'/{file.name}"')
        return moments.recording_of(self.server.lines, file.name)

    async def all_over(self, within_s: float = 10) -> None:
        """No call is left."""
        having = self.server.having
        await wait_until(lambda: len(having(" call.begin ")) == len(having(" call.end ")), within_s)


@asynccontextmanager
async def house(
    folder: Path,
    flows: Mapping[str, Mapping[str, Any]],
    *words: str,
    devices: tuple[str, ...] = (),
    documents: Mapping[str, Mapping[str, Any]] | None = None,
    sip: Mapping[str, Any] | None = None,
) -> AsyncIterator[House]:
    """``flows`` by number; ``documents`` by path in the account; ``sip``: settings. At the end the server is
    asked to end, must do so at once, and must have had no fault.
    """
    receiver = Receiver(folder / "received")
    url = await receiver.start()
    account = folder / "accounts" / "acme"
    write(account / "account.json", {"realm": "acme.example.com"})
    for number, flow in flows.items():
        write(account / "callflows" / f"n{number}.json", {"numbers": [number], "flow": _with_url(flow, url)})
    for device in devices:
        write(account / "devices" / f"{device}.json", {"sip": {"username": device, "password": PASSWORD}})
    for path, document in (documents or {}).items():
        write(account / f"{path}.json", document)
    config = folder / "system_config"
    write(config / "delivery.json", {"allow_networks": ["127.0.0.0/8"]})
    write(config / "sip.json", {"jitter_ms": round(HOLD_S * 1000), **(sip or {})})
    low = free_ports(MEDIA_PORTS)
    words = ("--system-config", str(config), "--media-ports", f"{low}-{low + MEDIA_PORTS - 1}", *words)
    server = await Server.start(folder / "accounts", folder / "state", *words, program=moments.TOLD)
    here = House(folder, server, receiver)
    try:
        yield here
        await here.all_over()
        if server.process.returncode is None:
            server.signal(signal.SIGTERM)
        assert await server.ended() == 0
        assert server.lines[-1] == "ended"
        for word in ("Traceback", "CF-INT", " ERROR "):
            assert not server.having(word), server.having(word)
    except BaseException:
        print("\n".join(server.lines))
        raise
    finally:
        await asyncio.gather(*(run.stop() for run in here.runs))
        await server.close()
        await receiver.close()


@contextmanager
def in_loop(loop: OutsideLoop, entered: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """An asynchronous context in a loop that is elsewhere."""
    inner = loop.submit(entered.__aenter__()).result(30)
    try:
        yield inner
    except BaseException:
        loop.submit(entered.__aexit__(*sys.exc_info())).result(60)
        raise
    loop.submit(entered.__aexit__(None, None, None)).result(60)


@dataclass
class Shared:
    """A house for the tests of a file, in a loop of its own."""

    loop: OutsideLoop
    house: House

    def run(
        self, play: Callable[[House], Coroutine[Any, Any, None]], recordings: int, calls: int = 0
    ) -> None:
        """What a test does; no call of it is left, so many ``recordings`` have come, and (if that is asked)
        so many ``calls``. What it prints if it fails is all of this house's.
        """

        async def one() -> None:
            here = self.house
            before = len(here.receiver.received), len(here.server.having(" call.begin "))
            await play(here)
            await here.all_over()
            assert len(here.receiver.received) - before[0] == recordings
            assert not calls or len(here.server.having(" call.begin ")) - before[1] == calls

        try:
            self.loop.submit(one()).result(120)
        except BaseException:
            print("\n".join(self.house.server.lines))
            raise


@contextmanager
def shared(
    folder: Path,
    flows: Mapping[str, Mapping[str, Any]],
    documents: Mapping[str, Mapping[str, Any]],
    devices: tuple[str, ...] = (),
) -> Iterator[Shared]:
    """A house as of ``house``, whose server all tests of a file call."""
    loop = OutsideLoop()
    try:
        with in_loop(loop, house(folder, flows, devices=devices, documents=documents)) as here:
            yield Shared(loop, here)
    finally:
        loop.close()


def _with_url(flow: Mapping[str, Any], url: str) -> dict[str, Any]:
    text = {key: _with_url(value, url) if isinstance(value, dict) else value for key, value in flow.items()}
    return {key: url if value == "{URL}" else value for key, value in text.items()}


def trunk(*ports: int, name: str = "trunk", rules: list[str] | None = None, **gateway: Any) -> dict[str, Any]:
    """A carrier on this machine, with a gateway at each port; calls from 127.0.0.1 are its."""
    gateways = [{"server": "127.0.0.1", "port": port, **gateway} for port in ports]
    return {"name": name, "rules": rules or ["^5550"], "gateways": gateways}


# ---- what is heard


def heard(file: Path, channel: int) -> tuple[np.ndarray, float]:
    """A channel as numbers, and its seconds. The file is stereo at 8000 Hz."""
    samples, rate = soundfile.read(file, dtype="int16", always_2d=True)
    assert rate == 8000
    assert samples.shape[1] == 2
    return samples[:, channel].astype(np.float64), len(samples) / rate


def levels(samples: np.ndarray, hertz: float) -> np.ndarray:
    """The amplitude of one frequency in each 20 ms."""
    frames = in_frames(samples)
    turns = np.exp(-2j * np.pi * hertz * np.arange(FRAME) / 8000)
    found: np.ndarray = 2 * np.abs(frames @ turns) / FRAME
    return found


def in_frames(samples: np.ndarray) -> np.ndarray:
    """A row for each 20 ms."""
    return samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)


def assert_spoken(
    file: Path,
    channel: int,
    who: str,
    *,
    least_s: float,
    begin_s: float,
    early_s: float = 0.2,
    holes_s: float = 0.0,
) -> None:
    """``who`` is heard on that channel, as loud as it was sent, without a gap: from ``begin_s`` (or sooner)
    to ``early_s`` before the end, and for at least ``least_s``. That the receiver leaves out or repeats
    samples, to follow the sender's clock, is no gap. ``holes_s``: so much may be missing.
    """
    samples, seconds = heard(file, channel)
    found = levels(samples, HERTZ[who])
    whole = said(in_frames(samples), HERTZ[who], 8000)
    good = np.abs(whole / LOUD - 1) < 0.12
    sounding = np.flatnonzero(found > LOUD / 2)
    assert sounding.size, f"{file.name}: nothing of {who} on channel {channel} in {seconds} s"
    first, last = sounding[0], sounding[-1]
    around = f"{file.name}[{channel}] of {seconds:.2f} s, {who} from {first / 50:.2f} to {last / 50:.2f}"
    # Sooner: where the first packets come late, all together, the last one tells when the sound was sent.
    assert first / 50 < begin_s + moments.NEAR_S, f"{around}; from {begin_s:.2f} on"
    assert seconds - last / 50 <= early_s, around
    assert (last - first) / 50 >= least_s, around
    holes = np.flatnonzero(~good[first + 1 : last]) + first + 1
    assert holes.size <= holes_s * 50, f"{around}: " + ", ".join(
        f"{whole[h] / LOUD:.2f} at {h / 50:.2f}" for h in holes
    )


def assert_silent(file: Path, channel: int, *, from_s: float = 0.0) -> None:
    """Nothing is on that channel."""
    samples, _ = heard(file, channel)
    assert np.abs(samples[round(from_s * 8000) :]).max(initial=0) < 100
