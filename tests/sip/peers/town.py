"""Softphones around a real server: each says its own tone, so that one hears in a recording who spoke."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from callflow.clock import OutsideLoop
from tests.serve.server import Server
from tests.sip.peers import moments
from tests.sip.peers.baresip import Baresip, Phone, baresip, phone_port
from tests.sip.peers.house import PASSWORD, House, house, in_loop, node
from tests.sip.peers.listening import write_tone

T = TypeVar("T")

HERTZ = {"alice": 400, "bob": 600, "carol": 800, "dave": 1000, "erin": 1200, "frank": 1400}
"""Who says which tone; the names are those of the account's devices."""
PLAYED = 1600
"""The tone that flows play."""
HOLD_S = 0.3
"""Phones on a machine that is busy with other tests stand still now and then: what comes late is not lost."""
LATE_S = 0.7
"""After so long what a phone says is heard: it takes a moment until it sends, and the buffer another one."""
WIDE = "G722/16000/1"
"""G.722, as baresip's account names it; where it is offered it has to be what is agreed on."""


@dataclass
class Town:
    """A server and its phones; a loop of its own runs what is asynchronous."""

    loop: OutsideLoop
    house: House
    tones: Path
    _phones: ExitStack = field(default_factory=ExitStack)
    _count: int = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something in the server's loop."""
        return self.loop.submit(work).result(30)

    def until(self, part: str, count: int = 1) -> str:
        """Wait for a line of the server that has ``part`` (or the ``count``-th)."""
        return self.run(self.house.server.until(part, count))

    def lines(self, *parts: str) -> list[str]:
        """The server's lines so far that have all ``parts``."""
        return [line for line in self.house.server.lines if all(part in line for part in parts)]

    def phone(
        self,
        name: str,
        *,
        codec: str = "PCMU",
        transport: str = "udp",
        at: str = "",
        answer: str = "auto",
        extra: str = "",
        password: str = PASSWORD,
        cafile: Path | None = None,
        more: tuple[str, ...] = (),
        registers: bool = True,
    ) -> Baresip:
        """A phone of that device, registered. ``extra``: further parameters of baresip's account."""
        at = at or self.house.at
        account = (
            f"<sip:{name}@{at};transport={transport}>;auth_user={name};auth_pass={password}"
            f";audio_codecs={codec};answermode={answer};regint={600 if registers else 0}{extra}"
        )
        rate = 16000 if WIDE in codec else 8000
        says = self.tones / f"{name}-{rate}.wav"
        if not says.exists():
            write_tone(says, HERTZ[name], rate=rate)
        self._count += 1
        folder = self.tones.parent / f"{name}-{self._count}"
        found = self._phones.enter_context(baresip(folder, Phone(account, says, phone_port(), cafile), more))
        if registers and password == PASSWORD:
            found.wait_for("REGISTER_OK")
        return found

    def dial(self, phone: Baresip, number: str) -> None:
        """Have a phone call a number."""
        phone.events.clear()
        domain = phone.phone.account.partition("@")[2].partition(";")[0]
        assert phone.command("dial", f"sip:{number}@{domain}")["ok"]

    def call(self, phone: Baresip, number: str) -> str:
        """Have a phone call a number, and wait for the answer; gives the call id."""
        self.dial(phone, number)
        return str(phone.wait_for("CALL_ESTABLISHED")["id"])

    def changes(self, phone: Baresip, command: str) -> float:
        """Have a phone hold or resume its call; when the server has agreed."""
        phone.events.clear()
        phone.command(command)
        phone.wait_for("CALL_REMOTE_SDP")
        return time.monotonic()

    def delivered(self, call_id: str) -> Path:
        """The recording of a call, as it came to the receiver."""
        return self.run(self.house.delivered(call_id))

    def begin(self, call_id: str, channel: int) -> float:
        """The second of a call's delivered recording by which who speaks on that channel is heard."""
        return self.begin_in(self.run(self.house.recording(self.delivered(call_id))), channel)

    def begin_in(self, recording: str, channel: int) -> float:
        """The same of a recording with that id."""
        return moments.begin(self.house.server.lines, recording, channel, HOLD_S) + moments.NEAR_S

    def assert_whole(self, call_id: str, least_s: float) -> None:
        """A call has lasted ``least_s``, and its recording as long as it."""
        self.run(self.house.assert_whole(call_id, self.delivered(call_id), least_s))

    def late(self, call_id: str) -> float:
        """How many seconds after the begin of a call its delivered recording has begun."""
        recording = self.run(self.house.recording(self.delivered(call_id)))
        return moments.unrecorded(self.house.server.lines, recording)

    def plays(self, call_id: str) -> None:
        """Wait until the flow of a call plays something."""
        self.until(f"told play {call_id} ")

    def stored(self, call_id: str) -> Path:
        """The recording of a call in the local store."""
        line = self.run(self._ready(call_id))
        return self.house.folder / "state" / line.split(" file=")[1].split()[0]

    async def _ready(self, call_id: str) -> str:
        async with asyncio.timeout(10):
            while True:
                for line in self.lines("recording.ready", f"call={call_id} "):
                    return line
                await asyncio.sleep(0.02)

    def restart(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the server by a signal, and start it again on the same port, state and documents."""
        self.run(self._restart(number))

    async def _restart(self, number: signal.Signals) -> None:
        folder, former = self.house.folder, self.house.server
        former.signal(number)
        await former.ended()
        words = ("--system-config", str(folder / "system_config"))
        self.house.server = await Server.start(
            folder / "accounts", folder / "state", *words, bind=former.at, program=moments.TOLD
        )

    def close_phones(self) -> None:
        """End all phones."""
        self._phones.close()


@contextmanager
def town(folder: Path, flows: Mapping[str, Mapping[str, Any]], *words: str, **more: Any) -> Iterator[Town]:
    """A server with a device for each name in ``HERTZ``; ``words`` and ``more`` as for ``house``. Phones are
    ended before it.
    """
    loop = OutsideLoop()
    more["sip"] = {"jitter_ms": round(HOLD_S * 1000), **more.get("sip", {})}
    try:
        with in_loop(loop, house(folder / "house", flows, *words, devices=tuple(HERTZ), **more)) as entered:
            here = Town(loop, entered, folder / "tones")
            first = entered.server
            try:
                yield here
            finally:
                here.close_phones()
                if here.house.server is not first:
                    here.run(here.house.server.close())
                    assert not here.lines("Traceback")
    finally:
        loop.close()


def ring(name: str, timeout: int = 15, **children: Mapping[str, Any]) -> dict[str, Any]:
    """Ring a device."""
    return node("device", children, id=name, timeout=timeout)


def play(hertz: int = PLAYED, seconds: float = 60) -> dict[str, Any]:
    """Play a tone, then hang up."""
    return node("play", {"_": node("hangup")}, id=f"tone_stream://%({round(seconds * 1000)},0,{hertz})")
