"""Layer 0: names. Every id is made here, from one generator, so that a seed repeats a run exactly."""

from __future__ import annotations

import random


class Ids:
    """Makes call ids, leg ids and document ids; with ``seed`` always the same ones. Without, nobody can guess
    them from those that he has seen: tags of SIP calls are secrets.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.SystemRandom() if seed is None else random.Random(seed)

    def hex32(self) -> str:
        """32 hex digits: the form of Kazoo's document ids."""
        return f"{self._random.getrandbits(128):032x}"

    def call_id(self) -> str:
        """A call id in the form that SIP phones use (no ``@``, safe in paths)."""
        raw = self.hex32()
        return f"{raw[:8]}-{raw[8:12]}-{raw[12:16]}-{raw[16:20]}-{raw[20:]}"

    def recording_id(self, month: str) -> str:
        """``YYYYMM-`` + 32 hex digits: Kazoo's id of a recording document (kazoo.md 1.12)."""
        return f"{month}-{self.hex32()}"

    def fraction(self) -> float:
        """From 0 up to 1, for choices that are to be random and yet repeatable."""
        return self._random.random()

    def short(self) -> str:
        """12 hex digits: playbacks, deliveries and other things that live in one call or folder."""
        return f"{self._random.getrandbits(48):012x}"
