"""Layer 3: the caller's ears and fingers: playing sound to the line, and the digits pressed on it.

Digits that nobody waits for are kept (type-ahead) until somebody asks for them or ``flush``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from callflow.engine.line import Line
from callflow.engine.results import Digits
from callflow.engine.services import Services
from callflow.errors import AudioFileError
from callflow.events import DigitPressed
from callflow.media.messages import Clip, Digit, Play, PlaybackDone, StopPlay

ALL_DIGITS = "0123456789*#ABCD"

MOST_TYPED = 256
"""Digits that are kept until somebody asks for them; later ones are told, and dropped."""

HIDDEN = "x"
"""What is told in place of a key while a PIN is asked for."""


@dataclass(frozen=True, slots=True)
class _Pressed:
    digit: str
    playback: str


class Listening:
    """One line's playbacks and digits."""

    def __init__(self, services: Services, line: Line) -> None:
        self._services = services
        self._line = line
        self._typed: list[_Pressed] = []
        self._news = asyncio.Event()
        self._playbacks: dict[str, asyncio.Future[PlaybackDone]] = {}
        self._taken: set[str] = set()
        self._watched = ""
        self._private = 0

    def start(self) -> None:
        """Hear the leg that is on the line now (again after a ``reseat``: what the former one was played is
        over).
        """
        self.close()
        now = self._services.clock.now()
        for playback, future in self._playbacks.items():
            if not future.done():
                future.set_result(PlaybackDone(self._line.name, playback, "leg_gone", now))
        self._watched = self._line.name
        self._services.router.watch_leg(self._watched, self._on_event)

    def close(self) -> None:
        """Hear nothing any more."""
        if self._watched:
            self._services.router.forget_leg(self._watched)
            self._watched = ""

    # ---- playing -----------------------------------------------------------------------------

    async def play(self, clips: Sequence[Clip], *, terminators: str = "", loops: int = 1) -> str:
        """Play and wait for the end; the digit that ended it, which is then used up. Raises ``CallGone``,
        ``AudioFileError``.
        """
        done = await self._play(clips, terminators=terminators, loops=loops)
        if done.reason == "digit":
            self._use_up(done.playback)
            return done.digit
        return ""

    async def play_to_digit(self, clips: Sequence[Clip], *, loops: int = 1) -> bool:
        """Play until the end, or until a digit, which is kept for who asks for digits next; True: it was cut
        short, or there was a digit already. Raises ``CallGone``, ``AudioFileError``.
        """
        if self._typed:
            return True
        return (await self._play(clips, terminators=ALL_DIGITS, loops=loops)).reason == "digit"

    async def _play(self, clips: Sequence[Clip], *, terminators: str, loops: int) -> PlaybackDone:
        self._line.check()
        playback = self._services.ids.short()
        leg = self._line.name
        future: asyncio.Future[PlaybackDone] = asyncio.get_running_loop().create_future()
        self._playbacks[playback] = future
        self._services.media.send(Play(leg, playback, tuple(clips), loops=loops, terminators=terminators))
        try:
            done = await self._line.guard(future)
        finally:
            if self._playbacks.pop(playback, None) is not None:
                self._services.media.send(StopPlay(leg, playback))
        if done.reason == "failed":
            raise AudioFileError(
                f"the sound cannot be played: {done.message}", hint="Is it an audio file that can be read?"
            )
        return done

    # ---- digits ------------------------------------------------------------------------------

    @property
    def typed(self) -> bool:
        """Whether a digit was pressed that nobody has asked for yet."""
        return bool(self._typed)

    @contextmanager
    def private(self) -> Iterator[None]:
        """While entered, events (and metaflows) are told that a key was pressed, and not which."""
        self._private += 1
        try:
            yield
        finally:
            self._private -= 1

    def flush(self) -> None:
        """Forget what was typed ahead."""
        self._typed.clear()

    async def collect(
        self,
        *,
        max_digits: int,
        timeout_s: float,
        interdigit_s: float,
        terminators: str = "",
        clips: Sequence[Clip] = (),
    ) -> Digits:
        """Gather digits; see ``Call.collect_digits``."""
        if clips and not self._typed:
            await self._play(clips, terminators=ALL_DIGITS, loops=1)
        self._line.check()
        digits = ""
        wait_s = timeout_s
        while len(digits) < max_digits:
            digit = await self.next_digit(wait_s)
            if digit is None:
                return Digits(digits, timed_out=True)
            if digit in terminators:
                return Digits(digits, terminator=digit)
            digits += digit
            wait_s = interdigit_s
        return Digits(digits)

    async def next_digit(self, wait_s: float | None = None) -> str | None:
        """The next digit, also one pressed before; None: none within ``wait_s`` (None: for ever). Raises
        ``CallGone``.
        """
        if not self._typed:
            self._news.clear()
            try:
                await self._line.guard(self._news_within(wait_s))
            except TimeoutError:
                return None
        return self._typed.pop(0).digit

    async def _news_within(self, seconds: float | None) -> None:
        async with asyncio.timeout(seconds):
            await self._news.wait()

    def _use_up(self, playback: str) -> None:
        """The digit that ended ``playback`` was given to who played it; it may not have come yet."""
        for pressed in self._typed:
            if pressed.playback == playback:
                self._typed.remove(pressed)
                return
        self._taken.add(playback)

    # ---- events ------------------------------------------------------------------------------

    def _on_event(self, event: Digit | PlaybackDone) -> None:
        if isinstance(event, PlaybackDone):
            future = self._playbacks.pop(event.playback, None)
            if future is not None and not future.done():
                future.set_result(event)
            return
        told = HIDDEN if self._private else event.digit
        self._services.bus.publish(
            DigitPressed(time=event.time, call_id=self._line.call_id, leg=event.leg, digit=told)
        )
        if event.playback and event.playback in self._taken:
            self._taken.discard(event.playback)
            return
        if len(self._typed) < MOST_TYPED:
            self._typed.append(_Pressed(event.digit, event.playback))
        self._news.set()
