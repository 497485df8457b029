"""Loads as rows of the table: what ``sip_load``, ``sip_cost`` and ``sip_many`` share.

``CALLFLOW_BENCH_LONG=1``: calls of a minute instead of some seconds.
"""

from __future__ import annotations

import os
from typing import Any

from benchmarks.table import Row, child

LONG = os.environ.get("CALLFLOW_BENCH_LONG") == "1"


def run(load: dict[str, object]) -> dict[str, Any]:
    """In a child, so that every load begins with nothing: options as ``_load_calls.Load`` names them."""
    return child("benchmarks._load_calls", load)


def cost(found: dict[str, Any]) -> float:
    """CPU seconds of all processes of the server a recorded call-minute."""
    return float(found["cpu_s"]) / max(float(found["minutes"]), 1e-9)


def whole(found: dict[str, Any], what: str = "  recordings whole") -> Row:
    """How many recordings came and are whole; if not all, what is wrong."""
    parts = [f"{count} calls: {why}" for why, count in found["failed"].items()]
    parts += [f"{count}: {why}" for why, count in found["wrong"].items()]
    if found["missing"]:
        parts.append(f"{found['missing']} not delivered")
    if parts:
        # Without its packets sent in time nobody could have recorded them.
        parts.append(f"generator late by {found['rtp'].get('worst_ms', 0):.0f} ms at most")
    if found["slipped"]:
        what += f" ({found['slipped']} of them with samples slipped by the jitter buffer)"
    figure = (
        f"{found['checked']} of {found['checked'] + found['missing'] + sum(found['failed'].values())} came"
    )
    return Row(what + (f" ({'; '.join(parts)})" if parts else ""), figure, "all", not parts)
