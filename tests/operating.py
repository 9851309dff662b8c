"""The leader's duty of operations, turned by hand, and jobs for it to work on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from queues.actions.actor import Actor
from queues.mirror.leader import Leader
from queues.mirror.operations import Operations
from queues.mirror.thread import DatabaseThread
from queues.models import Operation, OperationItem
from queues.operations import Target, begin
from tests.eventually import Stopwatch

ANA = Actor(None, "ana")
Outcome = OperationItem.Outcome


@asynccontextmanager
async def leading() -> AsyncIterator[Leader]:
    leader, database = Leader(), DatabaseThread()
    await database.call(leader.try_take)
    try:
        yield leader
    finally:
        await database.call(leader.give_back)
        await database.close()


@asynccontextmanager
async def duty() -> AsyncIterator[Operations]:
    """It leads, and is turned only as often as a test says."""
    async with leading() as leader:
        one = Operations(leader)
        try:
            yield one
        finally:
            await one._drop(*one._runners)
            await one.database.close()


async def begun(target: Target, action: str, reason: str = "a test", **more: Any) -> Operation:
    return await begin(ANA, target, action, reason, **more)


async def now(operation: Operation) -> Operation:
    return await Operation.objects.aget(pk=operation.pk)


async def run(one: Operations, *operations: Operation, timeout_s: float = 60.0) -> None:
    """Turn it until all of these are over, or paused."""
    watch = Stopwatch()
    while not watch.is_over(timeout_s):
        wait_s = await one.turn()
        phases = {(await now(operation)).phase for operation in operations}
        if not phases & {"running"} and not one._runners:
            return
        # What waits for its time is not hurried; what waits to be looked at is.
        one._poll_at = 0.0 if wait_s else one._poll_at
    raise AssertionError(f"still running: {[vars(await now(operation)) for operation in operations]}")


async def done(target: Target, action: str, **more: Any) -> Operation:
    """Begun, and run to its end."""
    operation = await begun(target, action, **more)
    async with duty() as one:
        await run(one, operation)
    return await now(operation)


async def outcomes(operation: Operation) -> dict[str, list[str]]:
    """By outcome, the jobs' ids in the order in which they were worked off."""
    found: dict[str, list[str]] = {}
    async for item in OperationItem.objects.filter(operation=operation).order_by("seq"):
        found.setdefault(Outcome(item.outcome).name, []).append(item.job_id)
    return found
