"""Layer 6: sizes, lengths and moments as people write them."""

from __future__ import annotations

from callflow.clock import iso


def size(count: int) -> str:
    """``1.2 MB``."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def length(seconds: float) -> str:
    """``1:02:03.5`` or ``2:03.5``."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"


def when(wall: float) -> str:
    """An instant for people; empty for none."""
    return iso(wall).replace("T", " ")[:19] + "Z" if wall else ""
