"""Layer 2: one attempt at one delivery: send it, time it, and say how it went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from callflow.clock import Clock, monotonic
from callflow.delivery.destinations.destination import Answer, Destination
from callflow.delivery.outbox import Parcel
from callflow.delivery.retry import Decision, Next, Result, decide, judge, retry_after
from callflow.delivery.urls import without_secrets
from callflow.errors import (
    BadRedirect,
    BadUrl,
    BlockedAddress,
    DeliveryError,
    SettingsError,
    StoreRefused,
    UnsendableFile,
)
from callflow.log import logger, one_line
from callflow.state.events import read_message
from callflow.state.records import AttemptRow


@dataclass(frozen=True, slots=True)
class Tried:
    """How an attempt went and what is next."""

    attempt: AttemptRow
    decision: Decision


async def attempt(
    parcel: Parcel, path: Path, destinations: Mapping[str, Destination], clock: Clock, jitter: float
) -> Tried:
    """Make one attempt. Never raises for what the network, the receiver or the file do.

    ``jitter``: 0 to 1, by chance; the caller's, so that a test can fix it.
    """
    started, began = clock.wall(), monotonic()
    answer: Answer | None = None
    error = ""
    try:
        destination = destinations.get(parcel.delivery.kind)
        if destination is None:
            raise BadUrl(f"there is no destination of the kind {parcel.delivery.kind!r}")
        answer = await destination.deliver(parcel, path)
        result = judge(answer.status)
    except BlockedAddress as problem:
        result, error = Result.BLOCKED, problem.message
    except (BadUrl, UnsendableFile) as problem:
        result, error = Result.UNSENDABLE, problem.message
    except (BadRedirect, SettingsError, StoreRefused) as problem:  # like a 4xx: somebody repairs it
        result, error = Result.REFUSED, problem.message
        if isinstance(problem, StoreRefused) and problem.hint:
            error += f"; {problem.hint}"
    except DeliveryError as problem:
        result, error = Result.FAULT, problem.message
    except Exception as problem:
        logger.exception("delivery %s: a fault of ours", parcel.delivery.id)
        result, error = Result.FAULT, f"a fault of callflow's own: {type(problem).__name__}"
    if answer is not None and result is not Result.SUCCESS:
        error = f"the receiver answered {answer.status}"
    row = parcel.delivery
    retries = read_message(row)[0].retries if row.hook else None
    decision = decide(
        result,
        fast_failures=row.fast_failures,
        slow_failures=row.slow_failures,
        age_s=clock.wall() - row.since_wall,
        retry_after_s=retry_after(answer.retry_after, clock.wall()) if answer else None,
        jitter=jitter,
    )
    if retries is not None and decision.next is Next.WAIT and row.attempts > retries:
        decision = Decision(Next.DEAD, slow=decision.slow)
    return Tried(
        AttemptRow(
            delivery_id=row.id,
            number=row.attempts,
            started_wall=started,
            seconds=monotonic() - began,
            outcome=result.value,
            status=answer.status if answer else None,
            address=answer.address if answer else "",
            error=one_line(error),
            answer=without_secrets(answer.body, row.url) if answer else b"",
        ),
        decision,
    )
