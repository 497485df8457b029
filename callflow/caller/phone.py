"""Layer 5: the small phone itself: its SIP stack, its media, its calls."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from callflow.caller.doorkeeper import NoRecordings, OpenDoor
from callflow.caller.line import Line, Tools, with_media
from callflow.caller.plan import CallerOptions, CallPlan, CallResult
from callflow.caller.reasons import explain
from callflow.caller.registering import Registration
from callflow.caller.way import find_hop, local_host, read_target
from callflow.caller.witness import WitnessStack
from callflow.channels.channel import Channel, Ended, Party
from callflow.channels.sim.clips import clip_of
from callflow.channels.sip.admission import Admitted
from callflow.channels.sip.channel import SipChannel
from callflow.channels.sip.credentials import Credentials
from callflow.channels.sip.endpoint import SipEndpoint
from callflow.channels.sip.locate import Locator, Way
from callflow.channels.sip.offer import rate_of
from callflow.channels.sip.registrar import Registrar
from callflow.channels.sip.transport import Hop, bracketed
from callflow.channels.sip.transports import free_port
from callflow.channels.sip.uri import NameAddr, SipUri
from callflow.clock import Clock
from callflow.documents.settings import SipSettings, load_settings
from callflow.errors import (
    AudioFileError,
    CallflowError,
    MalformedMessage,
    ScenarioError,
    TransportFailed,
)
from callflow.ids import Ids
from callflow.media.clips import ClipLoader
from callflow.media.live import LivePump
from callflow.media.messages import Clip
from callflow.media.rtp.ports import PortPool
from callflow.recording.inline import InlineMedia

MOST_CALLS = 5000


class Caller:
    """The phone. ``async with`` starts and ends it; calls that are left then are hung up.

    Raises from the start: ListenError (its address cannot be used), TransportFailed (``towards`` is not a
    host that is known), MediaError (the ports).
    """

    def __init__(self, options: CallerOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._ids = Ids()
        self._calling: asyncio.Queue[SipChannel | None] = asyncio.Queue()
        self._registrations: list[Registration] = []
        self._lines: set[Line] = set()
        self._stopped = False
        self._finding = asyncio.Lock()
        self._found: dict[str, Hop] = {}

    async def __aenter__(self) -> Caller:
        async with AsyncExitStack() as life:
            await self._start(life)
            self._life = life.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        for registration in self._registrations:
            await registration.end()
        await self._life.aclose()

    async def _start(self, life: AsyncExitStack) -> None:
        options = self._options
        self.host = options.host or await local_host(options.towards)
        settings = _settings(options)
        loader = ClipLoader()
        self._loader = loader
        ports = PortPool(self.host, *options.media_ports)
        self._pump = LivePump(loader, ports)
        self._media = InlineMedia(self._pump, NoRecordings(), self._clock, ports=ports)
        self._media.start()
        life.push_async_callback(self._media.close)
        self._tools = Tools(self._clock, self._media)
        self.stack = WitnessStack(self._clock, tls_client=_tls(options))
        life.push_async_callback(self.stack.close)
        registrar = Registrar(settings, self._clock)
        self._endpoint = SipEndpoint(
            self.stack,
            clock=self._clock,
            media=self._media,
            ports=ports,
            admission=OpenDoor({}, settings, self._clock),
            registrar=registrar,
            locator=Locator({}, registrar, settings, self._clock),
            settings=settings,
            ids=self._ids,
            on_call=self._on_call,
        )
        life.push_async_callback(self._endpoint.close)
        both = options.transport == "tcp"
        port = options.port or (free_port(self.host) if both else 0)
        self.hop: Hop = await self.stack.listen("udp", self.host, port)
        if both:
            await self.stack.listen("tcp", self.host, self.hop.port)

    @property
    def contact(self) -> str:
        """Where this phone can be called: a SIP URI."""
        return f"sip:{self._user}@{bracketed(self.hop.host)}:{self.hop.port}"

    # ---- calling ---------------------------------------------------------------------------------

    async def call(self, plan: CallPlan) -> CallResult:
        """Make a call and wait for its end. Never raises for what the other end or the network does; raises
        AudioFileError and ToneError for a sound that cannot be played.
        """
        clips = self._clips(plan)
        try:
            uri, hop = await self._find(plan.uri)
        except (MalformedMessage, TransportFailed) as error:
            return _nowhere(plan.uri, error)
        plan = replace(plan, refer=_target_beside(uri, plan.refer))
        way = self._way(uri, hop, plan)
        party = Party(self._user, uri.user, from_realm=self.host, to_realm=uri.host)
        began = self._clock.now()
        channel = await self._endpoint.call(way, caller=party, rate=self._rate, call_id=self._ids.call_id())
        result = await self._carry_out(channel, plan, clips, began)
        return replace(result, uri=plan.uri)

    async def calls(
        self,
        plan: CallPlan,
        count: int,
        rate: float,
        *,
        told: Callable[[CallResult], None] = lambda result: None,
    ) -> Sequence[CallResult]:
        """``count`` calls, ``rate`` new ones a second; ``told`` of each when it is over. In the order of
        their beginnings.
        """
        self._clips(plan)
        began = self._clock.now()

        async def one(number: int) -> CallResult | None:
            await self._clock.sleep(max(0.0, began + number / rate - self._clock.now()))
            if self._stopped:
                return None
            result = await self.call(plan)
            told(result)
            return result

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(number)) for number in range(count)]
        return [result for task in tasks if (result := task.result()) is not None]

    async def hang_up(self) -> None:
        """End every call, and place no more."""
        self._stopped = True
        self._calling.put_nowait(None)
        for line in tuple(self._lines):
            await line.channel.hangup("NORMAL_CLEARING")

    # ---- being called ----------------------------------------------------------------------------

    async def register(self, registrar: str, expires_s: int = 300) -> CallResult:
        """Register with ``registrar`` (a SIP URI ``sip:USER@HOST``) and stay so until the end."""
        try:
            uri, hop = await self._find(registrar)
        except (MalformedMessage, TransportFailed) as error:
            return _nowhere(registrar, error)
        registration = Registration(
            self.stack, self._clock, uri, hop, self._user, self._credentials, self._ids
        )
        result = await registration.begin(expires_s)
        if result.answered:
            self._registrations.append(registration)
        return result

    async def answer(self, plan: CallPlan, *, after_s: float = 0.0) -> CallResult:
        """Wait for the next call, answer it after ``after_s`` seconds and carry it out as ``plan`` says (its
        ``uri`` says nothing); wait for its end.
        """
        [result] = await self.answers(plan, 1, after_s=after_s)
        return result

    async def answers(
        self,
        plan: CallPlan,
        count: int,
        *,
        after_s: float = 0.0,
        told: Callable[[CallResult], None] = lambda result: None,
    ) -> Sequence[CallResult]:
        """Take ``count`` calls, at the same time if they come so; fewer if ``hang_up`` is called."""
        clips = self._clips(plan)

        async def one(channel: SipChannel) -> CallResult:
            result = await self._answer(channel, plan, clips, after_s)
            told(result)
            return result

        tasks: list[asyncio.Task[CallResult]] = []
        async with asyncio.TaskGroup() as group:
            while len(tasks) < count:
                channel = await self._calling.get()
                if channel is None:
                    break
                tasks.append(group.create_task(one(channel)))
        return [task.result() for task in tasks]

    async def _answer(
        self, channel: SipChannel, plan: CallPlan, clips: tuple[Clip, ...], after_s: float
    ) -> CallResult:
        began = self._clock.now()
        if after_s:
            await channel.progress()
            await self._clock.sleep(after_s)
        await channel.answer()
        if channel.dialog is not None:
            plan = replace(plan, refer=_target_beside(channel.dialog.target, plan.refer))
        result = await self._carry_out(channel, plan, clips, began)
        return replace(result, uri=f"sip:{channel.party.from_number}@{channel.party.from_realm}")

    def _on_call(self, channel: SipChannel, admitted: Admitted) -> None:
        self._calling.put_nowait(channel)

    # ---- a call ----------------------------------------------------------------------------------

    async def _carry_out(
        self, channel: Channel, plan: CallPlan, clips: tuple[Clip, ...], began: float
    ) -> CallResult:
        line = Line(self._tools, channel, plan, clips)
        in_pump = channel.ended is None
        if in_pump and plan.keep_s > 0:
            self._pump.attach(line.ear)
        answered, up = False, began
        self._lines.add(line)
        try:
            answered = await line.until_answered()
            if answered:
                up = self._clock.now()
                await line.talk()
        finally:
            self._lines.discard(line)
            await channel.hangup("NORMAL_CLEARING")
            report = await line.settle() if in_pump else None
            if in_pump and plan.keep_s > 0:
                self._pump.detach(line.ear)
        result = self._result(channel, answered, began, up)
        return with_media(result, line, report)

    def _result(self, channel: Channel, answered: bool, began: float, up: float) -> CallResult:
        ended = channel.ended or Ended("NORMAL_UNSPECIFIED")
        fate = self.stack.fates.pop(channel.call_id, None)
        message = hint = ""
        if not answered:
            message, hint = explain(fate, ended, has_password=bool(self._options.password))
        setup = fate.answered - fate.began if fate is not None and fate.answered is not None else up - began
        return CallResult(
            uri="",
            call_id=channel.call_id,
            answered=answered,
            cause=ended.cause,
            status=ended.code,
            message=message,
            hint=hint,
            ended_by=ended.by,
            setup_s=setup if answered else 0.0,
            seconds=self._clock.now() - up if answered else 0.0,
        )

    # ---- who and where ---------------------------------------------------------------------------

    @property
    def _user(self) -> str:
        options = self._options
        if options.name.startswith(("sip:", "sips:")):
            return SipUri.parse(options.name).user
        return options.name or options.username or "caller"

    @property
    def _credentials(self) -> Credentials | None:
        options = self._options
        return Credentials(options.username or self._user, options.password) if options.password else None

    async def _find(self, text: str) -> tuple[SipUri, Hop]:
        """Where a URI leads; looked for once, however many calls go there. Raises MalformedMessage and
        TransportFailed.
        """
        uri = read_target(text, self._options.transport)
        async with self._finding:
            if text not in self._found:
                self._found[text] = await find_hop(self.stack, uri)
        return uri, self._found[text]

    def _way(self, uri: SipUri, hop: Hop, plan: CallPlan) -> Way:
        options = self._options
        if options.name.startswith(("sip:", "sips:")):
            own = SipUri.parse(options.name)
        else:
            own = SipUri("sip", self._user, uri.host if options.username else bracketed(self.host))
        return Way(
            request_uri=uri,
            from_=NameAddr(own),
            to=NameAddr(uri.bare()),
            hop=hop,
            headers=plan.headers,
            credentials=self._credentials,
            codecs=options.codecs,
            srtp=options.srtp,
        )

    @property
    def _rate(self) -> int:
        """Of the sound of our calls out, in Hz."""
        return rate_of(None, self._options.codecs)

    def _clips(self, plan: CallPlan) -> tuple[Clip, ...]:
        """What is said; read before the call, so that a file that is missing is told at once."""
        try:
            clips = tuple(clip_of(text, Path()) for text in plan.audio)
        except ScenarioError as error:
            raise AudioFileError(error.message, hint="give a sound file, or tone_stream://...") from None
        for clip in clips:
            self._loader.load(clip, self._rate)
        return clips


def _settings(options: CallerOptions) -> SipSettings:
    return replace(
        load_settings().sip,
        user_agent="callflow call",
        codecs=options.codecs,
        srtp=options.srtp,
        jitter_ms=options.jitter_ms,
        max_calls=MOST_CALLS,
        max_calls_per_account=MOST_CALLS,
        rtp_timeout_s=0,
    )


def _tls(options: CallerOptions) -> ssl.SSLContext | None:
    context = ssl.create_default_context(cafile=str(options.ca) if options.ca else None)
    if not options.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _nowhere(uri: str, error: CallflowError) -> CallResult:
    """A call that could not even be sent."""
    hint = error.hint or error.fix
    return CallResult(uri, "", False, "NO_ROUTE_DESTINATION", message=error.message, hint=hint)


def _target_beside(uri: SipUri, refer: tuple[str, float] | None) -> tuple[str, float] | None:
    """Whom to transfer to: a bare number is one of the host at the other end."""
    if refer is None or refer[0].startswith(("sip:", "sips:", "tel:")):
        return refer
    return str(SipUri(uri.scheme, refer[0], uri.host, uri.port)), refer[1]
