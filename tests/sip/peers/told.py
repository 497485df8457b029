"""``callflow serve``, which tells besides when, by the media's own clock, sound has come in and recordings
have begun: ``python -m tests.sip.peers.told serve ...``. Peers begin to speak when the machine lets them;
where that has to be in a recording follows from these moments alone, to the tick.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import ClassVar

from callflow.cli import main
from callflow.exchange import media
from callflow.media.messages import AddLeg, Bridge, Hold, Play, RemoveLeg, RtpBegan
from callflow.recording.farm import MediaFarm
from callflow.recording.messages import RecordingEvent, StartRecording


def line_of(happened: object, now: float) -> str:
    """A command (at ``now``) or an event as a line that ``moments`` reads; "": it is of no use there."""
    match happened:
        case StartRecording(spec=spec):
            taps = " ".join(f"{tap.leg}:{tap.side.value}" for tap in spec.taps)
            return f"told asked {spec.id} {now!r} {taps}"
        case AddLeg(leg=leg):
            return f"told leg {leg} {now!r}"
        case RemoveLeg(leg=leg):
            return f"told gone {leg} {now!r}"
        case Hold(leg=leg, held=held):
            return f"told {'held' if held else 'open'} {leg} {now!r}"
        case Play(leg=leg):
            return f"told play {leg} {now!r}"
        case Bridge(a=one, b=other):
            return f"told bridge {one} {other}"
        case RecordingEvent(change="started" | "moved"):
            return f"told {happened.change} {happened.id} {happened.time!r}"
        case RtpBegan():
            return f"told began {happened.leg} {happened.time!r}"
    return ""


def _to_stdout(line: str) -> None:
    sys.stdout.write(f"{line}\n")


class ToldFarm(MediaFarm):
    """Media whose commands and events are told."""

    to: ClassVar[Callable[[str], None]] = _to_stdout

    def start(self) -> None:
        super().start()
        self.subscribe(self._tell)

    def send(self, command: object) -> None:
        self._tell(command)
        super().send(command)

    def _tell(self, happened: object) -> None:
        if line := line_of(happened, self._clock.now()):
            ToldFarm.to(line)


if __name__ == "__main__":
    media.MediaFarm = ToldFarm  # type: ignore[attr-defined]
    main()
