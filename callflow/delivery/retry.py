"""Layer 2: when to try again. Pure: how an attempt went and how many went wrong before, to what is next.

DESIGN section 5: faults of network and server are retried after 5 s, 30 s, 2 min, 10 min, 1 h and then
hourly; an answer that refuses (most 4xx) after 1 min, 10 min, 1 h and then 6-hourly; both to 3 days.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum

FAST_S = (5.0, 30.0, 120.0, 600.0, 3600.0)
SLOW_S = (60.0, 600.0, 3600.0, 21600.0)
GIVE_UP_AFTER_S = 3 * 86400.0
LONGEST_RETRY_AFTER_S = 86400.0
"""A ``Retry-After`` beyond a day is read as a day."""
JITTER = 0.1
"""A wait is made up to a tenth longer, so that what failed together does not come back together."""
LONGEST_WAIT_S = LONGEST_RETRY_AFTER_S * (1 + JITTER)
"""No wait is longer; one that is was written while the machine's clock was wrong."""


class Result(StrEnum):
    """How an attempt went."""

    SUCCESS = "success"
    FAULT = "fault"  # no answer, or one that says: later
    REFUSED = "refused"  # an answer that says: not so
    GONE = "gone"  # 410
    BLOCKED = "blocked"  # the address guard said no
    UNSENDABLE = "unsendable"  # the file or the url cannot be used at all


class Next(StrEnum):
    """What becomes of the delivery."""

    DELIVERED = "delivered"
    WAIT = "waiting"
    DEAD = "dead"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Decision:
    """What is next; ``delay_s`` counts for ``WAIT``. ``slow``: the failure counts on the slow schedule."""

    next: Next
    delay_s: float = 0.0
    slow: bool = False


def judge(status: int) -> Result:
    """What an HTTP status means for a delivery (redirects were followed before)."""
    if 200 <= status <= 299:
        return Result.SUCCESS
    if status == 410:
        return Result.GONE
    if 300 <= status <= 499 and status not in (408, 425, 429):
        return Result.REFUSED
    return Result.FAULT


def decide(
    result: Result,
    *,
    fast_failures: int = 0,
    slow_failures: int = 0,
    age_s: float = 0.0,
    retry_after_s: float | None = None,
    jitter: float = 0.0,
) -> Decision:
    """What is next.

    ``fast_failures`` / ``slow_failures``: on either schedule, before this attempt. ``age_s``: since the
    schedule began. ``retry_after_s``: what the receiver asked for. ``jitter``: 0 to 1, by chance.

    After 3 days the delivery is dead, but not before its schedule's first steps were all tried: a machine
    that was off for a week does not come back to dead deliveries.
    """
    if result is Result.SUCCESS:
        return Decision(Next.DELIVERED)
    if result is Result.BLOCKED:
        return Decision(Next.BLOCKED)
    if result in (Result.GONE, Result.UNSENDABLE):
        return Decision(Next.DEAD)
    slow = result is Result.REFUSED
    steps, failures = (SLOW_S, slow_failures) if slow else (FAST_S, fast_failures)
    delay = steps[min(failures, len(steps) - 1)]
    if retry_after_s is not None:
        delay = max(delay, min(retry_after_s, LONGEST_RETRY_AFTER_S))
    if failures >= len(steps) and age_s + delay > GIVE_UP_AFTER_S:
        return Decision(Next.DEAD, slow=slow)
    return Decision(Next.WAIT, delay * (1 + JITTER * jitter), slow)


def retry_after(value: str | None, now_wall: float) -> float | None:
    """Seconds of a ``Retry-After`` header: number or date (RFC 9110 10.2.3); None: none, or unreadable."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # "99999999999999 Jan ..."
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, date.timestamp() - now_wall)
