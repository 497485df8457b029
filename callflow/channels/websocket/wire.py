"""Layer 2: what is said on a WebSocket leg, and what its server has said and nobody has heard yet. Sans-IO.

Vonage Voice API, "WebSockets" guide: binary messages are sound (16 bit, little-endian, one channel), 20 ms
each; text messages are JSON.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from callflow.errors import MediaError

FRAME_MS = 20
RATES = (8000, 16000, 24000)
"""Samples a second that a content type may name."""
MOST_FRAMES = 3072
"""So many frames that were not played yet are kept (61 s); what comes on top is dropped."""
MOST_NOTICES = 1000
START_FRAMES = 3
"""After a silence so many frames are waited for, and as many frames long: servers send in bursts."""
MOST_TEXT = 16 * 1024

CLEARED = json.dumps({"event": "websocket:cleared"})


def rate_of(content_type: str) -> int:
    """Samples a second of ``audio/l16;rate=16000``; without a rate 16000. Raises MediaError."""
    kind, _, rest = content_type.lower().replace(" ", "").partition(";")
    rate = rest.removeprefix("rate=") or "16000"
    if kind not in ("", "audio/l16") or rate not in map(str, RATES):
        raise MediaError(
            f"a WebSocket cannot have sound of the type {content_type[:60]!r}",
            hint='Write "audio/l16;rate=16000" (or 8000, 24000).',
        )
    return int(rate)


def connected(rate: int, headers: Mapping[str, object]) -> str:
    """The first message: the sound's type, and the ``headers`` of the endpoint beside it."""
    own = {name: value for name, value in headers.items() if name not in ("event", "content-type")}
    return json.dumps({"event": "websocket:connected", "content-type": f"audio/l16;rate={rate}", **own})


def pressed(digit: str, duration_ms: int) -> str:
    """Somebody else on the call has pressed a key."""
    return json.dumps({"event": "websocket:dtmf", "digit": digit, "duration": duration_ms})


def notified(payload: object) -> str:
    """What was said before that ``notify`` has been heard."""
    return json.dumps({"event": "websocket:notify", "payload": payload})


@dataclass(frozen=True, slots=True)
class Clear:
    """Throw away what was not heard yet."""


@dataclass(frozen=True, slots=True)
class Notify:
    """Tell when all that was said before has been heard."""

    payload: Any


def read_text(text: str) -> Clear | Notify | None:
    """What the server wants; None: nothing that is known."""
    if len(text) > MOST_TEXT:
        return None
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict):
        return None
    if message.get("action") == "clear":
        return Clear()
    if message.get("action") == "notify":
        return Notify(message.get("payload"))
    return None


@dataclass(slots=True)
class Playout:
    """What the server has said, by the frame. ``rate``: of its sound."""

    rate: int
    dropped: int = 0
    """Bytes for which there was no room."""
    _sound: bytearray = field(default_factory=bytearray)
    _gone: int = 0
    _notices: deque[tuple[int, Any]] = field(default_factory=deque)
    _playing: bool = False
    _waited: int = 0

    @property
    def frame(self) -> int:
        """Bytes of a frame."""
        return self.rate * FRAME_MS // 1000 * 2

    def put(self, sound: bytes) -> None:
        """More sound, of any length."""
        room = MOST_FRAMES * self.frame - len(self._sound)
        self._sound += sound[:room]
        self.dropped += max(0, len(sound) - room)

    def notify(self, payload: object) -> None:
        """``take`` gives ``payload`` once all that is here now was taken."""
        if len(self._notices) < MOST_NOTICES:
            self._notices.append((self._gone + len(self._sound), payload))

    def clear(self) -> None:
        """Nothing waits any more; what was to be told at its end is told no more."""
        self._gone += len(self._sound)
        self._sound.clear()
        self._notices.clear()
        self._playing = False

    def take(self) -> tuple[bytes, list[object]]:
        """The next 20 ms (empty: there is nothing to be heard), and the payloads that are due with it."""
        sound = b""
        if self._sound and not self._playing:
            self._waited += 1
            enough = len(self._sound) >= START_FRAMES * self.frame
            self._playing = enough or self._waited > START_FRAMES
        if self._playing:
            self._waited = 0
            sound = bytes(self._sound[: self.frame])
            del self._sound[: self.frame]
            self._gone += len(sound)
            self._playing = bool(self._sound)
            sound = sound.ljust(self.frame, b"\0")
        due = []
        while self._notices and self._notices[0][0] <= self._gone:
            due.append(self._notices.popleft()[1])
        return sound, due
