"""Layer 5: one call of the small phone, from its leg's first sample to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from typing import Protocol

from callflow.caller.ear import Ear
from callflow.caller.plan import CallPlan, CallResult
from callflow.channels.channel import Answered, Channel, Ended
from callflow.clock import Clock
from callflow.media.messages import Clip, Digit, Play, PlaybackDone, RtpReport, SendDigits
from callflow.media.port import MediaPort

LINGER_S = 1.0
"""So long a call goes on when all was said, so that its last words arrive."""
REPORT_S = 1.0
"""So long the media's report of a leg that is gone is waited for."""


class InDialog(Protocol):
    """What a phone may do within a call, beyond what the engine does (``SipChannel``)."""

    async def hold(self, held: bool) -> None: ...

    async def refer(self, target: str) -> int: ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What a call needs."""

    clock: Clock
    media: MediaPort


class Line:
    """Carries out a plan on a channel."""

    def __init__(self, tools: Tools, channel: Channel, plan: CallPlan, clips: tuple[Clip, ...]) -> None:
        self.channel = channel
        self.ear = Ear(channel.leg, channel.rate, round(plan.keep_s * channel.rate))
        self._clock = tools.clock
        self._media = tools.media
        self._plan = plan
        self._clips = clips
        self._digits: list[str] = []
        self._said = asyncio.Event()
        self.complaint = ""
        self._report: asyncio.Future[RtpReport] = asyncio.get_running_loop().create_future()
        self._unsubscribe = self._media.subscribe(self._on_media, leg=channel.leg)

    async def until_answered(self) -> bool:
        """Wait; True: it is answered. One that rings too long is given up."""
        if self.channel.answered:
            return True
        try:
            async with asyncio.timeout(self._plan.ring_s):
                while True:
                    event = await self.channel.next_event()
                    if isinstance(event, Answered):
                        return True
                    if isinstance(event, Ended):
                        return False
        except TimeoutError:
            await self.channel.hangup("NO_ANSWER")
            return False

    async def talk(self) -> None:
        """Do what the plan says until the call is over, or it says to hang up."""
        plan = self._plan
        if self._clips:
            self._media.send(
                Play(self.channel.leg, "said", self._clips, loops=0 if plan.loop else 1, mix=True)
            )
        doing = [asyncio.ensure_future(work) for work in self._script(plan)]
        try:
            async with asyncio.timeout(plan.give_up_s):
                while self.channel.ended is None:
                    await self.channel.next_event()
        except TimeoutError:
            await self.channel.hangup("NORMAL_CLEARING")
        finally:
            for work in doing:
                work.cancel()
            await asyncio.gather(*doing, return_exceptions=True)

    async def settle(self) -> RtpReport | None:
        """The leg is gone: what its media has to say."""
        try:
            async with asyncio.timeout(REPORT_S):
                return await asyncio.shield(self._report)
        except TimeoutError:
            return None
        finally:
            self._unsubscribe()

    @property
    def digits(self) -> str:
        """What the other end pressed."""
        return "".join(self._digits)

    def _script(self, plan: CallPlan) -> list[Coroutine[object, object, None]]:
        """What happens when, each by itself; times count from the answer."""
        leg, channel = self.channel.leg, self.channel
        began = self._clock.now()

        async def wait(until: float) -> None:
            await self._clock.sleep(max(0.0, began + until - self._clock.now()))

        async def press(digits: str, at: float) -> None:
            await wait(at)
            self._media.send(SendDigits(leg, digits))

        async def hold(start: float, end: float) -> None:
            await wait(start)
            await _in_dialog(channel).hold(True)
            await wait(end)
            await _in_dialog(channel).hold(False)

        async def refer(target: str, at: float) -> None:
            await wait(at)
            status = await _in_dialog(channel).refer(target)
            if status >= 300:
                self.complaint = f"the transfer to {target} was refused: {status}"

        async def hang_up(at: float) -> None:
            await wait(at)
            await channel.hangup("NORMAL_CLEARING")

        async def hang_up_when_said() -> None:
            await self._said.wait()
            await self._clock.sleep(LINGER_S)
            await channel.hangup("NORMAL_CLEARING")

        script: list[Coroutine[object, object, None]] = [press(*each) for each in plan.digits]
        script += [hold(*each) for each in plan.holds]
        if plan.refer is not None:
            script.append(refer(*plan.refer))
        if plan.hangup_after_s is not None:
            script.append(hang_up(plan.hangup_after_s))
        elif plan.hangup_when_said and self._clips and not plan.loop:
            script.append(hang_up_when_said())
        return script

    def _on_media(self, event: object) -> None:
        if isinstance(event, Digit):
            self._digits.append(event.digit)
        elif isinstance(event, PlaybackDone):
            self._said.set()
        elif isinstance(event, RtpReport) and not self._report.done():
            self._report.set_result(event)


def _in_dialog(channel: Channel) -> InDialog:
    assert hasattr(channel, "hold")
    return channel  # type: ignore[return-value]


def with_media(result: CallResult, line: Line, report: RtpReport | None) -> CallResult:
    """The result with what was heard, and what the media counted."""
    heard, said = line.ear.taken()
    counts = (report.sent, report.received, report.lost) if report is not None else (0, 0, 0)
    sent, received, lost = counts
    return replace(
        result,
        rate=line.channel.rate,
        message=result.message or line.complaint,
        digits=line.digits,
        heard=heard,
        said=said,
        began=line.ear.began or 0.0,
        sent=sent,
        received=received,
        lost=lost,
    )
