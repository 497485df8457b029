"""Two small phones that call each other over loopback, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from callflow.caller import Caller, CallerOptions, CallPlan, CallResult
from callflow.clock import SystemClock

ONE = CallerOptions(media_ports=(33000, 35000))
OTHER = CallerOptions(media_ports=(35000, 37000), name="other")


@asynccontextmanager
async def phones(
    one: CallerOptions = ONE, other: CallerOptions = OTHER
) -> AsyncIterator[tuple[Caller, Caller]]:
    clock = SystemClock()
    async with Caller(other, clock) as callee, Caller(one, clock) as caller:
        yield caller, callee


def both(
    plan: CallPlan, answering: CallPlan | None = None, one: CallerOptions = ONE, other: CallerOptions = OTHER
) -> tuple[CallResult, CallResult]:
    """A call and its answer: what each end has to say of it."""

    async def scene() -> tuple[CallResult, CallResult]:
        async with phones(one, other) as (caller, callee):
            answered = asyncio.ensure_future(callee.answer(answering or CallPlan("")))
            result = await caller.call(replace(plan, uri=plan.uri or callee.contact))
            return result, await answered

    return asyncio.run(scene())


def alone(work: Callable[[Caller], Awaitable[CallResult]], options: CallerOptions = ONE) -> CallResult:
    """What comes of work with one phone."""

    async def scene() -> CallResult:
        async with Caller(options, SystemClock()) as caller:
            return await work(caller)

    return asyncio.run(scene())
