"""Layer 6: the demo on the network: a server, two phones and a receiver, all of them on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callflow import events as ev
from callflow.caller import Caller, CallerOptions, CallPlan, CallResult
from callflow.cli.check import around
from callflow.clock import SystemClock
from callflow.delivery.receiver import Received, Receiver
from callflow.documents import jsontext
from callflow.documents.catalog import Catalog, read_catalog
from callflow.documents.shipped import examples_dir
from callflow.errors import InvalidDocument
from callflow.exchange import Bind, Exchange, ExchangeOptions, MediaOptions
from callflow.log import mask_url

NUMBER = "3002"
CALLER, CALLEE = "bob-desk", "alice-desk"
ANSWER_AFTER_S, TALK_S = 2.0, 8.0
ARRIVES_WITHIN_S = 20.0
RTP_PORTS = ((30000, 30998), (31000, 31998), (32000, 32998))
"""Of the server, of Bob's phone, of Alice's."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Shown:
    """What came of it."""

    call: CallResult
    received: tuple[Received, ...]


async def show(folder: Path, say: Say) -> Shown:
    """Make the call and tell it, step by step. Raises CallflowError if something cannot start."""
    async with AsyncExitStack() as life:
        receiver = Receiver(folder / "received")
        url = await receiver.start()
        life.push_async_callback(receiver.close)
        exchange = await life.enter_async_context(_exchange(folder, url))
        at = exchange.uris[0].removeprefix("sip:")
        bob = await life.enter_async_context(_phone(exchange, CALLER, RTP_PORTS[1]))
        alice = await life.enter_async_context(_phone(exchange, CALLEE, RTP_PORTS[2]))
        _introduce(say, at, url)
        story = _Story(say, exchange)
        exchange.bus.subscribe(story)
        registered = await alice.register(f"sip:{CALLEE}@{at}")
        if not registered.answered:
            raise InvalidDocument(f"Alice's phone cannot register: {registered.message}")
        story.begin()
        audio = examples_dir() / "audio"
        picks_up = asyncio.ensure_future(
            alice.answer(CallPlan("", audio=(str(audio / "callee.wav"),)), after_s=ANSWER_AFTER_S)
        )
        say(f"{0:4d} s      Bob's phone calls sip:{NUMBER}@{at}")
        plan = CallPlan(
            f"sip:{NUMBER}@{at}", audio=(str(audio / "caller.wav"),), hangup_after_s=TALK_S, keep_s=0
        )
        result = await bob.call(plan)
        picks_up.cancel()
        await asyncio.gather(picks_up, return_exceptions=True)
        if result.answered:
            await story.arrived(ARRIVES_WITHIN_S)
        return Shown(result, tuple(receiver.received))


def _exchange(folder: Path, url: str) -> Exchange:
    options = ExchangeOptions(
        state=folder / "state",
        accounts=examples_dir() / "accounts" / "demo",
        around=around,
        bind=(Bind(("udp", "tcp"), "127.0.0.1", 0),),
        media=MediaOptions(ports=RTP_PORTS[0], workers=0),
        variables={"RECEIVER": url},
        flows={"record-to-url": _flow()},
        allow_loopback=True,
        poll_s=0,
    )
    catalog = read_catalog(options.accounts, None, around)
    if not isinstance(catalog, Catalog):
        raise InvalidDocument(catalog.lines()[0])
    return Exchange(options, catalog)


def _flow() -> Mapping[str, Any]:
    value = jsontext.read(examples_dir() / "flows" / "record-to-url.json").value
    assert isinstance(value, dict)
    return value


def _phone(exchange: Exchange, device: str, ports: tuple[int, int]) -> Caller:
    account = next(iter(exchange.catalog.accounts.values()))
    sip = (account.get("device", device) or {})["sip"]
    options = CallerOptions(username=sip["username"], password=sip["password"], media_ports=ports)
    return Caller(options, SystemClock())


def _introduce(say: Say, at: str, url: str) -> None:
    examples = examples_dir()
    for line in (
        f"A real SIP call on this machine, recorded and delivered: {ANSWER_AFTER_S + TALK_S:.0f} seconds.",
        f"  server    sip:{at}  (what callflow serve runs)",
        f"  account   {examples / 'accounts' / 'demo'}",
        f"  flow      {examples / 'flows' / 'record-to-url.json'}",
        f"  receiver  {url}  (a real HTTP server on this machine)",
        "  voices    examples/audio, made with espeak-ng",
        "",
        "call time  what happens",
    ):
        say(line)


class _Story:
    """Tells the call's events in whole seconds since the call."""

    def __init__(self, say: Say, exchange: Exchange) -> None:
        self._say = say
        self._clock = exchange.clock
        self._began = 0.0
        self._done = asyncio.Event()

    def begin(self) -> None:
        """The call is placed now."""
        self._began = self._clock.now()

    async def arrived(self, within_s: float) -> None:
        """Wait until the recording is where it should be, or will not be."""
        try:
            async with asyncio.timeout(within_s):
                await self._done.wait()
        except TimeoutError:
            pass

    def __call__(self, event: ev.Event) -> None:
        text = _words(event)
        if text:
            self._say(f"{int(event.time - self._began + 0.25):4d} s      {text}")
        if isinstance(event, ev.DeliveryChanged) and event.change not in ("queued", "sending"):
            self._done.set()
        if isinstance(event, ev.RecordingChanged) and event.change in ("failed", "discarded"):
            self._done.set()


def _words(event: ev.Event) -> str:
    match event:
        case ev.CallStarted():
            return f"the call comes in, for the flow {event.flow_name}"
        case ev.StepStarted():
            return f"{event.module}  {event.path or '/'}"
        case ev.CallRinging(endpoint="device alice-desk"):
            return "Alice's phone rings"
        case ev.CallBridged():
            return "she answers: both hear each other"
        case ev.CallEnded():
            return f"Bob hangs up: {event.cause}"
        case ev.RecordingChanged(change="ready"):
            return f"the recording is finished: {event.seconds:.0f} s, {event.format}"
        case ev.RecordingChanged(change="failed" | "discarded"):
            return f"the recording is {event.change}: {event.message or event.reason}"
        case ev.DeliveryChanged(change="sending"):
            return f"on its way: {event.method} {mask_url(event.url)}"
        case ev.DeliveryChanged(change="delivered"):
            return f"delivered: the receiver answered {event.status}"
        case ev.DeliveryChanged(change="waiting" | "dead" | "blocked"):
            return f"not delivered: {event.message}"
        case ev.Noticed(level="error"):
            return f"error {event.code}: {event.message}"
    return ""
