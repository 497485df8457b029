"""Layer 6: what came of the calls of ``callflow call``: a table, or JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from callflow.caller import CallResult
from callflow.cli._call_run import Ran
from callflow.cli._figures import length
from callflow.cli._output import show_facts, terminal
from callflow.log import one_line

GOOD_MATCH = 0.7
"""So much of what is expected must be heard. Measured with ``examples/audio``: µ-law 1.00, 5 % of the packets
lost 0.98, 10 % 0.94, 20 % 0.86, 30 % 0.79; another voice 0.09, a tone of 441 Hz for one of 440 Hz 0.64. How
many packets were lost is told beside it.
"""


@dataclass(frozen=True, slots=True)
class Summary:
    """``failed``: why (and what to try), and how often. ``match`` and ``delay_s``: the middle ones of all
    that could be compared; None: none could. ``mismatched``: calls that did not hear what was expected.
    """

    wanted: int
    answered: int
    failed: tuple[tuple[str, str, int], ...]
    setup_p50_s: float
    setup_p99_s: float
    talked_s: float
    sent: int
    received: int
    lost: int
    match: float | None
    delay_s: float
    mismatched: int
    expects: bool

    @property
    def good(self) -> bool:
        """Every call that was asked for was answered, and heard what it should."""
        return self.answered == self.wanted and self.mismatched == 0


def summarize(ran: Ran, *, expects: bool) -> Summary:
    """All calls together."""
    up = [result for result in ran.results if result.answered]
    down = Counter(
        (result.message or result.cause, result.hint) for result in ran.results if not result.answered
    )
    setups = [result.setup_s for result in up] or [0.0]
    found = [match for match in ran.matches if match is not None]
    heard_it = sum(match.value >= GOOD_MATCH for match in found)
    return Summary(
        wanted=ran.wanted,
        answered=len(up),
        failed=tuple((why, hint, count) for (why, hint), count in down.most_common()),
        setup_p50_s=float(np.percentile(setups, 50)),
        setup_p99_s=float(np.percentile(setups, 99)),
        talked_s=sum(result.seconds for result in up),
        sent=sum(result.sent for result in up),
        received=sum(result.received for result in up),
        lost=sum(result.lost for result in up),
        match=float(np.median([match.value for match in found])) if found else None,
        delay_s=float(np.median([match.delay_s for match in found])) if found else 0.0,
        mismatched=len(up) - heard_it if expects else 0,
        expects=expects,
    )


def show(summary: Summary, ran: Ran) -> None:
    """For people."""
    setup = f"{summary.setup_p50_s * 1000:.0f} ms"
    if summary.wanted > 1:
        setup = f"p50 {setup}, p99 {summary.setup_p99_s * 1000:.0f} ms"
    expected = summary.received + summary.lost
    share = f" ({100 * summary.lost / expected:.1f} %)" if summary.lost and expected else ""
    pairs = [
        ("answered", f"{summary.answered} of {summary.wanted}"),
        ("failed", str(sum(count for _, _, count in summary.failed))),
    ]
    if summary.answered:
        pairs += [
            ("setup", setup),
            ("talked", length(summary.talked_s)),
            ("ended by", _ends(ran)),
            ("packets", f"sent {summary.sent}, received {summary.received}, lost {summary.lost}{share}"),
            ("correlation", _match(summary)),
            ("not heard", f"{summary.mismatched} calls" if summary.mismatched else ""),
            ("digits heard", " ".join(result.digits for result in ran.results if result.digits)),
            ("recorded to", ", ".join(str(file) for file in ran.files)),
        ]
    show_facts(pairs)
    stderr = terminal(stderr=True)
    for why, hint, count in summary.failed:
        often = f"{count} x " if count > 1 else ""
        stderr.print(
            f"{often}{one_line(why)}" + (f" ({one_line(hint)})" if hint else ""), markup=False, soft_wrap=True
        )


def _match(summary: Summary) -> str:
    if summary.match is None:
        return "-"
    if summary.match < GOOD_MATCH:  # the delay at which two different sounds fit best means nothing
        why = "not what was expected" if summary.expects else "no echo of what was said"
        return f"{summary.match:.3f} ({why})"
    return f"{summary.match:.3f}, {summary.delay_s * 1000:.0f} ms later"


def _ends(ran: Ran) -> str:
    words = {"engine": "us", "party": "the other end"}
    ends = Counter(
        f"{words.get(result.ended_by, result.ended_by)} ({result.cause})"
        for result in ran.results
        if result.answered
    )
    if len(ran.results) == 1:
        return next(iter(ends))
    return ", ".join(f"{who} {count}" for who, count in ends.most_common())


def as_document(summary: Summary, ran: Ran) -> dict[str, Any]:
    """For programs."""
    return {
        "calls": summary.wanted,
        "answered": summary.answered,
        "failed": [{"why": why, "hint": hint, "calls": count} for why, hint, count in summary.failed],
        "setup_ms": {"p50": _ms(summary.setup_p50_s), "p99": _ms(summary.setup_p99_s)},
        "talked_s": round(summary.talked_s, 3),
        "packets": {"sent": summary.sent, "received": summary.received, "lost": summary.lost},
        "correlation": None if summary.match is None else round(summary.match, 4),
        "delay_ms": None if summary.match is None else _ms(summary.delay_s),
        "not_heard": summary.mismatched,
        "good": summary.good,
        "each": [_one(result, match) for result, match in zip(ran.results, ran.matches, strict=True)],
    }


def _one(result: CallResult, match: Any) -> dict[str, Any]:
    return {
        "uri": result.uri,
        "call_id": result.call_id,
        "answered": result.answered,
        "cause": result.cause,
        "status": result.status,
        "message": result.message,
        "setup_ms": _ms(result.setup_s),
        "seconds": round(result.seconds, 3),
        "sent": result.sent,
        "received": result.received,
        "lost": result.lost,
        "digits": result.digits,
        "correlation": None if match is None else round(match.value, 4),
        "delay_ms": None if match is None else _ms(match.delay_s),
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
