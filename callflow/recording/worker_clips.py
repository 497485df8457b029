"""Layer 2: what is to be played is read before the tick thread needs it, in threads beside it.

A command that plays (``Play``, ``Say``) waits until its clips are in memory, and so do later commands for the
same leg; other legs go on. What takes no file (silence, short sound, a tone that is kept already) waits for
nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from callflow.errors import MediaError
from callflow.log import logger
from callflow.media.clips import ClipLoader
from callflow.media.messages import (
    AddLeg,
    Bridge,
    Clip,
    LegCommand,
    PcmClip,
    Play,
    RemoveLeg,
    Say,
    SilenceClip,
    ToneClip,
)
from callflow.media.sound import Sound

THREADS = 4
_SMALL_PCM = 1 << 16
_Key = tuple[int, int, int]


class ReadyClips(ClipLoader):
    """A loader whose sounds are made ahead (``fetch``, in other threads) for the one who then asks for them
    (``sound``) with the very same tuple of clips.
    """

    def __init__(self) -> None:
        super().__init__()
        self._ready: dict[_Key, deque[Sound | MediaError]] = {}

    def quick(self, clip: Clip, rate: int) -> bool:
        """Whether it is at hand without reading or reckoning."""
        match clip:
            case SilenceClip():
                return True
            case PcmClip(pcm, from_rate):
                return from_rate == rate and len(pcm) <= _SMALL_PCM
            case ToneClip(spec):
                return self.has_tone(spec, rate)
        return False  # a file may have changed, and even asking for that may take long

    def fetch(self, clips: tuple[Clip, ...], rate: int, loops: int) -> None:
        """Make the sound of ``clips`` ready. Blocks. From any thread."""
        made: Sound | MediaError
        try:
            made = super().sound(clips, rate, loops)
        except MediaError as error:
            made = error
        except Exception as error:  # a library's fault must end as an answer too
            logger.exception("a clip")
            made = MediaError(f"the sound cannot be made: {error!r}")
        self._ready.setdefault((id(clips), rate, loops), deque()).append(made)

    def sound(self, clips: Sequence[Clip], rate: int, loops: int = 1) -> Sound:
        """What was fetched, or (quick things) made now. Raises as ``ClipLoader``."""
        found = self._taken(clips, rate, loops)
        if found is None:
            return super().sound(clips, rate, loops)
        if isinstance(found, MediaError):
            raise found
        return found

    def forget(self, clips: Sequence[Clip], rate: int, loops: int) -> None:
        """Nobody asks for what was fetched any more."""
        self._taken(clips, rate, loops)

    def _taken(self, clips: Sequence[Clip], rate: int, loops: int) -> Sound | MediaError | None:
        key = (id(clips), rate, loops)
        made = self._ready.get(key)
        if not made:
            return None
        first = made.popleft()
        if not made:
            self._ready.pop(key, None)
        return first


class ClipGate:
    """Holds commands back, per leg, while their clips are read. For one thread."""

    def __init__(self, clips: ReadyClips) -> None:
        self._clips = clips
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="callflow-clips")
        self._rates: dict[str, int] = {}  # of the legs that are here
        self._waiting: list[LegCommand] = []
        self._fetching: dict[str, Play | Say] = {}  # by leg: the command whose clips are being read
        self._blocked: set[str] = set()  # legs whose commands have to wait
        self._done: deque[tuple[Play | Say, int]] = deque()  # from the threads: with the leg's rate

    def __bool__(self) -> bool:
        """Something is held back."""
        return bool(self._waiting)

    def admit(self, command: LegCommand) -> Sequence[LegCommand]:
        """What may be carried out now: mostly the command itself; nothing, if it has to wait."""
        if isinstance(command, AddLeg):
            self._rates[command.leg] = command.rate
        elif isinstance(command, RemoveLeg):
            return (command, *self.leave(command.leg))  # whatever waits: without the leg it does no harm
        legs = _legs(command)
        if not self._blocked.isdisjoint(legs) or self._fetch(command):
            self._waiting.append(command)
            self._blocked.update(legs)
            return ()
        return (command,)

    def ready(self) -> list[LegCommand]:
        """What need not wait any more, in order."""
        if not self._done:
            return []
        fetched: set[int] = set()
        while self._done:
            command, rate = self._done.popleft()
            if self._fetching.get(command.leg) is command:
                del self._fetching[command.leg]
                fetched.add(id(command))
            else:  # the leg is gone, and nobody asks for its sound any more
                self._clips.forget(command.clips, rate, _loops(command))
        return self._look(fetched)

    def arrive(self, leg: str, rate: int) -> None:
        """A leg came from another worker."""
        self._rates[leg] = rate

    def leave(self, leg: str) -> list[LegCommand]:
        """A leg goes; the commands that waited for nothing but it (they are not held any more)."""
        self._rates.pop(leg, None)
        if leg not in self._blocked:
            return []
        self._fetching.pop(leg, None)
        return self._look(set())

    def close(self) -> None:
        """No more threads; what is being read is left alone."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _look(self, fetched: set[int]) -> list[LegCommand]:
        """Go through what waits, the first first."""
        waiting, self._waiting = self._waiting, []
        self._blocked = set(self._fetching)
        go = []
        for command in waiting:
            legs = _legs(command)
            started = any(command is other for other in self._fetching.values())
            wait = started or not self._blocked.isdisjoint(legs)
            if not wait and id(command) not in fetched:
                wait = self._fetch(command)
            if wait:
                self._waiting.append(command)
                self._blocked.update(legs)
            else:
                go.append(command)
        return go

    def _fetch(self, command: LegCommand) -> bool:
        """Begin to read what ``command`` plays, if that may take time."""
        if not isinstance(command, Play | Say) or command.leg not in self._rates:
            return False
        rate = self._rates[command.leg]
        if all(self._clips.quick(clip, rate) for clip in command.clips):
            return False
        self._fetching[command.leg] = command
        self._threads.submit(self._fetch_there, command, rate)
        return True

    def _fetch_there(self, command: Play | Say, rate: int) -> None:
        self._clips.fetch(command.clips, rate, _loops(command))
        self._done.append((command, rate))


def _loops(command: Play | Say) -> int:
    """As ``media.commands`` asks for its sound."""
    if isinstance(command, Say):
        return 0 if command.loop else 1
    return max(0, command.loops)


def _legs(command: LegCommand) -> tuple[str, ...]:
    return (command.a, command.b) if isinstance(command, Bridge) else (command.leg,)
