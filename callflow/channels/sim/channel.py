"""Layer 2: one leg of a pretend call, which plays its party's script against the engine's clock."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from itertools import groupby

from callflow.channels.channel import (
    CAUSE_CODES,
    Answered,
    ChannelEvent,
    Direction,
    EarlyMedia,
    Ended,
    Held,
    Party,
    TransferRequested,
)
from callflow.channels.sim import scenario
from callflow.channels.sim.stage import Stage
from callflow.media.messages import AddLeg, Clip, Hush, Press, PretendSource, RemoveLeg, Say


@dataclass(frozen=True, slots=True)
class LegFacts:
    """What is fixed about a leg."""

    call_id: str
    rate: int
    direction: Direction
    party: Party


class SimChannel:
    """A ``Channel`` (see ``channels/channel.py``) whose far end is a scenario's party.

    ``begin()`` puts the leg into the pump and starts the script. Its tasks live on the running loop and end
    with the leg.
    """

    def __init__(self, facts: LegFacts, part: scenario.Party, stage: Stage) -> None:
        self._facts = facts
        self._part = part
        self._stage = stage
        self._events: asyncio.Queue[ChannelEvent] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._answered = False
        self._ended: Ended | None = None
        self._to_do = len(part.script)
        self._talking = False

    # ---- what the engine sees (Channel) ----

    @property
    def call_id(self) -> str:
        return self._facts.call_id

    @property
    def leg(self) -> str:
        return self._facts.call_id

    @property
    def rate(self) -> int:
        return self._facts.rate

    @property
    def direction(self) -> Direction:
        return self._facts.direction

    @property
    def party(self) -> Party:
        return self._facts.party

    @property
    def answered(self) -> bool:
        return self._answered

    @property
    def ended(self) -> Ended | None:
        return self._ended

    async def next_event(self) -> ChannelEvent:
        return await self._events.get()

    async def progress(self) -> None:
        """A pretend caller has nothing to do for early media: it hears whatever is played."""

    async def answer(self) -> None:
        if self._ended is None and not self._answered:
            self._become_answered()

    async def hangup(self, cause: str, code: int = 0, message: str = "") -> None:
        self.end(Ended(cause, code or CAUSE_CODES.get(cause, 0), by="engine"))

    # ---- what the scenario does ----

    def begin(self, reply: scenario.Reply | None = None) -> None:
        """Add the leg to the pump and start. ``reply``: how a callee takes the call (None: a caller)."""
        part = self._part
        source = PretendSource(loss=part.loss, delay_s=part.delay_s, jitter_ms=part.jitter_ms)
        self._stage.media.send(AddLeg(self.leg, self.rate, source))
        self._stage.add(self)
        self._start_script("start")
        if reply is not None:
            self._spawn(self._take_call(reply))

    # ---- what a test does by hand (see ``driven.py``) ----

    def act(self, action: scenario.Action) -> None:
        """Do it now, beside the script. After the leg's end nothing happens."""
        if isinstance(action, scenario.TransferTo):
            self._spawn(self._transfer(action))
        else:
            self._do_now(action)

    def pick_up(self) -> None:
        """A callee that rings answers."""
        if self._ended is None and not self._answered:
            self._become_answered()
            self._events.put_nowait(Answered())

    def refuse(self, cause: str, code: int = 0) -> None:
        """A callee that rings does not want the call."""
        if not self._answered:
            self.end(Ended(cause, code or CAUSE_CODES.get(cause, 0)))

    def early(self, clips: tuple[Clip, ...]) -> None:
        """A callee that rings sends sound (early media)."""
        if self._ended is None and not self._answered:
            self._events.put_nowait(EarlyMedia())
            self._say(clips)

    @property
    def talking(self) -> bool:
        """There is something left to say."""
        return self._talking and self._ended is None

    def end(self, ended: Ended) -> None:
        """The leg is gone, whoever ended it; later calls do nothing."""
        if self._ended is not None:
            return
        self._ended = ended
        self._talking = False
        self._stage.media.send(RemoveLeg(self.leg))
        self._events.put_nowait(ended)
        for task in self._tasks - {_current_task()}:
            task.cancel()
        self._stage.changed()

    def said_all(self) -> None:
        """The pump has nothing more of this party's to say."""
        self._talking = False
        self._stage.changed()

    @property
    def idle(self) -> bool:
        """Nothing left to say or do; a leg that rings is not idle."""
        if self._ended is not None:
            return True
        return self._answered and self._to_do == 0 and not self._talking

    async def wait_tasks(self) -> None:
        """Until the script's tasks are over (after ``end``)."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ---- inside ----

    async def _take_call(self, reply: scenario.Reply) -> None:
        if reply.early:
            self._events.put_nowait(EarlyMedia())
            self._say(reply.early)
        match reply:
            case scenario.Answers(after_s=after_s):
                await self._stage.clock.sleep(after_s)
                if reply.early:
                    self._hush()
                self._become_answered()
                self._events.put_nowait(Answered())
            case scenario.Rejects(cause=cause, after_s=after_s, code=code):
                await self._stage.clock.sleep(after_s)
                self.end(Ended(cause, code or CAUSE_CODES.get(cause, 0)))
            case scenario.NeverAnswers():
                pass

    def _become_answered(self) -> None:
        self._answered = True
        self._start_script("answer")
        self._stage.changed()

    def _start_script(self, since: str) -> None:
        if self._part.speaks_since == since and self._part.clips:
            self._say(self._part.clips, self._part.loop)
        timed = sorted((one for one in self._part.script if one.since == since), key=lambda one: one.at)
        if timed:
            self._spawn(self._play_script(timed, self._stage.clock.now()))

    async def _play_script(self, timed: Sequence[scenario.Timed], start: float) -> None:
        for at, together in groupby(timed, key=lambda one: one.at):
            await self._stage.clock.sleep(max(0.0, start + at - self._stage.clock.now()))
            for one in together:
                await self._do(one.action)
                self._to_do -= 1
            self._stage.changed()

    async def _do(self, action: scenario.Action) -> None:
        if isinstance(action, scenario.TransferTo):
            if self._ended is None and self._stage.first_time(action):
                await self._transfer(action)
        else:
            self._do_now(action)

    def _do_now(self, action: scenario.Action) -> None:
        if self._ended is not None:
            return
        match action:
            case scenario.SayIt(clips=clips, loop=loop):
                self._say(clips, loop)
            case scenario.BeQuiet():
                self._hush()
            case scenario.PressDigits(digits=digits, in_band=in_band):
                self._stage.media.send(Press(self.leg, digits, in_band=in_band))
            case scenario.HangUp(cause=cause):
                self.end(Ended(cause, CAUSE_CODES.get(cause, 0)))
            case scenario.PutOnHold(held=held):
                self._events.put_nowait(Held(held))

    async def _transfer(self, action: scenario.TransferTo) -> None:
        consult = ""
        if action.kind == "attended":
            self._events.put_nowait(Held(True))
            consult = self._stage.consult(self._own_number(), action.target, self.rate)
            await self._stage.clock.sleep(action.consult_s)
        if self._ended is None:
            self._events.put_nowait(TransferRequested(action.target, action.kind, consult))

    def _own_number(self) -> str:
        inbound = self.direction is Direction.INBOUND
        return self.party.from_number if inbound else self.party.to_number

    def _say(self, clips: tuple[Clip, ...], loop: bool = False) -> None:
        self._talking = True
        self._stage.media.send(Say(self.leg, clips, loop))

    def _hush(self) -> None:
        self._talking = False
        self._stage.media.send(Hush(self.leg))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _current_task() -> asyncio.Task[None] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None
