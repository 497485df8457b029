"""Layer 2: MP3s are encoded while they are recorded, so that at the end of a call its last seconds are left.

A thread follows the sound files of open spools. What it makes lies in the spool's folder and is worth nothing
by itself: the spool is the truth, and whatever goes wrong here (a crash, a full disk) the file is encoded
anew from it. The finished file is the same, byte for byte.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from pathlib import Path

from callflow.errors import AudioFileError, SpoolError
from callflow.recording.encode import Making
from callflow.recording.messages import RecordingSpec
from callflow.recording.spool import AUDIO, read_spec, whole_samples
from callflow.state.folder import StateFolder

TURN_S = 2.0
"""So often (of real time) what has come is encoded."""
BEGIN_S = 5.0
"""Shorter recordings are encoded quickly enough at their end; LAME needs 280 kB for each at work."""
PIECE_S = 30.0
"""Sound of one recording that is encoded at one turn, at most."""
MOST = 512
"""So many are encoded ahead at once; all others at their end."""
MOST_LOOKED_AT = 8192
_NICER = 5  # than the rest of the process
_FORMAT = "mp3"
_DRAFT = "ahead.part"


class Ahead:
    """Encodes recordings of ``folder`` while they are made. From any thread."""

    def __init__(self, folder: StateFolder) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._drafts: dict[Path, _Draft] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, recording_id: str) -> None:
        """A recording has begun."""
        with self._lock:
            if self._stop.is_set() or len(self._drafts) >= MOST_LOOKED_AT:
                return
            spool = self._folder.spool_of(recording_id)
            self._drafts[spool] = _Draft(spool)
            if self._thread is None:
                self._thread = threading.Thread(target=self._main, name="callflow-ahead", daemon=True)
                self._thread.start()

    def take(self, spool: Path) -> Making | None:
        """What was made of a spool so far, the caller's from now on; None: nothing."""
        with self._lock:
            draft = self._drafts.pop(spool, None)
        return None if draft is None else draft.end()

    def close(self) -> None:
        """No more of all this."""
        with self._lock:
            self._stop.set()
            drafts, self._drafts = self._drafts, {}
        if self._thread is not None:
            self._thread.join()
        for draft in drafts.values():
            if (making := draft.end()) is not None:
                making.abandon()

    def turn(self) -> None:
        """Encode what has come since the last turn. (The thread does it; tests may.)"""
        with self._lock:
            drafts = list(self._drafts.values())
        making = sum(draft.making is not None for draft in drafts)
        for draft in drafts:
            if self._stop.is_set():
                return
            before = draft.making is not None
            if not draft.go_on(may_begin=before or making < MOST):
                with self._lock:
                    self._drafts.pop(draft.spool, None)
            making += (draft.making is not None) - before

    def _main(self) -> None:
        if sys.platform == "linux":  # there a thread has a priority of its own
            me = threading.get_native_id()
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, me, os.getpriority(os.PRIO_PROCESS, me) + _NICER)
        while not self._stop.wait(TURN_S):
            self.turn()


class _Draft:
    """One recording's file, as far as it is made."""

    def __init__(self, spool: Path) -> None:
        self.spool = spool
        self.making: Making | None = None
        self._spec: RecordingSpec | None = None
        self._over = False
        self._lock = threading.Lock()

    def go_on(self, *, may_begin: bool) -> bool:
        """Encode what has come. False: nothing will ever be."""
        with self._lock:
            if self._over:
                return False
            try:
                return self._go_on(may_begin)
            except (OSError, SpoolError, AudioFileError):  # whoever finishes it will say what is wrong
                self._over = True
                if self.making is not None:
                    self.making.abandon()
                    self.making = None
                return False

    def end(self) -> Making | None:
        """Stop, and give what there is."""
        with self._lock:
            self._over = True
            making, self.making = self.making, None
            return making

    def _go_on(self, may_begin: bool) -> bool:
        spec = self._spec = self._spec or read_spec(self.spool)
        if spec.format.name != _FORMAT:
            return False
        audio = self.spool / AUDIO
        samples = whole_samples(audio, len(spec.taps))
        if self.making is None:
            if not may_begin or samples < BEGIN_S * spec.rate:
                return True
            self.making = Making(spec, self.spool / _DRAFT)
        self.making.take(audio, min(samples, self.making.done + int(PIECE_S * spec.rate)))
        return True
