"""Layer 4: the settings to try, and how they are written: ``50..800``, ``2..10:4``, ``100,200``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from callflow.errors import SettingsError

MOST = 20
"""Values of one setting."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One way to record. ``initial_s``, ``final_s``: the silence timeouts, 0 off; ``limit_s``: the longest
    recording; ``detector``: ``energy`` or ``vad``.
    """

    threshold: int
    final_s: float
    initial_s: float
    detector: str
    limit_s: float


def grid(
    thresholds: Sequence[float],
    finals: Sequence[float],
    initials: Sequence[float],
    detectors: Sequence[str],
    limits: Sequence[float],
) -> list[Setting]:
    """All that can be combined, in the order of the values."""
    return [
        Setting(int(threshold), final, initial, detector, limit)
        for detector, threshold, final, initial, limit in product(
            detectors, thresholds, finals, initials, limits
        )
    ]


def values(name: str, text: str, *, doubling: bool = False) -> list[float]:
    """The values that ``text`` stands for: numbers with commas, or ranges ``A..B`` (both included) with a
    step ``:S``. Without a step a range goes by doubling (thresholds) or in at most nine steps. Raises
    ``SettingsError``.
    """
    found: list[float] = []
    for part in text.split(","):
        first, dots, rest = part.strip().partition("..")
        try:
            found += _range(float(first), rest, doubling) if dots else [float(first)]
        except ValueError:
            raise SettingsError(f"{name} {text!r}: {part!r} is not a number or a range", hint=HINT) from None
    found = list(dict.fromkeys(found))
    if any(value < 0 or value != value or value == float("inf") for value in found):
        raise SettingsError(f"{name} {text!r}: values are 0 or more", hint=HINT)
    if len(found) > MOST:
        raise SettingsError(
            f"{name} {text!r} are {len(found)} values; at most {MOST}", hint="take a larger step"
        )
    return found


HINT = "write 200, or 100,200, or 50..800, or 2..10:4"


def _range(first: float, rest: str, doubling: bool) -> list[float]:
    last_text, colon, step_text = rest.partition(":")
    last = float(last_text)
    if last < first:
        raise ValueError("backwards")
    if doubling and not colon:
        found = [first]
        while 0 < found[-1] * 2 <= last:
            found.append(found[-1] * 2)
        return found if found[-1] == last else [*found, last]
    step = float(step_text) if colon else max(1.0, -(-(last - first) // 8))
    if step <= 0 or (last - first) / step > 10 * MOST:
        raise ValueError("no such step")
    count = int((last - first) / step + 1e-9)
    found = [first + number * step for number in range(count + 1)]
    return found if abs(found[-1] - last) < 1e-9 else [*found, last]
