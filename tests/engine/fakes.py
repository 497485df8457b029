"""Stand-ins for what lies below the engine: media without samples, legs that a test plays by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from callflow.channels.channel import (
    Answered,
    ChannelEvent,
    DialTarget,
    Direction,
    EarlyMedia,
    Ended,
    Party,
)
from callflow.clock import Clock
from callflow.media.messages import (
    AddLeg,
    Clip,
    Digit,
    PcmClip,
    Play,
    PlaybackDone,
    PretendSource,
    RemoveLeg,
    SilenceClip,
    StopPlay,
)
from callflow.media.port import MediaHandler
from callflow.recording.messages import (
    LegNotice,
    Mask,
    MoveTaps,
    Pause,
    RecordingEvent,
    RecordingSpec,
    Resume,
    StartOn,
    StartRecording,
    StopRecording,
    Unmask,
)

RATE = 8000


@dataclass
class FakeRecorder:
    spec: RecordingSpec
    state: str
    began: float = 0.0
    legs: set[str] = field(default_factory=set)


class FakeMedia:
    """A media port that keeps every command (with its time) and answers as a pump and its recorders would."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.sent: list[tuple[float, object]] = []
        self.recorders: dict[str, FakeRecorder] = {}
        self._handlers: list[MediaHandler] = []
        self._playing: dict[str, list[Play]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def commands(self, kind: type) -> list[object]:
        return [command for _, command in self.sent if isinstance(command, kind)]

    def subscribe(self, handler: MediaHandler, *, leg: str | None = None) -> Callable[[], None]:
        self._handlers.append(handler)
        return lambda: self._handlers.remove(handler)

    def emit(self, event: object) -> None:
        loop = asyncio.get_running_loop()
        for handler in tuple(self._handlers):
            loop.call_soon(handler, event)

    def send(self, command: object) -> None:
        self.sent.append((self.clock.now(), command))
        match command:
            case Play():
                self._play(command)
            case StopPlay(leg=leg, playback=playback):
                self._end_play(leg, playback, "stopped")
            case RemoveLeg(leg=leg):
                for play in list(self._playing.get(leg, ())):
                    self._end_play(leg, play.playback, "leg_gone")
                for recorder in self.recorders.values():
                    if recorder.spec.taps[0].leg == leg:
                        self._end(recorder, "hangup")
            case StartRecording() | StopRecording() | Mask() | Unmask() | Pause() | Resume() | MoveTaps():
                self._recording(command)
            case LegNotice(leg=leg, what=what):
                for recorder in self.recorders.values():
                    waits_for = {"answered": StartOn.ANSWER, "bridged": StartOn.BRIDGE}[what]
                    waits = recorder.state == "WAITING" and recorder.spec.start is waits_for
                    if waits and recorder.spec.taps[0].leg == leg:
                        self._begin(recorder)

    def press(self, leg: str, digit: str) -> None:
        play = next((play for play in self._playing.get(leg, ()) if digit in play.terminators), None)
        self.emit(Digit(leg, digit, self.clock.now(), play.playback if play else ""))
        if play:
            self._end_play(leg, play.playback, "digit", digit)

    def playing(self, leg: str) -> list[Clip]:
        return [clip for play in self._playing.get(leg, ()) for clip in play.clips]

    def _play(self, play: Play) -> None:
        self._playing.setdefault(play.leg, []).append(play)
        if any(isinstance(clip, PcmClip) and clip.rate == 0 for clip in play.clips):
            self._end_play(play.leg, play.playback, "failed")
            return
        seconds = sum(clip.seconds if isinstance(clip, SilenceClip) else 1.0 for clip in play.clips)
        if play.loops:
            self._timers[play.playback] = asyncio.get_running_loop().call_later(
                seconds * play.loops, self._end_play, play.leg, play.playback, "finished"
            )

    def _end_play(self, leg: str, playback: str, reason: str, digit: str = "") -> None:
        timer = self._timers.pop(playback, None)
        if timer is not None:
            timer.cancel()
        for play in list(self._playing.get(leg, ())):
            if play.playback == playback:
                self._playing[leg].remove(play)
                self.emit(PlaybackDone(leg, playback, reason, self.clock.now(), digit))

    # ---- recorders ---------------------------------------------------------------------------

    def _recording(self, command: object) -> None:
        if isinstance(command, StartRecording):
            spec = command.spec
            recorder = self.recorders[spec.id] = FakeRecorder(spec, "WAITING")
            been = {StartOn.NOW: True, StartOn.ANSWER: command.answered, StartOn.BRIDGE: command.bridged}
            if been[spec.start]:
                self._begin(recorder)
            else:
                self._tell(recorder, "waiting")
            return
        assert isinstance(command, StopRecording | Mask | Unmask | Pause | Resume | MoveTaps)
        recorder = self.recorders[command.id]
        match command:
            case StopRecording(reason=reason):
                self._end(recorder, reason)
            case Mask():
                recorder.state = "MASKED"
                self._tell(recorder, "masked")
            case Pause():
                recorder.state = "PAUSED"
                self._tell(recorder, "paused")
            case Unmask() | Resume():
                recorder.state = "RECORDING"
                self._tell(recorder, "unmasked" if isinstance(command, Unmask) else "resumed")
            case MoveTaps(taps=taps):
                recorder.spec = _with_taps(recorder.spec, taps)
                self._tell(recorder, "moved")

    def _begin(self, recorder: FakeRecorder) -> None:
        recorder.state, recorder.began = "RECORDING", self.clock.now()
        self._tell(recorder, "started")

    def _end(self, recorder: FakeRecorder, reason: str) -> None:
        if recorder.state in ("FINISHING", "CANCELLED"):
            return
        waiting = recorder.state == "WAITING"
        recorder.state = "CANCELLED" if waiting else "FINISHING"
        self._tell(recorder, "cancelled" if waiting else "finishing", reason)

    def _tell(self, recorder: FakeRecorder, change: str, reason: str = "") -> None:
        now = self.clock.now()
        began = now if recorder.state in ("WAITING", "CANCELLED") else recorder.began
        samples = round((now - began) * RATE)
        self.emit(RecordingEvent(recorder.spec.id, change, recorder.state, now, samples, reason))


def _with_taps(spec: RecordingSpec, taps: tuple[object, ...]) -> RecordingSpec:
    from dataclasses import replace

    return replace(spec, taps=taps)  # type: ignore[arg-type]


class FakeChannel:
    """A leg whose party the test plays: ``happen`` is what it does."""

    def __init__(self, media: FakeMedia, call_id: str, direction: Direction, party: Party) -> None:
        self.media = media
        self.call_id = call_id
        self.leg = f"leg-{call_id}"
        self.rate = RATE
        self.direction = direction
        self.party = party
        self.answered = False
        self.ended: Ended | None = None
        self.progressed = 0
        self.response: tuple[int, str] | None = None
        self._events: asyncio.Queue[ChannelEvent] = asyncio.Queue()
        media.send(AddLeg(self.leg, RATE, PretendSource()))

    async def next_event(self) -> ChannelEvent:
        return await self._events.get()

    def happen(self, event: ChannelEvent) -> None:
        if self.ended is not None:
            return
        if isinstance(event, Answered):
            self.answered = True
        if isinstance(event, Ended):
            self.ended = event
            self.media.send(RemoveLeg(self.leg))
        self._events.put_nowait(event)

    async def progress(self) -> None:
        self.progressed += 1

    async def answer(self) -> None:
        self.answered = self.answered or self.ended is None

    async def hangup(self, cause: str, code: int = 0, message: str = "") -> None:
        if self.ended is None:
            self.response = (code, message)
        self.happen(Ended(cause, code, by="engine"))


@dataclass(frozen=True)
class Plan:
    """How a target takes the call; times in seconds after it is rung."""

    answer_s: float | None = None
    early_s: float | None = None
    end: tuple[float, str, int] | None = None
    then: tuple[tuple[float, ChannelEvent], ...] = ()


class FakeDialer:
    """Rings targets that do as their ``Plan`` says."""

    def __init__(self, media: FakeMedia, clock: Clock) -> None:
        self.media = media
        self.clock = clock
        self.plans: dict[str, Plan] = {}
        self.channels: dict[str, FakeChannel] = {}
        self.dialled: list[tuple[float, str]] = []

    def expand(self, target: DialTarget) -> list[DialTarget]:
        return [target]

    def resting(self, target: DialTarget) -> bool:
        return False

    async def dial(
        self, target: DialTarget, *, caller: Party, rate: int, call_id: str, near: str = ""
    ) -> FakeChannel:
        assert rate == RATE
        self.dialled.append((self.clock.now(), target.id))
        channel = FakeChannel(self.media, call_id, Direction.OUTBOUND, caller)
        self.channels[target.id] = channel
        plan = self.plans.get(target.id, Plan())
        loop = asyncio.get_running_loop()
        if plan.early_s is not None:
            loop.call_later(plan.early_s, channel.happen, EarlyMedia())
        if plan.answer_s is not None:
            loop.call_later(plan.answer_s, channel.happen, Answered())
        if plan.end is not None:
            at, cause, code = plan.end
            loop.call_later(at, channel.happen, Ended(cause, code))
        for at, event in plan.then:
            loop.call_later(at, channel.happen, event)
        return channel


@dataclass(frozen=True)
class FakeResponse:
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class FakeHttp:
    """Keeps requests, serves files from a mapping."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, bytes | None, dict[str, str]]] = []
        self.files: dict[str, bytes] = {}
        self.fetches: list[str] = []

    async def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        follow: int = 10,
    ) -> FakeResponse:
        self.requests.append((method, url, body, dict(headers or {})))
        return FakeResponse()

    async def fetch_file(self, url: str, into: Path, max_bytes: int) -> None:
        from callflow.errors import FetchError

        self.fetches.append(url)
        if url not in self.files:
            raise FetchError(f"{url}: 404", hint="is it there?")
        into.write_bytes(self.files[url])  # noqa: ASYNC240 (a few bytes, in a test)
